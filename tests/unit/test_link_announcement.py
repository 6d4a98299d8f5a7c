from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadMagic, PacketError, Truncated
from gateway.ids import NodeId
from gateway.link.announcement import ANNOUNCEMENT_BYTES, decode_announcement, encode_announcement

VECTOR = Path(__file__).parents[1] / "vectors" / "mcd.bin"
SENDER = "3TMO6UCFEG4NU3XQC7A5PMYCJTPPBUP47LTVYRXLKX737Z7GB4HQ"


def test_datagram_that_go_sent() -> None:
    raw = VECTOR.read_bytes()
    assert decode_announcement(raw) == NodeId.parse(SENDER)
    assert encode_announcement(NodeId.parse(SENDER)) == raw


@given(st.binary(min_size=32, max_size=32).map(NodeId))
def test_what_is_written_is_read(node: NodeId) -> None:
    raw = encode_announcement(node)
    assert len(raw) == ANNOUNCEMENT_BYTES
    assert decode_announcement(raw) == node


@pytest.mark.parametrize("size_bytes", [0, 8, ANNOUNCEMENT_BYTES - 1, ANNOUNCEMENT_BYTES + 1])
def test_other_sizes_are_refused(size_bytes: int) -> None:
    raw = (VECTOR.read_bytes() + b"\0")[:size_bytes]
    with pytest.raises(Truncated, match=f"{size_bytes} bytes"):
        decode_announcement(raw)


def test_other_version_is_refused() -> None:
    raw = VECTOR.read_bytes()
    with pytest.raises(BadMagic, match="4e4e435044000002"):
        decode_announcement(raw[:7] + b"\x02" + raw[8:])


@given(st.binary(max_size=80))
def test_garbage_is_refused_or_an_id(raw: bytes) -> None:
    try:
        decode_announcement(raw)
    except PacketError:
        assert not (raw.startswith(b"NNCPD\0\0\x01") and len(raw) == ANNOUNCEMENT_BYTES)
