"""The packets of a box, of which the next is opened while the handler of the one before is at work.

Contract: what comes out is what the listing gives, in its order. Looking ahead reads and authenticates,
and changes nothing; what is wrong with a packet is told when it is its turn, and disturbs nothing
before. Memory: one opened packet more.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from gateway.errors import GatewayError
from gateway.spool.store import Job
from gateway.toss.opened import OpenedPacket


class Lookahead:
    """Opens packets, where there is time for it already before their turn.

    Args:
        open_packet: opens a packet.
    """

    def __init__(self, open_packet: Callable[[Job], OpenedPacket]) -> None:
        self._open_packet = open_packet
        self._jobs: Iterator[Job] = iter(())
        self._next: Job | None = None
        self._fault: Exception | None = None
        self._begun: tuple[Job, OpenedPacket] | None = None

    def through(self, jobs: Iterator[Job]) -> Generator[Job, None, None]:
        """Go through a listing; nothing is left open when the iterator is closed.

        Raises:
            StoreError: the listing failed.
        """
        self._jobs = jobs
        try:
            while (job := self._take()) is not None:
                yield job
        finally:
            self._jobs, self._next, self._fault = iter(()), None, None
            self._forget()

    def open(self, job: Job) -> OpenedPacket:
        """The packet whose turn it is, opened.

        Raises:
            StoreError: it can't be opened.
        """
        if self._begun is not None and self._begun[0] is job:
            opened, self._begun = self._begun[1], None
            return opened
        return self._open_packet(job)

    def advance(self) -> None:
        """Begin with the next packet."""
        if self._next is not None or self._fault is not None:
            return
        try:
            self._next = next(self._jobs, None)
            if self._next is not None:
                self._begin(self._next)
        except Exception as error:  # noqa: BLE001 - raised when it is the packet's turn
            self._fault = error

    def _take(self) -> Job | None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        job, self._next = self._next or next(self._jobs, None), None
        if self._begun is not None and self._begun[0] is not job:
            self._forget()
        return job

    def _begin(self, job: Job) -> None:
        with suppress(GatewayError):
            opened = self._open_packet(job)
            self._begun = job, opened
            opened.begin()

    def _forget(self) -> None:
        if self._begun is not None:
            self._begun[1].close()
            self._begun = None
