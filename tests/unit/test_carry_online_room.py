"""Space is promised once, whoever asks."""

import threading
from pathlib import Path

import pytest

from gateway.carry.online.room import Room
from gateway.errors import StoreError
from tests.support.online_sessions import Site

THREADS = 8
SHARES = 50


def test_space_is_not_promised_twice(tmp_path: Path) -> None:
    spool = Site(tmp_path, "a").spool
    free_bytes = spool.free_bytes()
    room = Room(spool, reserve_bytes=free_bytes // 10)
    assert not room.take(free_bytes)
    assert room.take(free_bytes // 2)
    assert not room.take(free_bytes // 2)
    room.give_back(free_bytes // 2)
    assert room.take(free_bytes // 2)


def test_the_reserve_is_left_free(tmp_path: Path) -> None:
    spool = Site(tmp_path, "a").spool
    free_bytes = spool.free_bytes()
    assert not Room(spool, reserve_bytes=2 * free_bytes).take(1)
    assert Room(spool, reserve_bytes=0).take(1)


def test_sessions_that_ask_at_once_get_no_more_than_there_is(tmp_path: Path) -> None:
    spool = Site(tmp_path, "a").spool
    free_bytes = spool.free_bytes()
    share_bytes = free_bytes // 100
    room = Room(spool, reserve_bytes=0)
    granted: list[bool] = []

    def ask() -> None:
        granted.extend(room.take(share_bytes) for _ in range(SHARES))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == THREADS * SHARES
    # Others write and remove files on this disk meanwhile.
    assert 80 <= granted.count(True) <= 120


def test_a_spool_that_is_gone_has_no_space(tmp_path: Path) -> None:
    spool = Site(tmp_path, "a").spool
    spool.root.rmdir()
    with pytest.raises(StoreError, match="Can not stat spool"):
        Room(spool, reserve_bytes=0).take(1)
