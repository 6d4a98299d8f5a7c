"""Acknowledgements: telling a neighbour that a packet of its arrived, so that it can drop its copy."""

import os
from dataclasses import dataclass

from gateway.ids import NICE_NORMAL, PacketId
from gateway.nodes import Node
from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.plain import PacketType, PlainHeader
from gateway.spool.store import Spool
from gateway.tx.posting import post_to
from gateway.tx.sealing import Outside, Route, SealedPacket


@dataclass(frozen=True, slots=True)
class AckRequest:
    """What to acknowledge, and how.

    Args:
        destination: the neighbour whose packet arrived.
        via: the nodes on the way, in order of travel.
        packet: what arrived.
        nice: niceness of the acknowledgement, inside and outside.
        minsize_bytes: pad it to this size.
    """

    destination: Node
    via: tuple[Node, ...]
    packet: PacketId
    nice: int = NICE_NORMAL
    minsize_bytes: int = 0


def send_ack(spool: Spool, own: PrivateKeys, request: AckRequest, rng: Random = os.urandom) -> SealedPacket:
    """Commit an acknowledgement to the spool.

    Raises:
        StoreError: the disk refused; no packet was made.
    """
    plain = PlainHeader(PacketType.ACK, request.nice, request.packet.raw)
    route = Route(request.destination, request.via)
    outside = Outside(request.nice, request.minsize_bytes)
    return post_to(spool, own, route, rng)(outside, plain, ())
