"""What a session may take, from what the configuration says of a neighbour or of a call."""

from gateway.link.settings import LinkSettings, Padding
from gateway.schedule.call import Limits, Link


def link_settings(limits: Limits, link: Link, nice: int, xx: str | None = None) -> LinkSettings:
    """The settings of one session.

    Args:
        limits: rates and deadlines.
        link: how the link behaves.
        nice: packets above it are neither announced nor taken.
        xx: ``rx`` or ``tx``, or None: both ways.
    """
    return LinkSettings(
        nice=nice,
        is_receiving=xx != "tx",
        is_sending=xx != "rx",
        padding=Padding(link.padding),
        ping_seconds=link.ping_seconds,
        handshake_seconds=link.handshake_seconds,
        stall_seconds=link.stall_seconds,
        idle_seconds=limits.deadline_seconds,
        silence_seconds=link.silence_seconds,
        longest_seconds=limits.longest_seconds,
        rx_per_second_count=limits.rx_per_second_count,
        tx_per_second_count=limits.tx_per_second_count,
        budget_bytes=link.budget_bytes,
        chunk_bytes=link.chunk_bytes,
    )
