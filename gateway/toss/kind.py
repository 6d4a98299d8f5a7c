"""What becomes of one type of packet: the shape of an entry of the tables of types."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.toss.packet import ReceivedPacket, Tossed
from gateway.toss.work import Work

Toss = Callable[[Work, ReceivedPacket], Tossed | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What becomes of one type of packet.

    Args:
        name: what the log and the ``-no`` flags call it.
        toss: does what a packet asks for, or gives None: the packet is left alone; raises Failed.
    """

    name: str
    toss: Toss
