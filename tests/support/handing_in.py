"""What takes mail in from local programs, on a queue of the test's own."""

import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from gateway.batch.choices import Choice, Choices
from gateway.batch.policy import Niceness
from gateway.daemon.notify import open_pipe_socket
from gateway.durable import Disk
from gateway.errors import UnknownNode
from gateway.handover import frames
from gateway.ids import NodeId
from gateway.ingest.batch import BatchIntake
from gateway.ingest.handover import Handover
from gateway.ingest.inflight import InFlight
from gateway.ingest.intake import Intake
from gateway.ingest.mail_command import LocalUser
from gateway.ingest.pipe import PipeIntake
from gateway.ingest.pipe_commands import PipeCommands, PipeRequest, Wish
from gateway.ingest.pipe_server import PipeParts, PipeServer
from gateway.ingest.routes import Routes
from gateway.ingest.services import Services
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.stamp import Stamp
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.msgqueue.store import Queue
from gateway.receive.quarantine import Source
from gateway.receive.receiver import Reception
from gateway.routing.table import Local, Refuse, Route, Rule, Table, ToNode
from tests.support.endpoint import Kept, kept_messages
from tests.support.received import receiver
from tests.support.server_thread import DEADLINE_SECONDS, ServerThread

HOSTNAME = "mail.a.test"
NODE_B = NodeId(b"\xbb" * 32)
NICE = 64
USER = LocalUser("alice", "Alice A.")
TABLE = Table.from_rules(
    [
        Rule("b.test", ToNode("bob")),
        Rule("gone.test", ToNode("gone")),
        Rule("a.test", Local()),
        Rule(HOSTNAME, Local()),
        Rule("never@b.test", Refuse("5.1.1", "no such person")),
        Rule("later@b.test", Refuse("4.2.1", "on holiday")),
    ]
)


def find_choices(route: Route) -> Choices:
    """The one neighbour that the tests know."""
    if route.node != "bob":
        raise UnknownNode(f"unknown node {route.node!r}")
    return Choices((Choice(NODE_B, "bob", Niceness(NICE)),))


def routes(max_recipients: int = 1000) -> Routes:
    """Where mail goes."""
    return Routes(TABLE, find_choices, max_recipients)


def stamp(wall: Callable[[], float] = lambda: 0.0, max_hops: int = 50) -> Stamp:
    """What is put in front of messages."""
    return Stamp(HOSTNAME, max_hops, wall)


def intake(queue: Queue, max_message_bytes: int = 50 << 20) -> PipeIntake:
    """Takes single messages."""
    return PipeIntake(queue, routes(), stamp(), max_message_bytes)


def batches(
    queue: Queue, disk: Disk | None = None, *, message_bytes: int = 50 << 20, max_batch_bytes: int = 1 << 30
) -> BatchIntake:
    """Takes batches."""
    limits = BatchLimits(message_bytes=message_bytes)
    return BatchIntake(queue, disk or Disk(is_syncing=False), routes(), stamp(), limits, max_batch_bytes)


def commands(queue: Queue, disk: Disk | None = None, max_message_bytes: int = 50 << 20) -> PipeCommands:
    """All commands; what neighbours send is taken for b.test."""

    def begin_receive(
        handle: str, args: tuple[bytes, ...], sender: NodeId, author: NodeId | None
    ) -> Reception:
        return receiver(queue, disk).begin(Source(sender, "a", None, handle, args, author))

    singles = intake(queue, max_message_bytes)
    return PipeCommands(singles, batches(queue, disk), begin_receive, lambda: "1234")


def request(name: str, *arguments: str, node: str = "", user: LocalUser = USER) -> PipeRequest:
    """What a program asks for."""
    return PipeRequest(name, arguments, node, user)


