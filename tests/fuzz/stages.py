"""Fuzz targets of whole stages: what a neighbour's packet asks for, mail clients, mail servers, payloads."""

import asyncio
import contextlib
import logging
import re
import shutil
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from gateway.deliver.batch_command import taken_count
from gateway.deliver.command_run import Ended
from gateway.deliver.outcome import of_exit
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace
from gateway.deliver.target import Job, TargetDown
from gateway.durable import Disk
from gateway.errors import GatewayError
from gateway.ids import NodeId, PacketId
from gateway.ingest.inflight import InFlight
from gateway.ingest.intake import Intake
from gateway.ingest.services import Services
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.smtp import SmtpSession
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import NewMessage, QueuedMessage, Verdict
from gateway.msgqueue.shelf import HeadBody
from gateway.msgqueue.store import Queue
from gateway.nodes import Area, Book, Freq, Node
from gateway.packet.mth import mth
from gateway.packet.plain import PATH_LIMIT_BYTES, PacketType, PlainHeader
from gateway.receive.admission import Admission, House
from gateway.receive.receiver import NNCPNET, RMAIL, RSMTP, SENDMAIL, SINGLE
from gateway.receive.unpack import Stamp, Unpacker
from gateway.routing.table import Table
from gateway.spool.layout import Box
from gateway.spool.log import Log
from gateway.spool.store import Spool
from gateway.toss.tosser import InProcess, Tosser, TossSettings
from tests.fuzz.configurations import place
from tests.fuzz.target import Target
from tests.support.delivering import deliver_all
from tests.support.endpoint import HOSTNAME, RULES, WALL_SECONDS, find_choices
from tests.support.packets import make_keys, seal_packet

LIMITS = BatchLimits(command_bytes=512, recipient_count=4, message_bytes=300, message_count=5)
AREA_BIT = 0x80
BODY = b"Subject: x\r\n\r\n.hello\r\n"
RECIPIENTS = ("bob@b.test", "carl@b.test")
REPLY_LINE = re.compile(r"[2-5][0-9]{2}[ -][\x20-\x7e]*")


class Tossing:
    """A node that tosses whatever its neighbour alice signed."""

    def __init__(self) -> None:
        self.home = place() / "tossing"
        keys = make_keys("news")
        self.area = NodeId(b"n" * 32)
        nodes = [self._node(name) for name in ("alice", "bob", "carol")]
        area = Area("news", self.area, keys.exchpub, keys.exchprv, (nodes[2].id,), str(self.home / "in"))
        self.author, self.reader, self.other = (make_keys(name) for name in ("alice", "bob", "carol"))
        self.book = Book(
            self.reader, {"alice": nodes[0], "self": nodes[1], "carol": nodes[2]}, {"news": area}
        )
        self.group = keys

    def _node(self, name: str) -> Node:
        where = self.home / "files"
        label = "self" if name == "bob" else name
        return Node(label, make_keys(name).public, str(self.home / "in"), {"x": ("own",)}, Freq(str(where)))

    def packet(self, data: bytes) -> bytes:
        """A packet of the type, path and payload that an input stands for; within an area's if it says so."""
        kind, size, rest = data[0], data[1], data[2:]
        plain = PlainHeader(kind & ~AREA_BIT, size, rest[: min(size, PATH_LIMIT_BYTES)])
        payload = rest[size:]
        if plain.type == PacketType.TRNS and not plain.path:
            plain = PlainHeader(plain.type, 96, self.other.id.raw)
        if kind & AREA_BIT:
            group = type(self.group)(self.area, *self._halves())
            payload = seal_packet(payload, self.author, group, plain=plain)
            plain = PlainHeader(PacketType.AREA, 0, self.area.raw)
        return seal_packet(payload, self.author, self.reader, plain=plain)

    def _halves(self) -> tuple[bytes, ...]:
        keys = self.group
        return keys.exchpub, keys.exchprv, keys.signpub, keys.signprv, keys.noisepub, keys.noiseprv


@cache
def _tossing() -> Tossing:
    return Tossing()


