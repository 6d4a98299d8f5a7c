"""The body of an exec packet, compressed."""

import os
from collections.abc import Iterator

import pytest
import zstandard

from gateway.tx.compression import SMALL_BODY_BYTES, compress

CHECKSUM_FLAG = 0x04


def pieces_of(body: bytes, size_bytes: int) -> Iterator[bytes]:
    return (body[start : start + size_bytes] for start in range(0, len(body), size_bytes))


def unfold(frame: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(frame)


def test_an_empty_body_stays_empty() -> None:
    assert list(compress([])) == []
    assert list(compress([b"", b""])) == []


@pytest.mark.parametrize("size_bytes", [1, 4096, SMALL_BODY_BYTES, SMALL_BODY_BYTES + 1, 700_001])
@pytest.mark.parametrize("piece_bytes", [777, 1 << 20])
def test_a_body_becomes_one_frame_with_a_checksum(size_bytes: int, piece_bytes: int) -> None:
    body = os.urandom(size_bytes)
    frame = b"".join(compress(pieces_of(body, piece_bytes)))
    assert frame.startswith(zstandard.FRAME_HEADER)
    assert frame[4] & CHECKSUM_FLAG
    assert unfold(frame) == body


def test_a_large_window_finds_far_repetitions() -> None:
    block = os.urandom(1 << 20)
    far = block + os.urandom(9 << 20) + block
    plain = b"".join(compress(pieces_of(far, 1 << 20)))
    long = b"".join(compress(pieces_of(far, 1 << 20), window_log=25))
    assert len(long) < len(plain) - len(block) // 2
    assert unfold(long) == far


def test_two_bodies_at_a_time_do_not_disturb_each_other() -> None:
    one, other = os.urandom(400_000), os.urandom(400_000)
    first, second = compress(pieces_of(one, 1000)), compress(pieces_of(other, 1000))
    frames = [b"", b""]
    for pair in zip(first, second, strict=False):
        frames = [frame + piece for frame, piece in zip(frames, pair, strict=True)]
    frames = [frames[0] + b"".join(first), frames[1] + b"".join(second)]
    assert [unfold(frame) for frame in frames] == [one, other]


def test_an_abandoned_body_does_not_spoil_the_next() -> None:
    abandoned = compress(iter([os.urandom(400_000)] * 3))
    next(abandoned)
    del abandoned
    assert unfold(b"".join(compress([b"next"]))) == b"next"
