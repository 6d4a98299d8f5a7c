"""Walking over zstd frames without decompressing them."""

import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadBlock
from gateway.toss.zstd_frames import BURST_BYTES, FrameWalker

SKIPPABLE = b"\x5a\x2a\x4d\x18\x03\0\0\0abc"


def walk(stream: bytes, piece_bytes: int) -> FrameWalker:
    walker = FrameWalker()
    for start in range(0, len(stream), piece_bytes):
        view = memoryview(stream)[start : start + piece_bytes]
        while view:
            size_bytes = walker.span_bytes(view)
            assert size_bytes >= 1
            view = view[size_bytes:]
    return walker


def frames() -> list[bytes]:
    text, noise = b"abc" * 100_000, os.urandom(300_000)
    made = []
    for content in (b"", b"x", text, noise, bytes(2_000_000)):
        for checksum in (False, True):
            for has_size in (False, True):
                compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=has_size)
                made.append(compressor.compress(content))
                stream = compressor.compressobj()
                made.append(stream.compress(content) + stream.flush())
    return made


@pytest.mark.parametrize("piece_bytes", [1, 3, 1000, 1 << 20])
def test_the_end_of_every_kind_of_frame_is_found(piece_bytes: int) -> None:
    for frame in frames():
        if len(frame) > 100_000 and piece_bytes < 1000:
            continue
        assert walk(frame, piece_bytes).is_between_frames
        assert walk(frame + SKIPPABLE + frame, piece_bytes).is_between_frames
        assert not walk(frame[:-1], piece_bytes).is_between_frames
        assert not walk(frame + SKIPPABLE[:-1], piece_bytes).is_between_frames


def test_a_new_walker_stands_between_frames() -> None:
    assert FrameWalker().is_between_frames


@pytest.mark.parametrize("stream", [b"\x28\xb5\x2f\xfe", b"plain text", b"\x60\x2a\x4d\x18\0\0\0\0"])
def test_what_is_not_zstd_is_refused(stream: bytes) -> None:
    with pytest.raises(BadBlock, match=stream[:4].hex()):
        walk(stream, 3)


def test_a_block_of_the_reserved_type_is_refused() -> None:
    with pytest.raises(BadBlock, match="reserved"):
        walk(b"\x28\xb5\x2f\xfd\x00\x00" + b"\x07\x00\x00", 100)


def test_a_span_never_unfolds_to_much_more_than_a_burst() -> None:
    bomb = memoryview(zstandard.compress(bytes(64 << 20), 19))
    walker, total_bytes = FrameWalker(), 0
    stream = zstandard.ZstdDecompressor().decompressobj()
    while bomb:
        size_bytes = walker.span_bytes(bomb)
        unfolded_bytes = len(stream.decompress(bomb[:size_bytes]))
        assert unfolded_bytes <= 2 * BURST_BYTES
        total_bytes += unfolded_bytes
        bomb = bomb[size_bytes:]
    assert total_bytes == 64 << 20


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_is_refused_or_walked_but_nothing_else(garbage: bytes, piece_bytes: int) -> None:
    try:
        walker = walk(b"\x28\xb5\x2f\xfd" + garbage, piece_bytes)
    except BadBlock:
        return
    assert walker.is_between_frames in {True, False}