def _handler(_argv: Sequence[str]) -> InProcess:
    def run(payload: Iterator[bytes | memoryview], **_: object) -> None:
        for _piece in payload:
            pass

    return run


def toss(data: bytes) -> None:
    """What a neighbour's packet asks for is done and the packet gone, or it stays; no file lies outside."""
    tossing = _tossing()
    shutil.rmtree(tossing.home, ignore_errors=True)
    (tossing.home / "files").mkdir(parents=True)
    (tossing.home / "files" / "f").write_bytes(b"file")
    spool = Spool(tossing.home / "spool", Disk(is_syncing=False))
    packet = tossing.packet(data.ljust(2, b"\0"))
    path = spool.layout.packet(tossing.author.id, Box.RX, PacketId(mth(packet)))
    path.parent.mkdir(parents=True)
    path.write_bytes(packet)
    log = Log(tossing.home / "log", quiet=True)
    result = Tosser(tossing.book, spool, log, TossSettings(is_ack_made=True), in_process=_handler).run_once()
    assert (result.done_count, result.bad_count) == ((0, 1) if path.exists() else (1, 0))
    assert {entry.name for entry in tossing.home.iterdir()} <= {"files", "in", "spool", "log", "log.lock"}
    assert [entry.name for entry in (tossing.home / "files").iterdir()] == ["f"]
    temporaries = spool.layout.temporaries
    assert not temporaries.exists() or not any(temporaries.iterdir())


def toss_seeds() -> Iterator[bytes]:
    """Each type of packet, from a neighbour and from an area."""
    frame = bytes.fromhex("28b52ffd0401190000626f647959e8f8a6")
    for area_bit in (0, AREA_BIT):
        for kind, path, payload in (
            (PacketType.FILE, b"dir/name", b"content"),
            (PacketType.FREQ, b"f", b"there/g"),
            (PacketType.EXEC, b"x\0arg", frame),
            (PacketType.EXEC_FAT, b"x", b"body"),
            (PacketType.TRNS, b"", b"x" * 600),
            (PacketType.ACK, bytes(32), b""),
        ):
            yield bytes((kind | area_bit, len(path))) + path + payload


