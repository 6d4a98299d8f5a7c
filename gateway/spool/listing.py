"""The packets of one box of a spool, one at a time.

Contract: what is not a packet is reported and left alone; a packet that disappears meanwhile is
passed over; nothing is read ahead. A spool may hold a hundred thousand packets, and every command
and carrier begins with listing them: a packet costs four system calls here, and paths and headers
are made for those that somebody asks about.

Spec: NNCP manual, Spool directory.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gateway.errors import GatewayError, StoreError, Truncated
from gateway.ids import NodeId, PacketId
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, EncryptedHeader, decode_header, decode_nice
from gateway.spool.layout import HEADER_DIRECTORY, PART_SUFFIX, Box, parse_packet_name, parse_suffixed_name

OnBad = Callable[[Path, GatewayError], None]
KeepHeader = Callable[[Path, bytes], None]
_Entry: TypeAlias = "os.DirEntry[str]"
_ReadHeader = Callable[[_Entry], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Job:
    """A packet that waits in the spool.

    Args:
        directory: the box.
        name: of the file; need not be the canonical spelling of ``packet``.
        box: received or outbound.
        node: whose directory it lies in. What a received packet says of its sender is in
            ``header``, and unverified.
        packet: the id that its file name claims; nobody has verified it.
        size_bytes: size of the file.
        nice: its niceness, as the header says.
        raw_header: the outer header, read but not verified.
    """

    directory: Path
    name: str
    box: Box
    node: NodeId
    packet: PacketId
    size_bytes: int
    nice: int
    raw_header: bytes

    @property
    def path(self) -> Path:
        """The file."""
        return self.directory / self.name

    @property
    def header(self) -> EncryptedHeader:
        """The outer header, read but not verified."""
        return decode_header(self.raw_header)


@dataclass(frozen=True, slots=True)
class Part:
    """A packet that has arrived in part.

    Args:
        path: the ``.part`` file.
        size_bytes: how much of it is here.
    """

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BoxListing:
    """One box.

    Args:
        directory: its path.
        node: whose it is.
        box: received or outbound.
        keep_header: takes the header of a packet that has no copy of it.
        on_bad: told of every file with a packet's name that is not a packet.
    """

    directory: Path
    node: NodeId
    box: Box
    keep_header: KeepHeader
    on_bad: OnBad | None = None

    def jobs(self) -> Iterator[Job]:
        """The packets, in the directory's own order.

        Raises:
            StoreError: the directory cannot be read; a missing one is empty.
        """
        with _opened(self.directory / HEADER_DIRECTORY) as copies:
            yield from self._jobs("", partial(self._header_of, copies))

    def suffixed_jobs(self, suffix: str) -> Iterator[Job]:
        """The packets whose names have a suffix; of these no header is copied.

        Raises:
            StoreError: see ``jobs``.
        """
        yield from self._jobs(suffix, _own_header)

    def _jobs(self, suffix: str, read_header: _ReadHeader) -> Iterator[Job]:
        for entry in scan(self.directory):
            name = entry.name.removesuffix(suffix)
            packet = parse_packet_name(name) if entry.name == name + suffix else None
            if packet is None:
                continue
            try:
                job = self._job(entry, packet, read_header)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._tell(entry, StoreError(f"cannot read {entry.path}: {error.strerror}"))
            except GatewayError as error:
                self._tell(entry, error)
            else:
                yield job

    def _job(self, entry: _Entry, packet: PacketId, read_header: _ReadHeader) -> Job:
        if not entry.is_file():
            raise StoreError(f"{entry.path} has a packet's name, but is not a file")
        size_bytes = entry.stat().st_size
        nice, raw = read_header(entry)
        return Job(self.directory, entry.name, self.box, self.node, packet, size_bytes, nice, raw)

    def _header_of(self, copies: int | None, entry: _Entry) -> tuple[int, bytes]:
        """Read the copy of a header; it is made when it is missing, or no header."""
        if copies is not None:
            with contextlib.suppress(OSError, GatewayError):
                raw = _read_head(entry.name, copies)
                return decode_nice(raw), raw
        nice, raw = _own_header(entry)
        self.keep_header(Path(entry.path), raw)
        return nice, raw

    def _tell(self, entry: _Entry, error: GatewayError) -> None:
        if self.on_bad is not None:
            self.on_bad(Path(entry.path), error)


def list_parts(directory: Path) -> Iterator[Part]:
    """The packets of a box that have arrived in part."""
    for entry in scan(directory):
        if parse_suffixed_name(entry.name, PART_SUFFIX) is not None:
            try:
                size_bytes = entry.stat().st_size
            except FileNotFoundError:
                continue
            yield Part(Path(entry.path), size_bytes)


def scan(directory: Path) -> Iterator[_Entry]:
    """The entries of a directory; a missing one has none.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot list {directory}: {error.strerror}") from error


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int | None]:
    """Hold a directory open, by which names in it are found without its path; None: not there."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _own_header(entry: _Entry) -> tuple[int, bytes]:
    raw = _read_head(entry.path)
    if len(raw) != ENCRYPTED_HEADER_BYTES:
        raise Truncated(f"{entry.path}: {len(raw)} bytes, a header has {ENCRYPTED_HEADER_BYTES}")
    try:
        return decode_nice(raw), raw
    except GatewayError as error:
        raise type(error)(f"{entry.path}: {error}") from error


def _read_head(path: str, directory: int | None = None) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return os.read(fd, ENCRYPTED_HEADER_BYTES)
    finally:
        os.close(fd)
