"""A program that fills a screen, at a terminal of its own: keys go in, and what the screen shows is read.

Enough of a VT100 for curses and S-Lang: characters, the cursor, clearing, scrolling in a region.
"""

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.processes import slowness
from tests.support.terminal import open_pty

ROWS, COLUMNS = 24, 80
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
_TOKEN = re.compile(
    r"\x1b\[(?P<numbers>[?0-9;]*)(?P<final>[A-Za-z])|\x1b[()][0-9AB]|\x1b(?P<short>[78=>MDEc])"
    r"|(?P<control>[\x00-\x1f\x7f])|(?P<text>[^\x00-\x1f\x7f])"
)
_PARTIAL = re.compile(r"\x1b(?:\[[?0-9;]*|[()]|)\Z")


class Screen:
    """What a VT100 shows."""

    def __init__(self) -> None:
        self._cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0
        self._top, self._bottom = 0, ROWS - 1
        self._rest = ""

    def text(self) -> str:
        """The rows, without the blanks at their ends."""
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def feed(self, data: str) -> None:
        """Show what a program wrote."""
        data = self._rest + data
        partial = _PARTIAL.search(data)
        self._rest = partial[0] if partial else ""
        for token in _TOKEN.finditer(data[: len(data) - len(self._rest)]):
            if token["text"]:
                self._put(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._sequence(
                    token["final"],
                    [int(word or 0) for word in re.findall(r"\d+|(?<=;)|^", token["numbers"].lstrip("?"))],
                )
            elif token["short"] == "M":
                self._reverse_line()
            elif token["short"] == "D":
                self._next_line()

    def _put(self, char: str) -> None:
        if self._column >= COLUMNS:
            self._column = 0
            self._next_line()
        self._cells[self._row][self._column] = char
        self._column += 1

    def _control(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\b":
            self._column = max(0, self._column - 1)
        elif char == "\t":
            self._column = min(COLUMNS - 1, self._column // 8 * 8 + 8)
        elif char == "\n":
            self._next_line()

    def _next_line(self) -> None:
        if self._row == self._bottom:
            self._cells.insert(self._bottom + 1, [" "] * COLUMNS)
            del self._cells[self._top]
        else:
            self._row = min(ROWS - 1, self._row + 1)

    def _reverse_line(self) -> None:
        if self._row == self._top:
            del self._cells[self._bottom]
            self._cells.insert(self._top, [" "] * COLUMNS)
        else:
            self._row = max(0, self._row - 1)

    def _sequence(self, final: str, numbers: list[int]) -> None:
        first = numbers[0] if numbers else 0
        second = numbers[1] if len(numbers) > 1 else 0
        row, column = self._row, self._column
        moves = {
            "H": (max(first, 1) - 1, max(second, 1) - 1),
            "f": (max(first, 1) - 1, max(second, 1) - 1),
            "A": (row - max(first, 1), column),
            "B": (row + max(first, 1), column),
            "C": (row, column + max(first, 1)),
            "D": (row, column - max(first, 1)),
        }
        if final in moves:
            row, column = moves[final]
            self._row, self._column = min(max(row, 0), ROWS - 1), min(max(column, 0), COLUMNS - 1)
        elif final == "r":
            self._top, self._bottom = max(first, 1) - 1, (second or ROWS) - 1
            self._row = self._column = 0
        elif final in "JK":
            self._clear(final, first)

    def _clear(self, final: str, what: int) -> None:
        here = self._row * COLUMNS + self._column
        start, end = (0, ROWS * COLUMNS) if final == "J" else (self._row * COLUMNS, (self._row + 1) * COLUMNS)
        for place in range(*{0: (here, end), 1: (start, here + 1)}.get(what, (start, end))):
            self._cells[place // COLUMNS][place % COLUMNS] = " "


class Seat:
    """Somebody at a terminal; a context manager that ends the program.

    Args:
        argv: the program.
        environ: its whole environment; ``TERM`` is set.
        place: its working directory.
    """

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], place: Path) -> None:
        self._ours, theirs = open_pty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.screen = Screen()
        self._child = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, cwd=place, start_new_session=True,
            env={**environ, "TERM": "vt100"},
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def wait_for(self, pattern: str) -> str:
        """Wait until the screen shows a pattern and the program waits too; returns what it shows."""
        deadline = time.monotonic() + WAIT_SECONDS * slowness()
        while not (re.search(pattern, self.screen.text()) and self._is_waiting()):
            assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{self.screen.text()}"
            self._read()
        return self.screen.text()

    def wait_end(self) -> int:
        """Wait until the program has ended; its exit status."""
        deadline = time.monotonic() + WAIT_SECONDS * slowness()
        while self._child.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.screen.text()}"
            self._read()
        return self._child.returncode

    def _is_waiting(self) -> bool:
        """Whether it sleeps, and all that it wrote is shown.

        tin, for one, writes a question and then throws away what was typed before it asks.
        """
        state = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "S" and not select.select([self._ours], [], [], 0)[0]

    def _read(self) -> None:
        if select.select([self._ours], [], [], POLL_SECONDS)[0]:
            # The far end is gone with the program.
            with contextlib.suppress(OSError):
                self.screen.feed(os.read(self._ours, 65536).decode("utf-8", "replace"))
