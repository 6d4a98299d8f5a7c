"""Jobs that share a commit: one that fails takes nothing of the others with it."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError, StoreFull
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import Queue
from gateway.msgqueue.stream import put_all
from gateway.msgqueue.views import list_messages
from tests.support.messages import new_message


@contextlib.contextmanager
def busy_writer(queue: Queue) -> Iterator[None]:
    """What is submitted meanwhile shares a commit, in the order it was submitted in."""
    begun, release = threading.Event(), threading.Event()

    def wait(_connection: sqlite3.Connection) -> None:
        begun.set()
        release.wait(60)

    running = queue.submit(wait)
    assert begun.wait(60)
    yield
    release.set()
    running.result()


def test_a_job_that_may_be_run_again_is_when_another_one_fails(tmp_path: Path) -> None:
    first, runs = new_message(), []

    def count(connection: sqlite3.Connection) -> int:
        runs.append(connection.in_transaction)
        return len(runs)

    with Queue(tmp_path, Disk()) as queue:
        queue.put(first).result()
        with busy_writer(queue):
            good, counted = queue.put(new_message()), queue.submit(count, is_repeatable=True)
            bad, more = queue.put(first), queue.put(new_message())
        good.result()
        more.result()
        with pytest.raises(StoreError):
            bad.result()
        assert counted.result() == 2, "what it did at first was undone with the rest"
        assert runs == [True, True]
        assert len(list_messages(queue)) == 3


def test_a_job_that_may_not_be_run_again_runs_once_whatever_fails_around_it(tmp_path: Path) -> None:
    first, given = new_message(), iter([new_message(), new_message()])
    with Queue(tmp_path, Disk()) as queue:
        queue.put(first).result()
        with busy_writer(queue):
            before, bad = queue.put(new_message()), queue.put(first)
            streamed = put_all(queue, ((message, Role.OUTBOX) for message in given))
            bad_behind, behind = queue.put(first), queue.put(new_message())
        for future in (before, streamed, behind):
            future.result()
        for future in (bad, bad_behind):
            with pytest.raises(StoreError):
                future.result()
        assert len(list_messages(queue)) == 5


def test_a_job_that_failed_leaves_nothing_of_itself(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM message")
        raise StoreFull("in the middle")

    with Queue(tmp_path, Disk()) as queue:
        queue.put(new_message()).result()
        with busy_writer(queue):
            failing = [queue.submit(half, is_repeatable=is_repeatable) for is_repeatable in (True, False)]
            behind = queue.put(new_message())
        behind.result()
        for future in failing:
            with pytest.raises(StoreFull, match="in the middle"):
                future.result()
        assert len(list_messages(queue)) == 2


def test_listeners_hear_of_a_commit_once_however_many_jobs_shared_it(tmp_path: Path) -> None:
    heard = []
    with Queue(tmp_path, Disk()) as queue:
        queue.put(new_message()).result()
        queue.on_change(lambda: heard.append(len(list_messages(queue))))
        with busy_writer(queue):
            together = [queue.put(new_message()) for _ in range(20)]
        for future in together:
            future.result()
    assert heard == [1, 21]
