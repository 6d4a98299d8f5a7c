"""What the peer has for us: packets it announced, and those of them that we requested.

A packet of theirs, as the session sees it:

    offer → offered ── request ─▶ requested ── take (the last piece) ─▶ complete ── forget ─▶ forgotten
               ▲                   │      ▲                                │
               └──── (no more) ────┘      └──────────── request ───────────┘

Contract: pieces come out without a gap and without an overlap, from the byte that was requested, and
never beyond the size announced; all others are told as faults and dropped. No more than OFFERS_LIMIT
packets are remembered.

Spec: NNCP 8 manual, Sync protocol.
"""

from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.ids import PacketId
from gateway.link.events import Received
from gateway.link.frames import File, Info

OFFERS_LIMIT = 100_000
"""Packets of one peer at a time, 27 MB of memory. Those beyond it are for the next session."""
LONGEST_PACKET_BYTES = 2**63 - 1
"""Files have no greater offsets."""


@dataclass(slots=True)
class _Arrival:
    size_bytes: int
    next_bytes: int | None = None
    """What the next piece must begin with; None: nothing was requested, or all has come."""


class ReceiveQueue:
    """Packets on their way in.

    Args:
        limit_count: how many are remembered.
    """

    def __init__(self, limit_count: int = OFFERS_LIMIT) -> None:
        self._limit_count = limit_count
        self._arrivals: dict[PacketId, _Arrival] = {}
        self._requested_count = 0
        self._complete: set[PacketId] = set()

    @property
    def has_requested(self) -> bool:
        """Whether something is still to come."""
        return self._requested_count > 0

    @property
    def has_complete(self) -> bool:
        """Whether something came to its end, and nothing was said about it yet."""
        return bool(self._complete)

    def offer(self, info: Info) -> str:
        """Remember an announced packet.

        Returns:
            "", or what is wrong: it is not remembered then.
        """
        if not 1 <= info.size_bytes <= LONGEST_PACKET_BYTES:
            return f"INFO of {info.packet} with {info.size_bytes} bytes"
        if info.packet in self._arrivals:
            return f"INFO of {info.packet} again"
        if len(self._arrivals) >= self._limit_count:
            return f"INFO of {info.packet} beyond {self._limit_count} others"
        self._arrivals[info.packet] = _Arrival(info.size_bytes)
        return ""

    def request(self, packet: PacketId, offset_bytes: int) -> None:
        """Expect a packet from a byte on.

        Raises:
            LocalProtocolError: it was not offered, or is shorter.
        """
        arrival = self._arrivals.get(packet)
        if arrival is None:
            raise LocalProtocolError(f"{packet} was not offered")
        if not 0 <= offset_bytes <= arrival.size_bytes:
            raise LocalProtocolError(f"{packet} has {arrival.size_bytes} bytes, not {offset_bytes}")
        self._requested_count += arrival.next_bytes is None
        self._complete.discard(packet)
        arrival.next_bytes = offset_bytes

    def take(self, file: File) -> Received | str:
        """Judge a piece.

        Returns:
            What was expected, or what is wrong with it.
        """
        arrival = self._arrivals.get(file.packet)
        if arrival is None or arrival.next_bytes is None:
            return f"FILE of {file.packet}, which is not wanted"
        end_bytes = file.offset_bytes + len(file.data)
        if file.offset_bytes != arrival.next_bytes:
            return f"FILE of {file.packet} from byte {file.offset_bytes}, not {arrival.next_bytes}"
        if end_bytes > arrival.size_bytes:
            return f"FILE of {file.packet} to byte {end_bytes} of {arrival.size_bytes}"
        arrival.next_bytes = end_bytes
        if end_bytes == arrival.size_bytes:
            arrival.next_bytes = None
            self._requested_count -= 1
            self._complete.add(file.packet)
        elif not file.data:
            return f"FILE of {file.packet} without data"
        return Received(file.packet, file.offset_bytes, file.data, arrival.size_bytes)

    def forget(self, packet: PacketId) -> None:
        """Nothing more is expected of a packet."""
        arrival = self._arrivals.pop(packet, None)
        if arrival is not None:
            self._requested_count -= arrival.next_bytes is not None
        self._complete.discard(packet)
