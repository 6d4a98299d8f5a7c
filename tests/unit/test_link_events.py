import pytest

from gateway.ids import PacketId
from gateway.link.events import Ended, EndReason, Received

PACKET = PacketId(bytes(32))


@pytest.mark.parametrize(
    ("reason", "is_clean"),
    [
        (EndReason.IDLE, True),
        (EndReason.PEER_CLOSED, True),
        (EndReason.DEADLINE, True),
        (EndReason.BUDGET, True),
        (EndReason.STOPPED, True),
        (EndReason.CUT, False),
        (EndReason.SILENCE, False),
        (EndReason.STALLED, False),
        (EndReason.BAD_HANDSHAKE, False),
        (EndReason.PROTOCOL_FAULT, False),
        (EndReason.REFUSED, False),
    ],
)
def test_an_end_is_clean_when_nobody_failed(reason: EndReason, is_clean: bool) -> None:  # noqa: FBT001
    assert Ended(reason, "").is_clean is is_clean


@pytest.mark.parametrize(("offset_bytes", "is_last"), [(0, False), (6, False), (7, True)])
def test_the_last_piece_reaches_the_size(offset_bytes: int, is_last: bool) -> None:  # noqa: FBT001
    assert Received(PACKET, offset_bytes, memoryview(b"abc"), 10).is_last is is_last
