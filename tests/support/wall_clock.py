"""Runs our program with a wall clock that a file sets: ``python -m tests.support.wall_clock FILE WORDS...``.

The file holds the seconds by which the wall clock is ahead; it is read each time the clock is. Clocks that
nobody can set (CLOCK_BOOTTIME, CLOCK_MONOTONIC) stay as they are, as at a real jump.
"""

import sys
import time
from pathlib import Path

_true_seconds = time.time
_true_nanoseconds = time.time_ns


def _set_clock(path: Path) -> None:
    def ahead_seconds() -> int:
        return int(path.read_text() or 0)

    time.time = lambda: _true_seconds() + ahead_seconds()
    time.time_ns = lambda: _true_nanoseconds() + ahead_seconds() * 10**9


if __name__ == "__main__":
    _set_clock(Path(sys.argv.pop(1)))
    # Not before: the clock is looked up once, when a module of ours is loaded.
    from gateway.cli.main import main

    main()
