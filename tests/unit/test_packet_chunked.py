"""Meta files of chunked files."""

import struct

import pytest

from gateway.errors import BadMagic, PacketError, TooLarge, Truncated
from gateway.packet.chunked import (
    CHUNK_COUNT_LIMIT,
    ChunkMeta,
    chunk_count,
    decode_chunk_meta,
    encode_chunk_meta,
)

MAGIC = b"NNCPM\0\0\x02"
TWO = ChunkMeta(5, 4, (b"a" * 32, b"b" * 32))


def raw(size_bytes: int, chunk_bytes: int, count: int, checksums: bytes, magic: bytes = MAGIC) -> bytes:
    return struct.pack(">8sQQI", magic, size_bytes, chunk_bytes, count) + checksums


def test_the_layout_is_magic_sizes_count_and_checksums() -> None:
    assert encode_chunk_meta(TWO) == raw(5, 4, 2, b"a" * 32 + b"b" * 32)
    assert decode_chunk_meta(encode_chunk_meta(TWO)) == TWO


@pytest.mark.parametrize(("size", "chunk", "count"), [(0, 4, 1), (1, 4, 1), (4, 4, 1), (5, 4, 2), (8, 4, 2)])
def test_no_chunk_is_empty_but_that_of_an_empty_file(size: int, chunk: int, count: int) -> None:
    assert chunk_count(size, chunk) == count


def test_the_last_chunk_is_what_is_left() -> None:
    assert [TWO.chunk_size_bytes(number) for number in range(2)] == [4, 1]
    assert ChunkMeta(8, 4, (b"", b"")).chunk_size_bytes(1) == 4
    assert ChunkMeta(0, 4, (b"",)).chunk_size_bytes(0) == 0


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"", Truncated, "0 bytes"),
        (MAGIC[:7], Truncated, "7 bytes"),
        (MAGIC + bytes(19), Truncated, "27 bytes"),
        (raw(5, 4, 2, bytes(63)), Truncated, "91 bytes"),
        (raw(5, 4, 2, bytes(65)), PacketError, "93 bytes"),
        (raw(5, 4, 1, bytes(32)), PacketError, "1 chunks, but 5 bytes in chunks of 4 are 2"),
        (raw(4, 4, 2, bytes(64)), PacketError, "are 1"),
        (raw(0, 4, 0, b""), PacketError, "0 chunks"),
        (raw(1, 0, 1, bytes(32)), PacketError, "chunks of 0 bytes"),
        (raw((1 << 64) - 1, 1, (1 << 32) - 1, b""), PacketError, "chunks"),
        (raw(1, 1, 1, bytes(32), b"NNCPM\0\0\x01"), BadMagic, r"unsupported \(used till 6.6.0\)"),
        (raw(1, 1, 1, bytes(32), b"NNCPM\0\0\x03"), BadMagic, "unknown magic"),
        (b"hello, world", BadMagic, "not a meta file"),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes, kind: type[PacketError], text: str) -> None:
    with pytest.raises(kind, match=text):
        decode_chunk_meta(data)


def test_a_meta_file_has_a_limit() -> None:
    with pytest.raises(TooLarge, match="take larger ones"):
        encode_chunk_meta(ChunkMeta(1 << 40, 1, (b"",) * (CHUNK_COUNT_LIMIT + 1)))
