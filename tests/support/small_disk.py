"""A file system that is soon full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.peers import require_root, unavailable


@contextmanager
def small_disk_at(mount: Path) -> Iterator[Path]:
    """A file system of half a megabyte in a directory that is made; the test is skipped where it can't be."""
    require_root()
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(mount)], check=False, capture_output=True
    )
    if done.returncode != 0:
        unavailable(f"tmpfs cannot be mounted: {done.stderr.decode().strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)
