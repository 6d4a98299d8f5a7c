"""One SMTP connection as a client: commands out, replies in, the content streamed.

Contract: bytes of a message are sent as they are, with dots doubled; a bare CR, a bare LF or a NUL
is never sent. After any ``SessionLost`` the connection is closed for good. Until ``end_content`` was
called the server has no message: closing before it makes the server forget what it got.

Python's own smtplib and aiosmtplib rewrite line ends, which breaks signatures.

Spec: RFC 5321; RFC 1870 (SIZE); RFC 2034 (status codes); RFC 2920 (PIPELINING); RFC 6152 (8BITMIME);
RFC 6531 (SMTPUTF8).
"""

import contextlib
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.errors import RemoteProtocolError
from gateway.message.lines import DotStuffer, uncut

REPLY_LINE_LIMIT_BYTES = 4096
"""RFC 5321 section 4.5.3.1.5 grants 512; servers with long policy texts send more."""
REPLY_LINE_LIMIT_COUNT = 200
RECEIVE_BYTES = 1 << 16
PIPELINE_COUNT = 50
"""Commands sent before their replies are read: both directions fit in the smallest socket buffers,
so that neither side waits for the other for ever (RFC 2920 section 3.1)."""

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?\n")


class SessionLost(RemoteProtocolError):
    """The connection broke, timed out, or the server does not speak SMTP."""

    status = "4.4.2"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a server.

    Args:
        code: three digits.
        lines: the text of each line.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out."""
        return 200 <= self.code < 300  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def ends_session(self) -> bool:
        """Whether the server closes the connection after it."""
        return self.code == 421  # noqa: PLR2004 - RFC 5321 section 3.8


class SmtpSession:
    """A connection that has not been greeted yet.

    Args:
        host: name or address.
        port: of the server.
        connect_seconds: longest wait for the connection.
    """

    def __init__(self, host: str, port: int, connect_seconds: float) -> None:
        self.name = f"{host}:{port}"
        self.extensions: dict[str, str] = {}
        self._received = b""
        self._end = b""
        try:
            self._socket = socket.create_connection((host, port), timeout=connect_seconds)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            text = f"cannot connect to {self.name}: {error.strerror or error}"
            raise SessionLost(text, status="4.4.1") from None

    def greet(self, own_name: str, seconds: float) -> Reply:
        """Read the server's greeting and send EHLO, or HELO to a server that knows no better.

        Args:
            own_name: our host name.
            seconds: longest wait for each reply.

        Returns:
            The reply that decides: positive if mail can be sent now.
        """
        reply = self.read_reply(seconds)
        if not reply.is_positive:
            return reply
        reply = self.command(f"EHLO {own_name}", seconds)
        if reply.is_positive:
            self.extensions = _extensions(reply)
            return reply
        return reply if reply.ends_session else self.command(f"HELO {own_name}", seconds)

    def command(self, text: str, seconds: float) -> Reply:
        """Send one command and read its reply."""
        return self.commands([text], seconds)[0]

    def commands(self, texts: Sequence[str], seconds: float) -> list[Reply]:
        """Send commands and read their replies, in groups if the server has PIPELINING.

        Returns:
            A reply for each command; fewer when the last of them ends the session.
        """
        size = PIPELINE_COUNT if "PIPELINING" in self.extensions else 1
        replies: list[Reply] = []
        for start in range(0, len(texts), size):
            group = texts[start : start + size]
            self._send("".join(f"{text}\r\n" for text in group).encode("utf-8"), seconds)
            for _ in group:
                replies.append(self.read_reply(seconds))
                if replies[-1].ends_session:
                    self.abort()
                    return replies
        return replies

    def send_content(self, chunks: Iterable[bytes], seconds: float) -> None:
        """Send a message without its end.

        Args:
            chunks: with CRLF line ends.
            seconds: longest time in which the server takes nothing.

        Raises:
            SessionLost: the connection broke.
            GatewayError: the message can't be read or holds a stray byte; the caller must abort.
        """
        stuffer = DotStuffer()
        for piece in uncut(chunks):
            self._send(stuffer.feed(piece), seconds)
        self._end = stuffer.finish()

    def end_content(self, seconds: float) -> Reply:
        """Send the final dot and read the answer; from here on the server may have the message."""
        self._send(self._end, seconds)
        return self.read_reply(seconds)

    def read_reply(self, seconds: float) -> Reply:
        """Read one reply of any number of lines.

        Raises:
            SessionLost: none came in time, or it is none.
        """
        lines: list[str] = []
        code = 0
        while len(lines) < REPLY_LINE_LIMIT_COUNT:
            match = _REPLY_LINE.fullmatch(self._read_line(seconds))
            if match is None or (lines and int(match[1]) != code):
                self.abort()
                raise SessionLost(f"{self.name} does not reply as SMTP servers do", status="4.5.0")
            code = int(match[1])
            lines.append((match[3] or b"").decode("utf-8", "replace").strip())
            if match[2] != b"-":
                return Reply(code, tuple(lines))
        self.abort()
        raise SessionLost(f"{self.name} sent a reply of too many lines", status="4.5.0")

    def quit(self) -> None:
        """Say QUIT and leave without waiting for the answer: Exim's comes 200 ms late."""
        with contextlib.suppress(OSError):
            self._socket.send(b"QUIT\r\n", socket.MSG_DONTWAIT)
        self.abort()

    def abort(self) -> None:
        """Close the connection as it is."""
        self._socket.close()

    def _send(self, data: bytes, seconds: float) -> None:
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(data)
        except OSError as error:
            self.abort()
            raise SessionLost(f"the connection to {self.name} broke: {error.strerror or error}") from None

    def _read_line(self, seconds: float) -> bytes:
        while (end := self._received.find(b"\n", 0, REPLY_LINE_LIMIT_BYTES)) < 0:
            if len(self._received) >= REPLY_LINE_LIMIT_BYTES:
                self.abort()
                raise SessionLost(f"{self.name} sent a line that is too long", status="4.5.0")
            try:
                self._socket.settimeout(seconds)
                data = self._socket.recv(RECEIVE_BYTES)
            except OSError as error:
                self.abort()
                raise SessionLost(f"no answer from {self.name}: {error.strerror or error}") from None
            if not data:
                self.abort()
                raise SessionLost(f"{self.name} closed the connection")
            self._received += data
        line, self._received = self._received[: end + 1], self._received[end + 1 :]
        return line


def _extensions(reply: Reply) -> dict[str, str]:
    """Keyword in capitals and its parameters, of each line of a reply to EHLO but the first."""
    words = (line.partition(" ") for line in reply.lines[1:])
    return {keyword.upper(): parameters for keyword, _, parameters in words}
