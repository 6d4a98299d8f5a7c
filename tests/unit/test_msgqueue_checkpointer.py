"""What is committed gets to its place in the database soon, and nobody depends on it."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.msgqueue.checkpointer import Checkpointer
from tests.support.processes import wait_until

WAIT_SECONDS = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(path)
    connection.execute("CREATE TABLE word (text TEXT)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    yield connection
    connection.close()


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def test_what_is_committed_gets_to_its_place_each_time(path: Path, writing: sqlite3.Connection) -> None:
    checkpointer = Checkpointer(lambda: connect(path))
    try:
        for word in (b"some unusual word", b"another unusual word"):
            writing.execute("INSERT INTO word VALUES (?)", (word.decode(),))
            assert word not in path.read_bytes()
            checkpointer.wake()
            wait_until(lambda: word in path.read_bytes(), WAIT_SECONDS, "the move")  # noqa: B023 - used at once
    finally:
        checkpointer.close()


def test_a_fault_is_told_of_and_stops_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> sqlite3.Connection:
        raise sqlite3.OperationalError("no more files")

    checkpointer = Checkpointer(broken)
    checkpointer.wake()
    wait_until(lambda: "no more files" in caplog.text, WAIT_SECONDS, "the line")
    checkpointer.wake()
    checkpointer.close()


def test_it_ends_at_once_whether_or_not_it_began(path: Path) -> None:
    Checkpointer(lambda: connect(path)).close()
    begun = Checkpointer(lambda: connect(path))
    begun.wake()
    begun.close()


def test_without_room_for_a_thread_nothing_stops(path: Path) -> None:
    checkpointer = Checkpointer(lambda: connect(path))
    usual_bytes = threading.stack_size(1 << 47)
    try:
        with pytest.raises(RuntimeError):
            threading.Thread(target=checkpointer.close).start()
        checkpointer.wake()
    finally:
        threading.stack_size(usual_bytes)
    checkpointer.close()
