"""Moves what was committed from SQLite's log to its place in the database, while nobody waits for it.

SQLite does that by itself within a commit once its log is long, and whoever waits for that commit waits for
the move and its syncs too. Here a thread of its own does it a moment after commits; SQLite does it only where
this falls behind (``LOG_LIMIT_PAGES``).

Contract: nothing depends on it: what is committed is safe in the log, and a fault here is left to SQLite.
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable

LOG_LIMIT_PAGES = 4000
"""16 MiB, a quarter of the space that is kept in reserve."""
PAUSE_SECONDS = 0.5

_LOG = logging.getLogger(__name__)


class Checkpointer:
    """The thread; it begins with the first commit.

    Args:
        connect: opens a connection of its own.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._is_wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Say that there was a commit; for the thread that commits, and no other."""
        self._is_wanted.set()
        if self._thread is None and not self._stopping.is_set():
            thread = threading.Thread(target=self._run, name="queue-checkpoint", daemon=True)
            # Where there may be no more threads, commits must go on: SQLite moves its log itself.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End, once nothing is committed any more."""
        self._stopping.set()
        self._is_wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            while True:
                self._is_wanted.wait()
                # Not at once: it would be in the way of the answer that the commit was for.
                if self._stopping.wait(PAUSE_SECONDS):
                    break
                self._is_wanted.clear()
                connection = connection or self._connect()
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            _LOG.warning("the log of the queue is left to SQLite: %s", error)
        finally:
            if connection is not None:
                connection.close()
