"""An SMTP endpoint of ours in a thread of its own, and a client that says exactly what it is told."""

import re
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gateway.batch.choices import Choice, Choices
from gateway.durable import Disk
from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.ingest.certificates import Certificates
from gateway.ingest.lmtp import LmtpSession
from gateway.ingest.server import SmtpServer, Speak
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.smtp import SmtpSession
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import MessageView, list_messages
from gateway.routing.table import Local, Refuse, Route, Rule, Table, ToNode
from tests.support.server_thread import DEADLINE_SECONDS, ServerThread

WALL_SECONDS = 946684800.0
HOSTNAME = "gw.a.test"
NODE_B = NodeId(b"\xbb" * 32)
RULES = (
    Rule("b.test", ToNode("b")),
    Rule("bücher.test", ToNode("b")),
    Rule("gone.test", ToNode("gone")),
    Rule("here.test", Local()),
    Rule(HOSTNAME, Local()),
    Rule("never@b.test", Refuse("5.1.1", "no such person")),
    Rule("later@b.test", Refuse("4.2.1", "on holiday")),
)


def find_choices(route: Route) -> Choices:
    """The one neighbour that the tests know."""
    if route.node != "b":
        raise UnknownNode(f"unknown node {route.node!r}")
    return Choices((Choice(NODE_B, "b"),))


class Endpoint(ServerThread):
    """A server with its queue; a context manager.

    Args:
        directory: of the queue.
        disk: how the queue writes.
        reserve_bytes: free space the queue keeps.
        speak: what is spoken.
        certificates: for connections that begin with TLS.
        settings: fields of ``SmtpSettings`` that differ from those of a test.
    """

    GREETING = "EHLO"
    server: SmtpServer

    def __init__(
        self,
        directory: Path,
        *,
        disk: Disk | None = None,
        reserve_bytes: int = 0,
        speak: Speak = SmtpSession,
        certificates: Certificates | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        fields: dict[str, Any] = {"hostname": HOSTNAME, "listen": (("127.0.0.1", 0),), **settings}
        self.queue = Queue(directory / "queue", disk or Disk(is_syncing=False), reserve_bytes=reserve_bytes)
        self.settings = SmtpSettings(**fields)
        self.server = SmtpServer(
            self.settings,
            self.queue,
            Table.from_rules(RULES),
            find_choices,
            speak=speak,
            certificates=certificates,
            wall=lambda: WALL_SECONDS,
        )

    def close_stores(self) -> None:
        self.queue.close()

    @property
    def port(self) -> int:
        return self.server.ports[0]

    def client(self, *, is_greeted: bool = True) -> "Client":
        """Connect; unless told otherwise, read the greeting and say EHLO."""
        client = Client(self.address)
        if is_greeted:
            assert client.answer()[0] == 220
            assert client.command(f"{self.GREETING} client.test")[0] == 250
        return client

    @property
    def address(self) -> int | Path:
        """Where clients connect to: a port, or a socket."""
        return self.port if self.settings.unix is None else self.settings.unix.path

    def kept(self, role: Role | None = None) -> list["Kept"]:
        """What is in the queue, in the order of arrival."""
        return kept_messages(self.queue, role)


@dataclass(frozen=True, slots=True)
class Kept:
    """A message of the queue.

    Attributes:
        view: as people see it.
        received: the trace field that was put in front.
        content: the message behind it.
        is_8bit: as the envelope says.
        is_smtputf8: as the envelope says.
    """

    view: MessageView
    received: bytes
    content: bytes
    is_8bit: bool
    is_smtputf8: bool

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(delivery.recipient for delivery in self.view.deliveries)


def kept_messages(queue: Queue, role: Role | None = None) -> list[Kept]:
    """What is in a queue, in the order of arrival."""
    found = []
    for view in list_messages(queue, role):
        body = b"".join(queue.read_body(view.seq))
        match = re.match(rb"Received:[^\r\n]*\r\n(?:\t[^\r\n]*\r\n)*", body)
        assert match is not None, body[:200]
        with queue.reading() as connection:
            flags = connection.execute(
                "SELECT is_8bit, is_smtputf8 FROM message WHERE seq = ?", (view.seq,)
            ).fetchone()
        found.append(Kept(view, match[0], body[match.end() :], bool(flags[0]), bool(flags[1])))
    return found


class LmtpEndpoint(Endpoint):
    """The same, speaking LMTP."""

    GREETING = "LHLO"

    def __init__(self, directory: Path, **settings: Any) -> None:
        super().__init__(directory, speak=LmtpSession, section="lmtp", **settings)


class Client:
    """A client without any opinion of its own; a context manager.

    Args:
        address: of the server: a port of 127.0.0.1, or a unix socket.
    """

    def __init__(self, address: int | Path) -> None:
        self.socket = _connect(address)
        self._input = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._input.close()
        self.socket.close()

    def secure(self, context: ssl.SSLContext, name: str = "localhost") -> None:
        """Go on in TLS."""
        self._input.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self._input = self.socket.makefile("rb")

    def reset(self) -> None:
        """Break the connection off."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def answer(self) -> tuple[int, str]:
        """The next answer: its code and its text, the lines of a long one joined; (0, "") at the end."""
        lines = []
        while True:
            line = self._input.readline()
            if not line:
                return 0, ""
            assert line.endswith(b"\r\n"), line
            lines.append(line[4:-2].decode("ascii"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def answers(self, count: int) -> list[int]:
        """The codes of the next answers."""
        return [self.answer()[0] for _ in range(count)]

    def is_closed(self) -> bool:
        """Whether the server closes the connection, without another word."""
        try:
            return self._input.readline() == b""
        except ConnectionResetError:
            return True

    def command(self, line: str | bytes) -> tuple[int, str]:
        """Say one line and read the answer."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.answer()

    def begin(self, sender: str = "alice@a.test", *recipients: str) -> None:
        """Say everything up to DATA, one line after the other."""
        assert self.command(f"MAIL FROM:<{sender}>")[0] == 250
        for recipient in recipients or ("bob@b.test",):
            assert self.command(f"RCPT TO:<{recipient}>")[0] == 250
        assert self.command("DATA")[0] == 354

    def content(self, stuffed: bytes) -> tuple[int, str]:
        """Send content as it is, with its end, and read the answer."""
        self.send(stuffed)
        return self.answer()

    def mail(self, message: bytes, sender: str = "alice@a.test", *recipients: str) -> tuple[int, str]:
        """Send a whole message with CRLF line ends and read the answer."""
        self.begin(sender, *recipients)
        return self.content(stuffed(message))


def _connect(address: int | Path) -> socket.socket:
    if isinstance(address, int):
        connected = socket.create_connection(("127.0.0.1", address), timeout=DEADLINE_SECONDS)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(DEADLINE_SECONDS)
    try:
        connected.connect(str(address))
    except BaseException:
        connected.close()
        raise
    return connected


def stuffed(message: bytes) -> bytes:
    """A message with CRLF line ends as it follows DATA, with the end of content."""
    lines = b"\r\n" + message
    lines = lines.replace(b"\r\n.", b"\r\n..")[2:]
    return lines + (b".\r\n" if not message or message.endswith(b"\r\n") else b"\r\n.\r\n")
