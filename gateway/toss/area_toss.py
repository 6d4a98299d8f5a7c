"""Toss a message of an area: pass it on to whoever lacks it, then do what it asks for here.

    PROVEN ──→ for each subscriber: queued ──→ marked ──→ done here ──→ marked ──→ the packet may go
       └────────────────┴───────────────────────────┴──→ anything fails: the packet stays

Contract: a marker ``SPOOL/NODE/area/AREA/MESSAGE`` says that a node has a message; it is made only after
the message is queued for that node, so that a stop loses nothing. A stop between the two queues the
message twice for one subscriber, who drops the second by a marker of its own. The marker of our own node
says that the message was processed here. Nothing is passed on that is not proven: the packet, and
where we have the area's key the message too.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import GatewayError, PacketError, UnknownNode
from gateway.ids import ID_BYTES, AreaMessageId, NodeId
from gateway.nodes import Area, Node
from gateway.packet.keys import PublicKeys
from gateway.packet.plain import PlainHeader
from gateway.packet.sealed import (
    ENCRYPTED_HEADER_BYTES,
    EncryptedHeader,
    area_message_id,
    decode_header,
    encode_header,
)
from gateway.toss.area_message import AreaReading, OpenedMessage
from gateway.toss.kind import Kind
from gateway.toss.packet import Failed, Fields, ReceivedPacket, Tossed
from gateway.toss.work import Work
from gateway.tx.area_packet import send_echo
from gateway.tx.exec_packet import resolve_via
from gateway.tx.sealing import Route


@dataclass(frozen=True, slots=True)
class _Message:
    """A proven message and the packet that brought it."""

    packet: ReceivedPacket
    area: Area
    author: NodeId
    id: AreaMessageId

    @property
    def name(self) -> str:
        packet = self.packet
        return f"Tossing {packet.short_name}: area {self.area.name}"

    def fields(self) -> Fields:
        return [*self.packet.fields(), ("Area", self.area.id.text), ("AreaMsg", self.id.text)]

    def failed(self, who: str, error: GatewayError, step: str) -> Failed:
        return Failed(who, self.fields(), error, f"{self.name}: {step}")


def toss_area(inside: Mapping[int, Kind], work: Work, packet: ReceivedPacket) -> Tossed | None:
    """Pass a message on and process it.

    Args:
        inside: what messages may ask for, by type.
        work: with what.
        packet: what brought the message.

    Raises:
        Failed: the area or the author is not known, packet or message is not whole, the disk refused, or
            what the message asks for can't be done.
    """
    message = _prove(work, packet)
    for node_id in message.area.subs:
        _echo(work, message, node_id)
    own_id = work.book.self_node.id
    if work.spool.has_area_mark(own_id, message.area.id, message.id):
        return Tossed(message.fields(), f"{message.name}: seen", is_told=False)
    tossed: Tossed | None = Tossed(message.fields(), f"{message.name}: no key", is_told=False)
    if message.area.prv is not None:
        tossed = _process(inside, work, message)
    if tossed is not None:
        _mark(work, message, own_id)
    return tossed


def _prove(work: Work, packet: ReceivedPacket) -> _Message:
    """Read the packet, and if possible the message, to the end.

    Raises:
        Failed: one is not whole, or the area is not known.
    """
    path = packet.plain.path
    if len(path) != ID_BYTES:
        error = PacketError(f"the area's id has {len(path)} bytes, not {ID_BYTES}")
        raise packet.failed("rx-unmarshal", error, step="unmarshal")
    area = work.book.find_area_id(NodeId(path))
    if area is None:
        unknown = UnknownNode(f"unknown area {NodeId(path)}: not an id of the configuration's areas")
        raise packet.failed("rx-area-unknown", unknown)
    try:
        header = _read_sealed(packet) if area.prv is None else _read_opened(work, packet, area)
        if header.recipient != area.id:
            raise UnknownNode(f"invalid recipient: the message is for {header.recipient}, not {area.id}")
    except GatewayError as error:
        raise packet.failed("rx-area-pkt-enc-read", error, f"area {area.name}", "reading") from error
    return _Message(packet, area, header.sender, area_message_id(encode_header(header)))


def _read_opened(work: Work, packet: ReceivedPacket, area: Area) -> EncryptedHeader:
    # Whether an unknown author is accepted here is no reason not to pass the message on.
    reading = AreaReading(packet.first, area, work.book, is_unknown_allowed=True)
    header, _ = reading.start()
    for _piece in reading:
        pass
    return header


def _read_sealed(packet: ReceivedPacket) -> EncryptedHeader:
    head = b""
    for piece in packet.first:
        head += bytes(piece[: ENCRYPTED_HEADER_BYTES - len(head)])
    return decode_header(head)


def _echo(work: Work, message: _Message, node_id: NodeId) -> None:
    """See that a subscriber has the message.

    Raises:
        Failed: it can't be queued.
    """
    area_id = message.area.id
    if node_id == work.book.self_node.id or work.spool.has_area_mark(node_id, area_id, message.id):
        return
    try:
        if node_id != message.packet.sender.id:
            _send(work, message, work.book.find(node_id.text))
    except GatewayError as error:
        raise message.failed("rx-area", error, "echoing") from error
    _mark(work, message, node_id)


def _send(work: Work, message: _Message, subscriber: Node) -> None:
    fields: Fields = [*message.fields(), ("Echo", subscriber.id.text)]
    if work.settings.is_dry_run:
        work.records.info("rx-area-echo", fields, f"{message.name}: echoing to: {subscriber.name}")
        return
    packet = message.packet
    send_echo(
        work.spool,
        work.book.private_keys(),
        Route(subscriber, resolve_via(work.book, subscriber, None)),
        packet.plain,
        packet.opened.read(),
        nice=packet.header.nice,
    )
    work.records.info("rx-area-echo", fields, f"{message.name}: echo to: {subscriber.name}")


def _mark(work: Work, message: _Message, node_id: NodeId) -> None:
    if work.settings.is_dry_run:
        return
    try:
        work.spool.mark_area(node_id, message.area.id, message.id)
    except GatewayError as error:
        raise message.failed("rx-area-touch", error, "marking") from error


def _process(inside: Mapping[int, Kind], work: Work, message: _Message) -> Tossed | None:
    """Do what the message asks for, as if the area had sent it.

    Returns:
        None: its type is switched off.

    Raises:
        Failed: it can't be done.
    """
    area = message.area
    author = work.book.find_id(message.author)
    if author is None and not area.is_unknown_allowed:
        unknown = UnknownNode(f"unknown sender {message.author}, and the area has no allow-unknown")
        raise message.failed("rx-area-unknown", unknown, "sender")
    opened = OpenedMessage(message.packet.opened, area, work.book)
    reading = opened.read()
    try:
        header, plain = reading.start()
    except GatewayError as error:
        raise message.failed("rx-unmarshal", error, "unmarshal") from error
    kind = inside.get(plain.type)
    if kind is None:
        raise message.failed("rx-type-unknown", _no_such_type(inside, plain), "processing")
    if kind.name in work.settings.skipped_kinds:
        return None
    outer = message.packet
    inner = ReceivedPacket(
        job=dataclasses.replace(outer.job, size_bytes=outer.size_bytes),
        kind=kind.name,
        sender=_author(area),
        header=header,
        plain=plain,
        opened=opened,
        first=reading,
        around=message.fields(),
        author=None if author is None else author.id,
    )
    return kind.toss(work, inner)


def _no_such_type(inside: Mapping[int, Kind], plain: PlainHeader) -> PacketError:
    allowed = ", ".join(sorted({kind.name for kind in inside.values()}))
    return PacketError(f"a message of an area has type {plain.type}, allowed: {allowed}")


def _author(area: Area) -> Node:
    """The area as a node: what its messages may do here is what the area's entry allows."""
    public, _ = area.keys()
    return Node(area.name, PublicKeys(area.id, public, b""), area.incoming, area.exec)
