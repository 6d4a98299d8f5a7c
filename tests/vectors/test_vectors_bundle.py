"""Golden bundles of nncp-bundle: read here, and written here byte for byte."""

import tarfile
from pathlib import Path

from gateway.ids import NodeId, PacketId
from gateway.packet.bundle import encode_entry, padding
from gateway.packet.mth import mth
from tests.support.bundles import read

BUNDLE = Path(__file__).with_name("bundle") / "alice.bundle.tar"
LARGE_HEAD_BYTES = 2048


def test_a_golden_bundle_is_read() -> None:
    found, ignored = read(BUNDLE.read_bytes())
    assert ignored == []
    assert [len(body) for _, body in found] == [680, 580, 780]
    assert all(mth(body) == packet.raw for packet, body in found)


def test_a_golden_bundle_is_written_byte_for_byte() -> None:
    written = b""
    with tarfile.open(BUNDLE) as archive:
        for member in archive.getmembers():
            if member.isfile():
                file = archive.extractfile(member)
                assert file is not None
                body = file.read()
                _, recipient, sender, packet = member.name.split("/")
                head = encode_entry(
                    NodeId.parse(recipient), NodeId.parse(sender), PacketId.parse(packet), len(body)
                )
                written += head + body + padding(len(body))
    assert written == BUNDLE.read_bytes()


def test_the_header_of_a_packet_beyond_8_gib_is_written_byte_for_byte() -> None:
    golden = (BUNDLE.parent / "9e9-bytes.head").read_bytes()
    path = golden[1024:].split(b"path=", 1)[1].split(b"\n", 1)[0].decode()
    _, recipient, sender, packet = path.split("/")
    head = encode_entry(NodeId.parse(recipient), NodeId.parse(sender), PacketId.parse(packet), 9_000_000_000)
    assert head == golden
    assert len(head) == LARGE_HEAD_BYTES
