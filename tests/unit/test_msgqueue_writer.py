"""Jobs that share a commit: one that fails takes nothing of the others with it."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError, StoreFull
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import Queue
from gateway.msgqueue.stream import put_all
from gateway.msgqueue.views import list_messages
from gateway.msgqueue.writer import LONGEST_WAIT_SECONDS, LOOKS_COUNT, MANY_COUNT, Writer
from tests.support.messages import new_message
from tests.support.processes import wait_until


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


@pytest.mark.parametrize("is_repeatable", [True, False])
def test_a_job_that_failed_alone_leaves_nothing_of_itself(tmp_path: Path, *, is_repeatable: bool) -> None:
    runs = []

    def half(connection: sqlite3.Connection) -> None:
        runs.append(connection.execute("DELETE FROM message").rowcount)
        raise StoreFull("in the middle")

    with Queue(tmp_path, Disk()) as queue:
        queue.put(new_message()).result()
        with pytest.raises(StoreFull, match="in the middle"):
            queue.write(half, is_repeatable=is_repeatable)
        assert runs == [1]
        queue.put(new_message()).result()
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
    # They may still hear of the first commit, which was told of before they listened.
    assert heard[-2:] == [1, 21]
    assert len(heard) <= 3


@contextlib.contextmanager
def writer_of(
    place: Path, pause: Callable[[Writer], object], pauses: list[float], commits: list[str]
) -> Iterator[Writer]:
    """A writer that is busy until the end of the block; it has come to rest when this is left."""
    begun, release = threading.Event(), threading.Event()

    def wait(_connection: sqlite3.Connection) -> None:
        begun.set()
        release.wait(60)

    def paused(seconds: float) -> None:
        pauses.append(seconds)
        pause(writer)

    def hook(step: str, _path: Path) -> None:
        commits.append(step)

    connection = sqlite3.connect(place / "x", isolation_level=None, check_same_thread=False)
    writer = Writer(connection, place, hook, nothing, lambda _: None, paused)
    running = writer.submit(wait)
    assert begun.wait(60)
    yield writer
    release.set()
    running.result()
    wait_until(lambda: commits.count("committed") == 3 - (not pauses), 60, "the last commit")
    writer.close()


def nothing(_connection: sqlite3.Connection) -> None:
    """Need a commit."""


def test_a_commit_waits_for_those_that_the_last_one_answered(tmp_path: Path) -> None:
    pauses: list[float] = []
    commits: list[str] = []
    with writer_of(tmp_path, lambda writer: writer.submit(nothing), pauses, commits) as writer:
        for _ in range(4):
            writer.submit(nothing)
        writer.submit(lambda _: writer.submit(nothing))
    # One was busy and five waited: with its next one there were six; then came one, and then those six.
    assert len(pauses) == 1 + 6
    assert commits == ["commit", "committed"] * 3
    assert max(pauses) <= LONGEST_WAIT_SECONDS / LOOKS_COUNT


def test_who_does_not_come_back_is_not_waited_for_long(tmp_path: Path) -> None:
    pauses: list[float] = []
    with writer_of(tmp_path, lambda _: None, pauses, []) as writer:
        for _ in range(MANY_COUNT - 1):
            writer.submit(nothing)
        writer.submit(lambda _: writer.submit(nothing))
    assert len(pauses) == 2 * LOOKS_COUNT
    assert sum(pauses) <= 2 * LONGEST_WAIT_SECONDS


def test_few_are_not_waited_for(tmp_path: Path) -> None:
    pauses: list[float] = []
    with writer_of(tmp_path, lambda _: None, pauses, []) as writer:
        for _ in range(MANY_COUNT - 2):
            writer.submit(nothing)
    assert pauses == []
