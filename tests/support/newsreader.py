"""A newsreader of a few lines: the Python library's own is gone in 3.13."""

import socket
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

WAIT_SECONDS = 60.0
LONG_CODES = frozenset((100, 101, 215, 220, 221, 222, 224, 225, 230, 231))
"""Answers with lines behind them; LISTGROUP's 211 as well."""


class Newsreader:
    """One connection; a context manager.

    Args:
        port: of 127.0.0.1.
        tls: begin with TLS.

    Attributes:
        greeting: what the server said first.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._file = self._socket.makefile("rb")
        self.greeting = self.next_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, command: str) -> str:
        """Send a command; the first line of the answer."""
        self._socket.sendall(command.encode() + b"\r\n")
        return self.next_line()

    def ask_lines(self, command: str) -> tuple[str, list[str]]:
        """Send a command; the first line of the answer, and the lines behind it, if it has any."""
        said = self.ask(command)
        is_long = int(said[:3]) in LONG_CODES or (said.startswith("211") and command.startswith("LISTGROUP"))
        return said, self._lines() if is_long else []

    def lines(self, command: str) -> list[str]:
        """The lines of a long answer; an answer without any fails the test."""
        said, lines = self.ask_lines(command)
        assert int(said[:3]) in LONG_CODES | {211}, f"{command}: {said}"
        return lines

    def post(self, lines: Sequence[str]) -> str:
        """Post an article, given by its lines; what the server said in the end."""
        said = self.ask("POST")
        if said.startswith("340"):
            stuffed = ["." + line if line.startswith(".") else line for line in lines]
            said = self.ask("\r\n".join((*stuffed, ".")))
        return said

    def overview(self, group: str) -> list[list[str]]:
        """The overview of all of a group, by fields."""
        said = self.ask(f"GROUP {group}")
        assert said.startswith("211"), said
        return [line.split("\t") for line in self.lines("XOVER 1-")]

    def _lines(self) -> list[str]:
        lines = []
        while (line := self.next_line()) != ".":
            lines.append(line.removeprefix("."))
        return lines

    def next_line(self) -> str:
        """The next line that the server says."""
        line = self._file.readline()
        assert line.endswith(b"\r\n"), f"the server closed: {line!r}"
        return line[:-2].decode()
