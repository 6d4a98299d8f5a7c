"""Receiving, as the event loop sees it: what comes is handed to threads, and what came of it is told.

    loop:      offered, received ──→ writing thread: parts.py ──whole──→ committing thread: commit.py
    loop:      outlet  ←── answered, failed ──┘            committed, downloaded ──┘
    office:    outlet  ←── verified ── the one thread that reads again what was resumed

Contract: the loop never waits for the disk. When the disk is behind, ``is_full`` asks not to read any
further; the memory for what waits is bounded by that.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from gateway.carry.online.commit import Committer, Whole
from gateway.carry.online.office import Office
from gateway.carry.online.parts import Answer, Parts, Wants
from gateway.carry.online.records import Records
from gateway.carry.online.worker import Worker
from gateway.errors import StoreError
from gateway.ids import PacketId
from gateway.link.events import Offered, Received
from gateway.nodes import Node
from gateway.spool.layout import Box

FULL_BYTES = 4 << 20
"""So much may wait to be written."""
EMPTIED_BYTES = 2 << 20
ASSESSED_COUNT = 500
"""Offers that are looked up at a time."""
TOLD_BYTES = 1 << 19
"""Written bytes are told in such steps, since waking the loop costs more than writing a chunk."""


class Outlet(Protocol):
    """Who wants to know what came of what arrived; called in the event loop."""

    def answered(self, answers: Sequence[Answer]) -> None:
        """What is to be said to offers."""

    def committed(self, packets: Sequence[PacketId]) -> None:
        """These packets are here for good."""

    def failed(self, packet: PacketId) -> None:
        """This packet can't be had now."""

    def downloaded(self, packets: Sequence[PacketId]) -> None:
        """These are here, but nobody knows yet whether for good."""

    def refused(self, packet: PacketId) -> None:
        """What was downloaded was not this packet, and is removed."""

    def emptied(self) -> None:
        """There is room for more."""

    def broke(self, error: BaseException) -> None:
        """A fault of this program: nothing can be received any more."""


class Arrivals:
    """What comes from one neighbour in one session.

    Args:
        office: what sessions share.
        node: the neighbour.
        records: of the session.
        wants: what is taken.
        outlet: is told what came of it.
    """

    def __init__(self, office: Office, node: Node, records: Records, wants: Wants, outlet: Outlet) -> None:
        self._office = office
        self._node = node
        self._records = records
        self._wants = wants
        self._outlet = outlet
        self._waiting_bytes = 0
        self._written_bytes = 0
        self._writer = Worker(f"write {node.name}", outlet.broke)
        self._committing = Worker(f"commit {node.name}", outlet.broke)
        self._committer = Committer(office.spool, self._committed, self._commit_failed)
        self._wholes: list[Whole] = []
        """Of the job at hand, in the writing thread."""
        on_whole = self._wholes.append
        self._parts = Parts(office.spool, node.id, office.room, records, wants, on_whole, self._failed)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read from the neighbour for now."""
        return self._waiting_bytes > FULL_BYTES

    def start(self) -> None:
        """Verify what earlier sessions left unverified."""
        if not (self._wants.is_nock or self._wants.is_listing):
            self._office.verifier.put_all(self._node, self._records, self._verified)

    def offered(self, offers: Sequence[Offered]) -> None:
        """The neighbour has packets."""
        self._writer.put(partial(self._assess, offers))

    def received(self, pieces: Sequence[Received]) -> None:
        """Pieces of packets came, in this order."""
        self._waiting_bytes += sum(len(piece.data) for piece in pieces)
        self._writer.put(partial(self._write, pieces))

    async def settle(self) -> None:
        """Wait until all that was received is written, and what is whole of it told."""
        await self._writer.flush()
        await self._committing.flush()

    async def close(self) -> None:
        """Write and commit what was received, and end the threads."""
        self._writer.put(self._parts.close)
        await self._writer.close()
        self._committing.put(self._committer.close)
        await self._committing.close()

    # In the writing thread

    def _assess(self, offers: Sequence[Offered]) -> None:
        # What will be asked for is written after this.
        self._committer.open(self._office.spool.layout.box(self._node.id, Box.RX))
        answers = self._parts.assess(offers[:ASSESSED_COUNT])
        self._hand_over()
        self._writer.tell(partial(self._outlet.answered, answers))
        if len(offers) > ASSESSED_COUNT:
            # Behind what has come meanwhile: the first packets are written while the last are looked up.
            self._writer.put(partial(self._assess, offers[ASSESSED_COUNT:]))

    def _write(self, pieces: Sequence[Received]) -> None:
        for piece in pieces:
            self._parts.write(piece)
            self._written_bytes += len(piece.data)
        self._hand_over()
        if self._written_bytes >= TOLD_BYTES or not self._writer.has_more:
            self._writer.tell(partial(self._note_written, self._written_bytes))
            self._written_bytes = 0

    def _hand_over(self) -> None:
        """Have what is whole by now committed: a thread that is woken for each packet does little else."""
        if self._wholes:
            self._committer.add(self._wholes)
            self._wholes.clear()
            self._committing.put(self._committer.run_once)

    def _failed(self, packet: PacketId) -> None:
        self._writer.tell(partial(self._outlet.failed, packet))

    # In the committing thread

    def _committed(self, wholes: Sequence[Whole]) -> None:
        verified = [whole for whole in wholes if whole.is_verified]
        downloaded = [whole for whole in wholes if not whole.is_verified]
        if verified:
            packets = [whole.packet for whole in verified]
            self._committing.tell(partial(self._outlet.committed, packets))
            for whole in verified:
                self._records.received(whole.packet, whole.size_bytes)
            self._office.hooks.on_received(self._node)
        if downloaded:
            packets = [whole.packet for whole in downloaded]
            self._committing.tell(partial(self._outlet.downloaded, packets))
            for whole in downloaded:
                self._records.downloaded(whole.packet, whole.size_bytes)
                if not self._wants.is_nock:
                    self._office.verifier.put(self._node, whole.packet, self._records, self._verified)

    def _commit_failed(self, whole: Whole, error: StoreError) -> None:
        self._records.failed("sp-file", whole.packet, error)
        self._committing.tell(partial(self._outlet.failed, whole.packet))

    # In the verifying thread

    def _verified(self, packet: PacketId, is_good: bool) -> None:  # noqa: FBT001 - a callback's one answer
        if is_good:
            self._committing.tell(partial(self._outlet.committed, [packet]))
            self._office.hooks.on_received(self._node)
        else:
            self._committing.tell(partial(self._outlet.refused, packet))

    # In the loop

    def _note_written(self, size_bytes: int) -> None:
        was_full = self.is_full
        self._waiting_bytes -= size_bytes
        if was_full or self._waiting_bytes <= EMPTIED_BYTES:
            self._outlet.emptied()
