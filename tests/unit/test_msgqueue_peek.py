"""A look at a queue changes nothing and makes nothing."""

from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.peek import peek_counts
from gateway.msgqueue.store import DATABASE_NAME, Queue
from tests.support.messages import new_message

COUNTS = {(Role.OUTBOX, State.QUEUED): 2, (Role.INBOX, State.QUEUED): 1}


def fill(queue: Queue) -> None:
    queue.put(new_message(recipients=("a@b.test", "b@b.test"))).result()
    queue.put(new_message(node=None), Role.INBOX).result()


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_where_there_is_no_queue_nothing_is_counted_and_nothing_made(tmp_path: Path) -> None:
    assert peek_counts(tmp_path / "none") == {}
    assert list(tmp_path.iterdir()) == []


def test_a_queue_that_nobody_has_open_is_read_without_a_trace(tmp_path: Path) -> None:
    directory = tmp_path / "a ?#%20 queue"
    with Queue(directory, Disk(is_syncing=False)) as queue:
        fill(queue)
    before = files(directory)
    assert peek_counts(directory) == COUNTS
    assert files(directory) == before


def test_a_queue_that_is_open_is_read_as_it_is_now(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk(is_syncing=False)) as queue:
        fill(queue)
        assert peek_counts(tmp_path) == COUNTS


def test_what_is_no_queue_is_told(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        peek_counts(tmp_path)
