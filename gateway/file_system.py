"""The file system of a directory, and a sync of all of it: hundreds of files wait for the disk but once.

Contract: when ``sync`` says True, whatever was written to the file system after this object was made is on
the disk, as if each file had been synced. It says False, and promises nothing, where that is not certain or
would take long: the kernel or the kind of file system is not known to keep the promise, others have much
to write that would have to be waited for, or something failed. Then each file is to be synced by itself,
which also tells which of them failed.

Spec: syncfs(2); proc_pid_mountinfo(5).
"""

import ctypes
import os
import re
from pathlib import Path

KINDS = frozenset({"ext4", "xfs"})
"""Their own journals are written out, and the disk's cache flushed; FUSE, for one, does neither."""
KERNEL = (5, 8)
"""Before it syncfs(2) did not tell of data that could not be written."""
OTHERS_LIMIT_KIB = 32 << 10
"""What the system may have to write besides: a slow disk takes seconds for it."""

_RELEASE = re.compile(r"(\d+)\.(\d+)")
_UNWRITTEN = re.compile(r"^(?:Dirty|Writeback): +(\d+) kB", re.MULTILINE)
_MOUNTS = Path("/proc/self/mountinfo")
_MEMORY = Path("/proc/meminfo")
_libc = ctypes.CDLL(None)


class FileSystem:
    """The file system of a directory.

    Args:
        directory: is held open until ``close``, since the kernel tells of faults that came after that.
    """

    def __init__(self, directory: Path) -> None:
        self._fd: int | None = None
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        if _has_faults_told() and _kind_of(os.fstat(fd).st_dev) in KINDS:
            self._fd = fd
        else:
            os.close(fd)

    def sync(self) -> bool:
        """Force everything to the disk, if that is certain and quick.

        Returns:
            Whether it was done.
        """
        return self._fd is not None and _unwritten_kib() <= OTHERS_LIMIT_KIB and not _libc.syncfs(self._fd)

    def close(self) -> None:
        """Let go of the directory."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


def _has_faults_told() -> bool:
    release = _RELEASE.match(os.uname().release)
    return release is not None and (int(release[1]), int(release[2])) >= KERNEL and hasattr(_libc, "syncfs")


def _kind_of(device: int) -> str:
    """The kind of the file system with a device number; "": not known, such as a part of btrfs."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        rows = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for row in rows:
        mount, _, kind = row.partition(" - ")
        if mount.split(" ")[2] == number:
            return kind.split(" ")[0]
    return ""


def _unwritten_kib() -> int:
    """What the system has to write, of all file systems."""
    try:
        figures = _UNWRITTEN.findall(_MEMORY.read_text("ascii"))
    except OSError:
        figures = []
    return sum(map(int, figures)) if figures else OTHERS_LIMIT_KIB + 1
