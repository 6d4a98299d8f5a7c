"""Bytes of a pipe that are in a file in the moment they leave the pipe.

Contract: whoever is killed loses nothing that came by a pipe, as long as somebody else keeps the pipe open:
each byte is in the pipe or in the file. (That is the kernel's doing; a power cut is another matter, and
needs a sync.) Where the kernel can't do it, bytes are read and written, and a kill in between loses them.
"""

import errno
import os

from gateway.errors import StoreError, StoreFull

_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""It is no pipe, or a file system that does not know splice."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def move_to_file(source: int, target: int, at_bytes: int, max_bytes: int) -> int:
    """Move what is in a pipe to a file; wait if nothing is.

    Args:
        source: descriptor of the pipe.
        target: descriptor of the file.
        at_bytes: where in the file.
        max_bytes: at most.

    Returns:
        How many bytes; 0: the pipe has ended.

    Raises:
        StoreFull: the disk is full; nothing was moved.
        StoreError: the pipe can't be read, or the file can't be written.
    """
    try:
        return _move(source, target, at_bytes, max_bytes)
    except OSError as error:
        kind = StoreFull if error.errno in _FULL else StoreError
        raise kind(f"cannot move a pipe to a file: {error.strerror or error}") from error


def _move(source: int, target: int, at_bytes: int, max_bytes: int) -> int:
    try:
        return os.splice(source, target, max_bytes, offset_dst=at_bytes)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    data = memoryview(os.read(source, max_bytes))
    moved_bytes = 0
    while moved_bytes < len(data):
        moved_bytes += os.pwrite(target, data[moved_bytes:], at_bytes + moved_bytes)
    return moved_bytes
