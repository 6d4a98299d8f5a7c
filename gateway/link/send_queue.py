"""What one side has to send: packets to announce, and those of them that the peer requested.

A packet of ours, as the session sees it:

    add → waiting ── next_offers ─▶ announced ── request ─▶ requested ── reserve (to its end) ─▶ announced
                                        ▲                    │      ▲
                                        └────── halt ────────┘      └─ request: from another byte on
    drop, from anywhere: forgotten

Contract: who is more urgent (of lower niceness) comes first, even before the rest of a packet that is
being sent; among equals the first is sent to its end. Whatever a peer asks for, no more is remembered
than was announced to it.

Spec: NNCP 8 manual, Sync protocol.
"""

import heapq
from collections.abc import Iterable

from gateway.ids import PacketId
from gateway.link.events import Chunk, Offer
from gateway.link.frames import file_bytes


class SendQueue:
    """Packets on their way out."""

    def __init__(self) -> None:
        self.reserved_bytes = 0
        """Room that the pieces being read will take in messages."""
        self._offers: dict[PacketId, Offer] = {}
        self._waiting: list[tuple[int, int, PacketId]] = []
        self._announced: set[PacketId] = set()
        self._next_bytes: dict[PacketId, int] = {}
        """Where the next piece of each requested packet begins."""
        self._order: list[tuple[int, int, PacketId]] = []
        self._reserved: dict[PacketId, list[Chunk]] = {}
        self._number = 0

    @property
    def has_waiting(self) -> bool:
        """Whether something is to be announced."""
        return bool(self._waiting)

    @property
    def has_requests(self) -> bool:
        """Whether a piece can be reserved."""
        return bool(self._next_bytes)

    @property
    def has_reserved(self) -> bool:
        """Whether pieces are being read."""
        return bool(self._reserved)

    def add(self, offers: Iterable[Offer]) -> None:
        """Have packets announced; those that are known are passed over."""
        for offer in offers:
            if offer.packet not in self._offers:
                self._offers[offer.packet] = offer
                heapq.heappush(self._waiting, self._ranked(offer))

    def next_offers(self, limit_count: int) -> list[Offer]:
        """Take the most urgent packets that were not announced yet."""
        taken: list[Offer] = []
        while self._waiting and len(taken) < limit_count:
            packet = heapq.heappop(self._waiting)[2]
            if packet in self._offers:
                self._announced.add(packet)
                taken.append(self._offers[packet])
        return taken

    def request(self, packet: PacketId, offset_bytes: int) -> str:
        """Queue what the peer asks for.

        Args:
            packet: which.
            offset_bytes: the first byte that it wants.

        Returns:
            "", or what is wrong: it is not queued then.
        """
        if packet not in self._announced:
            return f"FREQ for {packet}, which was not announced"
        offer = self._offers[packet]
        if offset_bytes > offer.size_bytes:
            # Go NNCP would send empty pieces for ever.
            return f"FREQ for {packet} from byte {offset_bytes} of {offer.size_bytes}"
        self._unreserve(packet)
        if packet not in self._next_bytes:
            heapq.heappush(self._order, self._ranked(offer))
        self._next_bytes[packet] = offset_bytes
        return ""

    def reserve(self, chunk_bytes: int, room_bytes: int) -> Chunk | None:
        """Take the next piece of the most urgent packet.

        Args:
            chunk_bytes: its longest length.
            room_bytes: what is left of a message; a piece that does not fit is not taken.
        """
        while self._order:
            packet = self._order[0][2]
            if packet in self._next_bytes:
                return self._reserve_of(self._offers[packet], chunk_bytes, room_bytes)
            heapq.heappop(self._order)
        return None

    def release(self, chunk: Chunk) -> bool:
        """Give back a piece that was read.

        Returns:
            Whether it is still wanted.
        """
        chunks = self._reserved.get(chunk.packet, [])
        if chunk not in chunks:
            return False
        chunks.remove(chunk)
        if not chunks:
            del self._reserved[chunk.packet]
        self.reserved_bytes -= file_bytes(chunk.length_bytes)
        return True

    def drop(self, packet: PacketId) -> None:
        """Forget a packet: the peer has it, or it is gone."""
        self._offers.pop(packet, None)
        self._announced.discard(packet)
        self._next_bytes.pop(packet, None)
        self._unreserve(packet)

    def halt(self) -> tuple[PacketId, ...]:
        """Forget the requests.

        Returns:
            The packets that were not sent to their end.
        """
        halted = tuple({**self._next_bytes, **dict.fromkeys(self._reserved)})
        self._next_bytes.clear()
        self._order.clear()
        self._reserved.clear()
        self.reserved_bytes = 0
        return halted

    def _ranked(self, offer: Offer) -> tuple[int, int, PacketId]:
        self._number += 1
        return offer.nice, self._number, offer.packet

    def _reserve_of(self, offer: Offer, chunk_bytes: int, room_bytes: int) -> Chunk | None:
        offset_bytes = self._next_bytes[offer.packet]
        length_bytes = min(chunk_bytes, offer.size_bytes - offset_bytes)
        if file_bytes(length_bytes) > room_bytes:
            return None
        chunk = Chunk(offer.packet, offset_bytes, length_bytes)
        self._reserved.setdefault(offer.packet, []).append(chunk)
        self.reserved_bytes += file_bytes(length_bytes)
        if offset_bytes + length_bytes == offer.size_bytes:
            del self._next_bytes[offer.packet]
            heapq.heappop(self._order)
        else:
            self._next_bytes[offer.packet] = offset_bytes + length_bytes
        return chunk

    def _unreserve(self, packet: PacketId) -> None:
        for chunk in self._reserved.pop(packet, []):
            self.reserved_bytes -= file_bytes(chunk.length_bytes)
