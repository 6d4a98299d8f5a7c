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
            with link, link.makefile("rwb") as file, contextlib.suppress(OSError):
                self._talk(cast(IO[bytes], file))

    def _talk(self, file: IO[bytes]) -> None:
        def say(line: str) -> None:
            file.write(f"{line}\r\n".encode())
            file.flush()

        say(self._greeting)
        while line := file.readline():
            words = line.decode().split()
            self.commands.append(words[0].upper())
            if words[0].upper() == "QUIT":
                say("205 bye")
                return
            if words[0].upper() == "MODE":
                say("203 ok" if self._is_streaming else "500 what?")
                continue
            if words[0].upper() == "STAT":
                say(f"223 0 {words[1]}" if words[1] in self.articles else "430 no such article")
                continue
            content = self._article(file) if words[0].upper() == "TAKETHIS" else b""
            said = self._answer(words[0].upper(), words[1])
            if said is None:
                return
            if said.startswith("239"):
                self.articles[words[1]] = content
            say(said)
            if said.startswith("335"):
                content = self._article(file)
                said = self._answer("ARTICLE", words[1])
                if said is None:
                    return
                if said.startswith("235"):
                    self.articles[words[1]] = content
                say(said)

    @staticmethod
    def _article(file: IO[bytes]) -> bytes:
        lines = []
        while (line := file.readline()) != b".\r\n":
            if not line:
                raise OSError("gone")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)
