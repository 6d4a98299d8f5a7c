"""An open SQLite database: one thread writes, each reading thread has a connection of its own.

Contract: what ``write`` has done, and what a future of ``submit`` stands for, survives a power cut. Several
processes may have the database open at once.
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.msgqueue.checkpointer import LOG_LIMIT_PAGES, Checkpointer
from gateway.msgqueue.clock import Mark, QueueClock
from gateway.msgqueue.schema import MIGRATIONS, migrate
from gateway.msgqueue.writer import Writer, as_store_error

BUSY_TIMEOUT_SECONDS = 30.0
MARK_SECONDS = 1.0
"""The clock is kept no oftener: the row is written with what is committed anyway, but not for nothing."""

Result = TypeVar("Result")


class Database:
    """One open database.

    Args:
        path: of its file, in a directory that exists.
        disk: its ``is_syncing`` rules the database as well.
        clock: makes the clock from the mark that was kept last.
        migrations: what leads to its tables.
        after_commit: called after each commit of this process, as by ``Writer``; it must not block.

    Raises:
        StoreError: it can't be opened.
    """

    def __init__(
        self,
        path: Path,
        disk: Disk,
        clock: Callable[[Mark | None], QueueClock],
        migrations: Sequence[str] = MIGRATIONS,
        after_commit: Callable[[Collection[str | None]], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._is_syncing = disk.is_syncing
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._is_closed = False
        is_new = not path.exists()
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            raise as_store_error(error, path) from error
        try:
            migrate(connection, migrations)
            self.clock = clock(_read_mark(connection))
            _write_mark(connection, self.clock)
            if is_new:
                disk.sync_directory(path.parent)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise as_store_error(error, path) from error
            raise
        self._marked_at = self.clock.now()
        self._after_commit = after_commit
        self._checkpointer = Checkpointer(self._connect)
        self._writer = Writer(connection, path, disk.hook, self._keep_clock, self._committed)

    def close(self) -> None:
        """Finish what was submitted and close."""
        self._writer.close()
        self._checkpointer.close()
        with self._readers_lock:
            self._is_closed = True
            for connection in self._readers:
                connection.close()
            self._readers.clear()

    def submit(
        self,
        job: Callable[[sqlite3.Connection], Result],
        *,
        is_repeatable: bool = False,
        concerns: str | None = None,
    ) -> "Future[Result]":
        """Run a job in the next write transaction; see ``Writer.submit``."""
        return self._writer.submit(job, is_repeatable=is_repeatable, concerns=concerns)

    def write(self, job: Callable[[sqlite3.Connection], Result], *, is_repeatable: bool = False) -> Result:
        """Run a job in the next write transaction and wait until it is on disk."""
        return self.submit(job, is_repeatable=is_repeatable).result()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading, one for each thread.

        Raises:
            StoreError: whatever SQLite refuses; the database is closed.
        """
        connection = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._connect_reader()
            yield connection
        except sqlite3.Error as error:
            raise as_store_error(error, self.path) from error

    def _connect_reader(self) -> sqlite3.Connection:
        with self._readers_lock:
            if self._is_closed:
                raise StoreError(f"{self.path}: closed", status="4.3.0")
            connection = self._connect()
            self._readers.append(connection)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            # Before the journal's mode, which writes the file anew.
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._is_syncing else 'OFF'}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_LIMIT_PAGES}")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _committed(self, concerns: Collection[str | None]) -> None:
        self._checkpointer.wake()
        self._after_commit(concerns)

    def _keep_clock(self, connection: sqlite3.Connection) -> None:
        now = self.clock.now()
        if now - self._marked_at >= MARK_SECONDS:
            _write_mark(connection, self.clock)
            self._marked_at = now


def _read_mark(connection: sqlite3.Connection) -> Mark | None:
    row = connection.execute(
        "SELECT queue_seconds, boot_id, uptime_seconds, wall_seconds FROM clock"
    ).fetchone()
    return None if row is None else Mark(*row)


def _write_mark(connection: sqlite3.Connection, clock: QueueClock) -> None:
    mark = clock.mark()
    connection.execute(
        "INSERT INTO clock VALUES (1, ?, ?, ?, ?) ON CONFLICT (only) DO UPDATE SET"
        " queue_seconds = excluded.queue_seconds, boot_id = excluded.boot_id,"
        " uptime_seconds = excluded.uptime_seconds, wall_seconds = excluded.wall_seconds",
        (mark.queue_seconds, mark.boot_id, mark.uptime_seconds, mark.wall_seconds),
    )
