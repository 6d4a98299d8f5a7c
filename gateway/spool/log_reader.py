"""Reading NNCP's log: records of the Go tools and of ours, one at a time.

Contract: memory is flat, whatever the size of the log. A value of several lines may be continued
with ``+``; a line end that the Go tools wrote raw into a value is taken for one, too. What stands
outside of every field is passed over and counted.

Spec: NNCP manual, Log format; GNU recutils manual, Records.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.durable import store_errors
from gateway.spool.log import printable

LINE_LIMIT_BYTES = 1024 * 1024
_FIELD = re.compile(r"([A-Za-z%][A-Za-z0-9_]*):(?: (.*))?", re.ASCII | re.DOTALL)
_WHEN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """One event.

    Args:
        fields: names and values, in order; a name may come twice.
    """

    fields: tuple[tuple[str, str], ...]

    def text(self, name: str) -> str | None:
        """The first value of a field, or None."""
        return next((value for key, value in self.fields if key == name), None)

    def line(self) -> str:
        """What a person reads: the time to the second, ``ERROR`` if it is one, the message and the error."""
        when = _WHEN.fullmatch(self.text("When") or "")
        shown = f"{when[1]}{when[3]}" if when else "-"
        error = self.text("Err")
        message = self.text("Msg") or ""
        if error is None:
            return printable(f"{shown} {message}")
        return printable(f"{shown} ERROR {message}: {error}")


@dataclass(slots=True)
class LogReader:
    """Reads one log.

    Args:
        path: of the file.
        stray_count: lines that belong to no record, so far.
    """

    path: Path
    stray_count: int = field(default=0, init=False)

    def records(self) -> Iterator[Record]:
        """Every record, in order.

        Raises:
            StoreError: the log can't be read.
        """
        with store_errors(self.path, "read the log"), self.path.open("rb") as file:
            yield from self.parse(iter(lambda: file.readline(LINE_LIMIT_BYTES), b""))

    def parse(self, lines: Iterable[bytes]) -> Iterator[Record]:
        """The records of some lines.

        Args:
            lines: each with its line end.
        """
        fields: list[tuple[str, str]] = []
        for raw in lines:
            line = raw.decode("utf-8", "surrogateescape").removesuffix("\n")
            if not line:
                if fields:
                    yield Record(tuple(fields))
                fields = []
            elif not line.startswith("#"):
                self._add(fields, line)
        if fields:
            yield Record(tuple(fields))

    def _add(self, fields: list[tuple[str, str]], line: str) -> None:
        found = _FIELD.fullmatch(line)
        if found and not line.startswith("+"):
            fields.append((found[1], found[2] or ""))
        elif fields:
            name, value = fields[-1]
            more = line[1:].removeprefix(" ") if line.startswith("+") else line
            fields[-1] = (name, f"{value}\n{more}")
        else:
            self.stray_count += 1
