import pytest

from gateway.link.envelope import MESSAGE_LIMIT_BYTES
from gateway.link.frames import HALT, INFO_BYTES, Halt, decode_frames
from gateway.link.padding import handshake_filler
from gateway.link.settings import Padding


def go_halt_count(used_bytes: int) -> int:
    """Go's loop: its bound shrinks while the payload grows."""
    count = 0
    while count < (MESSAGE_LIMIT_BYTES - used_bytes - len(HALT) * count) // len(HALT):
        count += 1
    return count


@pytest.mark.parametrize("info_count", [0, 1, 2, 3, 7, 500, 1358, 1359, 1360])
def test_the_default_is_what_go_does(info_count: int) -> None:
    used_bytes = info_count * INFO_BYTES
    assert handshake_filler(Padding.GO, used_bytes) == HALT * go_halt_count(used_bytes)


def test_go_fills_an_empty_message_with_8160_halts() -> None:
    assert len(handshake_filler(Padding.GO, 0)) == 32640
    assert len(handshake_filler(Padding.GO, 48)) == 32616


@pytest.mark.parametrize("info_count", [0, 1, 1360])
def test_full_fills_the_message_and_none_leaves_it(info_count: int) -> None:
    used_bytes = info_count * INFO_BYTES
    assert len(handshake_filler(Padding.FULL, used_bytes)) == MESSAGE_LIMIT_BYTES - used_bytes
    assert handshake_filler(Padding.NONE, used_bytes) == b""


def test_filler_is_halts_to_a_peer() -> None:
    assert list(decode_frames(memoryview(handshake_filler(Padding.GO, 0)))) == [Halt()]
