"""Unfolding the body of an exec packet under limits."""

import os
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadBlock, GatewayError, TooLarge, Truncated
from gateway.toss.expansion import WINDOW_LIMIT_BYTES, expand, limited
from gateway.tx.compression import compress

SKIPPABLE = b"\x50\x2a\x4d\x18\x05\0\0\0abcde"


def pieces_of(stream: bytes, size_bytes: int) -> Iterator[memoryview]:
    """One buffer that is overwritten, as a packet is read."""
    buffer = bytearray(size_bytes)
    for start in range(0, len(stream), size_bytes):
        piece = stream[start : start + size_bytes]
        buffer[: len(piece)] = piece
        yield memoryview(buffer)[: len(piece)]
        buffer[:] = bytes(size_bytes)


def frame_of(body: bytes) -> bytes:
    return b"".join(compress([body]))


def test_no_bytes_are_an_empty_body() -> None:
    assert list(expand([])) == []


@given(st.binary(max_size=5000), st.integers(1, 3000), st.integers(1, 3))
def test_what_was_compressed_comes_out(body: bytes, piece_bytes: int, count: int) -> None:
    stream = SKIPPABLE.join([frame_of(body)] * count)
    assert b"".join(expand(pieces_of(stream, piece_bytes))) == body * count


@pytest.mark.parametrize("piece_bytes", [1000, 131_072, 1 << 22])
def test_a_large_body_comes_out_in_pieces(piece_bytes: int) -> None:
    for body in (os.urandom(3_000_000), bytes(9_000_000)):
        pieces = list(expand(pieces_of(frame_of(body), piece_bytes)))
        assert b"".join(pieces) == body
        assert max(map(len, pieces)) <= 2 << 20


def test_an_empty_frame_is_an_empty_body() -> None:
    assert b"".join(expand([zstandard.compress(b"")])) == b""


@pytest.mark.parametrize("size_bytes", [10, 500_000])
def test_a_stream_that_ends_within_a_frame_is_an_error(size_bytes: int) -> None:
    frame = frame_of(os.urandom(size_bytes))
    for cut in (1, 4, 5, 6, len(frame) // 2, len(frame) - 1):
        with pytest.raises(Truncated):
            list(expand([frame[:cut]]))


def test_a_wrong_checksum_is_an_error() -> None:
    frame = bytearray(frame_of(b"body"))
    frame[-1] ^= 1
    with pytest.raises(BadBlock, match="checksum"):
        list(expand([bytes(frame)]))


def test_what_is_not_zstd_is_an_error() -> None:
    with pytest.raises(BadBlock, match="not compressed with zstd"):
        list(expand([b"plain text"]))


def test_a_window_over_the_limit_is_refused() -> None:
    # Frame header: no single segment, window descriptor 2**30.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(30 - 10) << 3]) + b"\x01\x00\x00"
    assert WINDOW_LIMIT_BYTES < 1 << 30
    with pytest.raises(BadBlock, match="does not decompress"):
        list(expand([frame]))


@given(st.binary(max_size=300))
def test_garbage_raises_only_our_errors(garbage: bytes) -> None:
    try:
        list(expand([zstandard.FRAME_HEADER + garbage]))
    except GatewayError:
        return


def test_an_error_does_not_spoil_the_next_body() -> None:
    frame = frame_of(b"x" * 500_000)
    with pytest.raises(Truncated):
        list(expand([frame[:-3]]))
    assert b"".join(expand([frame])) == b"x" * 500_000


def test_a_limit_is_kept_while_the_body_unfolds() -> None:
    bomb = zstandard.compress(bytes(64 << 20), 19)
    taken_bytes = 0
    with pytest.raises(TooLarge, match="10000000"):
        for piece in limited(expand([bomb]), 10_000_000):
            taken_bytes += len(piece)
    assert taken_bytes <= 10_000_000


def test_a_body_of_just_the_limit_passes() -> None:
    assert b"".join(limited([b"12345", b"67890"], 10)) == b"1234567890"
