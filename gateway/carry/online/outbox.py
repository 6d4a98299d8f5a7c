"""The packets that wait for one neighbour, as a session's thread sees them: found, read, removed.

Contract: what is no packet is told once and passed over. Only ``remove`` changes anything, and it
returns when that is durable: a packet that came back after a power cut would be delivered twice.
"""

import heapq
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from gateway.carry.online.records import Records
from gateway.durable import store_errors
from gateway.errors import GatewayError, StoreError, Truncated
from gateway.ids import NodeId, PacketId
from gateway.link.events import Offer
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, decode_header
from gateway.spool.layout import HEADER_DIRECTORY, Box, parse_packet_name
from gateway.spool.store import Spool

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Outbox:
    """What waits for one neighbour.

    Args:
        spool: where it lies.
        node: the neighbour.
        nice: packets above it stay.
        records: of the session.
    """

    def __init__(self, spool: Spool, node: NodeId, nice: int, records: Records) -> None:
        self.directory = spool.layout.box(node, Box.TX)
        self._prefix = f"{self.directory}/"
        self._spool = spool
        self._nice = nice
        self._records = records
        self._told: set[str] = set()

    def prepare(self) -> None:
        """Make the directory, so that it can be watched; failing is told."""
        try:
            self._spool.disk.make_directories(self.directory)
        except StoreError as error:
            self._records.fault("sp-infos-tx", error, "Listing packets for")

    def scan(self, known: Collection[PacketId], limit_count: int) -> list[Offer]:
        """The most urgent packets, the small ones first among equals.

        Args:
            known: not these.
            limit_count: no more than so many.
        """
        known_names = {packet.text for packet in known}
        try:
            return heapq.nsmallest(limit_count, self._offers(known_names), key=_urgency)
        except GatewayError as error:
            self._records.fault("sp-infos-tx", error, "Listing packets for")
            return []

    def look(self, names: Sequence[str]) -> list[Offer]:
        """Those of the files that are packets; the most urgent first."""
        offers = (self._offer(name) for name in names)
        return sorted((offer for offer in offers if offer is not None), key=_urgency)

    def read(self, packet: PacketId, offset_bytes: int, length_bytes: int) -> bytes | None:
        """Bytes of a packet; None: they can't be read, which is told."""
        path = f"{self._prefix}{packet}"
        try:
            data = _read_piece(path, offset_bytes, length_bytes)
            if len(data) != length_bytes:
                raise StoreError(f"{path} is shorter than it was")
        except StoreError as error:
            self._records.failed("sp-file", packet, error)
            return None
        return data

    def remove(self, packets: Sequence[PacketId]) -> None:
        """Remove packets that the neighbour has."""
        there = [packet for packet in packets if os.path.lexists(f"{self._prefix}{packet}")]
        disk = self._spool.disk
        try:
            failures = disk.remove_together([Path(f"{self._prefix}{packet}") for packet in there])
        except StoreError as error:
            failures = [error] * len(there)
        has_headers = (self.directory / HEADER_DIRECTORY).is_dir()
        for packet, failure in zip(there, failures, strict=True):
            if failure is None:
                self._records.confirmed(packet)
            else:
                self._records.failed("sp-done", packet, failure)
            if has_headers:
                self._remove_header(packet)

    def _remove_header(self, packet: PacketId) -> None:
        path = Path(f"{self._prefix}{HEADER_DIRECTORY}/{packet}")
        try:
            self._spool.disk.remove(path, is_synced=False)
        except StoreError as error:
            self._records.failed("sp-done", packet, error)

    def _offers(self, known_names: Collection[str]) -> Iterator[Offer]:
        """Every packet that is not known.

        Raises:
            StoreError: the directory can't be read.
        """
        with store_errors(self.directory, "list"):
            try:
                entries = os.scandir(self.directory)
            except FileNotFoundError:
                return
            with entries:
                names = [entry.name for entry in entries if entry.name not in known_names]
        for name in names:
            offer = self._offer(name)
            if offer is not None:
                yield offer

    def _offer(self, name: str) -> Offer | None:
        packet = parse_packet_name(name)
        if packet is None or name != packet.text:
            return None
        path = self._prefix + name
        try:
            found = _read_header(path)
            if found is None:
                return None
            raw, size_bytes = found
            if len(raw) != ENCRYPTED_HEADER_BYTES:
                raise Truncated(f"{path}: {len(raw)} bytes, a header has {ENCRYPTED_HEADER_BYTES}")
            nice = decode_header(raw).nice
        except GatewayError as error:
            if name not in self._told:
                self._told.add(name)
                self._records.failed("job", packet, error)
            return None
        return Offer(packet, nice, size_bytes) if nice <= self._nice else None


def _read_header(path: str) -> tuple[bytes, int] | None:
    """The first bytes of a file, and its size; None: it vanished. No ``Path`` is made of thousands.

    Raises:
        StoreError: it can't be read.
    """
    try:
        fd = os.open(path, _FLAGS)
        try:
            return os.read(fd, ENCRYPTED_HEADER_BYTES), os.fstat(fd).st_size
        finally:
            os.close(fd)
    except FileNotFoundError:
        return None
    except OSError:
        with store_errors(Path(path), "read"):
            raise


def _read_piece(path: str, offset_bytes: int, length_bytes: int) -> bytes:
    """Bytes of a file; fewer if it is shorter.

    Raises:
        StoreError: it can't be read.
    """
    try:
        fd = os.open(path, _FLAGS)
        try:
            data = os.pread(fd, length_bytes, offset_bytes)
            while 0 < len(data) < length_bytes:
                more = os.pread(fd, length_bytes - len(data), offset_bytes + len(data))
                data = data + more if more else b""
        finally:
            os.close(fd)
    except OSError:
        with store_errors(Path(path), "read"):
            raise
    return data


def _urgency(offer: Offer) -> tuple[int, int, bytes]:
    return offer.nice, offer.size_bytes, offer.packet.raw
