"""One SMTP or LMTP connection as a client: commands out, replies in, the content streamed.

Contract: bytes of a message are sent as they are, with dots doubled; a bare CR, a bare LF or a NUL
is never sent. After any ``SessionLost`` the connection is closed for good. Until ``end_content`` and then
``flush`` were called the server has no message: closing before it makes the server forget what it got.
What a server said before it hung up is read though it took no more: why, or that it has a message.

Python's own smtplib and aiosmtplib rewrite line ends, which breaks signatures.

Spec: RFC 5321; RFC 1870 (SIZE); RFC 2034 (status codes); RFC 2920 (PIPELINING); RFC 6152 (8BITMIME);
RFC 6531 (SMTPUTF8); RFC 2033 (LMTP).
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
SEND_BYTES = 1 << 16
"""Content is held back up to this size, so that a small message is sent in one piece with its end."""
PIPELINE_COUNT = 50
"""Commands sent before their replies are read: both directions fit in the smallest socket buffers,
so that neither side waits for the other for ever (RFC 2920 section 3.1)."""

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux has it."""

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


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """Where a server listens.

    Args:
        host: name or address.
        port: of the server.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self, seconds: float) -> socket.socket:
        """Open a connection."""
        opened = socket.create_connection((self.host, self.port), timeout=seconds)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened


@dataclass(frozen=True, slots=True)
class UnixPlace:
    """A unix socket that a server listens on.

    Args:
        path: absolute.
    """

    path: str

    def __str__(self) -> str:
        return self.path

    def connect(self, seconds: float) -> socket.socket:
        """Open a connection."""
        opened = socket.socket(socket.AF_UNIX)
        opened.settimeout(seconds)
        try:
            opened.connect(self.path)
        except OSError:
            opened.close()
            raise
        return opened


class SmtpSession:
    """A connection that has not been greeted yet.

    Args:
        place: where the server is.
        connect_seconds: longest wait for the connection.
    """

    def __init__(self, place: TcpPlace | UnixPlace, connect_seconds: float) -> None:
        self.name = str(place)
        self.extensions: dict[str, str] = {}
        self.lost: SessionLost | None = None
        """What broke the connection, if something did."""
        self._received = b""
        self._unsent = bytearray()
        self._stuffer = DotStuffer()
        try:
            self._socket = place.connect(connect_seconds)
        except OSError as error:
            text = f"cannot connect to {self.name}: {error.strerror or error}"
            raise SessionLost(text, status="4.4.1") from None

    def greet(self, own_name: str, seconds: float, *, is_lmtp: bool = False) -> Reply:
        """Read the server's greeting and send EHLO, or HELO to a server that knows no better.

        Args:
            own_name: our host name.
            seconds: longest wait for each reply.
            is_lmtp: send LHLO, and nothing instead.

        Returns:
            The reply that decides: positive if mail can be sent now.
        """
        reply = self.read_reply(seconds)
        if not reply.is_positive:
            return reply
        reply = self.command(f"{'LHLO' if is_lmtp else 'EHLO'} {own_name}", seconds)
        if reply.is_positive:
            self.extensions = _extensions(reply)
            return reply
        return reply if reply.ends_session or is_lmtp else self.command(f"HELO {own_name}", seconds)

    def command(self, text: str, seconds: float) -> Reply:
        """Send one command and read its reply."""
        return self.commands([text], seconds)[0]

    def commands(self, texts: Sequence[str], seconds: float) -> list[Reply]:
        """Send commands and read their replies, in groups if the server has PIPELINING.

        Returns:
            A reply for each command; fewer when the connection ended.

        Raises:
            SessionLost: there is none at all.
        """
        size = PIPELINE_COUNT if "PIPELINING" in self.extensions else 1
        replies: list[Reply] = []
        for start in range(0, len(texts), size):
            group = texts[start : start + size]
            self.hold(group)
            try:
                self.flush(seconds)
                replies += self.read_replies(len(group), seconds)
            except SessionLost:
                if not replies:
                    raise
            if self.is_closed:
                break
        return replies

    def hold(self, texts: Sequence[str]) -> None:
        """Write commands with the next ``flush``."""
        self._unsent += "".join(f"{text}\r\n" for text in texts).encode("utf-8")

    def send_content(self, chunks: Iterable[bytes], seconds: float) -> Reply | None:
        """Send a message without its end, or hold it back while it is small.

        Args:
            chunks: with CRLF line ends.
            seconds: longest time in which the server takes nothing.

        Returns:
            None; or what the server said, if it hung up before it had the whole: the connection is closed.

        Raises:
            SessionLost: the connection broke.
            GatewayError: the message can't be read or holds a stray byte; the caller must abort.
        """
        self._stuffer = DotStuffer()
        for piece in uncut(chunks):
            self._unsent += self._stuffer.feed(piece)
            if len(self._unsent) >= SEND_BYTES:
                self.flush(seconds)
                if self.lost is not None:
                    return self._last_reply(seconds)
        return None

    def end_content(self) -> None:
        """Hold the final dot; once it is sent the server may have the message."""
        self._unsent += self._stuffer.finish()

    def flush(self, seconds: float) -> None:
        """Send what is held back, in one piece.

        That the server hung up is found out by reading its replies, since some may have come before.

        Raises:
            SessionLost: it took nothing for too long.
        """
        unsent, self._unsent = self._unsent, bytearray()
        if self.lost is not None:
            return
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(unsent)
        except OSError as error:
            self.lost = SessionLost(f"the connection to {self.name} broke: {error.strerror or error}")
            if isinstance(error, TimeoutError):
                self.abort()
                raise self.lost from None

    def read_replies(self, count: int, seconds: float) -> list[Reply]:
        """Read the replies to commands that were sent together.

        Returns:
            Fewer when the connection ended, which is closed then.

        Raises:
            SessionLost: there is none at all.
        """
        replies: list[Reply] = []
        while len(replies) < count:
            try:
                replies.append(self.read_reply(seconds))
            except SessionLost:
                if not replies:
                    raise
                break
            if replies[-1].ends_session:
                self.abort()
                break
        return replies

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
                raise self._end(f"{self.name} does not reply as SMTP servers do", "4.5.0")
            code = int(match[1])
            lines.append((match[3] or b"").decode("utf-8", "replace").strip())
            if match[2] != b"-":
                return Reply(code, tuple(lines))
        raise self._end(f"{self.name} sent a reply of too many lines", "4.5.0")

    def quit(self) -> None:
        """Say QUIT and leave without waiting for the answer: Exim's comes 200 ms late."""
        with contextlib.suppress(OSError):
            self._socket.send(b"QUIT\r\n", socket.MSG_DONTWAIT)
        self.abort()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be said."""
        return self._socket.fileno() < 0

    def abort(self) -> None:
        """Close the connection as it is."""
        self._socket.close()

    def _read_line(self, seconds: float) -> bytes:
        while (end := self._received.find(b"\n", 0, REPLY_LINE_LIMIT_BYTES)) < 0:
            if len(self._received) >= REPLY_LINE_LIMIT_BYTES:
                raise self._end(f"{self.name} sent a line that is too long", "4.5.0")
            try:
                self._socket.settimeout(seconds)
                self._acknowledge_soon()
                data = self._socket.recv(RECEIVE_BYTES)
            except OSError as error:
                raise self._end(f"no answer from {self.name}: {error.strerror or error}") from None
            if not data:
                raise self._end(f"{self.name} closed the connection")
            self._received += data
        line, self._received = self._received[: end + 1], self._received[end + 1 :]
        return line

    def _end(self, text: str, status: str = SessionLost.status) -> SessionLost:
        """Close a connection of which nothing more can be read; what broke it first is what counts."""
        self.abort()
        if self.lost is None:
            self.lost = SessionLost(text, status=status)
        return self.lost

    def _last_reply(self, seconds: float) -> Reply:
        reply = self.read_reply(seconds)
        if reply.is_positive:
            # It has not got the message.
            raise self._end("")
        self.abort()
        return reply

    def _acknowledge_soon(self) -> None:
        """Do not let the server wait 40 ms for our acknowledgement before it sends the rest of its replies.

        It answers the end of one message and the commands of the next in two pieces, and the second waits for
        the first to be acknowledged (Nagle's algorithm). The kernel forgets the wish after a while.
        """
        if self._socket.family != socket.AF_UNIX and _QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def _extensions(reply: Reply) -> dict[str, str]:
    """Keyword in capitals and its parameters, of each line of a reply to EHLO but the first."""
    words = (line.partition(" ") for line in reply.lines[1:])
    return {keyword.upper(): parameters for keyword, _, parameters in words}
