import threading
from collections.abc import Iterator

import pytest

from gateway.errors import StoreFull
from gateway.write_behind import BUFFER_BYTES, BUFFER_COUNT, SMALL_BYTES, write_behind

PIECE_BYTES = 100_000
COUNT = 60


def made(count: int = COUNT) -> Iterator[memoryview]:
    """Pieces that lie in one and the same buffer, each of other bytes."""
    buffer = bytearray(PIECE_BYTES)
    for number in range(count):
        buffer[:] = bytes([number]) * PIECE_BYTES
        yield memoryview(buffer)[: PIECE_BYTES - number]


def is_thread_left() -> bool:
    return any(thread.name == "write-behind" for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, SMALL_BYTES // PIECE_BYTES + 1, COUNT])
def test_everything_is_written_in_its_order(count: int) -> None:
    written = bytearray()
    write_behind(made(count), written.extend)
    assert written == b"".join(bytes(piece) for piece in made(count))
    assert not is_thread_left()


def test_a_piece_that_is_larger_than_the_buffers_is_written_whole() -> None:
    whole = bytes(range(256)) * (BUFFER_BYTES // 50)
    assert len(whole) > BUFFER_BYTES * BUFFER_COUNT
    written = bytearray()
    write_behind([bytes(SMALL_BYTES), whole, b"", b"end"], written.extend)
    assert written == bytes(SMALL_BYTES) + whole + b"end"


def test_what_is_small_is_written_by_the_caller() -> None:
    writers: set[str] = set()
    write_behind([bytes(SMALL_BYTES - 1)], lambda _: writers.add(threading.current_thread().name))
    assert writers == {threading.current_thread().name}


def test_the_maker_is_ahead_by_no_more_than_the_buffers() -> None:
    made_bytes = written_bytes = most_bytes = 0

    def counted() -> Iterator[bytes]:
        nonlocal made_bytes
        for _ in range(200):
            made_bytes += PIECE_BYTES
            yield bytes(PIECE_BYTES)

    def write(data: memoryview) -> None:
        nonlocal written_bytes, most_bytes
        most_bytes = max(most_bytes, made_bytes - written_bytes)
        written_bytes += len(data)

    write_behind(counted(), write)
    assert written_bytes == 200 * PIECE_BYTES
    assert most_bytes <= BUFFER_COUNT * BUFFER_BYTES + PIECE_BYTES


@pytest.mark.parametrize("good_bytes", [0, SMALL_BYTES, SMALL_BYTES * 2, SMALL_BYTES * 5])
def test_a_fault_of_the_writing_comes_to_the_caller_and_ends_it(good_bytes: int) -> None:
    written = bytearray()
    call_count = 0

    def write(data: memoryview) -> None:
        nonlocal call_count
        if len(written) >= good_bytes:
            call_count += 1
            raise StoreFull("full")
        written.extend(data)

    with pytest.raises(StoreFull, match="full"):
        write_behind(made(), write)
    assert call_count == 1
    assert not is_thread_left()


@pytest.mark.parametrize("count", [1, COUNT])
def test_a_fault_of_the_making_comes_to_the_caller_and_ends_the_writing(count: int) -> None:
    written = bytearray()

    def broken() -> Iterator[memoryview]:
        yield from made(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_behind(broken(), written.extend)
    before = len(written)
    assert not is_thread_left()
    assert len(written) == before <= count * PIECE_BYTES
