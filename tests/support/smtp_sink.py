"""A scripted SMTP or LMTP server in a thread: accepts, defers, refuses, or drops the line as a test says."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ALL_EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
DROP = "drop"
"""Closes the connection instead of a reply."""
HANGS_UP = " and hangs up"
"""Closes the connection behind a reply that ends so."""

Answer = Callable[[str], str | None]
"""From a command (``CONNECT``, ``EHLO x``, ``DATA``, ``.``) to a reply, ``DROP``, or None: the usual one.

In LMTP the end of content is asked for once for each recipient: ``. bob@b.test``.
"""

_USUAL = {
    "CONNECT": "220 sink ready",
    "HELO": "250 sink",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 queued as 1",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


@dataclass(slots=True)
class SinkMessage:
    """One message that the server said yes to.

    Attributes:
        mail: the MAIL command.
        recipients: the addresses that were accepted.
        data: what came after DATA as it was on the wire, dots doubled, without the final dot.
    """

    mail: str
    recipients: list[str]
    data: bytes


@dataclass(slots=True)
class SmtpSink:
    """The server; as a context manager it listens and, at the end, is gone.

    Attributes:
        answer: what to answer instead of the usual.
        extensions: lines of the answer to EHLO or LHLO; None makes EHLO unknown.
        messages: what was accepted.
        commands: every command of every connection.
        groups: the commands that came together in one piece.
        connection_count: connections so far.
        is_lax: takes any command at any time, DATA without a recipient among them.
        is_lmtp: speaks LMTP.
        refusal: is said, and the connection closed, once the first bytes of content are there.
        path: listens on a unix socket of this name.
    """

    answer: Answer = lambda _command: None
    extensions: Sequence[str] | None = ALL_EXTENSIONS
    messages: list[SinkMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    connection_count: int = 0
    is_lax: bool = False
    is_lmtp: bool = False
    refusal: str = ""
    path: Path | None = None
    port: int = 0
    _listener: socket.socket | None = None
    _threads: list[threading.Thread] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        if self.path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
            self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._listener is not None
        self._end([self._listener], self._threads[:1])
        self._listener.close()
        # Each thread closes its own connection, so what has come is read to its end.
        self._end(self._open, self._threads[1:])

    @staticmethod
    def _end(sockets: Sequence[socket.socket], threads: Sequence[threading.Thread]) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.path is None:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection_count += 1
            self._open.append(connection)
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            _Dialogue(self, connection).run()


class _Dialogue:
    def __init__(self, sink: SmtpSink, connection: socket.socket) -> None:
        self._sink = sink
        self._connection = connection
        self._buffer = b""
        self._mail = ""
        self._recipients: list[str] = []

    def run(self) -> None:
        is_open = self._reply("CONNECT")
        while is_open:
            line = self._read_until(b"\r\n")
            if line is None:
                return
            command = line.decode("utf-8")
            self._sink.commands.append(command)
            self._sink.groups[-1].append(command)
            is_open = self._reply(command)

    def _reply(self, command: str) -> bool:
        verb = command.split(" ", maxsplit=1)[0].upper()
        text = self._sink.answer(command) or self._usual(verb)
        if text == _USUAL.get(verb) and not self._sink.is_lax:
            text = self._misplaced(verb) or text
        if text == DROP:
            return False
        self._connection.sendall(f"{text}\r\n".encode())
        if text.startswith("421") or text.endswith(HANGS_UP):
            return False
        is_positive = text[0] in "23"
        if verb == "MAIL" and is_positive:
            self._mail, self._recipients = command, []
        elif verb == "RCPT" and text[0] == "2":
            self._recipients.append(command[len("RCPT TO:<") :].partition(">")[0])
        elif verb == "RSET":
            self._mail, self._recipients = "", []
        elif verb == "DATA" and is_positive:
            return self._take_content()
        return verb != "QUIT"

    def _misplaced(self, verb: str) -> str | None:
        if verb == "RCPT" and not self._mail:
            return "503 5.5.1 MAIL first"
        if verb == "DATA" and not self._recipients:
            return "554 5.5.1 no valid recipients"
        return None

    def _usual(self, verb: str) -> str:
        if verb != ("LHLO" if self._sink.is_lmtp else "EHLO"):
            return _USUAL.get(verb, "500 5.5.1 what?")
        if self._sink.extensions is None:
            return "502 5.5.1 not implemented"
        lines = ["sink", *self._sink.extensions]
        return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])

    def _take_content(self) -> bool:
        first = self._read_exactly(3)
        if first is None:
            return False
        if self._sink.refusal:
            self._connection.sendall(f"{self._sink.refusal}\r\n".encode())
            return False
        data = b""
        if first != b".\r\n":
            self._buffer = first + self._buffer
            found = self._read_until(b"\r\n.\r\n")
            if found is None:
                return False
            data = found + b"\r\n"
        asked = [f". {recipient}" for recipient in self._recipients] if self._sink.is_lmtp else ["."]
        texts = [self._sink.answer(command) or _USUAL["."] for command in asked]
        taken = self._recipients
        if self._sink.is_lmtp:
            taken = [one for one, text in zip(taken, texts, strict=True) if text[0] == "2"]
        if taken if self._sink.is_lmtp else texts[0][0] == "2":
            self._sink.messages.append(SinkMessage(self._mail, taken, data))
        self._mail, self._recipients = "", []
        for text in texts:
            if text == DROP:
                return False
            self._connection.sendall(f"{text}\r\n".encode())
            if text.startswith("421"):
                return False
        return True

    def _read_until(self, end: bytes) -> bytes | None:
        while end not in self._buffer:
            if not self._receive():
                return None
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _read_exactly(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            if not self._receive():
                return None
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _receive(self) -> bool:
        data = self._connection.recv(1 << 16)
        if not self._buffer:
            self._sink.groups.append([])
        self._buffer += data
        return bool(data)
