"""The open database of the store, and the files of large articles beside it.

As the queue: one thread writes, each reading thread has a connection of its own, and what ``write`` has done
survives a power cut when it returns.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gateway.durable import Disk
from gateway.errors import StoreFull
from gateway.msgqueue.bodies import Bodies
from gateway.msgqueue.clock import Mark, QueueClock
from gateway.msgqueue.room import Room
from gateway.msgqueue.schema import migrate
from gateway.msgqueue.store import (
    BODIES_NAME,
    BUSY_TIMEOUT_SECONDS,
    DIRECTORY_MODE,
    read_mark,
    write_mark,
)
from gateway.msgqueue.writer import Writer, as_store_error
from gateway.reader.schema import MIGRATIONS

DATABASE_NAME = "reader.sqlite"

Result = TypeVar("Result")


class Database:
    """The open database.

    Args:
        directory: of the database and the bodies; made if missing.
        disk: how files are changed; its ``is_syncing`` also rules the database.
        reserve_bytes: free space that nothing new may touch.
        clock: makes the store's clock from the mark kept last.

    Raises:
        StoreError: it can't be opened.
    """

    def __init__(
        self, directory: Path, disk: Disk, reserve_bytes: int, clock: Callable[[Mark | None], QueueClock]
    ) -> None:
        self._path = directory / DATABASE_NAME
        self._disk = disk
        self._reserve_bytes = reserve_bytes
        disk.make_directories(directory / BODIES_NAME, DIRECTORY_MODE)
        self.bodies = Bodies(directory / BODIES_NAME, disk)
        self._room = Room(directory)
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        is_new = not self._path.exists()
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            raise as_store_error(error, self._path) from error
        try:
            migrate(connection, MIGRATIONS)
            self.clock = clock(read_mark(connection))
            write_mark(connection, self.clock)
            if is_new:
                disk.sync_directory(directory)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise as_store_error(error, self._path) from error
            raise
        self._writer = Writer(connection, self._path, disk.hook, self._keep_clock)

    def close(self) -> None:
        """Finish what was begun, and close."""
        self._writer.close()
        with self._readers_lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()

    def check_room(self, size_bytes: int) -> None:
        """Make sure that so much may be written.

        Raises:
            StoreFull: the reserve of free space would be touched.
        """
        left_bytes = self._room.left_bytes(size_bytes, self._reserve_bytes)
        if left_bytes - size_bytes < self._reserve_bytes:
            raise StoreFull(
                f"{self._path.parent} has {left_bytes} bytes free; {self._reserve_bytes} are kept in reserve"
            )

    def write(self, job: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a job in a transaction of its own and wait until it is on disk."""
        return self._writer.submit(job).result()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading, one for each thread.

        Raises:
            StoreError: whatever SQLite refuses.
        """
        connection = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._local.connection = connection
                with self._readers_lock:
                    self._readers.append(connection)
            yield connection
        except sqlite3.Error as error:
            raise as_store_error(error, self._path) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            # Before the journal's mode, which writes the file anew.
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._disk.is_syncing else 'OFF'}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _keep_clock(self, connection: sqlite3.Connection) -> None:
        write_mark(connection, self.clock)
