"""Sending, as the event loop sees it: what waits for a neighbour, and the pieces of it, read ahead.

    thread:    tx/ listed ──────────→ loop: offered to the neighbour
    loop:      requested ──→ thread: next blocks of the most urgent are read ──→ loop: taken, in pieces
    loop:      confirmed ──→ thread: removed from tx/, the directory synced

Contract: the loop never waits for the disk; what is read ahead is bounded by AHEAD_BYTES, plus one piece
for each packet that overtakes. Files are opened for each block anew: a packet that was removed meanwhile
fails, alone. A packet is removed only when the neighbour has confirmed it.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from gateway.carry.online.office import Office
from gateway.carry.online.outbox import Outbox
from gateway.carry.online.records import Records
from gateway.carry.online.worker import Worker
from gateway.ids import PacketId
from gateway.link.events import Chunk, Offer
from gateway.nodes import Node

AHEAD_BYTES = 4 << 20
REFILL_BYTES = 2 << 20
"""With this left more is read."""
BLOCK_BYTES = 1 << 20
TOLD_COUNT = 64
"""Blocks that are read before the loop is told: small packets come in such groups."""
OFFER_LIMIT_COUNT = 8192
"""Packets that the neighbour is told of at a time; the most urgent ones."""


class Readiness(Protocol):
    """Who wants to know what is ready; called in the event loop."""

    def offers_found(self, offers: Sequence[Offer]) -> None:
        """New packets wait."""

    def read(self) -> None:
        """Some pieces are ready."""

    def unreadable(self, packet: PacketId) -> None:
        """A packet can't be sent."""

    def broke(self, error: BaseException) -> None:
        """A fault of this program: nothing can be sent any more."""


@dataclass(slots=True)
class _Reading:
    """A packet that is being sent.

    Args:
        packet: which.
        size_bytes: of its file.
        taken_bytes: where the next piece that is to be sent begins.
        planned_bytes: where the next block that is to be read begins.
        blocks: what was read and not taken, in order.
        asked_count: blocks that are being read.
    """

    packet: PacketId
    size_bytes: int
    taken_bytes: int
    planned_bytes: int
    blocks: deque[memoryview] = field(default_factory=deque)
    asked_count: int = 0


@dataclass(frozen=True, slots=True)
class _Block:
    reading: _Reading
    offset_bytes: int
    length_bytes: int


