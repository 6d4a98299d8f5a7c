"""Makes received packets durable, many at once, and only then tells of them.

    PKT.part, whole ──synced──→ renamed to PKT (hash known) or PKT.nock ──directory synced──→ told

Contract: what is told survives a power cut. All packets that gathered while the disk was busy share one
sync of the directory, and one of the file system, where that can be had; else their own syncs run side
by side. A packet that fails stays what it was, and
fails alone. Copies of headers are made at the end: they only make listings quicker.

Everything here runs in the threads of one session.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreError
from gateway.file_system import FileSystem
from gateway.ids import PacketId
from gateway.spool.layout import NOCK_SUFFIX
from gateway.spool.store import Spool

GROUP_COUNT = 256
"""Packets made durable at once at most: the first of them waits for the last."""
WAITING_COUNT = 1024
SYNC_THREAD_COUNT = 8
"""File systems write one journal entry for all who wait; with more there is nothing more to gain."""
TOGETHER_COUNT = 8
"""So few are synced one by one, whatever others write."""
HEADER_LIMIT_COUNT = 10_000
"""Headers that may wait; 200 bytes each."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A packet of which all bytes have come.

    Args:
        packet: its id.
        path: the ``.part`` file.
        size_bytes: of it.
        header: its first bytes, to be kept as a copy; None: not known.
        is_verified: its hash is right; False: it becomes a ``.nock`` file.
    """

    packet: PacketId
    path: Path
    size_bytes: int
    header: bytes | None
    is_verified: bool

    @property
    def target(self) -> Path:
        """What it is renamed to."""
        name = self.packet.text
        return self.path.with_name(name if self.is_verified else name + NOCK_SUFFIX)


Sync = Callable[[Path], StoreError | None]
OnCommitted = Callable[[Sequence[Whole]], None]
OnFailed = Callable[[Whole, StoreError], None]


class Committer:
    """Commits the packets of one neighbour.

    Args:
        spool: where they stand.
        on_committed: told of packets that are durable.
        on_failed: told of one that is not, and why.
    """

    def __init__(self, spool: Spool, on_committed: OnCommitted, on_failed: OnFailed) -> None:
        self._spool = spool
        self._on_committed = on_committed
        self._on_failed = on_failed
        self._waiting: deque[Whole] = deque()
        self._taken = threading.Condition()
        self._headers: deque[Whole] = deque()
        self._sync_threads: ThreadPoolExecutor | None = None
        self._file_system: FileSystem | None = None

    def open(self, directory: Path) -> None:
        """Get ready, before anything is written into the directory of the packets."""
        if self._file_system is None:
            self._file_system = FileSystem(directory)

    def add(self, wholes: Sequence[Whole]) -> None:
        """Leave packets to ``run_once``; waits while too many are left already."""
        if len(self._waiting) >= WAITING_COUNT:
            with self._taken:
                self._taken.wait_for(lambda: len(self._waiting) < WAITING_COUNT)
        self._waiting.extend(wholes)

    def run_once(self) -> None:
        """Commit what waits, GROUP_COUNT packets at a time."""
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_COUNT))]
            with self._taken:
                self._taken.notify_all()
            self._commit(group)
            if len(self._headers) > HEADER_LIMIT_COUNT:
                self._keep_headers()

    def close(self) -> None:
        """Make the copies of headers, and end the threads; nothing is left to commit."""
        if self._file_system is not None:
            self._file_system.close()
        self._keep_headers()
        if self._sync_threads is not None:
            self._sync_threads.shutdown()

    def _commit(self, group: Sequence[Whole]) -> None:
        synced = self._without_failures(group, self._sync([whole.path for whole in group]))
        pairs = [(whole.path, whole.target) for whole in synced]
        try:
            failures = self._spool.disk.rename_together(pairs)
        except StoreError as error:
            failures = [error] * len(pairs)
        done = self._without_failures(synced, failures)
        if done:
            self._headers.extend(whole for whole in done if whole.is_verified and whole.header is not None)
            self._on_committed(done)

    def _sync(self, paths: Sequence[Path]) -> Sequence[StoreError | None]:
        disk = self._spool.disk
        if len(paths) < TOGETHER_COUNT or self._file_system is None:
            return disk.sync_files(paths, map if len(paths) == 1 else self._in_parallel)
        return disk.sync_files(paths, self._in_parallel, self._file_system.sync)

    def _in_parallel(self, sync: Sync, paths: Iterable[Path]) -> Iterable[StoreError | None]:
        """Sync many files, a share of them in each thread; the answers are in order."""
        if self._sync_threads is None:
            self._sync_threads = ThreadPoolExecutor(SYNC_THREAD_COUNT, "sync")
        todo = list(paths)
        shares = [todo[start::SYNC_THREAD_COUNT] for start in range(SYNC_THREAD_COUNT)]
        found = list(self._sync_threads.map(lambda share: [sync(path) for path in share], shares))
        return [found[index % SYNC_THREAD_COUNT][index // SYNC_THREAD_COUNT] for index in range(len(todo))]

    def _without_failures(self, group: Sequence[Whole], failures: Sequence[StoreError | None]) -> list[Whole]:
        done = []
        for whole, failure in zip(group, failures, strict=True):
            if failure is None:
                done.append(whole)
            else:
                self._on_failed(whole, failure)
        return done

    def _keep_headers(self) -> None:
        while self._headers:
            whole = self._headers.popleft()
            # It may have been tossed already.
            if whole.header is not None and whole.target.exists():
                self._spool.keep_header(whole.target, whole.header)
