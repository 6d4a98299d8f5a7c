"""A news server that says what a test wants, on a port of 127.0.0.1 or a Unix socket."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self, cast

from tests.support.ports import free_port

Answer = Callable[[str, str], str | None]
"""From a command and a Message-ID to the answer; None: the connection is closed without one."""


class NewsServer:
    """Takes articles; a context manager.

    Args:
        answer: to CHECK, TAKETHIS (once the article came), IHAVE and the article behind it (``ARTICLE``).
        path: of a Unix socket, or None: TCP.
        greeting: what it says first.
        is_streaming: whether it knows MODE STREAM.

    Attributes:
        articles: what came whole, by Message-ID.
        commands: all that came.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        path: Path | None = None,
        greeting: str = "200 hello",
        is_streaming: bool = True,
    ) -> None:
        self.articles: dict[str, bytes] = {}
        self.commands: list[str] = []
        self._answer = answer
        self._greeting = greeting
        self._is_streaming = is_streaming
        self.port = 0
        if path is None:
            self.port = free_port()
            self._listening = socket.create_server(("127.0.0.1", self.port))
        else:
            self._listening = socket.socket(socket.AF_UNIX)
            self._listening.bind(str(path))
            self._listening.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), link, link.makefile("rwb") as file:
                self._talk(cast(IO[bytes], file))

    def _talk(self, file: IO[bytes]) -> None:
        def say(line: str) -> None:
            file.write(f"{line}\r\n".encode())
            file.flush()

        say(self._greeting)
        while line := file.readline():
            verb, *arguments = line.decode().split()
            verb = verb.upper()
            self.commands.append(verb)
            plain = self._plain_answer(verb, arguments)
            if plain is not None:
                say(plain)
                if verb == "QUIT":
                    return
                continue
            content = self._article(file) if verb == "TAKETHIS" else b""
            said = self._answer(verb, arguments[0])
            if said is not None and said.startswith("335"):
                say(said)
                content = self._article(file)
                said = self._answer("ARTICLE", arguments[0])
            if said is None:
                return
            if said.startswith(("235", "239")):
                self.articles[arguments[0]] = content
            say(said)

    def _plain_answer(self, verb: str, arguments: list[str]) -> str | None:
        """What is said to all but offers of articles."""
        if verb == "QUIT":
            return "205 bye"
        if verb == "MODE":
            return "203 ok" if self._is_streaming else "500 what?"
        if verb == "STAT":
            return f"223 0 {arguments[0]}" if arguments[0] in self.articles else "430 no such article"
        return None

    @staticmethod
    def _article(file: IO[bytes]) -> bytes:
        lines = []
        while (line := file.readline()) != b".\r\n":
            if not line:
                raise OSError("gone")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)
