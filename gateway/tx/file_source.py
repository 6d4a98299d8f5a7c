"""What a file packet is made of: a file, a directory as an archive, or a stream without a known size.

Contract: pieces are valid until the next is asked for; a file that becomes shorter or longer while it
is read is an error, since nobody could tell what was sent.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import store_errors
from gateway.errors import StoreError
from gateway.tx.directory_tar import DirectoryTar

READ_BYTES = 256 * 1024
TAR_SUFFIX = ".tar"


@dataclass(frozen=True, slots=True)
class FileSource:
    """Something to send.

    Args:
        name: what it is called here, for the log.
        pieces: its content.
        size_bytes: of the content; None: not known before its end.
        default_destination: name it gets at the receiver if the sender chose none; empty: must choose.
    """

    name: str
    pieces: Iterable[bytes | memoryview]
    size_bytes: int | None = None
    default_destination: bytes = b""


@contextmanager
def open_source(path: Path, name: str | None = None) -> Iterator[FileSource]:
    """Open a file or a directory for sending.

    Args:
        path: a regular file, a directory, or a symbolic link to one of them.
        name: what the log calls it; None: its path.

    Raises:
        StoreError: it is not there, can't be read, or is something else.
    """
    name = str(path) if name is None else name
    # Not to wait for a writer where a pipe was named.
    with store_errors(path, "open"):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            archive = DirectoryTar(path)
            yield FileSource(name, archive, archive.size_bytes, archive.name + TAR_SUFFIX.encode())
        elif stat.S_ISREG(status.st_mode):
            base = os.fsencode(os.path.basename(os.path.normpath(path)))  # noqa: PTH119 - lexical
            yield FileSource(name, _read_file(path, fd, status.st_size), status.st_size, base)
        else:
            raise StoreError(f"{path}: unsupported file type, allowed: a regular file or a directory")
    finally:
        os.close(fd)


def _read_file(path: Path, fd: int, size_bytes: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(READ_BYTES))
    total_bytes = 0
    while True:
        with store_errors(path, "read"):
            count = os.readv(fd, [buffer])
        total_bytes += count
        if total_bytes > size_bytes or (not count and total_bytes < size_bytes):
            raise StoreError(f"{path}: the file changed while it was being sent")
        if not count:
            return
        yield buffer[:count]
