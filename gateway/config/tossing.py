"""From ``[toss]`` of ``gateway.toml`` and the notices of the NNCP configuration to settings of the tosser."""

from gateway.config.nncp import MailPair, Notify
from gateway.config.toml_schema import TossSection
from gateway.toss.notice import Notice
from gateway.toss.settings import TossSettings


def toss_settings(section: TossSection, notify: Notify) -> TossSettings:
    """How packets are tossed.

    Args:
        section: of ``gateway.toml``.
        notify: who is told of what, by the NNCP configuration.
    """
    return TossSettings(
        nice=section.max_nice,
        is_seen_marked=section.is_seen_marked,
        is_ack_made=section.is_ack_made,
        handler_timeout_seconds=section.handler_timeout_seconds,
        max_payload_bytes=section.max_payload_bytes,
        notices={name: _notice(pair) for name, pair in notify.exec.items()},
        file_notice=None if notify.file is None else _notice(notify.file),
        freq_notice=None if notify.freq is None else _notice(notify.freq),
    )


def _notice(pair: MailPair) -> Notice:
    return Notice(pair.sender, pair.recipient)
