"""What this process has open."""

import os
from collections import Counter
from pathlib import Path


def open_files(part: str | Path) -> Counter[str]:
    """Count the descriptors by their names, of those that this is a part of.

    Say which are meant: threads and garbage of other tests open and close files meanwhile.

    Args:
        part: of a path, or of what Linux calls it otherwise, such as ``pipe:``.
    """
    names: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            names[os.readlink(descriptor)] += 1  # noqa: PTH115 - it need not be a path
        except FileNotFoundError:
            # The listing itself, or another thread's.
            continue
    return Counter({name: count for name, count in names.items() if str(part) in name})
