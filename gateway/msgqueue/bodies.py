"""Bodies too large for the database: one file each, beside it.

A body file is written and synced before the row that names it is committed, and removed after
the row that named it is gone. So a crash leaves at most a file that no row names; ``sweep``
removes those. Whoever writes a body holds a lock on the file until the row is committed, which
keeps another process's sweep away from it.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from gateway.durable import Disk, store_errors
from gateway.errors import StoreCorrupt

FILE_MODE = 0o600
READ_BYTES = 1 << 18

Result = TypeVar("Result")


class StagedBody:
    """A body file that no row names yet.

    Args:
        disk: how it is written.
        path: its name for good; it must not exist.
    """

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._file = disk.create(path, FILE_MODE)
        fcntl.flock(self._file.fileno(), fcntl.LOCK_EX)
        if os.fstat(self._file.fileno()).st_nlink == 0:
            # A sweep came between creation and lock; the name is free again.
            self._file.close()
            self._file = disk.create(path, FILE_MODE)
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._file.path

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._file.size_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises:
            StoreError: the disk refused.
        """
        self._file.write(data)

    def sync(self) -> None:
        """Make content and name durable; call it before the row is committed."""
        self._file.sync()
        self._disk.sync_directory(self.path.parent)

    def release(self) -> None:
        """Give up the lock: the row that names the file is committed."""
        self._file.close()

    def discard(self) -> None:
        """Remove it: there will be no row."""
        self._file.discard()


def resolved_after(
    inserted: "Future[Result]", put_away: "Callable[[Future[Result]], None]"
) -> "Future[Result]":
    """A future that is resolved after the files of what was inserted were put away.

    Args:
        inserted: the commit.
        put_away: releases the files, or removes them; it is given the commit, done. What it raises is told
            instead of the outcome: nobody must wait for ever.
    """
    settled: Future[Result] = Future()
    settled.set_running_or_notify_cancel()

    def settle(done: "Future[Result]") -> None:
        try:
            put_away(done)
            settled.set_result(done.result())
        except BaseException as error:  # noqa: BLE001 - of the commit, or of the files
            settled.set_exception(error)

    inserted.add_done_callback(settle)
    return settled


class Bodies:
    """The directory of body files.

    Args:
        directory: where they are; made by the queue.
        disk: how they are written and removed.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.directory = directory
        self._disk = disk

    def stage(self, name: str) -> StagedBody:
        """Start a new body file.

        Raises:
            StoreError: the disk refused.
        """
        return StagedBody(self._disk, self.directory / name)

    def read(self, name: str, size_bytes: int) -> Iterator[bytes]:
        """Yield a body in chunks.

        Raises:
            StoreCorrupt: it is missing or has another size than its row says.
        """
        path = self.directory / name
        done_bytes = 0
        try:
            with path.open("rb") as file:
                while chunk := file.read(READ_BYTES):
                    done_bytes += len(chunk)
                    yield chunk
        except FileNotFoundError:
            raise StoreCorrupt(f"body file {path} is missing") from None
        if done_bytes != size_bytes:
            raise StoreCorrupt(f"body file {path} has {done_bytes} bytes, its row says {size_bytes}")

    def read_parts(self, name: str, parts: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read bodies that stand in one file.

        Args:
            name: of the file.
            parts: place and size of each, bytes.

        Raises:
            StoreCorrupt: the file is missing or too short.
            StoreError: the disk refused.
        """
        path = self.directory / name
        with store_errors(path, "read"):
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError:
                raise StoreCorrupt(f"body file {path} is missing") from None
            found: list[bytes] = []
            with file:
                for run in _runs(parts):
                    start, end = run[0][0], sum(run[-1])
                    data = os.pread(file.fileno(), end - start, start)
                    if len(data) != end - start:
                        raise StoreCorrupt(f"body file {path} ends before byte {end}")
                    found += [data[place - start : place - start + size] for place, size in run]
        return found

    def size_bytes(self, name: str) -> int:
        """The size of a body file.

        Raises:
            StoreError: it can't be seen.
        """
        path = self.directory / name
        with store_errors(path, "look at"):
            return path.stat().st_size

    def remove(self, name: str) -> None:
        """Remove a body file that no row names any more."""
        self._disk.remove(self.directory / name, is_synced=False)

    def sweep(self, is_named: Callable[[str], bool]) -> int:
        """Remove the files that a crash left behind.

        Args:
            is_named: whether a row names the file; asked while its lock is held.

        Returns:
            How many were removed.
        """
        removed_count = 0
        with store_errors(self.directory, "list"):
            names = os.listdir(self.directory)  # noqa: PTH208 - names only, no stat
        for name in names:
            path = self.directory / name
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if not is_named(name):
                        self._disk.remove(path)
                        removed_count += 1
                finally:
                    os.close(fd)
        return removed_count


def _runs(parts: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Parts of a file that stand one behind the other, together."""
    run: list[tuple[int, int]] = []
    for place, size_bytes in parts:
        if run and place != sum(run[-1]):
            yield run
            run = []
        run.append((place, size_bytes))
    if run:
        yield run
