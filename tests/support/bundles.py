"""Bundles for tests: streams made, and read to their end."""

from gateway.ids import NodeId, PacketId
from gateway.packet.bundle import (
    BundleReader,
    Ignored,
    PacketData,
    PacketEnd,
    PacketStart,
    encode_entry,
    padding,
)

RECIPIENT, SENDER = NodeId(b"r" * 32), NodeId(b"s" * 32)
IDS = [PacketId(bytes([number]) * 32) for number in range(6)]
BODY = b"NNCPE" + b"x" * 300


def entry(packet: PacketId = IDS[0], body: bytes = BODY) -> bytes:
    return encode_entry(RECIPIENT, SENDER, packet, len(body)) + body + padding(len(body))


def read(*pieces: bytes) -> tuple[list[tuple[PacketId, bytes]], list[str]]:
    """The whole packets of a stream, and what was passed over."""
    reader = BundleReader()
    found: list[tuple[PacketId, bytes]] = []
    ignored: list[str] = []
    start, body = None, b""
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case PacketStart():
                    start, body = event, b""
                case PacketData():
                    body += event.data
                case PacketEnd():
                    assert start is not None
                    assert start.size_bytes == len(body)
                    found.append((start.packet, body))
                case Ignored():
                    ignored.append(event.reason)
    reader.finish()
    return found, ignored
