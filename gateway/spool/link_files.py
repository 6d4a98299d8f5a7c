"""The files of the state of links: read as they are found, whoever writes them meanwhile.

Contract: nothing but a small regular file is read, no link is followed, and nothing waits for anybody but
``lock_directory``, for a moment.
"""

import contextlib
import fcntl
import heapq
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.durable import store_errors
from gateway.errors import StoreCorrupt, StoreError
from gateway.spool.link_record import RECORD_LIMIT_BYTES, Running, decode_running

SESSION_SUFFIX = ".session"

SESSION_LIMIT_COUNT = 64
"""Files of sessions that are looked at."""

LOCK_LIMIT_SECONDS = 0.2
"""Whoever may read the directory can lock it. It guards sums, not mail: after this we go on without."""

_LOCK_POLL_SECONDS = 0.01
_READ_LIMIT_COUNT = 100


def session_paths(directory: Path) -> list[Path]:
    """The files of sessions, sorted; none if the directory is missing.

    Raises:
        StoreError: it cannot be listed.
    """
    try:
        with os.scandir(directory) as entries:
            names = (entry.name for entry in entries if _is_session_name(entry.name))
            chosen = heapq.nsmallest(SESSION_LIMIT_COUNT, names)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot list {directory}: {error.strerror}") from error
    return [directory / name for name in chosen]


def _is_session_name(name: str) -> bool:
    return name.endswith(SESSION_SUFFIX) and not name.startswith(".")


def read_running(path: Path) -> Running:
    """Read the file of a session, and whether its process lives.

    Raises:
        FileNotFoundError: it was removed meanwhile.
        OSError: it cannot be opened.
        StoreCorrupt: it is no such file.
    """
    for _ in range(_READ_LIMIT_COUNT):
        with open_record(path) as fd:
            if _is_locked(fd):
                return decode_running(read_record(fd, path), is_alive=True)
            # What replaced it meanwhile is locked again.
            if os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):  # noqa: PTH116 - pairs with fstat
                return decode_running(read_record(fd, path), is_alive=False)
    raise StoreCorrupt("it is replaced all the time")


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def open_record(path: Path) -> Iterator[int]:
    """Open a file for reading.

    Raises:
        OSError: it cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def read_record(fd: int, path: Path) -> bytes:
    """Read an open file whole.

    Raises:
        StoreCorrupt: it is no file, or too large.
        StoreError: it cannot be read.
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise StoreCorrupt("it is no file")
    with store_errors(path, "read"):
        raw = os.read(fd, RECORD_LIMIT_BYTES + 1)
    if len(raw) > RECORD_LIMIT_BYTES:
        raise StoreCorrupt(f"it is larger than {RECORD_LIMIT_BYTES} bytes")
    return raw


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Exclude others who add to the sums, as far as they let us.

    Raises:
        StoreError: the directory cannot be opened.
    """
    with store_errors(directory, "open"):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_LIMIT_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                break
        yield
    finally:
        os.close(fd)
