"""Directories to work in, on a disk that remembers nothing of what was there before.

For each new file, ext4 without a journal passes over all inodes of a group that were deleted in the last one
to six minutes (``recently_deleted`` in the kernel's fs/ext4/ialloc.c): behind a test run, making a file takes
ten times the processor time. So a place is looked for in which files are made quickly, and what has many
files is removed at the end of the run.
"""

import atexit
import fcntl
import itertools
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - fresh directories are made in it
SLOW_RATIO = 5.0
"""Of the time that a file takes in shared memory: 3 on ext4 by itself, 10 to 200 behind many that went."""
LONGEST_WAIT_SECONDS = 360.0
"""In a run: the kernel passes over an inode that went for no longer."""
PLACES_AT_ONCE = 12
"""They are looked at before anything is waited for."""
WAIT_SECONDS = 30.0
"""Until the next ones; the files of all looks stay until the end."""
LOOK_DIRECTORIES, LOOK_FILES = 5, 400
"""As many as a part makes: the first of a group may be free and those behind them recent."""
MANY_FILES = 500
_numbers = itertools.count()
_GET_FLAGS, _SET_FLAGS, _TOP_OF_HIERARCHY = 0x80086601, 0x40086602, 0x20000
"""FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of linux/fs.h where a long has 64 bits; chattr(1), T."""
_FLAGS = struct.Struct("i4x")


@dataclass(slots=True)
class _Patience:
    """How long the places of this run may be waited for together."""

    left_seconds: float = LONGEST_WAIT_SECONDS


_patience = _Patience()


@contextmanager
def place_in(parent: Path | None = None) -> Iterator[Path]:
    """A directory that is removed afterwards, in the usual place or another."""
    place = _find_place(parent)
    try:
        yield place
    finally:
        discard(place)


def discard(path: Path) -> None:
    """Remove a place, or a directory in one, that nobody needs any more; if it has many files, at the end."""
    if _has_many_files(path):
        path.rename(path.with_name(f"{path.name}.gone-{next(_numbers)}"))
    else:
        shutil.rmtree(path)


def _find_place(parent: Path | None) -> Path:
    around = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    atexit.register(shutil.rmtree, around, ignore_errors=True)
    around.chmod(0o755)
    is_ext4 = _spread(around)
    for number in itertools.count(1):
        # The name decides where on the disk it is.
        place = Path(tempfile.mkdtemp(dir=around))
        if not is_ext4 or (ratio := _slowness_of(place)) <= SLOW_RATIO:
            break
        if number % PLACES_AT_ONCE == 0:
            if _patience.left_seconds <= 0:
                _say(f"MAKING A FILE TAKES {ratio:.0f} TIMES AS LONG AS IN MEMORY: SERVERS ARE SLOW HERE")
                break
            _say(
                f"making a file takes {ratio:.0f} times as long as in memory: many were deleted just before;"
                f" waiting, {_patience.left_seconds:.0f} seconds at most"
            )
            time.sleep(WAIT_SECONDS)
            _patience.left_seconds -= WAIT_SECONDS
    return place


def _slowness_of(place: Path) -> float:
    """How many times longer it takes to make a file in a place than in memory, by processor time.

    Each directory may be in a group of its own: it is that of the slowest, or of the first that is slow.
    """
    if not SHARED_MEMORY.is_dir():
        return 0.0
    looks = [Path(tempfile.mkdtemp(dir=place)) for _ in range(LOOK_DIRECTORIES)]
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as memory:
        ratio = 0.0
        for look in looks:
            ratio = max(ratio, _file_seconds(look) / _file_seconds(Path(memory)))
            if ratio > SLOW_RATIO:
                break
    for look in looks:
        # To remove them would slow down what comes next.
        look.rename(place.with_name(f"{place.name}-{look.name}"))
    return ratio


def _spread(directory: Path) -> bool:
    """Have the directories in it be put far from one another, each near to what is in it; only ext4 can."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        flags = bytearray(_FLAGS.size)
        fcntl.ioctl(fd, _GET_FLAGS, flags)
        fcntl.ioctl(fd, _SET_FLAGS, _FLAGS.pack(_FLAGS.unpack(flags)[0] | _TOP_OF_HIERARCHY))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _file_seconds(parent: Path) -> float:
    directory = tempfile.mkdtemp(dir=parent)
    begun = time.thread_time()
    for number in range(LOOK_FILES):
        os.close(os.open(f"{directory}/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
    return (time.thread_time() - begun) / LOOK_FILES


def _has_many_files(path: Path) -> bool:
    counts = itertools.accumulate(len(names) for _, _, names in os.walk(path))
    return any(count >= MANY_FILES for count in counts)


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
