"""A payload on its way in: held or, if it is large, staged in a file, so that it can be read more than once.

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
HELD_LIMIT_BYTES = 64 << 10
"""Of a payload that needs no file: one that is made and removed takes as long as all else that is done."""
ROOM_CHECK_BYTES = 8 << 20
"""How often the free space is looked at while a payload is written."""

TOO_LARGE_STATUS = "4.3.4"
"""Temporary: the packet stays where it is, and goes through once the limit is raised."""


CheckRoom = Callable[[int], None]


class Payload:
    """A staged payload; leaving the ``with`` block removes it, unless it was moved.

    Args:
        disk: how it is written.
        directory: where; made when it is needed.
    """

    def __init__(self, disk: Disk, directory: Path) -> None:
        self._disk = disk
        self._directory = directory
        self._held = bytearray()
        self._file: NewFile | None = None
        self._unchecked_bytes = ROOM_CHECK_BYTES
        self.last_byte = b""

    @property
    def size_bytes(self) -> int:
        """Bytes written."""
        return len(self._held) if self._file is None else self._file.size_bytes

    @property
    def digest(self) -> bytes:
        """A hash of the content, 32 bytes; it is read for that: few are asked."""
        found = hashlib.blake2b(digest_size=32)
        for chunk in self.chunks():
            found.update(chunk)
        return found.digest()

    def is_held_with(self, more_bytes: int) -> bool:
        """Whether it is in memory, and will be when so many bytes are appended."""
        return self._file is None and len(self._held) + more_bytes <= HELD_LIMIT_BYTES

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
        if self.is_held_with(len(chunk)):
            self._held += chunk
        else:
            self._in_file().write(chunk)
        self.last_byte = chunk[-1:] or self.last_byte

    def chunks(self) -> Iterator[bytes]:
        """Read it from its beginning; not while it is written."""
        if self._file is None:
            if self._held:
                yield bytes(self._held)
            return
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
        path = self._in_file().path
        with store_errors(path, "open"):
            return path.open("rb", buffering=0)

    def move(self, final: Path) -> None:
        """Keep it under another name, durably; it can still be read here."""
        file = self._in_file()
        file.sync()
        self._disk.rename(file.path, final)

    def discard(self) -> None:
        """Remove it, unless it was moved. Idempotent."""
        if self._file is not None:
            self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def _in_file(self) -> NewFile:
        """The file that it is in; put there, if it was held."""
        if self._file is None:
            self._disk.make_directories(self._directory, DIRECTORY_MODE)
            self._file = self._new_file()
            self._file.write(self._held)
            self._held.clear()
        return self._file

    def _new_file(self) -> NewFile:
        while True:
            file = self._disk.create(self._directory / f"{secrets.token_hex(8)}{SUFFIX}", FILE_MODE)
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return file
            # A sweep came between creation and lock.
            file.close()


def stage_payload(queue_directory: Path, disk: Disk) -> Payload:
    """Begin a payload, whose place is beside a queue, after removing what a crash left there.

    Raises:
        StoreError: the disk refused.
    """
    directory = queue_directory / DIRECTORY_NAME
    if directory.is_dir():
        sweep(directory, disk)
    return Payload(disk, directory)


def sweep(directory: Path, disk: Disk) -> int:
    """Remove the payloads that a crash left behind; returns how many."""
    removed_count = 0
    with store_errors(directory, "list"):
        names = os.listdir(directory)  # noqa: PTH208 - names only, no stat
    for name in names:
        if not name.endswith(SUFFIX):
            continue
        with contextlib.suppress(OSError):
            fd = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                disk.remove(directory / name, is_synced=False)
                removed_count += 1
            finally:
                os.close(fd)
    return removed_count