class Departures:
    """What goes to one neighbour in one session.

    Args:
        office: what sessions share.
        node: the neighbour.
        nice: packets above it stay.
        records: of the session.
        readiness: is told what is ready.
    """

    def __init__(self, office: Office, node: Node, nice: int, records: Records, readiness: Readiness) -> None:
        self._watch = office.watch
        self._readiness = readiness
        self._outbox = Outbox(office.spool, node.id, nice, records)
        self._worker = Worker(f"read {node.name}", readiness.broke)
        self._offers: dict[PacketId, Offer] = {}
        self._is_all_offered = True
        self._readings: dict[PacketId, _Reading] = {}
        self._plan: list[tuple[int, int, _Reading]] = []
        self._sequence = 0
        self.ahead_bytes = 0
        """Read, or being read, and not taken."""
        self._unwatch: Callable[[], None] = lambda: None
        self._is_closed = False

    # Offers

    def start(self, offers: Sequence[Offer]) -> None:
        """Tell what is found beside these, and from now on what is added."""
        self._offers.update((offer.packet, offer) for offer in offers)
        self._worker.put(self._prepare)

    def rescan(self) -> None:
        """Look for what was not noticed."""
        room_count = OFFER_LIMIT_COUNT - len(self._offers)
        if room_count > 0:
            self._worker.put(partial(self._scan, frozenset(self._offers), room_count))

    def confirmed(self, packets: Sequence[PacketId]) -> None:
        """The neighbour has these: remove them."""
        # Before anything looks for more: it must not find these.
        self._worker.put(partial(self._remove, packets))
        for packet in packets:
            self.drop(packet)

    def _noticed(self, names: Sequence[str] | None) -> None:
        if names is None or len(self._offers) + len(names) > 2 * OFFER_LIMIT_COUNT:
            self._is_all_offered = False
            self.rescan()
        else:
            self._worker.put(partial(self._look, names))

    def _scanned(self, offers: Sequence[Offer], room_count: int) -> None:
        self._is_all_offered = len(offers) < room_count
        self._found(offers)

    def _found(self, offers: Sequence[Offer]) -> None:
        new = [offer for offer in offers if offer.packet not in self._offers]
        self._offers.update((offer.packet, offer) for offer in new)
        self._readiness.offers_found(new)

    # Pieces

    def requested(self, packet: PacketId, offset_bytes: int) -> None:
        """The neighbour asked for a packet, from a byte on; ``read_ahead`` begins with it."""
        self._forget(packet)
        offer = self._offers.get(packet)
        if offer is None:
            self._readiness.unreadable(packet)
            return
        reading = self._readings[packet] = _Reading(packet, offer.size_bytes, offset_bytes, offset_bytes)
        self._sequence += 1
        heapq.heappush(self._plan, (offer.nice, self._sequence, reading))

    def drop(self, packet: PacketId) -> None:
        """A packet is not to be sent any more."""
        self._forget(packet)
        self._offers.pop(packet, None)
        if not self._is_all_offered and len(self._offers) < OFFER_LIMIT_COUNT // 2:
            self._is_all_offered = True
            self.rescan()

    def halt(self, packets: Sequence[PacketId]) -> None:
        """The neighbour does not want these now."""
        for packet in packets:
            self._forget(packet)

    def read_ahead(self) -> None:
        """Have the next pieces read of what was asked for, the most urgent first."""
        blocks = []
        while self._plan and self.ahead_bytes < AHEAD_BYTES:
            reading = self._plan[0][2]
            if (
                self._readings.get(reading.packet) is not reading
                or reading.planned_bytes == reading.size_bytes
            ):
                heapq.heappop(self._plan)
            else:
                blocks.append(self._block(reading, BLOCK_BYTES))
        self._ask(blocks)

    def take(self, chunk: Chunk) -> bytes | memoryview | None:
        """A piece to be sent; None: not read yet."""
        reading = self._readings.get(chunk.packet)
        if reading is None or reading.taken_bytes != chunk.offset_bytes:
            # Halted or asked for anew since the engine reserved it: it drops what it gets.
            return bytes(chunk.length_bytes)
        data = _cut(reading, chunk.length_bytes)
        if data is None:
            if not reading.asked_count:
                self._ask([self._block(reading, chunk.length_bytes)])
            return None
        self.ahead_bytes -= len(data)
        if reading.taken_bytes == reading.size_bytes:
            del self._readings[chunk.packet]
        # Not for every small packet: the thread is woken for many of them at a time.
        if self.ahead_bytes <= REFILL_BYTES:
            self.read_ahead()
        return data

    async def close(self) -> None:
        """Remove what was confirmed, and end the thread."""
        self._is_closed = True
        self._unwatch()
        await self._worker.close()

    def _block(self, reading: _Reading, limit_bytes: int) -> _Block:
        length_bytes = min(limit_bytes, reading.size_bytes - reading.planned_bytes)
        block = _Block(reading, reading.planned_bytes, length_bytes)
        reading.planned_bytes += length_bytes
        reading.asked_count += 1
        self.ahead_bytes += length_bytes
        return block

    def _ask(self, blocks: list[_Block]) -> None:
        for start in range(0, len(blocks), TOLD_COUNT):
            self._worker.put(partial(self._read, blocks[start : start + TOLD_COUNT]))

    def _arrived(self, found: Sequence[tuple[_Block, bytes | None]]) -> None:
        for block, data in found:
            reading = block.reading
            reading.asked_count -= 1
            if self._readings.get(reading.packet) is not reading:
                self.ahead_bytes -= block.length_bytes
            elif data is None:
                self.ahead_bytes -= block.length_bytes
                self.drop(reading.packet)
                self._readiness.unreadable(reading.packet)
            else:
                reading.blocks.append(memoryview(data))
        self._readiness.read()

    def _forget(self, packet: PacketId) -> None:
        reading = self._readings.pop(packet, None)
        if reading is not None:
            self.ahead_bytes -= sum(map(len, reading.blocks))

    def _follow(self) -> None:
        # The session may have ended while the directory was prepared; nobody would end this watch.
        if self._is_closed:
            return
        self._unwatch = self._watch.add(self._outbox.directory, self._noticed)
        self.rescan()

    # In the thread

    def _prepare(self) -> None:
        self._outbox.prepare()
        self._worker.tell(self._follow)

    def _scan(self, known: Collection[PacketId], room_count: int) -> None:
        offers = self._outbox.scan(known, room_count)
        self._worker.tell(partial(self._scanned, offers, room_count))

    def _look(self, names: Sequence[str]) -> None:
        offers = self._outbox.look(names)
        self._worker.tell(partial(self._found, offers))

    def _remove(self, packets: Sequence[PacketId]) -> None:
        self._outbox.remove(packets)

    def _read(self, blocks: Sequence[_Block]) -> None:
        found = [
            (block, self._outbox.read(block.reading.packet, block.offset_bytes, block.length_bytes))
            for block in blocks
        ]
        self._worker.tell(partial(self._arrived, found))


def _cut(reading: _Reading, length_bytes: int) -> bytes | memoryview | None:
    """Take the next piece off what was read; None: it is not all there."""
    if sum(map(len, reading.blocks)) < length_bytes:
        return None
    pieces: list[memoryview] = []
    while length_bytes:
        data = reading.blocks.popleft()
        pieces.append(data[:length_bytes])
        if len(data) > length_bytes:
            reading.blocks.appendleft(data[length_bytes:])
        length_bytes -= len(pieces[-1])
        reading.taken_bytes += len(pieces[-1])
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
