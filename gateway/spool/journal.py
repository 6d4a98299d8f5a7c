"""A log whose writing nobody waits for: a thread writes down what has gathered, many records at once.

Contract: records are in the order of their events and have their times; when ``close`` returns all
are written. A disk that is slower than the events makes whoever records wait, so that memory stays flat.
"""

import queue
import threading
from types import TracebackType
from typing import Self

from gateway.spool.log import Entry, Log

WAITING_COUNT = 10_000
"""Entries that may wait; half a kilobyte each."""
BATCH_COUNT = 500
GATHER_SECONDS = 0.05
"""A record is written so much later, with those that come meanwhile: a thread that is woken for each of
thousands keeps the others from their work."""


class Journal(Log):
    """A log that is written by a thread, from the first record to ``close``.

    Args:
        log: where to, and how.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(log.target, quiet=log.is_quiet, debug=log.is_debug, now_ns=log.now_ns)
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._emptied = threading.Condition()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closing = threading.Event()

    def put(self, entry: Entry) -> None:
        """Record an event, soon."""
        if self._thread is None:
            self._start()
        if self._entries.qsize() > WAITING_COUNT:
            with self._emptied:
                self._emptied.wait_for(lambda: self._entries.qsize() <= WAITING_COUNT)
        self._entries.put(entry)

    def close(self) -> None:
        """Wait until all is written; may be called again, and further events may follow."""
        if self._thread is not None:
            self._is_closing.set()
            self._entries.put(None)
            self._thread.join()
            self._thread = None
            self._is_closing.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch = [self._entries.get()]
            if self._entries.qsize() < BATCH_COUNT:
                self._is_closing.wait(GATHER_SECONDS)
            while batch[-1] is not None and len(batch) < BATCH_COUNT and not self._entries.empty():
                batch.append(self._entries.get())
            entries = [entry for entry in batch if entry is not None]
            if entries:
                self.write(entries)
            with self._emptied:
                self._emptied.notify_all()
            if len(entries) < len(batch):
                return
