"""Joining a file that came in chunks.

    chunks beside FILE.nncp.meta ──→ all proven ──→ joined in a temporary ──→ synced, named
        ──→ meta renamed FILE.nncp.joined ──→ chunks removed ──→ FILE.nncp.joined removed

Contract: a chunk or a meta file is removed only after the joined file has its name and survives a
power cut; a stop before that leaves all chunks, a stop after it leaves what the next run removes. Every
chunk is proven twice, once before anything is written and once while it is copied. Symbolic links
are no chunks. A name that is taken is not replaced.

Spec: NNCP 8 manual, Chunked files.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import Disk, store_errors
from gateway.errors import GatewayError, PacketError, StoreError, TooLarge
from gateway.packet.chunked import CHUNK_MARK, META_LIMIT_BYTES, META_SUFFIX, ChunkMeta, decode_chunk_meta
from gateway.packet.mth import MerkleTreeHash
from gateway.toss.incoming import commit_new

READ_BYTES = 256 * 1024
JOINED_SUFFIX = ".nncp.joined"
"""What a meta file is called when its file is joined and the chunks are being removed."""
TEMPORARY_PREFIX = "nncpreass"

Sink = Callable[[memoryview], None]
OnBytes = Callable[[int], None]


class ChunkMissing(GatewayError):
    """A chunk has not come yet: no fault, the file waits for it."""

    status = "4.3.0"

    def __init__(self, number: int) -> None:
        super().__init__(f"chunk {number} missing")
        self.number = number


class BadChunk(GatewayError):
    """A chunk is there, but is not what the meta file says."""

    status = "5.6.0"

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


@dataclass(frozen=True, slots=True)
class ChunkedFile:
    """A meta file and where the chunks lie.

    Args:
        path: of the meta file.
        meta: what it says.
    """

    path: Path
    meta: ChunkMeta

    @property
    def name(self) -> str:
        """Name of the joined file."""
        return self.path.name.removesuffix(META_SUFFIX)

    def chunk(self, number: int) -> Path:
        """Where a chunk lies."""
        return self.path.with_name(f"{self.name}{CHUNK_MARK}{number}")

    @property
    def numbers(self) -> range:
        """Numbers of all chunks."""
        return range(len(self.meta.checksums))


def read_chunked_file(path: Path) -> ChunkedFile:
    """Read a meta file.

    Raises:
        StoreError: it can't be read.
        PacketError: it is not a meta file, or it or its name makes no sense.
    """
    if not path.name.endswith(META_SUFFIX) or path.name == META_SUFFIX:
        raise PacketError(f"invalid filename suffix, allowed: NAME{META_SUFFIX}")
    return ChunkedFile(path, _read_meta(path))


def find_chunked_files(directory: Path) -> Iterator[Path]:
    """The meta files of a directory, in the order of their names; a directory that is not there has none.

    A meta file that a stop turned into ``FILE.nncp.joined`` counts, under its first name.

    Raises:
        StoreError: it can't be listed.
    """
    try:
        with store_errors(directory, "list"):
            names = sorted(os.listdir(directory))  # noqa: PTH208 - only the names are wanted
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return
        raise
    found = {
        name.removesuffix(suffix)
        for name in names
        for suffix in (META_SUFFIX, JOINED_SUFFIX)
        if name.endswith(suffix)
    }
    for name in sorted(found - {""}):
        yield directory / (name + META_SUFFIX)


def missing_chunks(file: ChunkedFile) -> Iterator[int]:
    """The numbers of the chunks that have not come yet."""
    for number in file.numbers:
        if not os.path.lexists(file.chunk(number)):
            yield number


def prove_chunks(file: ChunkedFile) -> None:
    """See that every chunk is what the meta file says.

    Raises:
        ChunkMissing: one is not there.
        BadChunk: one has another size or content.
        StoreError: one can't be read.
    """
    # What takes long comes last: all sizes first, then the contents.
    for number in file.numbers:
        os.close(_open_chunk(file, number))
    copy_chunks(file, _forget)


def join_chunks(file: ChunkedFile, disk: Disk, on_bytes: OnBytes | None = None) -> Path:
    """Write the joined file; the chunks stay.

    Args:
        file: its chunks were proven.
        disk: what changes files.
        on_bytes: told how many more bytes are copied.

    Returns:
        Path of the joined file.

    Raises:
        BadChunk: a chunk was changed meanwhile.
        StoreError: the disk refused.
    """
    place = file.path.with_name(file.name)
    # Named after the meta file, so that a second run finds what a stopped one left.
    temporary = file.path.with_name(f"{TEMPORARY_PREFIX}{_short_hash(file)}")
    if os.path.lexists(temporary):
        disk.remove(temporary, is_synced=False)
    with disk.create(temporary) as new:
        copy_chunks(file, new.write, on_bytes)
        return commit_new(disk, new, place)


def copy_chunks(file: ChunkedFile, sink: Sink, on_bytes: OnBytes | None = None) -> None:
    """Give all chunks in order to a sink.

    Args:
        file: which.
        sink: takes the pieces, each valid during the call.
        on_bytes: told how many more bytes are copied.

    Raises:
        ChunkMissing: one is not there.
        BadChunk: one has another size or content.
        StoreError: one can't be read.
    """
    for number in file.numbers:
        for piece in _chunk_pieces(file, number):
            sink(piece)
            if on_bytes is not None:
                on_bytes(len(piece))


def remove_chunks(file: ChunkedFile, disk: Disk) -> None:
    """Remove the chunks of a joined file, and then its meta file.

    The meta file becomes ``FILE.nncp.joined`` first: a stop in between must leave something that tells
    leftovers from chunks whose brothers are still on their way.

    Raises:
        StoreError: the disk refused; ``finish_removal`` does the rest.
    """
    joined = _joined(file.path)
    disk.rename(file.path, joined)
    _remove_all(file, joined, disk)


def is_joined(path: Path) -> bool:
    """Whether a run stopped after a file was joined, while its chunks were being removed.

    Args:
        path: the meta file, whether it is there or not.
    """
    return _joined(path).exists()


def finish_removal(path: Path, disk: Disk) -> None:
    """Go on where a stop left the removal of chunks.

    Args:
        path: the meta file, whether it is there or not; ``is_joined``.
        disk: what changes files.

    Raises:
        StoreError: the disk refused.
        PacketError: what is left of the meta file makes no sense.
    """
    joined = _joined(path)
    _remove_all(ChunkedFile(path, _read_meta(joined)), joined, disk)


def _joined(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(META_SUFFIX) + JOINED_SUFFIX)


def _remove_all(file: ChunkedFile, joined: Path, disk: Disk) -> None:
    for number in file.numbers:
        disk.remove(file.chunk(number), is_synced=False)
    disk.sync_directory(joined.parent)
    disk.remove(joined)


def _read_meta(path: Path) -> ChunkMeta:
    with store_errors(path, "read"), path.open("rb") as file:
        raw = file.read(META_LIMIT_BYTES + 1)
    if len(raw) > META_LIMIT_BYTES:
        raise TooLarge(f"a meta file of more than {META_LIMIT_BYTES} bytes")
    return decode_chunk_meta(raw)


def _forget(_piece: memoryview) -> None:
    """Read only to prove."""


def _short_hash(file: ChunkedFile) -> str:
    tree = MerkleTreeHash()
    tree.update(os.fsencode(file.path.name))
    return tree.digest().hex()[:32]


def _open_chunk(file: ChunkedFile, number: int) -> int:
    path = file.chunk(number)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ChunkMissing(number) from None
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, fd)
        status = os.fstat(fd)
        expected_bytes = file.meta.chunk_size_bytes(number)
        if not stat.S_ISREG(status.st_mode):
            raise BadChunk(number, f"{path} is not a file")
        if status.st_size != expected_bytes:
            raise BadChunk(number, f"invalid size: {status.st_size} bytes, not {expected_bytes}")
        stack.pop_all()
    return fd


def _chunk_pieces(file: ChunkedFile, number: int) -> Iterator[memoryview]:
    tree = MerkleTreeHash()
    buffer = memoryview(bytearray(READ_BYTES))
    left_bytes = file.meta.chunk_size_bytes(number)
    fd = _open_chunk(file, number)
    try:
        while left_bytes:
            with store_errors(file.chunk(number), "read"):
                size_bytes = os.readv(fd, [buffer[:left_bytes]])
            if not size_bytes:
                break
            left_bytes -= size_bytes
            tree.update(buffer[:size_bytes])
            yield buffer[:size_bytes]
    finally:
        os.close(fd)
    if left_bytes or tree.digest() != file.meta.checksums[number]:
        raise BadChunk(number, "checksum is bad")
