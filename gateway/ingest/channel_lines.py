"""The lines of a channel feed on their way from innd's pipe to files.

    in the pipe --moved by the kernel--> part --ends with a line--> file of lines, synced

innd writes a line once. So that one who is killed loses none, bytes are moved from the pipe to the part
(``gateway.pipe_to_file``), and whoever is started next with the same pipe goes on with the same part, which
is named after the pipe. Parts of other pipes are taken over when nobody holds them any more; of a line that
is cut there what can be used is used.

Contract: a file of lines has whole lines, but for the last one of a pipe that has ended.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.durable import Disk, PartFile, store_errors
from gateway.moment import read_boot_id
from gateway.pipe_to_file import move_to_file

SUFFIX = ".lines"
PART_SUFFIX = ".part"
MOVE_BYTES = 1 << 16
"""As much as a pipe holds, unless somebody made it larger."""


class LineKeeper:
    """Moves what comes by a pipe to files of lines.

    Args:
        fd: the pipe, or anything else that can be read.
        directory: for the files.
        disk: how they are made.
    """

    def __init__(self, fd: int, directory: Path, disk: Disk) -> None:
        self._fd = fd
        self._directory = directory
        self._disk = disk
        status = os.fstat(fd)
        # Numbers of pipes begin anew with the machine.
        self._part = directory / f"{read_boot_id()}-{status.st_dev}-{status.st_ino}{PART_SUFFIX}"

    def keep_all(self) -> Iterator[Path]:
        """Move everything until the pipe ends; yields each file of lines when it is on disk.

        Raises:
            StoreError: the disk refused; what is in the part stays there.
        """
        is_ended = False
        while not is_ended:
            file = _open_held(self._part, self._disk)
            try:
                is_ended = self._fill(file)
                if file.size_bytes:
                    yield self._commit(file)
                elif is_ended:
                    self._disk.remove(self._part)
            finally:
                file.close()

    def take_over(self) -> None:
        """Make files of lines of parts that others left.

        Raises:
            StoreError: the disk refused.
        """
        with store_errors(self._directory, "list"):
            paths = [path for path in self._directory.glob(f"*{PART_SUFFIX}") if path != self._part]
        for path in paths:
            self._take_over(path)

    def _take_over(self, path: Path) -> None:
        with store_errors(path, "take over"), contextlib.ExitStack() as stack:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (FileNotFoundError, BlockingIOError):
                return  # Whoever fills it lives, or has just come to its end.
            if not _is_at(path, fd):
                return
            if os.fstat(fd).st_size:
                self._disk.sync_file(path)
                self._disk.rename(path, self._new_name())
            else:
                self._disk.remove(path)

    def _fill(self, file: PartFile) -> bool:
        """Fill a part up to the end of a line; whether the pipe has ended."""
        if file.size_bytes and _ends_with_line(file):
            return False
        max_bytes = 1 if file.size_bytes else MOVE_BYTES
        while moved_bytes := move_to_file(self._fd, file.fileno(), file.size_bytes, max_bytes):
            file.size_bytes += moved_bytes
            if _ends_with_line(file):
                return False
            # The rest of a line, and nothing behind it.
            max_bytes = 1
        return True

    def _commit(self, file: PartFile) -> Path:
        path = self._new_name()
        self._disk.sync_file(file.path)
        self._disk.rename(file.path, path)
        return path

    def _new_name(self) -> Path:
        # In the order of time; another program at work there has another number.
        return self._directory / f"{time.time_ns():020d}{os.getpid():010d}{SUFFIX}"


def _open_held(path: Path, disk: Disk) -> PartFile:
    """Open a part to go on with it, and hold it against those who take over."""
    while True:
        size_bytes = path.stat().st_size if path.exists() else 0
        file = disk.open_part(path, size_bytes)
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if _is_at(path, file.fileno()):
            return file
        file.close()


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _ends_with_line(file: PartFile) -> bool:
    with store_errors(file.path, "read"):
        return os.pread(file.fileno(), 1, file.size_bytes - 1) == b"\n"
