"""Xfer: exchange packets with neighbours through a directory, such as a stick that is carried.

    stick: DIR/SELF/SENDER/PACKET ──verified──→ spool: SENDER/rx/PACKET ──→ removed from the stick
    spool: NODE/tx/PACKET ──────────copied────→ stick: DIR/NODE/SELF/PACKET ──→ removed from tx

Contract: a packet is removed on one side only after it stands whole and synced on the other. Its
content must hash to its name before it is received. The most urgent packets go first, the small
ones before the large; what does not fit stays where it is. Nothing on the stick leads out of it.
"""

import contextlib
import errno
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gateway.carry.stick import Carried, NotRegular, Stick, StickGone, check_room, read_pieces
from gateway.carry.urgency import Key, most_urgent_first
from gateway.errors import GatewayError, StoreBusy, StoreCorrupt, StoreError, StoreFull
from gateway.ids import NICE_MAX, NodeId
from gateway.nodes import Book, Node
from gateway.packet.mth import MerkleTreeHash
from gateway.spool.layout import Box, LockKind
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Progress
from gateway.spool.sizes import ibytes
from gateway.spool.store import Job, Spool

Fields = list[tuple[str, str | int | bool]]

_HOPELESS = frozenset({errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE})
"""The directory is gone or can't be written: each further packet would fail alike."""


@dataclass(frozen=True, slots=True)
class XferSettings:
    """What to exchange.

    Args:
        nice: packets whose niceness is above this are left alone.
        only: the neighbours to exchange with; None: all of them.
        is_receiving: take packets from the directory.
        is_sending: put packets into the directory.
        is_making_directories: make missing directories of recipients.
        is_keeping: remove nothing that was copied.
    """

    nice: int = NICE_MAX
    only: Collection[NodeId] | None = None
    is_receiving: bool = True
    is_sending: bool = True
    is_making_directories: bool = False
    is_keeping: bool = False


@dataclass(frozen=True, slots=True)
class XferResult:
    """What became of the packets.

    Args:
        received_count: now in rx.
        sent_count: now in the directory.
        bad_count: errors; what they concern stayed where it was.
    """

    received_count: int = 0
    sent_count: int = 0
    bad_count: int = 0


