"""The message within an area packet, whatever the pieces it comes in."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.ids import NodeId
from gateway.nodes import Area
from gateway.packet.plain import PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.packet.sealed import EncryptedHeader
from gateway.toss.area_message import AreaReading
from tests.support.nodes import make_books
from tests.support.packets import make_keys, seeded

KEYS = make_keys("area")
AREA = Area("news", NodeId(b"n" * 32), KEYS.exchpub, KEYS.exchprv)
BOOK = make_books("a", "b")["b"]


class Pieces:
    """A packet's payload in given pieces."""

    def __init__(self, content: bytes, cuts: list[int]) -> None:
        ends = [*sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
        self._pieces = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def start(self) -> tuple[EncryptedHeader, PlainHeader]:
        raise AssertionError("the packet was started already")

    def __iter__(self) -> Iterator[memoryview]:
        buffer = bytearray()
        for piece in self._pieces:
            # What was given before is overwritten, as a real reading does.
            buffer[:] = bytes(len(buffer))
            buffer = bytearray(piece)
            yield memoryview(buffer)


def message(payload: bytes, minsize_bytes: int = 0) -> bytes:
    plain = PlainHeader(5, 1, b"x")
    author = make_keys("author")
    sealer = OnionSealer(
        author, Hop(AREA.id, KEYS.exchpub), (), plain, nice=9, rng=seeded("m"), minsize_bytes=minsize_bytes
    )
    return bytes(sealer.feed(payload)) + sealer.finish()


def read(content: bytes, cuts: list[int], *, is_started: bool = True) -> bytes:
    reading = AreaReading(Pieces(content, cuts), AREA, BOOK, is_unknown_allowed=True)
    if is_started:
        reading.start()
    return b"".join(bytes(piece) for piece in reading)


@given(
    size=st.one_of(st.integers(0, 2000), st.integers(130_000, 132_000), st.integers(0, 300_000)),
    padding=st.sampled_from([0, 5000, 200_000]),
    cuts=st.lists(st.integers(0, 2**20), max_size=8),
    is_started=st.booleans(),
)
@settings(max_examples=40)
def test_any_split_gives_the_same_payload(
    size: int, padding: int, cuts: list[int], *, is_started: bool
) -> None:
    payload = bytes(range(251)) * (size // 251 + 1)
    assert read(message(payload[:size], padding), cuts, is_started=is_started) == payload[:size]


@given(
    cut=st.integers(0, 140_000),
    flip=st.integers(0, 140_000),
    cuts=st.lists(st.integers(0, 2**20), max_size=3),
)
@settings(max_examples=40)
def test_what_was_cut_or_changed_is_an_error(cut: int, flip: int, cuts: list[int]) -> None:
    whole = bytearray(message(b"body" * 34_000))
    with pytest.raises(GatewayError):
        read(bytes(whole[: cut % len(whole)]), cuts)
    # Nothing of the signature is checked for an unknown author.
    at = flip % (len(whole) - 172) + 172
    whole[at] ^= 0x20
    with pytest.raises(GatewayError):
        read(bytes(whole), cuts)


@given(garbage=st.binary(max_size=600), cuts=st.lists(st.integers(0, 2**20), max_size=3))
def test_garbage_is_an_error(garbage: bytes, cuts: list[int]) -> None:
    with pytest.raises(GatewayError):
        read(garbage, cuts)
