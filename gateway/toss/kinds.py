"""Which function tosses which type of packet."""

from collections.abc import Mapping
from functools import partial

from gateway.packet.plain import PacketType
from gateway.toss.ack_toss import toss_ack
from gateway.toss.area_toss import toss_area
from gateway.toss.exec_toss import toss_exec
from gateway.toss.file_toss import toss_file
from gateway.toss.freq_toss import toss_freq
from gateway.toss.kind import Kind
from gateway.toss.trns_toss import toss_trns

IN_AREA: Mapping[int, Kind] = {
    PacketType.FILE: Kind("file", toss_file),
    PacketType.EXEC: Kind("exec", toss_exec),
    PacketType.EXEC_FAT: Kind("exec", toss_exec),
}
"""What a message of an area may ask for: what does not need a neighbour to answer or to pass on to."""

KINDS: Mapping[int, Kind] = {
    **IN_AREA,
    PacketType.FREQ: Kind("freq", toss_freq),
    PacketType.TRNS: Kind("trns", toss_trns),
    PacketType.AREA: Kind("area", partial(toss_area, IN_AREA)),
    PacketType.ACK: Kind("ack", toss_ack),
}