class Xfer:
    """Exchanges packets through a directory.

    Args:
        book: who we are and whom we know.
        spool: where our packets lie.
        log: gets one record for each packet.
        directory: where the stick is mounted.
        settings: what to exchange.
        progress: shows how far a packet is.
    """

    def __init__(
        self,
        book: Book,
        spool: Spool,
        log: Log,
        directory: Path,
        settings: XferSettings,
        progress: Progress = SILENT,
    ) -> None:
        self._book = book
        self._spool = spool
        self._log = log
        self._stick = Stick(directory, spool.disk)
        self._settings = settings
        self._progress = progress
        self._received_count = self._sent_count = self._bad_count = 0
        self.senders: set[NodeId] = set()
        """Whose packets were received, over all runs."""
        self.unknown: list[NodeId] = []
        """Who has packets for us in the directory and is no neighbour, as of the last run."""

    def run_once(self) -> XferResult:
        """Receive, then send."""
        self._received_count = self._sent_count = self._bad_count = 0
        self.unknown = []
        root = self._stick.root
        if not root.exists() and not self._settings.is_making_directories:
            self._log.info("xfer", [("Dir", str(root))], f"Packet transfer: there is no directory {root}")
            return XferResult()
        if self._settings.is_receiving:
            self._receive()
        if self._settings.is_sending:
            for node in self._nodes():
                self._send_to(node)
        return XferResult(self._received_count, self._sent_count, self._bad_count)

    def _nodes(self) -> Iterator[Node]:
        only = self._settings.only
        return (node for node in self._book if only is None or node.id in only)

    # Receiving

    def _receive(self) -> None:
        own_id = self._book.self_node.id
        fields: Fields = [("XX", "rx"), ("Dir", str(self._stick.recipient(own_id)))]
        try:
            senders = self._stick.senders(own_id)
        except GatewayError as error:
            self._fail("xfer-self-stat", fields, error, "Packet transfer, received from self: stating")
            return
        for sender_id in senders:
            node = self._book.find_id(sender_id)
            if node is None:
                self._log.debug(
                    "xfer-rx-unknown", fields, f"Packet transfer, received: unknown node {sender_id}"
                )
                with contextlib.suppress(GatewayError):
                    self.unknown += [sender_id for _ in islice(self._stick.packets(own_id, sender_id), 1)]
            elif self._settings.only is None or sender_id in self._settings.only:
                self._receive_from(node, [*fields, ("Node", sender_id.text)])

    def _receive_from(self, node: Node, fields: Fields) -> None:
        own_id = self._book.self_node.id
        told: set[str] = set()

        def report(path: Path, error: GatewayError) -> None:
            # The directory may be listed several times.
            if path.name not in told:
                told.add(path.name)
                self._report_on_stick(node, fields, path, error)

        try:
            packets = most_urgent_first(lambda: self._stick.packets(own_id, node.id, report), _carried_key)
            for carried in packets:
                if not self._take(node, carried, [*fields, ("File", str(carried.path))]):
                    break
        except GatewayError as error:
            self._fail("xfer-rx", fields, error, f"Packet transfer, received from {node.name}")

    def _report_on_stick(self, node: Node, fields: Fields, path: Path, error: GatewayError) -> None:
        fields = [*fields, ("File", str(path))]
        message = f"Packet transfer, received from {node.name}: {path}"
        if isinstance(error, NotRegular):
            self._log.info("xfer-rx-ignored", fields, f"{message}: {error}: ignored")
        else:
            self._fail("xfer-rx", fields, error, message)

    def _take(self, node: Node, carried: Carried, fields: Fields) -> bool:
        """Receive one packet; False when it makes no sense to go on."""
        message = f"Packet transfer, received from {node.name}: {carried.path}"
        size_message = f"{message} ({ibytes(carried.size_bytes)})"
        sized: Fields = [*fields, ("Size", carried.size_bytes)]
        try:
            if self._spool.is_seen(node.id, carried.packet):
                self._drop(carried)
                self._log.info("xfer-rx-seen", fields, f"{message}: packet already seen")
                return True
            if carried.header.nice > self._settings.nice:
                self._log.debug("xfer-rx-too-nice", fields, f"{message}: too nice")
                return True
            self._copy_in(node, carried)
            self._drop(carried)
        except GatewayError as error:
            self._fail("xfer-rx", sized, error, size_message)
            return not _is_hopeless(error)
        self._received_count += 1
        self.senders.add(node.id)
        self._log.info("xfer-rx", sized, size_message)
        return True

    def _copy_in(self, node: Node, carried: Carried) -> None:
        """Verify a packet on its way into the spool.

        Raises:
            StoreCorrupt: it does not hash to its name.
            StoreFull: it does not fit.
            StoreError: either side refused.
        """
        with self._spool.new_temporary() as temporary:
            check_room(self._spool.root, carried.size_bytes)
            tree = MerkleTreeHash()
            head = b""
            with self._progress.bar(f"receiving {carried.packet}", carried.size_bytes) as bar:
                for piece in bar.follow(read_pieces(carried.path)):
                    head = head or bytes(piece[: len(carried.raw_header)])
                    tree.update(piece)
                    temporary.write(piece)
            if tree.digest() != carried.packet.raw or head != carried.raw_header:
                raise StoreCorrupt("checksum mismatch: the packet was changed or copied in part")
            self._spool.commit(temporary, node.id, Box.RX, carried.packet, carried.raw_header)

    def _drop(self, carried: Carried) -> None:
        if not self._settings.is_keeping:
            self._stick.remove(carried)

    # Sending

    def _send_to(self, node: Node) -> None:
        fields: Fields = [("XX", "tx"), ("Node", node.id.text)]
        path = self._stick.recipient(node.id)
        message = f"Packet transfer, sent to {node.name}"
        try:
            if not self._stick.is_ready_for(node.id):
                if not self._settings.is_making_directories:
                    self._log.debug("xfer-tx", fields, f"{message}: no directory {path}")
                    return
                self._stick.make_ready_for(node.id)
            outbox = self._stick.open_outbox(node.id, self._book.self_node.id)
        except GatewayError as error:
            self._fail("xfer-tx", [*fields, ("Dir", str(path))], error, f"{message}: directory {path}")
            return
        try:
            with self._spool.lock(node.id, LockKind.TX):
                self._stick.sweep(outbox)
                self._send_all(node, outbox, fields)
        except StoreBusy as error:
            lock = self._spool.layout.lock(node.id, LockKind.TX)
            self._log.error(
                "lockdir-flock", [("Path", str(lock))], error, f"Locking directory: locking {lock}"
            )
        except GatewayError as error:
            self._fail("xfer-tx", fields, error, message)

    def _send_all(self, node: Node, outbox: Path, fields: Fields) -> None:
        told: set[str] = set()

        def report(path: Path, error: GatewayError) -> None:
            if path.name not in told:
                told.add(path.name)
                self._fail("job", [("XX", "tx"), ("Name", path.name)], error, f"Job tx/{path.name}")

        unsent_count = unsent_bytes = 0
        for job in most_urgent_first(lambda: self._spool.jobs(node.id, Box.TX, report), _job_key):
            try:
                if self._is_due(job, outbox):
                    self._send(node, job, outbox, fields)
            except StoreFull as error:
                unsent_count += 1
                unsent_bytes += job.size_bytes
                if unsent_count == 1:
                    self._fail_sending(node, job, fields, error)
            except GatewayError as error:
                self._fail_sending(node, job, fields, error)
                if _is_hopeless(error):
                    break
        if unsent_count > 1:
            text = f"{unsent_count} packets ({ibytes(unsent_bytes)}) stay in the spool: no room in {outbox}"
            self._log.info("xfer-tx-no-room", fields, f"Packet transfer, sent to {node.name}: {text}")

    def _is_due(self, job: Job, outbox: Path) -> bool:
        is_wanted = job.header.nice <= self._settings.nice
        return is_wanted and not self._stick.has(outbox, job.packet, job.size_bytes)

    def _send(self, node: Node, job: Job, outbox: Path, fields: Fields) -> None:
        with self._progress.bar(f"sending {job.packet}", job.size_bytes) as bar:
            self._stick.put(outbox, job.packet, job.size_bytes, bar.follow(read_pieces(job.path)))
        if not self._settings.is_keeping:
            self._spool.remove(job)
        self._sent_count += 1
        self._log.info("xfer-tx", _sent_fields(fields, job), _sent_text(node, job))

    def _fail_sending(self, node: Node, job: Job, fields: Fields, error: GatewayError) -> None:
        self._fail("xfer-tx", _sent_fields(fields, job), error, _sent_text(node, job))

    def _fail(self, who: str, fields: Fields, error: GatewayError, message: str) -> None:
        self._bad_count += 1
        self._log.error(who, fields, error, message)


def _is_hopeless(error: GatewayError) -> bool:
    cause = error.__cause__
    if isinstance(error, StickGone):
        return True
    return isinstance(error, StoreError) and isinstance(cause, OSError) and cause.errno in _HOPELESS


def _carried_key(carried: Carried) -> Key:
    return carried.header.nice, carried.size_bytes, carried.path.name


def _job_key(job: Job) -> Key:
    return job.header.nice, job.size_bytes, job.path.name


def _sent_fields(fields: Fields, job: Job) -> Fields:
    return [*fields, ("Pkt", job.packet.text), ("Size", job.size_bytes)]


def _sent_text(node: Node, job: Job) -> str:
    return f"Packet transfer, sent to {node.name}: {job.packet} ({ibytes(job.size_bytes)})"
