"""The spool: packets committed durably, listed, locked, removed.

Contract: a packet stands under its name either whole and synced, or not at all. The order is
that of the Go tools, which work on the same directory at the same time: temporary written and
synced, renamed to its name, directory synced; then the convenience link and the copy of the
header, both of which can be made again and so may be lost. Queueing takes no lock: the rename
is the synchronisation. A file that is not a packet is reported and left alone.

Spec: NNCP manual, Spool directory.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gateway import durable
from gateway.durable import Disk, NewFile, store_errors
from gateway.errors import StoreBusy, StoreError
from gateway.ids import AreaMessageId, NodeId, PacketId
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import (
    NOCK_SUFFIX,
    TEMPORARY_PREFIX,
    Box,
    Layout,
    LockKind,
    header_path,
)
from gateway.spool.listing import BoxListing, Job, OnBad, Part, list_parts

__all__ = ["Job", "OnBad", "Part", "Spool"]

TEMPORARY_RANDOM_BYTES = 8


class Spool:
    """One spool directory.

    Args:
        root: the directory; made when the first packet is queued.
        disk: what changes files.
        nohdr: True keeps no copies of headers (``nohdr`` of the configuration).
    """

    def __init__(self, root: Path, disk: Disk, *, nohdr: bool = False) -> None:
        self.root = root
        self.disk = disk
        self.nohdr = nohdr
        self.layout = Layout(root)
        # Headers are copies: like the Go tools we do not wait for the disk for them.
        self._unsynced = Disk(is_syncing=False, hook=disk.hook)

    def check(self) -> None:
        """See that the spool is there.

        Raises:
            StoreError: it is not.
        """
        try:
            self.root.stat()
        except OSError as error:
            raise StoreError(f"Can not stat spool {self.root}: {error.strerror}") from error

    def free_bytes(self) -> int:
        """Bytes that may still be written to the spool's file system.

        Raises:
            StoreError: the spool is not there.
        """
        self.check()
        return durable.free_bytes(self.root)

    # Writing

    def new_temporary(self, name: str | None = None) -> NewFile:
        """Start a file in ``SPOOL/tmp``, on the file system of the packets.

        Args:
            name: a name that nobody else can have chosen; None: a random one.

        Raises:
            StoreError: the disk refused.
        """
        self.disk.make_directories(self.layout.temporaries)
        return self.disk.create(self.temporary_path(name or os.urandom(TEMPORARY_RANDOM_BYTES).hex()))

    def temporary_path(self, name: str) -> Path:
        """Where the temporary of a name lies."""
        return self.layout.temporaries / (TEMPORARY_PREFIX + name)

    def new_tx_temporary(self, node: NodeId, name: str) -> NewFile:
        """Start a file in a neighbour's ``tx/`` under a name that NNCP tools ignore.

        The name is chosen by the caller, who can find the file again after a crash; unlike
        ``SPOOL/tmp`` no tool ever sweeps it away.

        Args:
            node: the neighbour the packet will go to.
            name: letters, digits, dots, dashes, underlines, not of the form of a packet's name.

        Raises:
            StoreError: the name is not allowed or taken, or the disk refused.
        """
        path = self.layout.tx_temporary(node, name)
        self.disk.make_directories(path.parent)
        return self.disk.create(path)

    def commit(
        self,
        temporary: NewFile | Path,
        node: NodeId,
        box: Box,
        packet: PacketId,
        header: bytes | None,
        alias: str | None = None,
    ) -> Path:
        """Put a packet in its place; when this returns it survives a power cut.

        Args:
            temporary: the whole packet; a path must have been synced and kept before.
            node: whose directory.
            box: received or outbound.
            packet: its id, and so its name.
            header: its first ENCRYPTED_HEADER_BYTES, to be kept as a copy; None keeps none.
            alias: the node's name, for a link ``SPOOL/NAME`` to the directory.

        Returns:
            The packet's path.

        Raises:
            StoreError: the packet is not committed; a copy of the header or a link that could
                not be made is no error, since both are conveniences.
        """
        path = self.layout.packet(node, box, packet)
        self.disk.make_directories(path.parent)
        if isinstance(temporary, NewFile):
            temporary.commit(path)
        else:
            self.disk.rename(temporary, path)
        if alias is not None:
            self._link_alias(alias, node)
        if header is not None:
            self.keep_header(path, header)
        return path

    def remove(self, job: Job, *, is_synced: bool = True) -> None:
        """Remove a packet and the copy of its header.

        Args:
            job: the packet.
            is_synced: False where the caller syncs the box, by a ``LateSync``.

        Raises:
            StoreError: the disk refused.
        """
        self.disk.remove(job.path, is_synced=is_synced)
        self.disk.remove(header_path(job.path), is_synced=False)

    def discard(self, node: NodeId, box: Box, packet: PacketId) -> None:
        """Remove a packet and the copy of its header, if they are there.

        Raises:
            StoreError: the disk refused.
        """
        path = self.layout.packet(node, box, packet)
        if path.exists():
            self.disk.remove(path)
            self.disk.remove(header_path(path), is_synced=False)

    def keep_header(self, packet: Path, header: bytes) -> None:
        """Keep a copy of a packet's header, unless that is not wanted; failing is no error."""
        if self.nohdr:
            return
        if len(header) != ENCRYPTED_HEADER_BYTES:
            raise AssertionError(f"internal error: a header of {len(header)} bytes")
        path = header_path(packet)
        with contextlib.suppress(StoreError):
            self._unsynced.make_directories(path.parent)
            self._unsynced.make_directories(self.layout.temporaries)
            name = TEMPORARY_PREFIX + os.urandom(TEMPORARY_RANDOM_BYTES).hex()
            with self._unsynced.create(self.layout.temporaries / name) as copy:
                copy.write(header)
                copy.commit(path)

    def mark_seen(self, node: NodeId, packet: PacketId) -> None:
        """Remember that a packet was tossed, so that no carrier brings it again.

        Raises:
            StoreError: the disk refused.
        """
        self._mark(self.layout.seen(node, packet))

    def mark_ack(self, node: NodeId, packet: PacketId) -> None:
        """Remember that a packet in a neighbour's tx is an acknowledgement that toss made.

        Raises:
            StoreError: the disk refused.
        """
        self._mark(self.layout.ack(node, packet))

    def mark_area(self, node: NodeId, area: NodeId, message: AreaMessageId) -> None:
        """Remember that a neighbour has a message of an area, or that we have processed it.

        Raises:
            StoreError: the disk refused.
        """
        self._mark(self.layout.area(node, area, message))

    # Reading

    def has_area_mark(self, node: NodeId, area: NodeId, message: AreaMessageId) -> bool:
        """Whether a neighbour has a message of an area, or we have processed it."""
        return self.layout.area(node, area, message).exists()

    def is_seen(self, node: NodeId, packet: PacketId) -> bool:
        """Whether a packet was marked as tossed."""
        return self.layout.seen(node, packet).exists()

    def has_packet(self, node: NodeId, box: Box, packet: PacketId) -> bool:
        """Whether a packet is there."""
        return self.layout.packet(node, box, packet).exists()

    def jobs(self, node: NodeId, box: Box, on_bad: OnBad | None = None) -> Iterator[Job]:
        """The packets of a box, in the directory's own order, one at a time.

        The copy of a header is read rather than the packet, and made when it is missing or not a
        header (it is never synced, so that a power cut can empty it). A packet that disappears
        meanwhile is passed over.

        Args:
            node: whose directory.
            box: received or outbound.
            on_bad: told of every file with a packet's name that is not a packet.

        Raises:
            StoreError: the directory cannot be read; a missing one is empty.
        """
        return self._listing(node, box, on_bad).jobs()

    def nocks(self, node: NodeId, on_bad: OnBad | None = None) -> Iterator[Job]:
        """The received packets that nobody has checked yet; of these no header is copied."""
        return self._listing(node, Box.RX, on_bad).suffixed_jobs(NOCK_SUFFIX)

    def parts(self, node: NodeId) -> Iterator[Part]:
        """The packets that have arrived in part."""
        return list_parts(self.layout.box(node, Box.RX))

    @contextlib.contextmanager
    def lock(self, node: NodeId, kind: LockKind) -> Iterator[None]:
        """Hold one of a neighbour's locks, excluding the Go tools too.

        Args:
            node: whose directory.
            kind: what to protect.

        Raises:
            StoreBusy: another process holds it.
            StoreError: the disk refused.
        """
        path = self.layout.lock(node, kind)
        self.disk.make_directories(self.layout.box(node, Box.RX))
        if not path.exists():
            self.disk.touch(path)
        with store_errors(path, "open"):
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreBusy(f"{path} is locked by another process") from None
            except OSError as error:
                raise StoreError(f"cannot lock {path}: {error.strerror}") from error
            yield
        finally:
            os.close(fd)

    # Inner steps

    def _listing(self, node: NodeId, box: Box, on_bad: OnBad | None) -> BoxListing:
        return BoxListing(self.layout.box(node, box), node, box, self.keep_header, on_bad)

    def _mark(self, marker: Path) -> None:
        self.disk.make_directories(marker.parent)
        self.disk.touch(marker)

    def _link_alias(self, alias: str, node: NodeId) -> None:
        link = self.root / alias
        if link.parent == self.root and link != self.layout.temporaries and "\0" not in alias:
            with contextlib.suppress(StoreError):
                self.disk.symlink(self.layout.node(node), link)
