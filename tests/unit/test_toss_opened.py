"""Reading a packet from one open file."""

import contextlib
from pathlib import Path

import pytest

from gateway.errors import BadBlock, BadMagic, StoreError, Truncated
from gateway.nodes import Book
from gateway.spool.progress import Progress
from gateway.toss.opened import BUFFER_BYTES, OpenedPacket
from tests.support.nodes import make_books
from tests.support.packets import seal_packet
from tests.support.tossing import exec_header

PAYLOAD = bytes(range(256)) * 4000


@pytest.fixture
def books() -> dict[str, Book]:
    return make_books("a", "b")


def write_packet(path: Path, books: dict[str, Book], payload: bytes) -> Path:
    author, reader = books["a"].private_keys(), books["b"].private_keys()
    path.write_bytes(seal_packet(payload, author, reader, plain=exec_header(), nice=50))
    return path


@pytest.mark.parametrize("size_bytes", [0, 1, 131_072 - 276, len(PAYLOAD)])
def test_each_pass_gives_headers_and_payload(tmp_path: Path, books: dict[str, Book], size_bytes: int) -> None:
    path = write_packet(tmp_path / "packet", books, PAYLOAD[:size_bytes])
    with OpenedPacket(path, books["b"], bytearray(BUFFER_BYTES)) as opened:
        for _ in range(2):
            reading = opened.read()
            header, plain = reading.start()
            assert (header.sender, header.nice, plain) == (books["a"].self_node.id, 50, exec_header())
            assert b"".join(bytes(piece) for piece in reading) == PAYLOAD[:size_bytes]


def test_a_pass_reads_what_was_opened_even_if_the_name_is_replaced(
    tmp_path: Path, books: dict[str, Book]
) -> None:
    path = write_packet(tmp_path / "packet", books, PAYLOAD)
    with OpenedPacket(path, books["b"], bytearray(BUFFER_BYTES)) as opened:
        (tmp_path / "other").write_bytes(b"something else")
        (tmp_path / "other").rename(path)
        assert b"".join(bytes(piece) for piece in opened.read()) == PAYLOAD


def test_the_kind_of_a_large_packet_is_known_after_one_read(tmp_path: Path, books: dict[str, Book]) -> None:
    path = write_packet(tmp_path / "packet", books, PAYLOAD)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    with OpenedPacket(path, books["b"], bytearray(BUFFER_BYTES)) as opened:
        assert opened.read().start()[1] == exec_header()


@pytest.mark.parametrize(
    ("content", "error"), [(b"", Truncated), (b"x" * 100, Truncated), (b"x" * 1000, BadMagic)]
)
def test_what_is_no_packet_is_refused(
    tmp_path: Path, books: dict[str, Book], content: bytes, error: type[Exception]
) -> None:
    path = tmp_path / "packet"
    path.write_bytes(content)
    with (
        OpenedPacket(path, books["b"], bytearray(BUFFER_BYTES)) as opened,
        pytest.raises(error),
    ):
        opened.read().start()


def test_a_file_that_cannot_be_opened_or_read_is_named(tmp_path: Path, books: dict[str, Book]) -> None:
    with pytest.raises(StoreError, match="gone"):
        OpenedPacket(tmp_path / "gone", books["b"], bytearray(BUFFER_BYTES))
    with (
        OpenedPacket(tmp_path, books["b"], bytearray(BUFFER_BYTES)) as opened,
        pytest.raises(StoreError, match="cannot read"),
    ):
        opened.read().start()


@pytest.mark.parametrize("is_damaged", [False, True])
def test_progress_is_shown_and_erased_even_after_a_fault(
    tmp_path: Path, books: dict[str, Book], *, is_damaged: bool
) -> None:
    path = write_packet(tmp_path / "packet", books, PAYLOAD)
    if is_damaged:
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    shown: list[str] = []
    ticks = iter(range(1000))
    progress = Progress(shown.append, now=lambda: float(next(ticks)))
    with OpenedPacket(path, books["b"], bytearray(BUFFER_BYTES), progress) as opened:
        reading = opened.read()
        with pytest.raises(BadBlock) if is_damaged else contextlib.nullcontext():
            assert sum(len(piece) for piece in reading) == len(PAYLOAD)
    assert "opening packet" in shown[0]
    assert shown[-1] == "\r\x1b[K"
