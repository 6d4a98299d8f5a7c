"""What all sessions of one process share.

Contract: it is entered (``async with``) in the event loop that the sessions run in; when it is left,
what they had put to the workers is done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.nodes import Book, Node
from gateway.spool.link_state import LinkStates
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Progress
from gateway.spool.store import Spool


def _nothing(_node: Node) -> None:
    """Stand in when nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom a session tells what; each is called in a thread of its own choice, never in the event loop.

    Args:
        on_start: a session with a neighbour begins: queue what waits for it. The session waits for it.
        on_received: packets of a neighbour now stand in rx; at most one call for each group of them.
    """

    on_start: Callable[[Node], None] = _nothing
    on_received: Callable[[Node], None] = _nothing


class Office:
    """What all sessions of one process share: neighbours, spool, log, and the workers behind them.

    Args:
        book: who we are and whom we know.
        spool: where packets lie.
        log: gets a record of every packet and session; written by a thread, in the order of events.
        links: where the state of each link is kept; None: nowhere.
        hooks: whom sessions tell what.
        reserve_bytes: of the spool's file system are left free.
        progress: shows how far a packet is.
    """

    def __init__(
        self,
        book: Book,
        spool: Spool,
        log: Log,
        *,
        links: LinkStates | None = None,
        hooks: Hooks | None = None,
        reserve_bytes: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.book = book
        self.spool = spool
        self.log = log
        self.links = links
        self.hooks = hooks or Hooks()
        self.reserve_bytes = reserve_bytes
        self.progress = progress

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers when their work is done."""
