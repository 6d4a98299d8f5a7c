"""NNCP's log: one recfile record for each event, and one line for a person on stderr.

Contract: a record starts with an empty line; its first field is ``When``, for an error the
second is ``Err``, the last is ``Msg``. Writers exclude one another by a lock on ``LOG.lock``, the
Go tools included. A value of several lines is continued with ``+ ``, whatever field it is in, so
that a name that a neighbour chose cannot forge a record. Logging never fails its caller.

Spec: NNCP manual, Log format; GNU recutils manual, Records.
"""

import fcntl
import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.durable import FILE_MODE

FD_PREFIX = "FD:"
FD_DIGITS_COUNT = 9
"""More are no descriptor, and no number that the operating system takes."""
NANOSECONDS = 1_000_000_000

Fields = Sequence[tuple[str, str | int | bool]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event.

    Args:
        now_ns: when, in nanoseconds since 1970.
        fields: names and values, in order, without ``When``.
        line: what is printed on stderr.
    """

    now_ns: int
    fields: Fields
    line: str


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
        self.target = str(target)
        self.is_quiet = quiet
        self.is_debug = debug
        self.now_ns = now_ns
        self._is_failure_told = False

    def info(self, who: str, fields: Fields, message: str) -> None:
        """Record what was done.

        Args:
            who: the kind of event, such as ``rx``.
            fields: names and values, in order; a name may come twice.
            message: what a person reads.
        """
        self.put(Entry(self.now_ns(), [("Who", who), *fields, ("Msg", message)], message))

    def error(self, who: str, fields: Fields, error: BaseException | str, message: str) -> None:
        """Record what went wrong.

        Args:
            who: the kind of event, such as ``rx-open``.
            fields: names and values, in order.
            error: the reason.
            message: what was tried.
        """
        named: Fields = [("Err", str(error)), ("Who", who), *fields, ("Msg", message)]
        self.put(Entry(self.now_ns(), named, f"ERROR {message}: {error}"))

    def debug(self, who: str, fields: Fields, message: str) -> None:
        """Print a record on stderr, if debugging is on; the log file does not get it."""
        if self.is_debug:
            record = encode_record(self.now_ns(), [("Debug", True), ("Who", who), *fields, ("Msg", message)])
            _print(record.decode("utf-8", "replace"))

    def put(self, entry: Entry) -> None:
        """Record an event."""
        self.write([entry])

    def write(self, entries: Sequence[Entry]) -> None:
        """Write events down at once, in their order."""
        records = b"".join(encode_record(entry.now_ns, entry.fields) for entry in entries)
        if self.is_debug:
            _print(records.decode("utf-8", "replace"))
        try:
            if self.target.startswith(FD_PREFIX):
                _write_all(_parse_descriptor(self.target), records)
            else:
                _append(self.target, records)
        except OSError as error:
            # Once is enough: a full disk would say it with every record.
            if not (self._is_failure_told or self.is_quiet):
                self._is_failure_told = True
                _print(f"cannot write the log {self.target}: {error.strerror or error}\n")
        if not self.is_quiet:
            lines = (
                f"{_format_seconds(entry.now_ns // NANOSECONDS)}Z {printable(entry.line)}\n"
                for entry in entries
            )
            _print("".join(lines))


def encode_record(now_ns: int, fields: Fields) -> bytes:
    """Write one record, its leading empty line included.

    Args:
        now_ns: nanoseconds since 1970.
        fields: names and values, in order, without ``When``.

    Spec: NNCP manual, Log format.
    """
    lines = ["", f"When: {format_when(now_ns)}"]
    for name, value in fields:
        # Numbers have no case, and truth is written in lower case.
        text = value if isinstance(value, str) else str(value).lower()
        lines.append(f"{name}: {text}" if "\n" not in text else f"{name}: " + text.replace("\n", "\n+ "))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def format_when(now_ns: int) -> str:
    """Write a moment in RFC 3339, UTC, with as many fractional digits as it needs (at most 9)."""
    fraction = f"{now_ns % NANOSECONDS:09d}".rstrip("0")
    return _format_seconds(now_ns // NANOSECONDS) + (f".{fraction}Z" if fraction else "Z")


def printable(line: str) -> str:
    """Make a text safe for a terminal and one line long: names in it come from neighbours."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in line
    )


@functools.lru_cache(maxsize=16)
def _format_seconds(seconds: int) -> str:
    # Thousands of records fall into one second.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


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
