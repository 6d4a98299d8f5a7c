"""Connections of those who have not told who they are: which of them must go, and what is logged of them."""

import asyncio
from collections.abc import Mapping
from typing import Protocol, TypeVar

from gateway.carry.online.ending import Ending
from gateway.carry.online.wire import Wire
from gateway.errors import GatewayError, UnknownNode
from gateway.spool.log import Log

START, UNKNOWN = "sp-startR", "sp-startR-unknown"
"""The events in the log; the second one is Go's."""
TOLD_COUNT = 20
TOLD_SECONDS = 60.0
"""So many strangers are logged in this time, the others only counted."""


class Stranger(Protocol):
    """A connection without a name."""

    wire: Wire

    @property
    def received_bytes(self) -> int:
        """What it has sent so far."""


S = TypeVar("S", bound=Stranger)


def choose_victim(strangers: Mapping[S, None]) -> S:
    """The one to drop when there are too many: the oldest that has sent nothing, or else the oldest.

    Args:
        strangers: at least one, in the order they came.
    """
    silent = (each for each in strangers if not (each.received_bytes or each.wire.has_input))
    return next(silent, next(iter(strangers)))


class StrangerLog:
    """Logs why strangers were sent away, as far as anybody can read it.

    Those who said nothing and those who said something wrong are told apart, so that a silent crowd does
    not hide who tries keys.

    Args:
        log: where.
    """

    def __init__(self, log: Log) -> None:
        self._journal = log
        self._silent = _Share(log, "said nothing")
        self._wrong = _Share(log, "were sent away")

    def tell(self, peer: str, ending: Ending, refusal: GatewayError | None, *, has_left: bool) -> None:
        """A stranger is gone.

        Args:
            peer: where it called from.
            ending: how it went.
            refusal: why it was not answered, if that was so.
            has_left: it closed the connection itself.
        """
        if not ending.received_bytes and has_left:
            # Somebody looked whether we listen.
            self._journal.debug(START, [("Addr", peer)], f"Connection from {peer}: {ending.ended.text}")
            return
        share = self._wrong if ending.received_bytes else self._silent
        if share.take():
            event = UNKNOWN if isinstance(refusal, UnknownNode) else START
            text = ending.ended.text if ending.received_bytes else f"it said nothing: {ending.ended.text}"
            self._journal.error(event, [("Addr", peer)], text, f"Connection from {peer}")

    def close(self) -> None:
        """Tell of those who were only counted."""
        self._silent.tell_rest()
        self._wrong.tell_rest()


class _Share:
    """TOLD_COUNT records in TOLD_SECONDS; the others are counted."""

    def __init__(self, log: Log, what: str) -> None:
        self._journal = log
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._count = 0

    def take(self) -> bool:
        """Count one more; whether it may be told."""
        now = self._loop.time()
        if now - self._since >= TOLD_SECONDS:
            self.tell_rest()
            self._since = now
        self._count += 1
        return self._count <= TOLD_COUNT

    def tell_rest(self) -> None:
        """Tell how many more there were, and count anew."""
        rest_count = self._count - TOLD_COUNT
        self._count = 0
        if rest_count > 0:
            fields = [("Pkts", rest_count)]
            self._journal.error(START, fields, f"{rest_count} more {self._what}", "Connections")
