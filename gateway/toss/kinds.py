"""Which function tosses which type of packet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.packet.plain import PacketType
from gateway.toss.exec_toss import toss_exec
from gateway.toss.packet import ReceivedPacket, Tossed
from gateway.toss.trns_toss import toss_trns
from gateway.toss.work import Work

Toss = Callable[[Work, ReceivedPacket], Tossed]


@dataclass(frozen=True, slots=True)
class Kind:
    """What becomes of one type of packet.

    Args:
        name: what the log and the ``-no`` flags call it.
        toss: does what a packet asks for; raises Failed. None: packets of this type are left alone.
    """

    name: str
    toss: Toss | None


KINDS: Mapping[int, Kind] = {
    PacketType.FILE: Kind("file", None),
    PacketType.FREQ: Kind("freq", None),
    PacketType.EXEC: Kind("exec", toss_exec),
    PacketType.TRNS: Kind("trns", toss_trns),
    PacketType.EXEC_FAT: Kind("exec", toss_exec),
    PacketType.AREA: Kind("area", None),
    PacketType.ACK: Kind("ack", None),
}
