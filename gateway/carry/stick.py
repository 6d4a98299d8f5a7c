"""The directory that packets travel in: ``DIR/RECIPIENT/SENDER/PACKET``, all three in base32.

Whoever held the stick may have written anything to it. Only names that are ids are looked at, and
only real directories and regular files: a symbolic link, a pipe or a device is passed over and
told. So nothing on the stick leads out of it.

Contract: a packet stands under its name only when it was copied whole and synced.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import Disk, NewFile, free_bytes, store_errors
from gateway.errors import BadIdentifier, GatewayError, StoreError, StoreFull
from gateway.ids import NodeId, PacketId
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, EncryptedHeader, decode_header
from gateway.spool.sizes import ibytes

TEMPORARY_PREFIX = "nncpxfer"
TEMPORARY_RANDOM_BYTES = 8
PART_SUFFIX = ".part"
READ_BYTES = 1024 * 1024

OnBad = Callable[[Path, GatewayError], None]


class NotRegular(StoreError):
    """Something with a packet's name that is no regular file: it is passed over."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A packet on the stick.

    Args:
        path: the file.
        packet: the id that its name claims; nobody has verified it.
        size_bytes: size of the file.
        header: its outer header, not verified.
        raw_header: the same as bytes.
    """

    path: Path
    packet: PacketId
    size_bytes: int
    header: EncryptedHeader
    raw_header: bytes


class StickGone(StoreError):
    """The stick was unmounted, or another one stands in its place."""


class Stick:
    """A directory for packets on their way.

    Args:
        root: where the stick is mounted.
        disk: what changes files.
    """

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self._disk = disk
        self._identity = _identity_of(root)

    def recipient(self, recipient: NodeId) -> Path:
        """The directory of all that is for a node."""
        return self.root / recipient.text

    def senders(self, recipient: NodeId) -> list[NodeId]:
        """The nodes that have a directory of packets for a node.

        Raises:
            StoreError: the directory is no directory, or can't be read.
        """
        return sorted(
            NodeId.parse(entry.name)
            for entry in self._scan(self.recipient(recipient))
            if _is_id(entry.name) and entry.is_dir(follow_symlinks=False)
        )

    def packets(self, recipient: NodeId, sender: NodeId, on_bad: OnBad | None = None) -> Iterator[Carried]:
        """The packets of a sender for a recipient, in the directory's own order.

        Args:
            recipient: whom they are for.
            sender: who put them there.
            on_bad: told of what has a packet's name and is none (NotRegular for what is no file at all).

        Raises:
            StoreError: the directory can't be read.
        """
        for entry in self._scan(self.recipient(recipient) / sender.text):
            if not _is_id(entry.name):
                continue
            try:
                carried = _read_carried(Path(entry.path), entry)
            except FileNotFoundError:
                continue
            except OSError as error:
                _tell(on_bad, Path(entry.path), StoreError(f"cannot read: {error.strerror or error}"))
            except GatewayError as error:
                _tell(on_bad, Path(entry.path), error)
            else:
                yield carried

    def is_ready_for(self, recipient: NodeId) -> bool:
        """Whether there is a directory for a recipient's packets; a symbolic link is none.

        Raises:
            StoreError: there is something else, or it can't be seen.
        """
        path = self.recipient(recipient)
        with store_errors(path, "look at"):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                return False
        if stat.S_ISDIR(mode):
            return True
        raise StoreError(f"{path} is not a directory")

    def make_ready_for(self, recipient: NodeId) -> None:
        """Make the directory for a recipient's packets; the stick itself must be there.

        Raises:
            StoreError: it is not, or the disk refused.
        """
        path = self.recipient(recipient)
        with store_errors(path, "create directory"):
            self.root.stat()
        self._disk.make_directories(path)

    def open_outbox(self, recipient: NodeId, sender: NodeId) -> Path:
        """The directory for a sender's packets to a recipient; made if it is missing.

        Raises:
            StoreError: the disk refused, or a symbolic link stands there.
        """
        path = self.recipient(recipient) / sender.text
        self._disk.make_directories(path)
        if path.is_symlink():
            raise StoreError(f"{path} is a symbolic link; packets are not written through it")
        return path

    def sweep(self, outbox: Path) -> None:
        """Remove what was left behind by a copy that was cut, such as when the stick was pulled out.

        Only for the one who holds the lock of sending to this recipient.

        Raises:
            StoreError: the disk refused.
        """
        for entry in self._scan(outbox):
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.is_file(follow_symlinks=False):
                self._disk.remove(Path(entry.path), is_synced=False)

    def has(self, outbox: Path, packet: PacketId, size_bytes: int) -> bool:
        """Whether a packet is in an outbox already.

        A file of another size is a packet that a pulled-out stick has lost a part of.

        Raises:
            StoreError: it can't be seen.
        """
        path = outbox / packet.text
        with store_errors(path, "look at"):
            try:
                found = path.lstat()
            except FileNotFoundError:
                return False
        return not stat.S_ISREG(found.st_mode) or found.st_size == size_bytes

    def put(self, outbox: Path, packet: PacketId, size_bytes: int, pieces: Iterator[memoryview]) -> None:
        """Copy a packet to the stick.

        Raises:
            StickGone: what was copied did not go to the stick that was here in the beginning.
            StoreFull: there is no room for it, or the file system takes no file as large; nothing was
                copied.
            StoreError: the disk refused; nothing was left under the packet's name.
        """
        check_room(outbox, size_bytes)
        name = TEMPORARY_PREFIX + secrets.token_hex(TEMPORARY_RANDOM_BYTES)
        self._check_identity()
        with self._disk.create(outbox / name) as temporary:
            _check_file_size(temporary, size_bytes)
            for piece in pieces:
                temporary.write(piece)
            temporary.commit(outbox / packet.text)
        self._check_identity()
        with contextlib.suppress(StoreError):
            self._disk.remove(outbox / (packet.text + PART_SUFFIX), is_synced=False)

    def _check_identity(self) -> None:
        # Without this an unmounted stick's mount point would swallow the packets.
        if self._identity is not None and _identity_of(self.root) != self._identity:
            raise StickGone(f"{self.root} is not the directory that it was: was it unmounted?")

    def remove(self, carried: Carried) -> None:
        """Remove a packet from the stick.

        Raises:
            StoreError: the disk refused.
        """
        self._disk.remove(carried.path)

    def _scan(self, directory: Path) -> Iterator["os.DirEntry[str]"]:
        """List a directory that is not reached through a symbolic link; a missing one is empty."""
        with store_errors(directory, "list"):
            try:
                fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            os.close(fd)
            with os.scandir(directory) as entries:
                yield from entries


def check_room(directory: Path, size_bytes: int) -> None:
    """See that a packet fits before it is copied.

    Raises:
        StoreFull: it does not.
    """
    room_bytes = free_bytes(directory)
    if size_bytes > room_bytes:
        raise StoreFull(
            f"is not enough space: {ibytes(size_bytes)} needed in {directory}, {ibytes(room_bytes)} free"
        )


def _identity_of(root: Path) -> tuple[int, int] | None:
    """What tells one mounted stick from another; None while there is none."""
    try:
        found = root.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_file_size(file: NewFile, size_bytes: int) -> None:
    """See that a file may become as large, without writing: the kernel does not go where no file ends.

    What pathconf says of the size is wrong for most file systems: the C library guesses it by their kind.

    Raises:
        StoreFull: it may not.
    """
    try:
        os.lseek(file.fileno(), size_bytes, os.SEEK_SET)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
    except OSError as error:
        raise StoreFull(
            f"{file.path.parent} is on a file system that takes no file of {ibytes(size_bytes)}"
            " (FAT32: less than 4.0 GiB)"
        ) from error


def read_pieces(path: Path) -> Iterator[memoryview]:
    """Read a regular file to its end; never through a symbolic link.

    Yields:
        Pieces of at most READ_BYTES, each valid until the next.

    Raises:
        StoreError: it can't be read.
    """
    with store_errors(path, "read"):
        fd = _open_regular(path)
        try:
            buffer = memoryview(bytearray(min(READ_BYTES, os.fstat(fd).st_size + 1)))
            while size_bytes := os.readv(fd, [buffer]):
                yield buffer[:size_bytes]
        finally:
            os.close(fd)


def _open_regular(path: Path) -> int:
    # Not blocking: a pipe with a packet's name would wait for a writer for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotRegular(f"{path} is not a regular file")
    return fd


def _read_carried(path: Path, entry: "os.DirEntry[str]") -> Carried:
    if not entry.is_file(follow_symlinks=False):
        raise NotRegular("not a regular file")
    fd = _open_regular(path)
    try:
        raw = os.read(fd, ENCRYPTED_HEADER_BYTES)
        size_bytes = os.fstat(fd).st_size
    finally:
        os.close(fd)
    return Carried(path, PacketId.parse(entry.name), size_bytes, decode_header(raw), raw)


def _is_id(name: str) -> bool:
    """Whether a name is the canonical spelling of an id."""
    try:
        return PacketId.parse(name).text == name
    except BadIdentifier:
        return False


def _tell(on_bad: OnBad | None, path: Path, error: GatewayError) -> None:
    if on_bad is not None:
        on_bad(path, error)
