"""The ``-autotoss`` flags of the online verbs: what arrives is tossed while the session goes on."""

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

from gateway.cli.nncp.context import Context
from gateway.cli.nncp.flags import Parsed
from gateway.config.nncp import MailPair, Notify
from gateway.nodes import Node
from gateway.schedule.call import AutoToss
from gateway.toss.notice import Notice
from gateway.toss.settings import TossSettings
from gateway.toss.tosser import Tosser

if TYPE_CHECKING:  # nncp toss, which a mail system may start often, does without its threads
    from gateway.carry.online.autotoss import Toss

KINDS = ("file", "freq", "exec", "trns", "area", "ack")
_PREFIX = "autotoss"


def read_autotoss(parsed: Parsed) -> AutoToss | None:
    """What the command line says of tossing; None: no tossing."""
    return _read_details(parsed) if parsed.switch(_PREFIX) else None


def with_flags(autotoss: AutoToss | None, parsed: Parsed) -> AutoToss | None:
    """What a call of the configuration says of tossing, and the command line in addition."""
    if autotoss is None:
        return read_autotoss(parsed)
    more = _read_details(parsed)
    return AutoToss(
        is_seen_marked=autotoss.is_seen_marked or more.is_seen_marked,
        is_ack_generated=autotoss.is_ack_generated or more.is_ack_generated,
        left_alone=autotoss.left_alone | more.left_alone,
    )


def make_toss(context: Context, stop: threading.Event) -> "Toss":
    """What tosses the packets of a neighbour.

    Args:
        context: of the verb.
        stop: once set, a run ends after the packet at hand.
    """
    basis = notice_settings(context.config.notify)

    def toss(node: Node, autotoss: AutoToss) -> bool:
        left_alone: dict[str, Any] = {f"no_{kind}": True for kind in autotoss.left_alone}
        settings = dataclasses.replace(
            basis,
            is_seen_marked=autotoss.is_seen_marked,
            is_ack_made=autotoss.is_ack_generated,
            **left_alone,
        )
        tosser = Tosser(context.book, context.spool, context.log, settings, is_stopping=stop.is_set)
        return tosser.run_once({node.id}).bad_count == 0

    return toss


def notice_settings(notify: Notify) -> TossSettings:
    """How to toss as far as the configuration says: whom to mail what."""
    return TossSettings(
        notices={key: _notice(pair) for key, pair in notify.exec.items()},
        file_notice=None if notify.file is None else _notice(notify.file),
        freq_notice=None if notify.freq is None else _notice(notify.freq),
    )


def _read_details(parsed: Parsed) -> AutoToss:
    return AutoToss(
        is_seen_marked=parsed.switch(f"{_PREFIX}-seen"),
        is_ack_generated=parsed.switch(f"{_PREFIX}-gen-ack"),
        left_alone=frozenset(kind for kind in KINDS if parsed.switch(f"{_PREFIX}-no{kind}")),
    )


def _notice(pair: MailPair) -> Notice:
    return Notice(pair.sender, pair.recipient)