class Wire(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.sent = bytearray()
        self.session: SmtpSession | None = None
        self._loop = loop
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing and self.session is not None:
            self._is_closing = True
            self._loop.call_soon(self.session.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Everything is here already."""

    def resume_reading(self) -> None:
        """See ``pause_reading``."""


class _Faults(logging.Handler):
    """What a session calls an internal error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def silence_logs() -> None:
    """Keep the log of a process that does nothing but fuzz from its standard error."""
    logging.getLogger("gateway").propagate = False
    logging.getLogger("mail.log").setLevel(logging.WARNING)


class Endpoint:
    """An SMTP endpoint without a network."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.faults = _Faults()
        self.loop.set_exception_handler(lambda _loop, context: self._raised.append(context))
        self._raised: list[dict[str, Any]] = []
        logging.getLogger("gateway.ingest.connection").addHandler(self.faults)
        self.settings = SmtpSettings(hostname=HOSTNAME, max_message_bytes=300)
        queue = Queue(place() / "queue", Disk(is_syncing=False), reserve_bytes=0)
        self.services = Services(
            settings=self.settings,
            queue=queue,
            table=Table.from_rules(RULES),
            find_choices=find_choices,
            permits=lambda _address: True,
            inflight=InFlight(1 << 20),
            intake=Intake(queue, HOSTNAME, 3, ThreadPoolExecutor(1), wall=lambda: WALL_SECONDS),
        )

    def talk(self, data: bytes, size_bytes: int) -> str:
        """Serve a client that sends this, in such pieces, and then no more; returns the answers."""
        wire = Wire(self.loop)

        async def run() -> None:
            session = wire.session = SmtpSession(self.services, self.loop)
            session.connection_made(wire)
            for at in range(0, len(data), size_bytes):
                if not wire.is_closing():
                    session.data_received(data[at : at + size_bytes])
                await asyncio.sleep(0)
            if not wire.is_closing():
                session.eof_received()
            await session.wait_ended()

        self.loop.run_until_complete(run())
        assert not self._raised, self._raised
        assert not self.faults.records, [record.exc_info for record in self.faults.records]
        assert not self.services.sessions
        assert self.services.inflight.used_bytes == 0
        return wire.sent.decode("ascii")


@cache
def _endpoint() -> Endpoint:
    return Endpoint()


def smtp_client(data: bytes) -> None:
    """A mail client: whatever it says, it is answered in sound lines, and nothing is held afterwards."""
    size_bytes, rest = (data[0] if data else 0) or 1 << 16, data[1:]
    answers = _endpoint().talk(rest, size_bytes)
    *lines, last = answers.split("\r\n")
    assert last == ""
    assert all(map(REPLY_LINE.fullmatch, lines)), answers


def smtp_client_seeds() -> Iterator[bytes]:
    """Two mails, one of them pipelined."""
    mail = b"MAIL FROM:<a@a.test> SIZE=30\r\nRCPT TO:<bob@b.test>\r\nRCPT TO:<x@no.test>\r\nDATA\r\n"
    yield b"\0EHLO c.test\r\n"
    yield (
        b"\x0dEHLO c.test\r\n" + mail + b"Subject: x\r\n\r\n..dot\r\n.\r\nRSET\r\nNOOP\r\nVRFY x\r\nQUIT\r\n"
    )
    yield b"\x0dHELO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@here.test>\r\nDATA\r\n.\r\nHELP\r\n"


class Server:
    """A mail server that says what it is told, whatever it hears."""

    def __init__(self) -> None:
        self.says = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        last: socket.socket | None = None
        while True:
            connection, _ = self._listener.accept()
            # Whoever was here before is done; a port that waits for late packets is used up.
            if last is not None:
                last.close()
            last = connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with contextlib.suppress(OSError):
                connection.sendall(self.says)
                connection.shutdown(socket.SHUT_WR)


@cache
def _server() -> Server:
    return Server()


def smtp_server(data: bytes) -> None:
    """A mail server: whatever it answers, each recipient has an outcome that a person can read."""
    server = _server()
    server.says = data
    message = QueuedMessage(1, "id", Envelope("", RECIPIENTS), (1, 2), len(BODY), "", "a", 0.0, 0)
    row = [Job(message, lambda: iter([BODY]))] * 2
    for is_lmtp in (False, True):
        settings = SmtpTargetSettings(
            TcpPlace("127.0.0.1", server.port), "mx.b.test", is_lmtp=is_lmtp, reply_seconds=5.0
        )
        target = SmtpTarget(settings)
        with contextlib.closing(target), contextlib.suppress(TargetDown):
            for outcomes in deliver_all(target, row):
                assert len(outcomes) == len(RECIPIENTS)
                for outcome in outcomes:
                    assert outcome.text.isprintable()
                    assert re.fullmatch(r"[245](\.[0-9]{1,3}){2}", outcome.status)
    _commands_end(data)


def _commands_end(data: bytes) -> None:
    """A command that ends with a status, and says what it likes."""
    status, said = data[0] if data else 0, data[1:]
    ended = of_exit("sendmail", status, said)
    assert ended.text.isprintable()
    assert (ended.verdict is Verdict.DELIVERED) == (status == 0)
    taken = taken_count(Ended(status, said, is_fed=True, is_late=False), 3)
    assert taken is None or 0 <= taken <= 3
    assert (taken == 3) == (status == 0)


def smtp_server_seeds() -> Iterator[bytes]:
    """Servers: one with extensions that takes a message for one of two, one of LMTP, one that knows HELO."""
    greeting = b"220 x\r\n250-x\r\n250-PIPELINING\r\n250-SIZE 99\r\n250 SMTPUTF8\r\n"
    yield greeting + b"250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n250 2.0.0 ok\r\n"
    yield b"220 x\r\n250 PIPELINING\r\n" + b"250 ok\r\n" * 3 + b"354 go\r\n250 ok\r\n452 4.2.2 full\r\n"
    yield b"\x01501 no\r\n2 previous messages were successfully processed.\n"
    yield b"220 x\r\n500 no\r\n250 x\r\n250 2.1.0 ok\r\n451 4.2.1 later\r\n421 bye\r\n"


_BREAKING = {"Cc", "Cs", "Zl", "Zp"}
"""Categories of Unicode: controls, surrogates, line and paragraph separators."""


class _Unpacking:
    """A payload of a neighbour, read as each handle reads it."""

    def __init__(self, args: tuple[bytes, ...]) -> None:
        self._args = args

    def read(self, pieces: Iterable[bytes], handle: str) -> object:
        stamp = Stamp(b"salt", "a", "mx.b.test", "NODE", 0.0)
        admission = Admission(House(("b.test",), max_hops=3))
        unpacker = Unpacker(stamp, admission, LIMITS, lambda _: HeadBody())
        readings: dict[str, Callable[[], Iterator[NewMessage]]] = {
            RSMTP: lambda: unpacker.read_batch(pieces),
            SENDMAIL: lambda: unpacker.read_single(self._args, pieces),
            RMAIL: lambda: unpacker.read_rmail(self._args, pieces),
            NNCPNET: lambda: unpacker.read_nncpnet(self._args, pieces),
        }
        try:
            return [self._check(message) for message in readings[handle]()]
        except GatewayError as error:
            return type(error)

    def _check(self, message: NewMessage) -> object:
        assert message.message_id.isprintable()
        for target in message.targets:
            # What Unicode has not assigned may stand in an address; what breaks a line or hides one may not.
            assert not _BREAKING & {unicodedata.category(char) for char in target.recipient}
            assert target.refusal is not None or target.recipient.lower().endswith("@b.test")
        if message.body:
            return message
        # Which of several faults is met first, and after which part of it, depends on the pieces.
        return message.id, message.envelope, len(message.targets)


def payload(data: bytes) -> None:
    """The payload of an exec for our handles, and its arguments: the same at once and in pieces."""
    raw_args, _, body = data.partition(b"\0\0")
    unpacking = _Unpacking(tuple(raw_args.split(b"\0")) if raw_args else ())
    for handle in (RSMTP, *SINGLE):
        at_once = unpacking.read([body], handle)
        cut = unpacking.read((body[at : at + 7] for at in range(0, len(body), 7)), handle)
        assert at_once == cut


def payload_seeds() -> Iterator[bytes]:
    """Messages with recipients as arguments, and a batch."""
    yield b"bob@b.test\0\0From a remote from b\n>From c Fri x\nMessage-ID: <1@a>\n\nbody\n"
    yield b"bob@b.test\0carl@B.TEST\0-x@b.test\0\0Return-Path: <a@a.test>\nMessage-ID: <1@a>\n\nbody\n"
    yield b"\0\0MAIL FROM:<>\nRCPT TO:<bob@b.test>\nDATA\nReceived: x\nMessage-ID: <1@a>\n\n..\n.\nQUIT\n"


STAGES: Mapping[str, Target] = {
    "toss": Target(toss, toss_seeds, (b"../", b"/", b"\0", b"\x28\xb5\x2f\xfd"), limit_bytes=1024),
    "smtp-client": Target(
        smtp_client,
        smtp_client_seeds,
        (b"MAIL FROM:<", b"RCPT TO:<bob@b.test>\r\n", b"DATA\r\n", b"\r\n.\r\n", b" SIZE=", b"EHLO x\r\n"),
    ),
    "smtp-server": Target(
        smtp_server,
        smtp_server_seeds,
        (b"250-SIZE ", b"250 ", b"421 ", b"354 ", b"5.1.1 ", b"\r\n"),
    ),
    "payload": Target(
        payload,
        payload_seeds,
        (b"Return-Path: <", b"From a@a.test x\n", b"\nRCPT TO:<", b"\n.\n", b"QUIT\n", b"Received: ", b"\0-"),
    ),
}
"""By the name that ``./run fuzz`` takes."""
