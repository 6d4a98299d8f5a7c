"""From what the configuration says of a link to what one session on it may take."""

from gateway.ids import NICE_MAX
from gateway.link.settings import LinkSettings, Padding
from gateway.schedule.call import Call, Limits, Link

RX, TX = "rx", "tx"


def link_settings(link: Link, limits: Limits, *, nice: int = NICE_MAX, xx: str | None = None) -> LinkSettings:
    """The settings of one session.

    Args:
        link: how the link behaves.
        limits: what the session may take.
        nice: packets above it are left alone.
        xx: ``rx`` or ``tx``, or None: both ways.
    """
    return LinkSettings(
        nice=nice,
        is_receiving=xx != TX,
        is_sending=xx != RX,
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


def settings_of_call(call: Call) -> LinkSettings:
    """The settings of a session that an entry of ``calls`` begins."""
    return link_settings(call.link, call.limits, nice=call.nice, xx=call.xx)
