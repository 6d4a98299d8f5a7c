import bz2
import gzip
import tracemalloc

import pytest
import zstandard

from gateway.errors import BadBatch
from gateway.nntp.unpacking import Packing, unpack
from tests.support.lzw import compress

MIB = 1 << 20


@pytest.mark.parametrize(
    ("packing", "packed"),
    [
        (Packing.GUNBATCH, gzip.compress(bytes(20 * MIB))),
        (Packing.BUNBATCH, bz2.compress(bytes(20 * MIB))),
        (Packing.ZSTDUNBATCH, zstandard.compress(bytes(20 * MIB))),
        (Packing.CUNBATCH, compress(bytes(MIB))),
    ],
)
def test_unpacking_holds_little_at_a_time(packing: Packing, packed: bytes) -> None:
    tracemalloc.start()
    try:
        size_bytes = sum(map(len, unpack(packing, [packed], 100 * MIB)))
        assert tracemalloc.get_traced_memory()[1] < 18 * MIB
    finally:
        tracemalloc.stop()
    assert size_bytes in {MIB, 20 * MIB}


@pytest.mark.parametrize(
    ("packing", "packed"),
    [
        (Packing.GUNBATCH, gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0)),
        (Packing.BUNBATCH, bz2.compress(b"one ") + bz2.compress(b"two")),
        (Packing.ZSTDUNBATCH, zstandard.compress(b"one ") + zstandard.compress(b"two")),
    ],
)
def test_members_in_a_row_are_one_text(packing: Packing, packed: bytes) -> None:
    pieces = [packed[at : at + 3] for at in range(0, len(packed), 3)]
    assert b"".join(unpack(packing, [packed], 100)) == b"".join(unpack(packing, pieces, 100)) == b"one two"


@pytest.mark.parametrize(
    ("packing", "damaged"),
    [
        (Packing.GUNBATCH, gzip.compress(bytes(range(37)) * 5000, mtime=0)[:254]),
        # A frame of 43,918 bytes that has none.
        (Packing.ZSTDUNBATCH, bytes.fromhex("28b52ffd608eaa010000")),
    ],
)
def test_damage_is_the_same_however_it_is_fed(packing: Packing, damaged: bytes) -> None:
    def answer(step: int) -> tuple[int, type[BadBatch]]:
        pieces = (damaged[at : at + step] for at in range(0, len(damaged), step))
        size_bytes = 0
        with pytest.raises(BadBatch) as error:
            for piece in unpack(packing, pieces, MIB):
                size_bytes += len(piece)
        return size_bytes, error.type

    assert {answer(step) for step in (1, 4, 5, 6, 7)} == {answer(len(damaged))}


@pytest.mark.parametrize(
    ("packing", "packed"),
    [
        (Packing.GUNBATCH, gzip.compress(b"some text " * 100, mtime=0)),
        (Packing.BUNBATCH, bz2.compress(b"some text " * 100)),
        (Packing.ZSTDUNBATCH, zstandard.ZstdCompressor(write_checksum=True).compress(b"some text " * 100)),
    ],
)
def test_damage_is_a_fault(packing: Packing, packed: bytes) -> None:
    damaged = packed[:-2] + bytes((packed[-2] ^ 0xFF,)) + packed[-1:]
    with pytest.raises(BadBatch):
        b"".join(unpack(packing, [damaged], 10_000))
