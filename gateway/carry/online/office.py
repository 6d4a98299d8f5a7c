"""What all sessions of one process share.

Contract: it is entered (``async with``) in the event loop that the sessions run in; when it is left,
what they had put to the workers is done.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from gateway.carry.online.room import Room
from gateway.carry.online.verifying import Verifier
from gateway.carry.online.watch import Watch
from gateway.nodes import Book, Node
from gateway.spool.journal import Journal
from gateway.spool.link_state import LinkStates
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Progress
from gateway.spool.store import Spool

THREAD_COUNT = 32
"""For what comes before and after sessions: a hook that waits must not hold up the other neighbours."""

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the others from the interpreter, Python's own being ten times that: the
threads of a session wait for the disk at every step, and then for one another. A sixth quicker with
thousands of packets, measured."""

P = ParamSpec("P")
T = TypeVar("T")


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
        self.log = Journal(log)
        self.links = links
        self.hooks = hooks or Hooks()
        self.reserve_bytes = reserve_bytes
        self.progress = progress
        self.room = Room(spool, reserve_bytes)
        self._switch_seconds = SWITCH_SECONDS
        self._threads = ThreadPoolExecutor(THREAD_COUNT, "online")
        self._by_noisepub = {node.keys.noisepub: node for node in book if node is not book.self_node}
        self._verifier: Verifier | None = None
        self._watch: Watch | None = None

    @property
    def verifier(self) -> Verifier:
        """What verifies packets that were not hashed as they came."""
        if self._verifier is None:
            raise AssertionError("internal error: the office is closed")
        return self._verifier

    @property
    def watch(self) -> Watch:
        """What notices new files."""
        if self._watch is None:
            raise AssertionError("internal error: the office is closed")
        return self._watch

    def find_noisepub(self, noisepub: bytes) -> Node | None:
        """The neighbour with a key of the online protocol, or None."""
        return self._by_noisepub.get(noisepub)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait for something that waits for the disk, or for others."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def __aenter__(self) -> Self:
        self._switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        self._verifier = Verifier(self.spool, self.progress)
        self._watch = Watch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers when their work is done; after an error (cancelling is one) without delay."""
        self.watch.close()
        await self.verifier.close(is_hurried=kind is not None)
        self._verifier = self._watch = None
        await asyncio.to_thread(self.log.close)
        self._threads.shutdown(wait=False)
        sys.setswitchinterval(self._switch_seconds)
