"""A staged payload can be read again, is bounded, and leaves nothing behind."""

import fcntl
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreFull, TooLarge
from gateway.msgqueue.payload import ROOM_CHECK_BYTES, Payload, sweep

DISK = Disk(is_syncing=False)


def no_check(_size_bytes: int) -> None:
    """There is always room."""


def test_a_payload_is_read_as_often_as_wanted(tmp_path: Path) -> None:
    with Payload(DISK, tmp_path) as payload:
        payload.fill([b"abc", b"", b"def"], 100, no_check)
        assert [b"".join(payload.chunks()) for _ in range(2)] == [b"abcdef"] * 2
        assert (payload.size_bytes, payload.last_byte) == (6, b"f")
        assert len(list(tmp_path.iterdir())) == 1
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
        payload.fill([b"abc"], 100, no_check)
        assert sweep(tmp_path, DISK) == 1
        assert b"".join(payload.chunks()) == b"abc"
        assert not (tmp_path / "left.payload").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["held.payload"]
