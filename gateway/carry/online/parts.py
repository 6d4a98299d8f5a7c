"""Packets that are coming in: what there is of each, and writing what comes.

    nothing ──────────offered──→ asked for from byte 0, hashed while it is written
    PKT.part, shorter ─offered─→ asked for from its end on; whole, it must be read again to be verified
    PKT.part, as long ─offered─→ whole at once
    PKT.part, longer ──offered─→ removed: what is in it is not this packet
    whole, wrong hash ─────────→ removed: it would block the true one for ever

Contract: a packet that can't be written fails alone. Nothing is synced here. Everything runs in one
thread.
"""

import contextlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.carry.online.commit import Whole
from gateway.carry.online.records import Records, Verdict
from gateway.carry.online.room import Room
from gateway.durable import PartFile, store_errors
from gateway.errors import GatewayError, StoreError
from gateway.ids import NodeId, PacketId
from gateway.link.events import Offered, Received
from gateway.packet.mth import MerkleTreeHash
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import NOCK_SUFFIX, PART_SUFFIX, SEEN_DIRECTORY, Box
from gateway.spool.store import Spool

LISTED_COUNT = 100
"""Packets offered at once for which it is quicker to list the directory."""
OPEN_COUNT = 16
"""Files open at a time: a neighbour may begin thousands of packets."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What is taken from a neighbour.

    Args:
        only: these packets; None: all.
        is_listing: none at all.
        is_nock: nothing is verified.
    """

    only: Collection[PacketId] | None = None
    is_listing: bool = False
    is_nock: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say to an offer.

    Args:
        packet: which was offered.
        verdict: what we do about it.
        offset_bytes: from where on to ask for it.
    """

    packet: PacketId
    verdict: Verdict
    offset_bytes: int = 0


@dataclass(slots=True)
class _Growing:
    """Little, since there may be a hundred thousand of them: the rest comes with the first piece."""

    size_bytes: int
    at_bytes: int
    is_hashed: bool
    tree: MerkleTreeHash | None = None
    header: bytearray = field(default_factory=bytearray)


class Parts:
    """The packets that come from one neighbour.

    Args:
        spool: where they are put.
        node: the neighbour.
        room: the space they may take.
        records: of the session.
        wants: what is taken.
        on_whole: gets each packet of which all bytes have come.
        on_failed: told of each that can't be written, or has a wrong hash.
    """

    def __init__(
        self,
        spool: Spool,
        node: NodeId,
        room: Room,
        records: Records,
        wants: Wants,
        on_whole: Callable[[Whole], None],
        on_failed: Callable[[PacketId], None],
    ) -> None:
        self._disk = spool.disk
        self._directory = spool.layout.box(node, Box.RX)
        self._prefix = f"{self._directory}/"
        self._room = room
        self._records = records
        self._wants = wants
        self._on_whole = on_whole
        self._on_failed = on_failed
        self._names: frozenset[str] | None = None
        self._has_seen = False
        self._growing: dict[PacketId, _Growing] = {}
        self._open: OrderedDict[PacketId, PartFile] = OrderedDict()

    def assess(self, offers: Sequence[Offered]) -> list[Answer]:
        """Say what to do about each offer."""
        answers = []
        self._look(offers)
        for offer in offers:
            try:
                answer = self._assess(offer)
            except GatewayError as error:
                self._records.failed("sp-info", offer.packet, error)
                answer = Answer(offer.packet, Verdict.FAULT)
            else:
                self._records.offered(offer, answer.verdict, answer.offset_bytes)
            answers.append(answer)
        return self._synced(answers)

    def write(self, piece: Received) -> None:
        """Write the next bytes of a packet that was asked for."""
        growing = self._growing.get(piece.packet)
        if growing is None:
            return
        try:
            self._write(growing, piece)
        except GatewayError as error:
            self._records.failed("sp-file", piece.packet, error)
            self._fail(piece.packet, growing)

    def close(self) -> None:
        """Close all files; what there is of packets stays."""
        for growing in self._growing.values():
            self._room.give_back(growing.size_bytes - growing.at_bytes)
        self._growing.clear()
        while self._open:
            self._open.popitem()[1].close()

    # Offers

    def _look(self, offers: Sequence[Offered]) -> None:
        """List the directory once where asking for each packet would take longer."""
        self._has_seen = (self._directory / SEEN_DIRECTORY).is_dir()
        self._names = None
        if len(offers) >= LISTED_COUNT:
            with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
                self._names = frozenset(entry.name for entry in entries)

    def _exists(self, name: str) -> bool:
        return os.path.lexists(self._prefix + name) if self._names is None else name in self._names

    def _assess(self, offer: Offered) -> Answer:
        wants, packet = self._wants, offer.packet
        name = packet.text
        known = self._known(packet, name)
        if known is not None:
            return Answer(packet, known)
        offset_bytes = self._offset(self._path(packet), offer) if self._exists(name + PART_SUFFIX) else 0
        if wants.is_listing or (wants.only is not None and packet not in wants.only):
            return Answer(packet, Verdict.LIST, offset_bytes)
        if offset_bytes == offer.size_bytes:
            self._on_whole(Whole(packet, self._path(packet), offset_bytes, None, is_verified=False))
            return Answer(packet, Verdict.UNCHECKED)
        if not self._room.take(offer.size_bytes - offset_bytes):
            return Answer(packet, Verdict.NO_SPACE)
        is_hashed = not (offset_bytes or wants.is_nock)
        self._growing[packet] = _Growing(offer.size_bytes, offset_bytes, is_hashed)
        return Answer(packet, Verdict.REQUEST, offset_bytes)

    def _known(self, packet: PacketId, name: str) -> Verdict | None:
        if self._exists(name):
            return Verdict.HAVE
        if self._has_seen and os.path.lexists(f"{self._prefix}{SEEN_DIRECTORY}/{name}"):
            return Verdict.SEEN
        if packet in self._growing or self._exists(name + NOCK_SUFFIX):
            return Verdict.UNCHECKED
        return None

    def _offset(self, path: Path, offer: Offered) -> int:
        """How much of a packet is here.

        Raises:
            StoreError: it can't be seen, or is too long and can't be removed.
        """
        with store_errors(path, "look at"):
            try:
                found = path.lstat()
            except FileNotFoundError:
                return 0
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path} is not a regular file")
        size_bytes = found.st_size
        if size_bytes <= offer.size_bytes:
            return size_bytes
        if not self._wants.is_listing:
            self._disk.remove(path, is_synced=False)
        return 0

    def _synced(self, answers: list[Answer]) -> list[Answer]:
        """See that what we say we have would survive a power cut."""
        if all(answer.verdict is not Verdict.HAVE for answer in answers):
            return answers
        try:
            self._disk.sync_directory(self._directory)
        except StoreError as error:
            self._records.fault("sp-info", error, "Confirming packets of")
            return [answer for answer in answers if answer.verdict is not Verdict.HAVE]
        return answers

    # Data

    def _write(self, growing: _Growing, piece: Received) -> None:
        """Write, and give it on when it is whole.

        Raises:
            StoreError: the disk refused.
        """
        if piece.offset_bytes != growing.at_bytes:
            raise AssertionError(f"internal error: {piece.offset_bytes} is not {growing.at_bytes}")
        file = self._opened(piece.packet, growing)
        file.write(piece.data)
        growing.at_bytes += len(piece.data)
        self._room.give_back(len(piece.data))
        if growing.is_hashed:
            growing.tree = growing.tree or MerkleTreeHash()
            growing.tree.update(piece.data)
            if len(growing.header) < ENCRYPTED_HEADER_BYTES:
                growing.header += piece.data[: ENCRYPTED_HEADER_BYTES - len(growing.header)]
        if growing.at_bytes == growing.size_bytes:
            self._finish(piece.packet, growing, file.path)

    def _opened(self, packet: PacketId, growing: _Growing) -> PartFile:
        file = self._open.get(packet)
        if file is None:
            if len(self._open) >= OPEN_COUNT:
                self._open.popitem(last=False)[1].close()
            file = self._open[packet] = self._disk.open_part(self._path(packet), growing.at_bytes)
        else:
            self._open.move_to_end(packet)
        return file

    def _finish(self, packet: PacketId, growing: _Growing, path: Path) -> None:
        self._forget(packet)
        tree = growing.tree
        if tree is None or tree.digest() == packet.raw:
            header = bytes(growing.header) if len(growing.header) == ENCRYPTED_HEADER_BYTES else None
            is_verified = tree is not None
            self._on_whole(Whole(packet, path, growing.size_bytes, header, is_verified=is_verified))
            return
        self._records.failed("sp-file-bad-checksum", packet, "the hash is wrong; it is removed")
        self._on_failed(packet)
        try:
            self._disk.remove(path, is_synced=False)
        except StoreError as error:
            self._records.failed("sp-file-bad-checksum", packet, error)

    def _path(self, packet: PacketId) -> Path:
        return Path(f"{self._prefix}{packet}{PART_SUFFIX}")

    def _fail(self, packet: PacketId, growing: _Growing) -> None:
        self._room.give_back(growing.size_bytes - growing.at_bytes)
        self._forget(packet)
        self._on_failed(packet)

    def _forget(self, packet: PacketId) -> None:
        self._growing.pop(packet, None)
        file = self._open.pop(packet, None)
        if file is not None:
            file.close()
