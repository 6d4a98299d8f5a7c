"""One thread writes; whatever waits while it syncs shares the next commit.

A job that fails takes nothing of the others with it, and the future of each is resolved only after the
commit of all of them is on disk: many SMTP sessions share one sync, and each answers 250 only after it.

A savepoint for each job would do that, but it makes SQLite copy every page that a job is the first to
change, a third of the time of small jobs. So those that may be run again are run without: if one of them
fails, all is undone and each is run anew with a savepoint of its own.

Sessions that hand in one message after the other are soon back with the next. If each commit took whoever
waits just then, they would fall into two groups that commit in turn, with twice as many syncs. So where many
are at work, a commit waits for those that the last one has answered, but no longer than that one took.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gateway.durable import Hook
from gateway.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull

Result = TypeVar("Result")
Job = Callable[[sqlite3.Connection], Any]

JOBS_PER_COMMIT = 500
"""More would make the first of them wait for the last."""
MANY_COUNT = 4
"""Jobs of two commits in a row, for which the next waits."""
LONGEST_WAIT_SECONDS = 0.005
"""Longer than sessions that are quick need, whatever the disk takes."""
LOOKS_COUNT = 8
"""How often a commit that waits looks whether all are there; to be woken by each would cost more."""

_KINDS: dict[int, type[StoreError]] = {
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_CORRUPT: StoreCorrupt,
    sqlite3.SQLITE_NOTADB: StoreCorrupt,
}


def as_store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """The error of ours that says what SQLite said."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _KINDS.get(code, StoreError)(f"queue {path}: {error}")


class _Task(NamedTuple):
    job: Job
    future: Future[Any]
    is_repeatable: bool
    concerns: str | None


class Writer:
    """The thread that owns the writing connection.

    Args:
        connection: in autocommit mode; used by this thread alone from now on.
        path: of the database, for errors.
        hook: announced ``commit`` before and ``committed`` after each commit.
        before_commit: a last job of each transaction, such as keeping the clock.
        after_commit: called after each commit with what its jobs concern; it must not block.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        hook: Hook,
        before_commit: Job,
        after_commit: Callable[[Collection[str | None]], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._path = path
        self._hook = hook
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._pause = pause
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._is_closed = False
        self._expected_count = 0
        """Jobs of the last commit, and those that came while it lasted."""
        self._commit_seconds = 0.0
        """How long the last commit took."""
        self._thread = threading.Thread(target=self._run, name="queue-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        job: Callable[[sqlite3.Connection], Result],
        *,
        is_repeatable: bool = False,
        concerns: str | None = None,
    ) -> "Future[Result]":
        """Run ``job`` in the next transaction.

        Args:
            job: what to run.
            is_repeatable: it changes nothing but the database, so that it may be run again after it was
                undone.
            concerns: the only ones to whom what it changes can matter; None: it may matter to all.

        Returns:
            A future that is resolved after the commit is on disk; its error is a ``GatewayError``,
            or whatever bug the job ran into.
        """
        future: Future[Result] = Future()
        with self._closing:
            if self._is_closed:
                raise StoreError(f"queue {self._path} is closed")
            self._tasks.put(_Task(job, future, is_repeatable, concerns))
        return future

    def close(self) -> None:
        """Finish what was submitted, then end the thread and close the connection."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._tasks.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            self._wait_for_others()
            task = self._tasks.get()
            group: list[_Task] = []
            while task is not None:
                # A waiter that gave up before its turn is skipped; after this it can't give up.
                if task.future.set_running_or_notify_cancel():
                    group.append(task)
                if len(group) >= JOBS_PER_COMMIT:
                    break
                try:
                    task = self._tasks.get_nowait()
                except queue.Empty:
                    break
            is_open = task is not None
            if group:
                self._commit(group)
            # Not while it waits: messages are in there.
            del task, group

    def _wait_for_others(self) -> None:
        if self._expected_count < MANY_COUNT or not 0 < self._tasks.qsize() < self._expected_count:
            return
        for _ in range(LOOKS_COUNT):
            self._pause(min(self._commit_seconds, LONGEST_WAIT_SECONDS) / LOOKS_COUNT)
            if self._tasks.qsize() >= self._expected_count:
                return

    def _commit(self, group: list[_Task]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        begun_at = time.perf_counter()
        try:
            self._begin(group, done)
            for task in group[len(done) :]:
                self._run_task(task, done)
            self._before_commit(self._connection)
            self._hook("commit", self._path)
            self._connection.execute("COMMIT")
            self._hook("committed", self._path)
        except BaseException as error:  # noqa: BLE001 - every waiting future must get an answer
            self._roll_back()
            failure = as_store_error(error, self._path) if isinstance(error, sqlite3.Error) else error
            for task in group:
                if not task.future.done():
                    task.future.set_exception(failure)
            return
        for future, result in done:
            future.set_result(result)
        self._after_commit({task.concerns for task in group})
        self._commit_seconds = time.perf_counter() - begun_at
        self._expected_count = len(group) + self._tasks.qsize()

    def _begin(self, group: list[_Task], done: list[tuple["Future[Any]", Any]]) -> None:
        """Begin a transaction with the jobs in front that may be run again, or, if one fails, with none."""
        self._connection.execute("BEGIN IMMEDIATE")
        if len(group) == 1:
            # It is undone with its transaction. For a savepoint SQLite keeps pages as they were, in a file.
            done.append((group[0].future, group[0].job(self._connection)))
            return
        try:
            repeatable = takewhile(lambda task: task.is_repeatable, group)
            done.extend((task.future, task.job(self._connection)) for task in repeatable)
        except Exception:  # noqa: BLE001 - whose it is, and what, is found when they are run again
            done.clear()
            self._roll_back()
            self._connection.execute("BEGIN IMMEDIATE")

    def _run_task(self, task: _Task, done: list[tuple["Future[Any]", Any]]) -> None:
        self._connection.execute("SAVEPOINT job")
        try:
            result = task.job(self._connection)
        except Exception as error:
            if not self._connection.in_transaction:
                # SQLite rolled the whole transaction back (disk full): nobody's job is in it.
                raise
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            failure = as_store_error(error, self._path) if isinstance(error, sqlite3.Error) else error
            task.future.set_exception(failure)
            return
        self._connection.execute("RELEASE job")
        done.append((task.future, result))

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
