"""What a session tells its driver, and what it asks for, as values."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.ids import PacketId


class EndReason(StrEnum):
    """Why a session ended."""

    IDLE = "idle"
    """Nothing was left to do: the normal end."""
    PEER_CLOSED = "closed by the peer"
    DEADLINE = "longest time reached"
    BUDGET = "budget used up"
    STOPPED = "stopped"
    CUT = "connection lost"
    SILENCE = "silence"
    STALLED = "stalled"
    BAD_HANDSHAKE = "handshake failed"
    PROTOCOL_FAULT = "protocol fault"
    REFUSED = "refused"

    @property
    def is_clean(self) -> bool:
        """Whether both sides did what they should."""
        return self in _CLEAN


_CLEAN = frozenset(
    {EndReason.IDLE, EndReason.PEER_CLOSED, EndReason.DEADLINE, EndReason.BUDGET, EndReason.STOPPED}
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A packet that waits to be sent.

    Args:
        packet: its id.
        nice: its niceness.
        size_bytes: of its file; one of 0 is never announced, since Go NNCP crashes on it.
    """

    packet: PacketId
    nice: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a packet that is to be read and sent.

    Args:
        packet: of which.
        offset_bytes: where it begins.
        length_bytes: exactly so much; 0 if the peer has all and only waits for the end.
    """

    packet: PacketId
    offset_bytes: int
    length_bytes: int


@dataclass(frozen=True, slots=True)
class PeerKnown:
    """A responder knows who calls, and waits for ``accept`` or ``refuse``.

    Args:
        static_key: the caller's noisepub, 32 bytes. A recording of an earlier call can show it too.
    """

    static_key: bytes


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is done."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The peer announced a packet that the settings let through.

    The driver answers with ``request``, ``confirm`` (we have it) or nothing, now or later.
    """

    packet: PacketId
    nice: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Requested:
    """The peer asked for a packet, which is queued already."""

    packet: PacketId
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class Received:
    """The next piece of a packet that was requested: no gap, no overlap, nothing beyond the size announced.

    Args:
        packet: of which.
        offset_bytes: where it belongs.
        data: it stays valid for as long as it is held.
        size_bytes: of the whole packet, as announced.
    """

    packet: PacketId
    offset_bytes: int
    data: memoryview
    size_bytes: int

    @property
    def is_last(self) -> bool:
        """Whether the packet is complete with it."""
        return self.offset_bytes + len(self.data) == self.size_bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The peer has the packet for good: remove it. It may have been announced in an earlier session."""

    packet: PacketId


@dataclass(frozen=True, slots=True)
class Halted:
    """The peer wants no more of what it requested.

    Args:
        packets: those that were not sent to their end.
    """

    packets: tuple[PacketId, ...]


@dataclass(frozen=True, slots=True)
class Ignored:
    """The peer did something wrong that harms nobody; a session tells the first few of these only.

    Args:
        text: what, for the log.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; nothing follows.

    Args:
        reason: why.
        text: the same with its circumstances, for the log.
        idle_seconds: for how long nothing but PINGs had come or gone; what a speed must leave out.
    """

    reason: EndReason
    text: str
    idle_seconds: float = field(default=0.0, compare=False)

    @property
    def is_clean(self) -> bool:
        """Whether both sides did what they should."""
        return self.reason.is_clean


Event = PeerKnown | Established | Offered | Requested | Received | Confirmed | Halted | Ignored | Ended
