"""One thread writes; whatever waits while it syncs shares the next commit.

Each job gets a savepoint, so that one that fails takes nothing of the others with it, and its
future is resolved only after the commit of all of them is on disk: many SMTP sessions share one
sync, and each answers 250 only after it.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from gateway.durable import Hook
from gateway.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull

Result = TypeVar("Result")
Job = Callable[[sqlite3.Connection], Any]

JOBS_PER_COMMIT = 500
"""More would make the first of them wait for the last."""

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


class Writer:
    """The thread that owns the writing connection.

    Args:
        connection: in autocommit mode; used by this thread alone from now on.
        path: of the database, for errors.
        hook: announced ``commit`` before and ``committed`` after each commit.
        before_commit: a last job of each transaction, such as keeping the clock.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, hook: Hook, before_commit: Job) -> None:
        self._connection = connection
        self._path = path
        self._hook = hook
        self._before_commit = before_commit
        self._jobs: queue.SimpleQueue[tuple[Job, Future[Any]] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="queue-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], Result]) -> "Future[Result]":
        """Run ``job`` in the next transaction.

        Returns:
            A future that is resolved after the commit is on disk; its error is a ``GatewayError``,
            or whatever bug the job ran into.
        """
        future: Future[Result] = Future()
        with self._closing:
            if self._is_closed:
                raise StoreError(f"queue {self._path} is closed")
            self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """Finish what was submitted, then end the thread and close the connection."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            item = self._jobs.get()
            group: list[tuple[Job, Future[Any]]] = []
            while item is not None:
                # A waiter that gave up before its turn is skipped; after this it can't give up.
                if item[1].set_running_or_notify_cancel():
                    group.append(item)
                if len(group) >= JOBS_PER_COMMIT:
                    break
                try:
                    item = self._jobs.get_nowait()
                except queue.Empty:
                    break
            is_open = item is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[tuple[Job, Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job, future in group:
                self._run_job(job, future, done)
            self._before_commit(self._connection)
            self._hook("commit", self._path)
            self._connection.execute("COMMIT")
            self._hook("committed", self._path)
        except BaseException as error:  # noqa: BLE001 - every waiting future must get an answer
            self._roll_back()
            failure = as_store_error(error, self._path) if isinstance(error, sqlite3.Error) else error
            for _, future in group:
                if not future.done():
                    future.set_exception(failure)
            return
        for future, result in done:
            future.set_result(result)

    def _run_job(self, job: Job, future: "Future[Any]", done: list[tuple["Future[Any]", Any]]) -> None:
        self._connection.execute("SAVEPOINT job")
        try:
            result = job(self._connection)
        except Exception as error:
            if not self._connection.in_transaction:
                # SQLite rolled the whole transaction back (disk full): nobody's job is in it.
                raise
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            failure = as_store_error(error, self._path) if isinstance(error, sqlite3.Error) else error
            future.set_exception(failure)
            return
        self._connection.execute("RELEASE job")
        done.append((future, result))

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
