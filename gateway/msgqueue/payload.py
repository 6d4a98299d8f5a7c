"""A payload on its way in: staged in a file, so that it can be read more than once.

Contract: the file has no meaning after a crash, since the packet it came from is still there. It is
locked while it is in use; ``sweep`` removes what nobody holds.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Self

from gateway.durable import Disk, NewFile, store_errors
from gateway.errors import TooLarge

DIRECTORY_NAME = "incoming"
DIRECTORY_MODE = 0o750
FILE_MODE = 0o600
SUFFIX = ".payload"
READ_BYTES = 1 << 18
ROOM_CHECK_BYTES = 8 << 20
"""How often the free space is looked at while a payload is written."""

TOO_LARGE_STATUS = "4.3.4"
"""Temporary: the packet stays where it is, and goes through once the limit is raised."""


CheckRoom = Callable[[int], None]


class Payload:
    """A staged payload; leaving the ``with`` block removes it, unless it was moved.

    Args:
        disk: how it is written.
        directory: where; must exist.
    """

    def __init__(self, disk: Disk, directory: Path) -> None:
        self._disk = disk
        self._file = self._new_file(directory)
        self._hash = hashlib.blake2b(digest_size=32)
        self._unchecked_bytes = ROOM_CHECK_BYTES
        self.last_byte = b""

    @property
    def size_bytes(self) -> int:
        """Bytes written."""
        return self._file.size_bytes

    @property
    def digest(self) -> bytes:
        """A hash of the content, 32 bytes."""
        return self._hash.digest()

    def fill(self, chunks: Iterable[bytes], limit_bytes: int, check_room: CheckRoom) -> None:
        """Write the whole payload; as ``write``, for each of the chunks."""
        for chunk in chunks:
            self.write(chunk, limit_bytes, check_room)

    def write(self, chunk: bytes, limit_bytes: int, check_room: CheckRoom) -> None:
        """Append bytes.

        Args:
            chunk: of any size.
            limit_bytes: of the whole payload; more is refused.
            check_room: called with a number of bytes to come, now and then.

        Raises:
            TooLarge: the limit was passed.
            StoreError: the disk refused.
        """
        self._unchecked_bytes += len(chunk)
        if self._unchecked_bytes >= ROOM_CHECK_BYTES:
            check_room(len(chunk))
            self._unchecked_bytes = 0
        if self.size_bytes + len(chunk) > limit_bytes:
            raise TooLarge(f"the batch is larger than {limit_bytes} bytes", status=TOO_LARGE_STATUS)
        self._file.write(chunk)
        self._hash.update(chunk)
        self.last_byte = chunk[-1:] or self.last_byte

    def chunks(self) -> Iterator[bytes]:
        """Read it from its beginning."""
        position = 0
        while True:
            with store_errors(self._file.path, "read"):
                chunk = os.pread(self._file.fileno(), READ_BYTES, position)
            if not chunk:
                return
            position += len(chunk)
            yield chunk

    def open(self) -> IO[bytes]:
        """It as a file of its own, at its beginning, for another program to read; the caller's to close."""
        with store_errors(self._file.path, "open"):
            return self._file.path.open("rb", buffering=0)

    def move(self, final: Path) -> None:
        """Keep it under another name, durably; it can still be read here."""
        self._file.sync()
        self._disk.rename(self._file.path, final)

    def discard(self) -> None:
        """Remove it, unless it was moved. Idempotent."""
        self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def _new_file(self, directory: Path) -> NewFile:
        while True:
            file = self._disk.create(directory / f"{secrets.token_hex(8)}{SUFFIX}", FILE_MODE)
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return file
            # A sweep came between creation and lock.
            file.close()


def stage_payload(queue_directory: Path, disk: Disk) -> Payload:
    """Begin a payload in its place beside a queue, after removing what a crash left there.

    Raises:
        StoreError: the disk refused.
    """
    directory = queue_directory / DIRECTORY_NAME
    disk.make_directories(directory, DIRECTORY_MODE)
    sweep(directory, disk)
    return Payload(disk, directory)


def sweep(directory: Path, disk: Disk) -> int:
    """Remove the payloads that a crash left behind; returns how many."""
    removed_count = 0
    with store_errors(directory, "list"):
        names = os.listdir(directory)  # noqa: PTH208 - names only, no stat
    for name in names:
        with contextlib.suppress(OSError):
            fd = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                disk.remove(directory / name, is_synced=False)
                removed_count += 1
            finally:
                os.close(fd)
    return removed_count
