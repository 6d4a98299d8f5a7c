"""Bundle, reading: goes through a tar stream and verifies each packet that is of interest.

Contract: a packet's purpose is fulfilled only if its content hashes to its name. A damaged or foreign
packet does not disturb the others. Nothing but the id in an entry's name is used, so that no path
of the stream leads anywhere. Memory is flat.

Spec: NNCP manual, Bundles.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.carry.bundle_sender import BundleResult, Fields
from gateway.durable import NewFile
from gateway.errors import GatewayError, StoreCorrupt, StoreFull
from gateway.packet.bundle import BundleReader, Event, Ignored, PacketData, PacketEnd, PacketStart
from gateway.packet.mth import MerkleTreeHash
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, EncryptedHeader, decode_header
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Bar, Progress
from gateway.spool.sizes import ibytes

TOLD_COUNT = 20
"""How many entries that are no packets are told one by one: a hostile stream must not fill the log."""


@dataclass(slots=True)
class Incoming:
    """A packet that is being read.

    Args:
        start: what its entry says.
        bar: shows how far it is.
        head: its first bytes, until the header is whole.
        header: the outer header, once it is whole.
        is_wanted: whether the rest of it is of interest.
        temporary: where it is written, if it is.
        tree: hashes it.
    """

    start: PacketStart
    bar: Bar
    head: bytes = b""
    header: EncryptedHeader | None = None
    is_wanted: bool = True
    temporary: NewFile | None = None
    tree: MerkleTreeHash = field(default_factory=MerkleTreeHash)


class Purpose(Protocol):
    """What is done with packets of a bundle; ``label`` says it."""

    label: str

    def choose(self, start: PacketStart, header: EncryptedHeader) -> bool:
        """Whether a packet is of interest; says why not."""

    def open(self, start: PacketStart) -> NewFile | None:
        """Where to write it, if anywhere."""

    def finish(self, incoming: Incoming, header: EncryptedHeader) -> None:
        """Do what is to be done with a verified packet."""

    def failed(self, start: PacketStart, header: EncryptedHeader | None) -> tuple[str, Fields, str]:
        """Name, fields and message of the record of a failure."""


class BundleReception:
    """Reads bundles.

    Args:
        purpose: what is done with their packets: Receive, Confirm, or both.
        log: gets one record for each packet.
        progress: shows how far a packet is.
    """

    def __init__(self, purpose: Purpose, log: Log, progress: Progress = SILENT) -> None:
        self._purpose = purpose
        self._log = log
        self._progress = progress
        self._incoming: Incoming | None = None
        self._done_count = self._bad_count = self._ignored_count = 0
        self._unstored_count = self._unstored_bytes = 0

    def run_once(self, source: Iterable[bytes]) -> BundleResult:
        """Read one stream to its end.

        Args:
            source: the stream, in pieces.

        Raises:
            GatewayError: the stream can't be read, or was cut; what was done before stands.
        """
        self._done_count = self._bad_count = self._ignored_count = 0
        self._unstored_count = self._unstored_bytes = 0
        reader = BundleReader()
        try:
            for piece in source:
                for event in reader.feed(piece):
                    self._handle(event)
            reader.finish()
        finally:
            self._drop()
            self._tell_rest()
        return BundleResult(self._done_count, self._bad_count)

    def _handle(self, event: Event) -> None:
        match event:
            case PacketStart():
                bar = self._progress.bar(f"{self._purpose.label} {event.packet}", event.size_bytes)
                self._incoming = Incoming(event, bar)
            case PacketData():
                self._step(event.data)
            case PacketEnd():
                self._step(None)
                self._drop()
            case Ignored():
                self._ignore(event)

    def _step(self, data: memoryview | None) -> None:
        """Take the next piece of the packet that is being read, or (None) its end."""
        incoming = self._incoming
        if incoming is None or not incoming.is_wanted:
            return
        try:
            if data is not None:
                self._take(incoming, data)
            elif incoming.header is not None:
                if incoming.tree.digest() != incoming.start.packet.raw:
                    raise StoreCorrupt("bad checksum: the packet was changed or copied in part")
                incoming.bar.end()
                self._purpose.finish(incoming, incoming.header)
                self._done_count += 1
        except GatewayError as error:
            self._fail(incoming, error)

    def _take(self, incoming: Incoming, data: memoryview) -> None:
        if incoming.header is None:
            wanted_bytes = ENCRYPTED_HEADER_BYTES - len(incoming.head)
            incoming.head += bytes(data[:wanted_bytes])
            data = data[wanted_bytes:]
            if len(incoming.head) < ENCRYPTED_HEADER_BYTES:
                return
            header = decode_header(incoming.head)
            if not self._purpose.choose(incoming.start, header):
                incoming.is_wanted = False
                return
            incoming.header = header
            incoming.temporary = self._purpose.open(incoming.start)
            self._write(incoming, memoryview(incoming.head))
        self._write(incoming, data)

    def _write(self, incoming: Incoming, data: memoryview) -> None:
        incoming.tree.update(data)
        if incoming.temporary is not None:
            incoming.temporary.write(data)
        incoming.bar.add(len(data))

    def _fail(self, incoming: Incoming, error: GatewayError) -> None:
        incoming.is_wanted = False
        incoming.bar.end()
        self._bad_count += 1
        if isinstance(error, StoreFull):
            self._unstored_count += 1
            self._unstored_bytes += incoming.start.size_bytes
            if self._unstored_count > 1:
                return
        who, fields, message = self._purpose.failed(incoming.start, incoming.header)
        self._log.error(who, fields, error, message)

    def _drop(self) -> None:
        """Forget the packet that was read; what of it is not committed is removed."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.bar.end()
            if incoming.temporary is not None:
                incoming.temporary.discard()

    def _ignore(self, event: Ignored) -> None:
        self._bad_count += 1
        self._ignored_count += 1
        if self._ignored_count <= TOLD_COUNT:
            self._log.error("bundle-rx", [("XX", "rx")], event.reason, "Bundle transfer: not a packet")

    def _tell_rest(self) -> None:
        fields: Fields = [("XX", "rx")]
        if self._ignored_count > TOLD_COUNT:
            count = self._ignored_count - TOLD_COUNT
            self._log.info("bundle-rx", fields, f"Bundle transfer: {count} more entries are not packets")
        if self._unstored_count > 1:
            size = ibytes(self._unstored_bytes)
            text = f"{self._unstored_count} packets ({size}) were not received: no room in the spool"
            self._log.info("bundle-rx-no-room", fields, f"Bundle transfer: {text}")
