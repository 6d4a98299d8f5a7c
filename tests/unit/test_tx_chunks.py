"""Cutting a stream into chunks."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.packet.chunked import chunk_count
from gateway.packet.mth import mth
from gateway.tx.chunks import ChunkCutter


def cut(pieces: list[bytes], chunk_bytes: int) -> list[bytes]:
    found = []
    for chunk in ChunkCutter(pieces, chunk_bytes).chunks():
        data = b"".join(bytes(piece) for piece in chunk)
        assert chunk.size_bytes == len(data)
        assert chunk.checksum == mth(data)
        found.append(data)
    return found


@pytest.mark.parametrize(
    ("stream", "chunks"),
    [
        (b"", [b""]),
        (b"abc", [b"abc"]),
        (b"abcd", [b"abcd"]),
        (b"abcde", [b"abcd", b"e"]),
        (b"x" * 8, [b"xxxx"] * 2),
    ],
)
def test_the_last_chunk_is_never_empty_but_for_an_empty_stream(stream: bytes, chunks: list[bytes]) -> None:
    assert cut([stream], 4) == chunks


@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=8), size=st.integers(1, 20))
def test_any_split_of_the_stream_gives_the_same_chunks(data: bytes, cuts: list[int], size: int) -> None:
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = cut([data[start:end] for start, end in pairwise(bounds)], size)
    assert b"".join(found) == data
    assert found == cut([data], size)
    assert len(found) == chunk_count(len(data), size)


def test_the_stream_is_not_read_ahead_of_the_chunk() -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(4):
            read.append(number)
            yield b"ab"

    chunks = ChunkCutter(pieces(), 2).chunks()
    assert bytes(next(iter(next(chunks)))) == b"ab"
    assert read == [0]
