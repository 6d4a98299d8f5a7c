"""Sealing a payload into a temporary file of the spool: the part that all packet types share.

Contract: the file holds the whole packet when ``seal_payload`` returns, and its name (the MTH of the
file) is known; memory does not grow with the payload. Nothing is synced or renamed here. After an
error the temporary has no meaning and is the caller's to discard.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gateway.durable import NewFile
from gateway.ids import AreaMessageId, NodeId, PacketId
from gateway.nodes import Area, Node
from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.mth import MerkleTreeHash
from gateway.packet.padding import UNLIMITED_BYTES, sealed_size_bytes
from gateway.packet.plain import PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, area_message_id
from gateway.write_behind import write_behind

WRITE_BYTES = 64 * 1024
"""Smaller pieces are gathered, so that a small packet costs one write."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a packet goes.

    Args:
        destination: the node that may read the payload.
        via: the nodes on the way, in order of travel; empty: straight to the destination.
        area: whose members may read the payload; the destination passes it on. None: no area.
    """

    destination: Node
    via: tuple[Node, ...] = ()
    area: Area | None = None

    @property
    def first_hop(self) -> Node:
        """The neighbour whose tx gets the packet."""
        return self.via[0] if self.via else self.destination


@dataclass(frozen=True, slots=True)
class Outside:
    """What everybody can see of a packet: its niceness and its size.

    Args:
        nice: niceness of every layer, 0 to 255.
        minsize_bytes: pad the packet up to this size.
        maxsize_bytes: refuse a larger plain packet (header of 276 bytes included).
    """

    nice: int
    minsize_bytes: int = 0
    maxsize_bytes: int = UNLIMITED_BYTES


@dataclass(frozen=True, slots=True)
class AreaMessage:
    """A message to an area.

    Args:
        area: the area.
        id: the message's name.
        author: whose node made it.
        size_bytes: of what is sealed for the area, padding not counted.
    """

    area: Area
    id: AreaMessageId
    author: NodeId
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SealedPacket:
    """A packet that lies whole in a temporary file.

    Args:
        temporary: that file.
        packet: the packet's id, its name in the spool.
        first_hop: the neighbour whose tx it belongs to.
        header: its first 172 bytes.
        size_bytes: size of the file.
        plain_total_bytes: plain header and payload, what NNCP logs as the size of a tx.
        message: the message of an area that it carries, if it was made for one.
    """

    temporary: Path
    packet: PacketId
    first_hop: Node
    header: bytes
    size_bytes: int
    plain_total_bytes: int
    message: AreaMessage | None = None


class PacketWriter:
    """Writes a packet, naming it on the way.

    Args:
        temporary: receives the bytes.
    """

    __slots__ = ("_pending", "_temporary", "_tree", "header", "size_bytes")

    def __init__(self, temporary: NewFile) -> None:
        self.header = b""
        self.size_bytes = 0
        self._temporary = temporary
        self._tree = MerkleTreeHash()
        self._pending = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``; it may be overwritten afterwards.

        Raises:
            StoreError: the disk refused.
        """
        if len(self.header) < ENCRYPTED_HEADER_BYTES:
            self.header += bytes(data[: ENCRYPTED_HEADER_BYTES - len(self.header)])
        self.size_bytes += len(data)
        if len(self._pending) + len(data) < WRITE_BYTES:
            self._pending += data
            return
        self._flush()
        self._put(data)

    def finish(self) -> PacketId:
        """Write what is pending; returns the name of the whole.

        Raises:
            StoreError: the disk refused.
        """
        self._flush()
        return PacketId(self._tree.digest())

    def _flush(self) -> None:
        if self._pending:
            self._put(self._pending)
            self._pending = bytearray()

    def _put(self, data: bytes | bytearray | memoryview) -> None:
        self._tree.update(data)
        self._temporary.write(data)


def seal_payload(
    own: PrivateKeys,
    route: Route,
    outside: Outside,
    plain: PlainHeader,
    payload: Iterable[bytes | memoryview],
    temporary: NewFile,
    rng: Random,
) -> SealedPacket:
    """Seal a payload for a node, with a layer for each relay, into a temporary file.

    Args:
        own: signs every layer.
        route: who gets it.
        outside: niceness and size.
        plain: what the payload is.
        payload: pieces of any size; an error it raises comes through.
        temporary: open and empty; neither synced nor closed here.
        rng: cryptographic randomness.

    Raises:
        ConfigError: the route's area has no keys.
        TooLarge: the plain packet passes the maximal size.
        StoreError: the disk refused.
    """
    area = route.area
    sealer = OnionSealer(
        own,
        _hop(route.destination),
        tuple(_hop(node) for node in route.via),
        plain,
        nice=outside.nice,
        rng=rng,
        minsize_bytes=outside.minsize_bytes,
        maxsize_bytes=outside.maxsize_bytes,
        area=None if area is None else Hop(area.id, area.keys()[0]),
    )
    writer = PacketWriter(temporary)
    write_behind(chain(map(sealer.feed, payload), sealer.finish_pieces()), writer.write)
    return SealedPacket(
        temporary=temporary.path,
        packet=writer.finish(),
        first_hop=route.first_hop,
        header=writer.header,
        size_bytes=writer.size_bytes,
        plain_total_bytes=sealer.plain_total_bytes,
        message=None if area is None else _message(area, sealer, own.id),
    )


def _message(area: Area, sealer: OnionSealer, author: NodeId) -> AreaMessage:
    size_bytes = sealed_size_bytes(sealer.plain_total_bytes)
    return AreaMessage(area, area_message_id(sealer.inner_header), author, size_bytes)


def _hop(node: Node) -> Hop:
    return Hop(node.id, node.keys.exchpub)
