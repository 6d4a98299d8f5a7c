import contextlib
import itertools
import random
import subprocess

import pytest

from gateway.errors import BadBatch
from gateway.nntp.lzw import LzwExpander
from tests.support.lzw import compress

TEXT = b"".join(b"line %d of an article\n" % (number * number) for number in range(2000))
NOISE = random.Random(1).randbytes(40_000)


def expand(data: bytes, size: int | None = None) -> bytes:
    expander = LzwExpander()
    size = size or len(data) or 1
    pieces = [expander.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*pieces, expander.finish()])


@pytest.mark.parametrize("max_bits", [9, 12, 16])
@pytest.mark.parametrize("clear_after", [None, 1, 300])
@pytest.mark.parametrize("data", [b"", b"a", b"a" * 5000, TEXT[:2000], bytes(range(256)) * 3])
def test_what_compress_packs_comes_back(data: bytes, max_bits: int, clear_after: int | None) -> None:
    packed = compress(data, max_bits, clear_after=clear_after)
    assert expand(packed) == data
    assert expand(packed, 5) == data


@pytest.mark.parametrize("data", [TEXT, NOISE, b"a" * 100_000])
def test_gzip_reads_the_same_out_of_it(data: bytes) -> None:
    packed = compress(data)
    # gzip reads .Z files, by code that is far older than ours.
    theirs = subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, timeout=60, check=True)
    assert theirs.stdout == data
    assert expand(packed, 1000) == data


def test_table_of_long_entries_takes_little_memory() -> None:
    packed = compress(b"a" * 200_000)
    assert len(packed) < 10_000
    assert expand(packed) == b"a" * 200_000


@pytest.mark.parametrize(
    "data", [b"", b"\x1f", b"\x1f\x9d", b"\x1f\x9e\x90x", b"\x1f\x9d\x88", b"\x1f\x9d\x91"]
)
def test_what_is_not_from_compress_is_refused(data: bytes) -> None:
    with pytest.raises(BadBatch):
        expand(data)


def test_code_that_can_not_be_known_yet_is_refused() -> None:
    with pytest.raises(BadBatch, match="not known yet"):
        expand(b"\x1f\x9d\x90" + b"\xff" * 9)


def test_damage_is_a_fault_or_other_text_and_nothing_else() -> None:
    packed = bytearray(compress(TEXT[:3000]))
    for at, bit in itertools.product(range(3, len(packed), 7), (1, 128)):
        packed[at] ^= bit
        with contextlib.suppress(BadBatch):
            assert len(expand(bytes(packed))) < 1_000_000
        packed[at] ^= bit
