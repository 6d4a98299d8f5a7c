"""A staged payload can be read again, is bounded, and leaves nothing behind."""

import fcntl
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreFull, TooLarge
from gateway.msgqueue.payload import HELD_LIMIT_BYTES, ROOM_CHECK_BYTES, Payload, stage_payload, sweep

DISK = Disk(is_syncing=False)


def no_check(_size_bytes: int) -> None:
    """There is always room."""


@pytest.mark.parametrize(
    ("chunks", "files_count"),
    [
        ([], 0),
        ([b"abc", b"", b"def"], 0),
        ([b"x" * (HELD_LIMIT_BYTES - 1), b"y"], 0),
        ([b"x" * HELD_LIMIT_BYTES, b"", b"y", b"z" * HELD_LIMIT_BYTES], 1),
        ([b"x" * (HELD_LIMIT_BYTES + 1)], 1),
    ],
    ids=["empty", "small", "all that is held", "one byte more", "large at once"],
)
def test_a_payload_is_read_as_often_as_wanted_and_only_a_large_one_needs_a_file(
    tmp_path: Path, chunks: list[bytes], files_count: int
) -> None:
    whole = b"".join(chunks)
    with Payload(DISK, tmp_path / "new") as payload:
        payload.fill(chunks, len(whole), no_check)
        assert [b"".join(payload.chunks()) for _ in range(2)] == [whole] * 2
        assert (payload.size_bytes, payload.last_byte) == (len(whole), whole[-1:])
        assert len(list((tmp_path / "new").glob("*"))) == files_count
        assert payload.is_held_with(0) == (files_count == 0)
    assert list((tmp_path / "new").glob("*")) == []


def test_a_small_payload_can_be_read_by_another_program_too(tmp_path: Path) -> None:
    with Payload(DISK, tmp_path) as payload:
        payload.fill([b"abc"], 100, no_check)
        with payload.open() as file:
            assert file.read() == b"abc"
        payload.write(b"def", 100, no_check)
        assert (b"".join(payload.chunks()), payload.size_bytes) == (b"abcdef", 6)
    assert list(tmp_path.iterdir()) == []


def test_the_hash_depends_on_the_content_alone(tmp_path: Path) -> None:
    digests = set()
    for chunks in ([b"abcdef"], [b"abc", b"def"]):
        with Payload(DISK, tmp_path) as payload:
            payload.fill(chunks, 100, no_check)
            digests.add(payload.digest)
    assert len(digests) == 1


def test_a_payload_over_the_limit_is_refused_for_now(tmp_path: Path) -> None:
    with Payload(DISK, tmp_path) as payload:
        payload.fill([b"x" * 10], 10, no_check)
    with Payload(DISK, tmp_path) as payload, pytest.raises(TooLarge, match="10 bytes") as caught:
        payload.fill([b"x" * 10, b"x"], 10, no_check)
    assert caught.value.is_temporary
    assert list(tmp_path.iterdir()) == []


def test_free_space_is_looked_at_on_the_way(tmp_path: Path) -> None:
    asked: list[int] = []

    def check(size_bytes: int) -> None:
        asked.append(size_bytes)
        if len(asked) == 3:
            raise StoreFull("full")

    chunk = b"x" * (ROOM_CHECK_BYTES // 2)
    with Payload(DISK, tmp_path) as payload, pytest.raises(StoreFull):
        payload.fill([chunk] * 100, 1 << 40, check)
    assert asked == [len(chunk)] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_moved_payload_stays_and_can_still_be_read(tmp_path: Path) -> None:
    with Payload(DISK, tmp_path) as payload:
        payload.fill([b"abc"], 100, no_check)
        payload.move(tmp_path / "kept")
        assert b"".join(payload.chunks()) == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_sweep_takes_what_nobody_holds(tmp_path: Path) -> None:
    (tmp_path / "left.payload").write_bytes(b"by a crash")
    with (tmp_path / "held.payload").open("wb") as held, Payload(DISK, tmp_path) as payload:
        fcntl.flock(held, fcntl.LOCK_EX)
        whole = b"x" * (HELD_LIMIT_BYTES + 1)
        payload.fill([whole], 1 << 20, no_check)
        assert sweep(tmp_path, DISK) == 1
        assert b"".join(payload.chunks()) == whole
        assert not (tmp_path / "left.payload").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["held.payload"]


def test_the_next_payload_removes_what_a_crash_left(tmp_path: Path) -> None:
    with stage_payload(tmp_path, DISK) as first:
        first.write(b"x" * (HELD_LIMIT_BYTES + 1), 1 << 20, no_check)
        (held,) = (tmp_path / "incoming").iterdir()
        (tmp_path / "incoming" / "left.payload").write_bytes(b"by a crash")
        with stage_payload(tmp_path, DISK):
            assert list((tmp_path / "incoming").iterdir()) == [held]
