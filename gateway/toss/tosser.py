"""Toss: open every packet that came in, do what it asks for, and remove it.

    in rx ──→ opened ──→ proven ──→ done ──→ removed
      ↑          └──────────┴─────────┘
      └──────── anything fails: logged, and the packet stays

Contract: a packet is removed only after what it asked for is done; a crash in between does it
again. One bad packet never stops the others. A directory that another process tosses is passed
over and counts as success. Sender and nice are those of the packet's signed header, not of the
directory it lies in. Only packets of the types that are handled are ever changed.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError, PacketError, StoreBusy, UnknownNode
from gateway.ids import ID_BYTES, NodeId, PacketId, format_nice
from gateway.nodes import Book, Node
from gateway.packet.plain import PLAIN_HEADER_BYTES, PacketType, PlainHeader
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, SIZE_BYTES, TAG_BYTES, UNIT_BYTES, EncryptedHeader
from gateway.spool.layout import Box, LockKind
from gateway.spool.log import Log
from gateway.spool.sizes import ibytes
from gateway.spool.store import Job, Spool
from gateway.toss.exec_handler import HandlerFailed
from gateway.toss.exec_toss import ExecCall, ExecToss, FindInProcess, NoHandle, read_call
from gateway.toss.notice import send_notice
from gateway.toss.opened import BUFFER_BYTES, OpenedPacket, Pass
from gateway.toss.settings import InProcess, TossResult, TossSettings
from gateway.tx.exec_packet import resolve_via
from gateway.tx.relay import send_relayed
from gateway.tx.sealing import Route

__all__ = ["InProcess", "TossResult", "TossSettings", "Tosser"]

SENDMAIL_HANDLE = "sendmail"
TOLD_LEFT_COUNT = 10_000
Fields = list[tuple[str, str | int | bool]]


def _no_in_process(_argv: object) -> None:
    """Stand in where every handler is a process."""


@dataclass(slots=True)
class _Tally:
    done_count: int = 0
    bad_count: int = 0
    left_count: int = 0


@dataclass(frozen=True, slots=True)
class _Packet:
    """An opened packet and what the log calls it."""

    job: Job
    sender: Node
    header: EncryptedHeader
    plain: PlainHeader
    opened: OpenedPacket
    first: Pass

    @property
    def kind(self) -> str:
        rule = _RULES.get(self.plain.type)
        return str(self.plain.type) if rule is None else rule.kind

    @property
    def size_bytes(self) -> int:
        return payload_size_bytes(self.job.size_bytes)

    def fields(self, target: str | None = None) -> Fields:
        fields: Fields = [
            *_fields(self.job, self.sender.id, self.header.nice),
            ("Size", self.size_bytes),
            ("Type", self.kind),
        ]
        return fields if target is None else [*fields, ("Dst", target)]

    @property
    def name(self) -> str:
        return f"{self.kind} {self.sender.name}/{self.job.packet} ({ibytes(self.size_bytes)})"


class _Failed(Exception):
    def __init__(self, who: str, fields: Fields, error: GatewayError, message: str) -> None:
        super().__init__(message)
        self.who, self.fields, self.error, self.message = who, fields, error, message


def payload_size_bytes(file_size_bytes: int) -> int:
    """The payload of a packet as NNCP logs it: computed from the file's size, padding included."""
    body_bytes = file_size_bytes - ENCRYPTED_HEADER_BYTES
    tags_bytes = TAG_BYTES * -(-body_bytes // UNIT_BYTES)
    return max(0, body_bytes - tags_bytes - PLAIN_HEADER_BYTES - SIZE_BYTES)


class Tosser:
    """Tosses the packets of a spool.

    Args:
        book: who we are and whom we know.
        spool: where the packets lie.
        log: gets one record for each packet.
        settings: how to toss.
        in_process: gives the handler within this process for a configured command, or None.
        is_stopping: asked before each packet; True ends the run after the packet at hand.
    """

    def __init__(
        self,
        book: Book,
        spool: Spool,
        log: Log,
        settings: TossSettings,
        *,
        in_process: FindInProcess = _no_in_process,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._book = book
        self._spool = spool
        self._log = log
        self._settings = settings
        self._is_stopping = is_stopping
        self._exec = ExecToss(book, settings, in_process)
        self._buffer = bytearray(BUFFER_BYTES)
        self._tally = _Tally()
        # A tosser that runs every few seconds must not say it every few seconds.
        self._told_left: set[PacketId] = set()

    def run_once(self, only: Collection[NodeId] | None = None) -> TossResult:
        """Toss what lies in rx now.

        Args:
            only: the neighbours to toss for; None: all of them.

        Raises:
            ConfigError: the configuration has no private keys.
        """
        self._book.private_keys()
        self._tally = _Tally()
        for node in self._book:
            if self._is_stopping():
                break
            if only is None or node.id in only:
                self._toss_node(node)
        tally = self._tally
        return TossResult(tally.done_count, tally.bad_count, tally.left_count)

    def _toss_node(self, node: Node) -> None:
        try:
            with self._spool.lock(node.id, LockKind.TOSS):
                for job in self._spool.jobs(node.id, Box.RX, self._report_unreadable):
                    if self._is_stopping():
                        return
                    self._toss_job(job)
        except StoreBusy as error:
            path = self._spool.layout.lock(node.id, LockKind.TOSS)
            self._log.error(
                "lockdir-flock", [("Path", str(path))], error, f"Locking directory: locking {path}"
            )
        except GatewayError as error:
            self._tally.bad_count += 1
            self._log.error("rx", [("Node", node.id.text)], error, f"Tossing {node.name}")

    def _report_unreadable(self, path: Path, error: GatewayError) -> None:
        self._tally.bad_count += 1
        fields: Fields = [("XX", Box.RX.value), ("Name", path.name)]
        self._log.error("job", fields, error, f"Job {Box.RX}/{path.name}")

    def _toss_job(self, job: Job) -> None:
        if job.header.nice > self._settings.nice:
            self._log.debug(
                "rx-too-nice", _fields(job, job.header.sender, job.header.nice), f"Too nice: {job.path}"
            )
            return
        try:
            with OpenedPacket(job.path, self._book, self._buffer) as opened:
                packet = self._open(job, opened)
                rule = _RULES.get(packet.plain.type)
                if rule is None:
                    raise _unknown_type(packet)
                if rule.kind in self._settings.skipped_kinds:
                    self._tally.left_count += 1
                else:
                    rule.toss(self, packet)
        except _Failed as failed:
            self._tally.bad_count += 1
            self._log.error(failed.who, failed.fields, _with_path(job.path, failed.error), failed.message)
        except GatewayError as error:
            self._tally.bad_count += 1
            fields = _fields(job, job.header.sender, job.header.nice)
            self._log.error(
                "rx-open", fields, error, f"Tossing {self._name_of(job.header.sender)}/{job.packet}"
            )

    def _open(self, job: Job, opened: OpenedPacket) -> _Packet:
        """Learn who sent a packet and what it is.

        Raises:
            _Failed: it can't be opened, or the sender is no neighbour.
        """
        fields = _fields(job, job.header.sender, job.header.nice)
        name = f"Tossing {self._name_of(job.header.sender)}/{job.packet}"
        if self._book.find_id(job.header.sender) is None:
            raise _Failed("rx-open", fields, UnknownNode("unknown node"), name)
        first = opened.read()
        try:
            header, plain = first.start()
        except GatewayError as error:
            raise _Failed("rx-unmarshal", fields, error, f"{name}: unmarshal") from error
        sender = self._book.find_id(header.sender)
        if sender is None:
            raise AssertionError("internal error: the unsealer accepted an unknown sender")
        return _Packet(job, sender, header, plain, opened, first)

    # One method for each kind of packet: see _RULES

    def _toss_exec(self, packet: _Packet) -> None:
        call = read_call(packet.sender, packet.job.packet, packet.plain)
        name = f"Tossing {packet.name}: {call.text}"
        fields = packet.fields(call.text)
        try:
            argv = self._exec.configured(call)
            kept = self._exec.prove(call, packet.first)
            if not self._settings.is_dry_run:
                output = self._exec.run(call, argv, packet.opened, kept)
                self._notify(packet, call, output)
        except NoHandle as error:
            raise _Failed("rx-no-handle", fields, error, name) from error
        except PacketError as error:
            raise _Failed("rx-unmarshal", fields, error, f"{name}: unmarshal") from error
        except HandlerFailed as error:
            fields.append(("Output", error.output.decode("utf-8", "surrogateescape").rstrip("\n")))
            raise _Failed("rx-handle", fields, error, f"{name}: handling") from error
        except GatewayError as error:
            raise _Failed("rx-handle", fields, error, f"{name}: handling") from error
        self._done(
            packet, fields, f"Got exec from {packet.sender.name} to {call.text} ({ibytes(packet.size_bytes)})"
        )

    def _toss_trns(self, packet: _Packet) -> None:
        path = packet.plain.path
        if len(path) != ID_BYTES:
            error = PacketError(f"the recipient's id has {len(path)} bytes, not {ID_BYTES}")
            raise _Failed("rx-unmarshal", packet.fields(), error, f"Tossing {packet.name}: unmarshal")
        next_id = NodeId(path)
        fields = packet.fields(next_id.text)
        recipient = self._book.find_id(next_id)
        if recipient is None:
            raise _Failed(
                "rx-unknown", fields, UnknownNode("unknown node"), f"Tossing {packet.name}: {next_id}"
            )
        name = f"Tossing {packet.name}: {recipient.name}"
        try:
            self._relay(packet, recipient)
        except PacketError as error:
            raise _Failed("rx-unmarshal", fields, error, f"{name}: unmarshal") from error
        except GatewayError as error:
            raise _Failed("rx-trns", fields, error, f"{name}: txing") from error
        size = ibytes(packet.size_bytes)
        self._done(
            packet, fields, f"Got transitional packet from {packet.sender.name} to {recipient.name} ({size})"
        )

    def _relay(self, packet: _Packet, recipient: Node) -> None:
        """Queue the inner packet; it is committed only when the outer one has proven whole."""
        if self._settings.is_dry_run:
            for _piece in packet.first:
                pass
            return
        route = Route(recipient, resolve_via(self._book, recipient, None))
        nice, size_bytes = packet.header.nice, packet.size_bytes
        send_relayed(self._spool, self._book.private_keys(), route, packet.first, nice=nice)
        fields: Fields = [("Type", "trns"), ("Node", recipient.id.text), ("Nice", nice), ("Size", size_bytes)]
        size = ibytes(size_bytes)
        message = f"Transitional packet to {recipient.name} ({size}) (nice {format_nice(nice)})"
        self._log.info("tx", fields, message)

    def _leave(self, packet: _Packet) -> None:
        self._tally.left_count += 1
        if packet.job.packet in self._told_left:
            return
        if len(self._told_left) < TOLD_LEFT_COUNT:
            self._told_left.add(packet.job.packet)
        message = (
            f"Tossing {packet.name}: type {packet.kind} is not handled yet by this version: packet left in rx"
        )
        self._log.info("rx-left", packet.fields(), message)

    # Steps that the kinds share

    def _done(self, packet: _Packet, fields: Fields, message: str) -> None:
        if not self._settings.is_dry_run:
            try:
                if self._settings.is_seen_marked:
                    self._spool.mark_seen(packet.job.node, packet.job.packet)
                self._spool.remove(packet.job)
            except GatewayError as error:
                raise _Failed("rx-remove", fields, error, f"Tossing {packet.name}: removing") from error
        self._tally.done_count += 1
        self._log.info("rx", fields, message)

    def _notify(self, packet: _Packet, call: ExecCall, output: bytes) -> None:
        """Mail what an exec did; that it can't be mailed does not undo it."""
        handle = call.handle.decode("utf-8", "surrogateescape")
        notices = self._settings.notices
        notice = notices.get(f"{packet.sender.name}.{handle}") or notices.get(f"*.{handle}")
        sendmail = self._book.self_node.exec.get(SENDMAIL_HANDLE)
        if notice is None or not sendmail:
            return
        subject = f"Exec from {packet.sender.name}: {call.text}"
        try:
            send_notice(sendmail, notice, subject, output, self._exec.limits)
        except GatewayError as error:
            fields = packet.fields(call.text)
            self._log.error("rx-notify", fields, error, f"Tossing {packet.name}: {call.text}: notifying")

    def _name_of(self, node_id: NodeId) -> str:
        node = self._book.find_id(node_id)
        return node_id.text if node is None else node.name


@dataclass(frozen=True, slots=True)
class _Rule:
    """What becomes of one type of packet, and what the log and the ``-no`` flags call it."""

    kind: str
    toss: Callable[[Tosser, _Packet], None]


_RULES: Mapping[int, _Rule] = {
    PacketType.FILE: _Rule("file", Tosser._leave),  # noqa: SLF001 - the table is part of the class
    PacketType.FREQ: _Rule("freq", Tosser._leave),  # noqa: SLF001
    PacketType.EXEC: _Rule("exec", Tosser._toss_exec),  # noqa: SLF001
    PacketType.TRNS: _Rule("trns", Tosser._toss_trns),  # noqa: SLF001
    PacketType.EXEC_FAT: _Rule("exec", Tosser._toss_exec),  # noqa: SLF001
    PacketType.AREA: _Rule("area", Tosser._leave),  # noqa: SLF001
    PacketType.ACK: _Rule("ack", Tosser._leave),  # noqa: SLF001
}


def _fields(job: Job, sender: NodeId, nice: int) -> Fields:
    return [("Node", sender.text), ("Pkt", job.packet.text), ("Nice", nice)]


def _unknown_type(packet: _Packet) -> _Failed:
    error = PacketError(f"unknown type {packet.plain.type}, known are 1 to {max(PacketType)}")
    return _Failed("rx-type-unknown", packet.fields(), error, f"Tossing {packet.name}")


def _with_path(path: Path, error: GatewayError) -> str:
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"