def hand_in(queue: Queue, wish: PipeRequest, content: bytes, size: int = 1 << 16) -> str:
    """Take one body in, in pieces, as any program that runs a command; what a person may be told."""
    wanted = commands(queue).begin(wish)
    assert not isinstance(wanted, Wish)
    return take(wanted, [content[at : at + size] for at in range(0, len(content), size)])


def take(handover: Handover, pieces: Sequence[bytes]) -> str:
    """Write all pieces and wait until they are on disk."""
    try:
        for piece in pieces:
            handover.write(piece)
        handover.close().result()
    except BaseException:
        handover.discard()
        raise
    return handover.done()


class PipeEndpoint(ServerThread):
    """The endpoint for local programs in a thread of its own; a context manager.

    Args:
        directory: the state directory; the queue is below it.
        disk: how the queue writes.
        limits: fields of ``SmtpSettings`` that differ from the defaults.
    """

    server: PipeServer

    def __init__(self, directory: Path, *, disk: Disk | None = None, **limits: Any) -> None:
        super().__init__()
        self.directory = directory
        directory.mkdir(exist_ok=True)
        disk = disk or Disk(is_syncing=False)
        self.queue = Queue(directory / "queue", disk, reserve_bytes=0)
        settings = SmtpSettings(hostname=HOSTNAME, **limits)
        executor = ThreadPoolExecutor(2)
        services = Services(
            settings=settings,
            queue=self.queue,
            table=TABLE,
            find_choices=find_choices,
            permits=lambda _client: True,
            inflight=InFlight(settings.max_inflight_bytes),
            intake=Intake(self.queue, HOSTNAME, settings.max_hops, executor),
        )
        listening = open_pipe_socket(directory, disk)
        parts = PipeParts(commands(self.queue, disk, settings.max_message_bytes), services)
        self.server = PipeServer(parts, listening, executor)

    def close_stores(self) -> None:
        self.queue.close()

    def connect(self) -> "PipeCaller":
        """A program that says exactly what it is told."""
        return PipeCaller(self.directory / frames.SOCKET_NAME)

    def kept(self) -> list[Kept]:
        """What is in the queue, in the order of arrival."""
        return kept_messages(self.queue)

    def leftovers(self) -> list[str]:
        """Files of bodies and batches that no message has."""
        queue = self.directory / "queue"
        named = {view.view.id for view in self.kept()}
        found = [*(queue / "incoming").glob("*"), *(queue / "bodies").glob("*")]
        return [path.name for path in found if path.name not in named]


class PipeCaller:
    """The other end of the socket; a context manager."""

    def __init__(self, path: Path) -> None:
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.link.settimeout(DEADLINE_SECONDS)
        self.link.connect(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.link.close()

    def ask(self, name: str, *arguments: str, node: str = "") -> tuple[bytes, bytes]:
        """Send a request; returns the first answer."""
        words = [os.fsencode(word) for word in arguments]
        self.link.sendall(frames.encode_request(name.encode(), node.encode(), words, is_terminal=False))
        return self.answer()

    def send(self, *pieces: bytes) -> None:
        """Send pieces of the body, an empty one as its end; stops when the daemon has heard enough."""
        try:
            for piece in pieces:
                self.link.sendall(frames.encode_piece(piece))
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self) -> tuple[bytes, bytes]:
        """The next answer, and not a byte more: kind and data; both empty: the connection has ended."""
        head = self._exactly(1 + frames.LENGTH_BYTES)
        data = self._exactly(int.from_bytes(head[1:], "big"))
        return head[:1], data

    def _exactly(self, size_bytes: int) -> bytes:
        data = b""
        while len(data) < size_bytes:
            try:
                piece = self.link.recv(size_bytes - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                return b""
            data += piece
        return data

    def end(self) -> tuple[int, str]:
        """All answers to the last: the status, and what is to be printed; -1: there is none."""
        said = ""
        while True:
            kind, data = self.answer()
            if kind == frames.EXIT:
                return data[0], said
            if not kind:
                return -1, said
            said += data.decode()
