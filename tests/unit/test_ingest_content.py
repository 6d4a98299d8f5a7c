"""The bulk reader of content."""

import pytest

from gateway.ingest.content import ContentReader
from gateway.ingest.inflight import InFlight


def _reader(max_bytes: int = 1000, room_bytes: int = 1000) -> tuple[ContentReader, InFlight]:
    inflight = InFlight(room_bytes)
    return ContentReader(max_bytes, inflight.reservation()), inflight


@pytest.mark.parametrize(
    ("wire", "content", "rest"),
    [
        (b".\r\n", b"", b""),
        (b".\r\nQUIT\r\n", b"", b"QUIT\r\n"),
        (b"\r\n.\r\n", b"\r\n", b""),
        (b"a\r\n.\r\n.\r\n", b"a\r\n", b".\r\n"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"...\r\n..a\r\n.b\r\n.\r\n", b"..\r\n.a\r\nb\r\n", b""),
        (b"a.\r\n.\r\n", b"a.\r\n", b""),
        (b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n", b""),
    ],
)
def test_content_ends_at_its_dot_and_loses_the_extra_ones(wire: bytes, content: bytes, rest: bytes) -> None:
    reader, inflight = _reader()
    assert reader.feed(wire)
    assert (bytes(reader.content), reader.rest, reader.fault) == (content, rest, None)
    assert inflight.used_bytes == len(content)


@pytest.mark.parametrize(
    ("wire", "what"),
    [
        (b"ab\rcd\r\n.\r\n", "bare CR at offset 2"),
        (b"ab\r\ncd\n\r\n.\r\n", "bare LF at offset 6"),
        (b"\n.\r\n\r\n.\r\n", "bare LF at offset 0"),
        (b"a\0\r\n.\r\n", "NUL at offset 1"),
        (b"a\r\n..b\0\r\n.\r\n", "NUL at offset 5"),
    ],
)
def test_stray_byte_is_named_with_its_offset(wire: bytes, what: str) -> None:
    reader, inflight = _reader()
    assert reader.feed(wire)
    assert reader.fault is not None
    assert (reader.fault.code, reader.fault.status) == (554, "5.6.0")
    assert what in reader.fault.text
    assert (bytes(reader.content), inflight.used_bytes) == (b"", 0)


def test_offset_counts_from_the_start_of_the_message_over_chunks() -> None:
    reader, _ = _reader()
    assert not reader.feed(b"0123456789\r\n01234")
    assert not reader.feed(b"56789\nxx")
    assert reader.feed(b"\r\n.\r\n")
    assert reader.fault is not None
    assert "bare LF at offset 22" in reader.fault.text


def test_message_of_exactly_the_limit_is_taken() -> None:
    reader, _ = _reader(max_bytes=12)
    assert reader.feed(b"0123456789\r\n.\r\n")
    assert reader.fault is None


def test_larger_message_is_read_to_its_end_without_holding_it() -> None:
    reader, inflight = _reader(max_bytes=12)
    for _ in range(100):
        assert not reader.feed(b"0123456789\r\n")
    assert len(reader.content) == 0
    assert inflight.used_bytes == 0
    assert reader.feed(b".\r\nNOOP\r\n")
    assert reader.fault is not None
    assert (reader.fault.code, reader.fault.status) == (552, "5.3.4")
    assert (reader.size_bytes, reader.rest) == (1200, b"NOOP\r\n")


def test_message_without_room_is_read_to_its_end_and_may_come_again() -> None:
    reader, inflight = _reader(room_bytes=20)
    other = inflight.reservation()
    assert other.hold(10)
    assert not reader.feed(b"0123456\r\n")
    assert inflight.used_bytes > 10
    assert not reader.feed(b"0123456789\r\n")
    assert inflight.used_bytes == 10
    assert reader.feed(b".\r\n")
    assert reader.fault is not None
    assert (reader.fault.code, reader.fault.status) == (452, "4.3.1")


def test_first_fault_is_the_one_that_is_answered() -> None:
    reader, _ = _reader(max_bytes=20)
    assert not reader.feed(b"a\0b\r\n")
    assert reader.feed(b"0123456789\r\n0123456789\r\n.\r\n")
    assert reader.fault is not None
    assert reader.fault.status == "5.6.0"


def test_line_of_a_hundred_thousand_bytes_is_content_like_any_other() -> None:
    reader, _ = _reader(max_bytes=1 << 20, room_bytes=1 << 20)
    assert reader.feed(b"x" * 100_000 + b"\r\n.\r\n")
    assert reader.fault is None
    assert len(reader.content) == 100_002
