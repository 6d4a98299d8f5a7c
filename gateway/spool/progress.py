"""How far a long step is: one line on the terminal, replaced as it goes on and erased at the end.

Contract: nothing is shown unless it is wanted, and nothing of it stays on the screen, so that the
lines of the log stand alone. Where there is no terminal and progress is forced, each state is a line
of its own. Showing it never fails the work.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from gateway.spool.log import printable
from gateway.spool.sizes import ibytes

FIRST_SECONDS = 0.5
"""What is done sooner is not shown."""

REPEAT_SECONDS = 0.25
REPEAT_LINES_SECONDS = 5.0
"""Between two lines where there is no terminal, such as in a file."""

DEFAULT_COLUMNS = 80
_ERASE = "\r\x1b[K"

Piece = TypeVar("Piece", bytes, memoryview, bytes | memoryview)


class Bar:
    """One step of the work; use it in a ``with`` block.

    Args:
        write: takes what is to be shown; None shows nothing.
        label: what is being done.
        total_bytes: how much there is to do; None if nobody knows.
        is_terminal: whether a line can be replaced.
        now: a clock in seconds that a change of the time of day does not disturb.
    """

    def __init__(
        self,
        write: Callable[[str], None] | None,
        label: str,
        total_bytes: int | None,
        *,
        is_terminal: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._label = printable(label)
        self._total_bytes = total_bytes
        self._is_terminal = is_terminal
        self._now = now
        self._repeat_seconds = REPEAT_SECONDS if is_terminal else REPEAT_LINES_SECONDS
        self._done_bytes = 0
        self._is_shown = False
        self._started = now() if write else 0.0
        self._next_time = self._started + FIRST_SECONDS

    def add(self, size_bytes: int) -> None:
        """Tell that so many bytes more are done."""
        if self._write is None:
            return
        self._done_bytes += size_bytes
        now = self._now()
        if now < self._next_time:
            return
        self._next_time = now + self._repeat_seconds
        self._is_shown = True
        text = self._text(now - self._started)
        self._write(f"{_ERASE}{text[: _columns() - 1]}" if self._is_terminal else f"{text}\n")

    def follow(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Hand on pieces of data and tell of each."""
        for piece in pieces:
            yield piece
            self.add(len(piece))

    def end(self) -> None:
        """Erase the line."""
        if self._write is not None and self._is_shown and self._is_terminal:
            self._write(_ERASE)
        self._is_shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _text(self, spent_seconds: float) -> str:
        rate = ibytes(int(self._done_bytes / spent_seconds)) if spent_seconds > 0 else "0 B"
        done = ibytes(self._done_bytes)
        if self._total_bytes:
            percent = min(100, self._done_bytes * 100 // self._total_bytes)
            done = f"{percent:3}% {done} / {ibytes(self._total_bytes)}"
        return f"{done} {rate}/s {self._label}"


class Progress:
    """Makes the bars of one command.

    Args:
        write: takes what is to be shown; None shows nothing.
        is_terminal: whether a line can be replaced.
        now: as for Bar.
    """

    def __init__(
        self,
        write: Callable[[str], None] | None = None,
        *,
        is_terminal: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._is_terminal = is_terminal
        self._now = now

    @property
    def is_shown(self) -> bool:
        """Whether anything is ever shown."""
        return self._write is not None

    def bar(self, label: str, total_bytes: int | None = None) -> Bar:
        """Begin a step.

        Args:
            label: what is being done.
            total_bytes: how much there is to do; None if nobody knows.
        """
        return Bar(self._write, label, total_bytes, is_terminal=self._is_terminal, now=self._now)


SILENT = Progress()
"""Shows nothing."""


def open_progress(*, is_wanted: bool, is_forced: bool) -> Progress:
    """The progress of a command, on stderr.

    Args:
        is_wanted: False shows nothing.
        is_forced: show it even where there is no terminal.
    """
    is_terminal = _is_terminal()
    if not (is_forced or (is_wanted and is_terminal)):
        return SILENT
    return Progress(_show, is_terminal=is_terminal)


def _is_terminal() -> bool:
    # A closed stderr is None.
    return sys.stderr is not None and sys.stderr.isatty()


def _show(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS
