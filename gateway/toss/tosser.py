"""Toss: open every packet that came in, do what it asks for, and remove it.

    in rx ──→ opened ──→ proven ──→ done ──→ removed
      ↑          └──────────┴─────────┘
      └──────── anything fails: logged, and the packet stays

Contract: a packet is removed only after what it asked for is done; a crash in between does it
again, and so does a power cut with what was removed since the last sync of a box. One bad packet
never stops the others. A directory that another process tosses is passed over and counts as success.
Sender and nice are those of the packet's signed header, not of the directory it lies in. Only packets
of the types that are handled are ever changed. Our own tx is tossed too, but only for what we sent to
areas.
"""

from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError, PacketError, StoreBusy, UnknownNode
from gateway.ids import NodeId
from gateway.nodes import Book, Node
from gateway.packet.plain import PacketType
from gateway.spool.late_sync import LateSync
from gateway.spool.layout import Box, LockKind
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Progress
from gateway.spool.store import Job, Spool
from gateway.toss.ack_toss import acknowledge
from gateway.toss.exec_handler import do_nothing
from gateway.toss.kinds import KINDS
from gateway.toss.lookahead import Lookahead
from gateway.toss.opened import BUFFER_BYTES, OpenedPacket
from gateway.toss.packet import Failed, Fields, ReceivedPacket, Tossed, job_fields
from gateway.toss.settings import FindInProcess, InProcess, TossResult, TossSettings
from gateway.toss.work import Work

__all__ = ["InProcess", "TossResult", "TossSettings", "Tosser"]

OWN_TYPES = frozenset({PacketType.AREA, PacketType.ACK})
"""Of what waits in our own tx only these are tossed: our messages to areas go out from there."""


def _no_in_process(_argv: object) -> None:
    """Stand in where every handler is a process."""


@dataclass(slots=True)
class _Tally:
    done_count: int = 0
    bad_count: int = 0
    left_count: int = 0


class Tosser:
    """Tosses the packets of a spool.

    Args:
        book: who we are and whom we know.
        spool: where the packets lie.
        log: gets one record for each packet.
        settings: how to toss.
        in_process: gives the handler within this process for a configured command, or None.
        is_stopping: asked before each packet; True ends the run after the packet at hand.
        progress: shows how far a packet is.
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
        progress: Progress = SILENT,
    ) -> None:
        self._book = book
        self._spool = spool
        self._log = log
        self._settings = settings
        self._is_stopping = is_stopping
        self._progress = progress
        self._buffer = bytearray(BUFFER_BYTES)
        self._lookahead = Lookahead(self._open)
        # A bar would count the time that the handler takes.
        meanwhile = do_nothing if progress.is_shown else self._lookahead.advance
        self._work = Work(book, spool, log, settings, in_process, meanwhile)
        self._tally = _Tally()

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
                self._toss_box(node, Box.RX)
                if node is self._book.self_node:
                    self._toss_box(node, Box.TX)
        except StoreBusy as error:
            path = self._spool.layout.lock(node.id, LockKind.TOSS)
            self._log.error(
                "lockdir-flock", [("Path", str(path))], error, f"Locking directory: locking {path}"
            )
        except GatewayError as error:
            self._tally.bad_count += 1
            self._log.error("rx", [("Node", node.id.text)], error, f"Tossing {node.name}")

    def _toss_box(self, node: Node, box: Box) -> None:
        listed = self._spool.jobs(node.id, box, self._report_unreadable)
        with (
            LateSync(self._spool.disk, self._spool.layout.box(node.id, box)) as removals,
            closing(self._lookahead.through(listed)) as jobs,
        ):
            for job in jobs:
                if self._is_stopping():
                    return
                self._toss_job(job, removals)

    def _report_unreadable(self, path: Path, error: GatewayError) -> None:
        self._tally.bad_count += 1
        box = path.parent.name
        fields: Fields = [("XX", box), ("Name", path.name)]
        self._log.error("job", fields, error, f"Job {box}/{path.name}")

    def _toss_job(self, job: Job, removals: LateSync) -> None:
        if job.header.nice > self._settings.nice:
            self._log.debug(
                "rx-too-nice", job_fields(job, job.header.sender, job.header.nice), f"Too nice: {job.path}"
            )
            return
        try:
            with self._lookahead.open(job) as opened:
                packet = self._identify(job, opened)
                kind = KINDS.get(packet.plain.type)
                if job.box is Box.TX and packet.plain.type not in OWN_TYPES:
                    return
                if kind is None:
                    raise _unknown_type(packet)
                if kind.name in self._settings.skipped_kinds:
                    self._tally.left_count += 1
                else:
                    self._end(packet, kind.toss(self._work, packet), removals)
        except Failed as failed:
            self._tally.bad_count += 1
            self._log.error(failed.who, failed.fields, _with_path(job.path, failed.error), failed.message)
        except GatewayError as error:
            self._tally.bad_count += 1
            fields = job_fields(job, job.header.sender, job.header.nice)
            self._log.error(
                "rx-open", fields, error, f"Tossing {self._name_of(job.header.sender)}/{job.packet}"
            )

    def _open(self, job: Job) -> OpenedPacket:
        return OpenedPacket(job.path, self._book, self._buffer, self._progress)

    def _identify(self, job: Job, opened: OpenedPacket) -> ReceivedPacket:
        """Learn who sent a packet and what it is.

        Raises:
            Failed: it can't be opened, or the sender is no neighbour.
        """
        fields = job_fields(job, job.header.sender, job.header.nice)
        name = f"Tossing {self._name_of(job.header.sender)}/{job.packet}"
        if self._book.find_id(job.header.sender) is None:
            raise Failed("rx-open", fields, UnknownNode("unknown node"), name)
        first = opened.read()
        try:
            header, plain = first.start()
        except GatewayError as error:
            raise Failed("rx-unmarshal", fields, error, f"{name}: unmarshal") from error
        sender = self._book.find_id(header.sender)
        if sender is None:
            raise AssertionError("internal error: the unsealer accepted an unknown sender")
        kind = KINDS.get(plain.type)
        name = str(plain.type) if kind is None else kind.name
        return ReceivedPacket(job, name, sender, header, plain, opened, first)

    def _end(self, packet: ReceivedPacket, tossed: Tossed | None, removals: LateSync) -> None:
        if tossed is None:
            self._tally.left_count += 1
            return
        if not self._settings.is_dry_run:
            self._acknowledge(packet)
            try:
                if self._settings.is_seen_marked and packet.job.box is Box.RX:
                    self._spool.mark_seen(packet.job.node, packet.job.packet)
                self._spool.remove(packet.job, is_synced=False)
                removals.changed()
            except GatewayError as error:
                message = f"Tossing {packet.name}: removing"
                raise Failed("rx-remove", tossed.fields, error, message) from error
        self._tally.done_count += 1
        tell = self._log.info if tossed.is_told else self._log.debug
        tell("rx", tossed.fields, tossed.message)

    def _acknowledge(self, packet: ReceivedPacket) -> None:
        """Tell the sender; that it can't be told is no reason to do again what is done."""
        is_own = packet.job.box is Box.TX
        if is_own or not self._settings.is_ack_made or packet.plain.type == PacketType.ACK:
            return
        try:
            acknowledge(self._work, packet)
        except Failed as failed:
            self._tally.bad_count += 1
            self._log.error(failed.who, failed.fields, failed.error, failed.message)

    def _name_of(self, node_id: NodeId) -> str:
        node = self._book.find_id(node_id)
        return node_id.text if node is None else node.name


def _unknown_type(packet: ReceivedPacket) -> Failed:
    error = PacketError(f"unknown type {packet.plain.type}, known are 1 to {max(PacketType)}")
    return packet.failed("rx-type-unknown", error)


def _with_path(path: Path, error: GatewayError) -> str:
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"
