"""NNCP's log: one recfile record for each event, and one line for a person on stderr.

Contract: a record starts with an empty line; its first field is ``When``, for an error the
second is ``Err``, the last is ``Msg``. Writers exclude one another by a lock on ``LOG.lock``, the
Go tools included. A value of several lines is continued with ``+ ``, whatever field it is in, so
that a name that a neighbour chose cannot forge a record. Logging never fails its caller.

Spec: NNCP manual, Log format; GNU recutils manual, Records.
"""

import fcntl
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.durable import FILE_MODE

FD_PREFIX = "FD:"
FD_DIGITS_COUNT = 9
"""More are no descriptor, and no number that the operating system takes."""
NANOSECONDS = 1_000_000_000

Fields = Sequence[tuple[str, str | int | bool]]


class Log:
    """The log of one process.

    Args:
        target: path of the log file, or ``FD:N``: records go to that descriptor, unlocked.
        quiet: True prints nothing on stderr.
        debug: True prints debug records, and all others too, on stderr as records.
        now_ns: the wall clock, in nanoseconds since 1970.
    """

    def __init__(
        self,
        target: str | Path,
        *,
        quiet: bool = False,
        debug: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._target = str(target)
        self._is_quiet = quiet
        self._is_debug = debug
        self._now_ns = now_ns
        self._is_failure_told = False

    def info(self, who: str, fields: Fields, message: str) -> None:
        """Record what was done.

        Args:
            who: the kind of event, such as ``rx``.
            fields: names and values, in order; a name may come twice.
            message: what a person reads.
        """
        now_ns = self._now_ns()
        self._record(now_ns, [("Who", who), *fields, ("Msg", message)])
        self._tell(now_ns, message)

    def error(self, who: str, fields: Fields, error: BaseException | str, message: str) -> None:
        """Record what went wrong.

        Args:
            who: the kind of event, such as ``rx-open``.
            fields: names and values, in order.
            error: the reason.
            message: what was tried.
        """
        now_ns = self._now_ns()
        self._record(now_ns, [("Err", str(error)), ("Who", who), *fields, ("Msg", message)])
        self._tell(now_ns, f"ERROR {message}: {error}")

    def debug(self, who: str, fields: Fields, message: str) -> None:
        """Print a record on stderr, if debugging is on; the log file does not get it."""
        if self._is_debug:
            record = encode_record(self._now_ns(), [("Debug", True), ("Who", who), *fields, ("Msg", message)])
            _print(record.decode("utf-8", "replace"))

    def _record(self, now_ns: int, fields: Fields) -> None:
        record = encode_record(now_ns, fields)
        if self._is_debug:
            _print(record.decode("utf-8", "replace"))
        try:
            if self._target.startswith(FD_PREFIX):
                _write_all(_parse_descriptor(self._target), record)
            else:
                _append(self._target, record)
        except OSError as error:
            # Once is enough: a full disk would say it with every record.
            if not (self._is_failure_told or self._is_quiet):
                self._is_failure_told = True
                _print(f"cannot write the log {self._target}: {error.strerror or error}\n")

    def _tell(self, now_ns: int, message: str) -> None:
        if not self._is_quiet:
            when = _format_seconds(now_ns)
            _print(f"{when}Z {printable(message)}\n")


def encode_record(now_ns: int, fields: Fields) -> bytes:
    """Write one record, its leading empty line included.

    Args:
        now_ns: nanoseconds since 1970.
        fields: names and values, in order, without ``When``.

    Spec: NNCP manual, Log format.
    """
    lines = ["", f"When: {format_when(now_ns)}"]
    for name, value in fields:
        value_text = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"{name}: " + value_text.replace("\n", "\n+ "))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def format_when(now_ns: int) -> str:
    """Write a moment in RFC 3339, UTC, with as many fractional digits as it needs (at most 9)."""
    fraction = f"{now_ns % NANOSECONDS:09d}".rstrip("0")
    return _format_seconds(now_ns) + (f".{fraction}Z" if fraction else "Z")


def printable(line: str) -> str:
    """Make a text safe for a terminal and one line long: names in it come from neighbours."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in line
    )


def _format_seconds(now_ns: int) -> str:
    return datetime.fromtimestamp(now_ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _parse_descriptor(target: str) -> int:
    number = target.removeprefix(FD_PREFIX)
    if not (number.isascii() and number.isdigit() and len(number) <= FD_DIGITS_COUNT):
        raise OSError(f"{FD_PREFIX} wants the number of a descriptor")
    return int(number)


def _append(path: str, record: bytes) -> None:
    lock = os.open(path + ".lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        try:
            _write_all(file, record)
        finally:
            os.close(file)
    finally:
        os.close(lock)


def _write_all(fd: int, record: bytes) -> None:
    view = memoryview(record)
    while view:
        view = view[os.write(fd, view) :]


def _print(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return
