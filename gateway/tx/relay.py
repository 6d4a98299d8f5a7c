"""Pass on a packet that is sealed for somebody else: NNCP's transitional packets.

Contract: the inner packet is stored verbatim, or wrapped when we reach its recipient through others
ourselves; nobody here can read it. It is in the spool only when ``send_relayed`` returned.
"""

import os
from collections.abc import Iterable, Iterator

from gateway.durable import NewFile
from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, decode_header
from gateway.spool.store import Spool
from gateway.tx.exec_packet import commit_packet
from gateway.tx.sealing import Outside, PacketWriter, Route, SealedPacket, seal_payload
from gateway.write_behind import write_behind

NICE_TRNS = 0
"""Inner niceness that Go NNCP writes in a transitional packet; nobody reads it."""


def send_relayed(
    spool: Spool,
    own: PrivateKeys,
    route: Route,
    packet: Iterable[bytes | memoryview],
    *,
    nice: int,
    rng: Random = os.urandom,
) -> SealedPacket:
    """Queue a packet for the node it is sealed for.

    Args:
        spool: gets it in the tx of the first hop.
        own: signs the wrapping, where there is one.
        route: the recipient, and our own way to it.
        packet: the sealed packet, in pieces; an error it raises comes through and nothing is queued.
        nice: niceness of the wrapping, where there is one.
        rng: cryptographic randomness.

    Raises:
        BadMagic: the bytes are not an encrypted packet.
        StoreError: the disk refused; no packet was made.
    """
    with spool.new_temporary() as temporary:
        if route.via:
            sealed = _wrap(own, route, Outside(nice), _checked(packet), temporary, rng)
        else:
            sealed = _store(route, packet, temporary)
        commit_packet(spool, sealed, temporary)
    return sealed


def _wrap(
    own: PrivateKeys,
    route: Route,
    outside: Outside,
    packet: Iterable[bytes | memoryview],
    temporary: NewFile,
    rng: Random,
) -> SealedPacket:
    *before, last = route.via
    plain = PlainHeader(PacketType.TRNS, NICE_TRNS, route.destination.id.raw)
    return seal_payload(own, Route(last, tuple(before)), outside, plain, packet, temporary, rng)


def _store(route: Route, packet: Iterable[bytes | memoryview], temporary: NewFile) -> SealedPacket:
    writer = PacketWriter(temporary)
    write_behind(packet, writer.write)
    name = writer.finish()
    decode_header(writer.header)
    return SealedPacket(
        temporary=temporary.path,
        packet=name,
        first_hop=route.first_hop,
        header=writer.header,
        size_bytes=writer.size_bytes,
        plain_total_bytes=writer.size_bytes,
    )


def _checked(packet: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Pass a packet through, raising BadMagic at its end if it did not begin like one."""
    head = b""
    for piece in packet:
        if len(head) < ENCRYPTED_HEADER_BYTES:
            head += bytes(piece[: ENCRYPTED_HEADER_BYTES - len(head)])
        yield piece
    decode_header(head)
