"""A packet written to a temporary file gets its name on the way."""

import os
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.packet.mth import mth
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.tx.sealing import WRITE_BYTES, Outside, PacketWriter, Route, seal_payload
from tests.support.nodes import make_books
from tests.support.packets import open_packet

PLAIN = PlainHeader(PacketType.EXEC_FAT, 224, b"handle")


@pytest.mark.parametrize("size_bytes", [200, WRITE_BYTES - 1, WRITE_BYTES, 400_000])
@pytest.mark.parametrize("piece_bytes", [100, 50_000, 1 << 20])
def test_the_name_is_the_hash_of_what_was_written(tmp_path: Path, size_bytes: int, piece_bytes: int) -> None:
    content = os.urandom(size_bytes)
    with Disk(is_syncing=False).create(tmp_path / "new") as temporary:
        writer = PacketWriter(temporary)
        for start in range(0, size_bytes, piece_bytes):
            scratch = bytearray(content[start : start + piece_bytes])
            writer.write(scratch)
            scratch[:] = bytes(len(scratch))
        assert writer.finish().raw == mth(content)
        assert writer.header == content[:ENCRYPTED_HEADER_BYTES]
        assert writer.size_bytes == size_bytes
        assert temporary.path.read_bytes() == content


def test_a_small_packet_is_one_write(tmp_path: Path) -> None:
    steps: list[str] = []
    book = make_books("a", "b")["a"]
    disk = Disk(is_syncing=False, hook=lambda step, _path: steps.append(step))
    with disk.create(tmp_path / "new") as temporary:
        route = Route(book.find("b"))
        seal_payload(book.private_keys(), route, Outside(96), PLAIN, [b"x" * 500] * 8, temporary, os.urandom)
    assert steps == ["create", "write"]


def test_what_is_said_of_a_packet_is_so(tmp_path: Path) -> None:
    books = make_books("a", "b")
    own, reader = books["a"].private_keys(), books["b"].private_keys()
    with Disk(is_syncing=False).create(tmp_path / "new") as temporary:
        route = Route(books["a"].find("b"))
        sealed = seal_payload(
            own, route, Outside(33, minsize_bytes=5000), PLAIN, [b"pay", b"load"], temporary, os.urandom
        )
        raw = temporary.path.read_bytes()
    assert (sealed.size_bytes, len(raw)) == (5000, 5000)
    assert sealed.plain_total_bytes == 276 + 7
    assert sealed.packet.raw == mth(raw)
    assert sealed.header == raw[:172]
    opened = open_packet(raw, reader.id, reader.exchprv, books["b"].find_keys)
    assert (opened.plain, opened.payload, opened.nice) == (PLAIN, b"payload", 33)
