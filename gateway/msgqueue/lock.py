"""A lock that lets one process at a time do the work of a stage."""

import fcntl
import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from gateway.durable import store_errors
from gateway.errors import StoreBusy

LOCK_MODE = 0o640


class StageLock:
    """An flock on a file that stays; released when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def __enter__(self) -> None:
        with store_errors(self._path, "open"):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise StoreBusy(f"{self._path} is held by another process") from None
        self._fd = fd

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class SharedLock:
    """A lock that several threads of this process hold together, as long as any of them needs it.

    Args:
        lock: what keeps other processes out.
    """

    def __init__(self, lock: AbstractContextManager[None]) -> None:
        self._lock = lock
        self._guard = threading.Lock()
        self._holder_count = 0

    def __enter__(self) -> None:
        with self._guard:
            if not self._holder_count:
                self._lock.__enter__()
            self._holder_count += 1

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._holder_count -= 1
            if not self._holder_count:
                self._lock.__exit__(None, None, None)
