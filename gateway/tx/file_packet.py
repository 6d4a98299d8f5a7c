"""Make file packets: a file for the incoming directory of another node, whole or in chunks.

Contract: the source is read once, in pieces, and memory does not grow with it. What is known to be too
large, or to find no space in the spool, is refused before anything is written. Chunks are packets of
their own, and the meta file that describes them another one. None is queued before all are sealed, and the
meta file is queued last: a send that fails half-way leaves no chunks that the receiver could never join,
nor confuse with those of the next try.
"""

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import GatewayError, PacketError, StoreFull, TooLarge
from gateway.ids import NICE_BULK
from gateway.packet.chunked import (
    CHUNK_COUNT_LIMIT,
    CHUNK_MARK,
    META_SUFFIX,
    ChunkMeta,
    chunk_count,
    encode_chunk_meta,
)
from gateway.packet.padding import UNLIMITED_BYTES, pad_bytes, sealed_size_bytes
from gateway.packet.plain import PATH_LIMIT_BYTES, PLAIN_HEADER_BYTES, PacketType, PlainHeader
from gateway.spool.sizes import ibytes
from gateway.tx.chunks import ChunkCutter
from gateway.tx.file_source import FileSource
from gateway.tx.posting import Group, Post
from gateway.tx.sealing import Outside, SealedPacket


@dataclass(frozen=True, slots=True)
class FileRequest:
    """How to send a file.

    Args:
        destination: path below the receiver's incoming, as ``clean_path`` gives it.
        nice: niceness of the packets.
        minsize_bytes: pad each packet up to this size.
        maxsize_bytes: refuse larger packets.
        chunk_bytes: size of a chunk; 0: the file whole.
    """

    destination: bytes
    nice: int = NICE_BULK
    minsize_bytes: int = 0
    maxsize_bytes: int = UNLIMITED_BYTES
    chunk_bytes: int = 0

    @property
    def outside(self) -> Outside:
        """What everybody sees of a packet."""
        return Outside(self.nice, self.minsize_bytes, self.maxsize_bytes)


@dataclass(frozen=True, slots=True)
class SentFile:
    """One packet that was queued.

    Args:
        destination: path below the receiver's incoming.
        size_bytes: what the log calls its size.
        sealed: the packet.
    """

    destination: bytes
    size_bytes: int
    sealed: SealedPacket


class Recorder(Protocol):
    """Is told of each packet."""

    def sent(self, sent: SentFile) -> None:
        """A packet was queued."""

    def failed(self, destination: bytes, error: GatewayError) -> None:
        """A packet could not be queued; the error comes to the caller too."""


def clean_path(path: bytes, what: str) -> bytes:
    """Shorten a relative path as it is written, without looking at any disk: ``a/../b/./c`` is ``b/c``.

    Args:
        path: the path; an empty one becomes ``.``.
        what: what messages call it, such as ``destination``.

    Raises:
        PacketError: it is absolute, or holds a NUL.
    """
    if path.startswith(b"/"):
        raise PacketError(f"Relative {what} path required")
    if b"\0" in path:
        raise PacketError(f"{what} path: a NUL byte can't be in a name")
    return posixpath.normpath(path)


def send_file(
    post: Post, request: FileRequest, source: FileSource, *, free_bytes: int, recorder: Recorder
) -> None:
    """Queue a file, in chunks where the request asks for them.

    Args:
        post: sends one packet.
        request: where to and how.
        source: what to send.
        free_bytes: space that the spool has.
        recorder: is told of each packet, after it is queued or failed.

    Raises:
        TooLarge: a packet would pass its maximal size, a name 255 bytes, or there are too many chunks.
        StoreFull: the spool has no space for a file of that size.
        StoreError: the source can't be read, or the disk refused.
    """
    sender = _Sender(post, request, recorder)
    size_bytes, chunk_bytes = source.size_bytes, request.chunk_bytes
    if not chunk_bytes or (size_bytes is not None and 0 < size_bytes <= chunk_bytes):
        sender.check(request.destination, size_bytes, size_bytes, free_bytes)
        sender.send(request.destination, source.pieces)
        return
    last_count = CHUNK_COUNT_LIMIT if size_bytes is None else chunk_count(size_bytes, chunk_bytes)
    first_bytes = None if size_bytes is None else min(size_bytes, chunk_bytes)
    sender.check(_chunk_name(request, 0), size_bytes, first_bytes, free_bytes)
    sender.check_chunk_names(last_count)
    sender.send_chunks(source.pieces)


class _Sender:
    """Sends the packets of one file."""

    def __init__(self, post: Post, request: FileRequest, recorder: Recorder) -> None:
        self._post = post
        self._request = request
        self._recorder = recorder

    def check(
        self, name: bytes, size_bytes: int | None, packet_size_bytes: int | None, free_bytes: int
    ) -> None:
        """Refuse what can't be sent, before anything is written.

        Args:
            name: destination of the first packet.
            size_bytes: of the file, if known.
            packet_size_bytes: payload of the first packet, if known.
            free_bytes: space of the spool.
        """
        error: GatewayError | None = None
        if size_bytes is not None and size_bytes >= free_bytes:
            free = ibytes(free_bytes)
            error = StoreFull(f"is not enough space: {ibytes(size_bytes)} to send, {free} free in the spool")
        elif packet_size_bytes is not None:
            error = _size_error(self._request, packet_size_bytes)
        if error is not None:
            self._recorder.failed(name, error)
            raise error

    def check_chunk_names(self, count: int) -> None:
        """Refuse what would fail only after some chunks are queued."""
        last = _chunk_name(self._request, count - 1)
        error: GatewayError | None = None
        if count > CHUNK_COUNT_LIMIT:
            error = TooLarge(f"{count} chunks, at most {CHUNK_COUNT_LIMIT} are allowed: take larger ones")
        elif len(last) > PATH_LIMIT_BYTES:
            error = TooLarge(
                f"path of the last chunk: {len(last)} bytes, at most {PATH_LIMIT_BYTES} are allowed"
            )
        if error is not None:
            self._recorder.failed(last, error)
            raise error

    def send(self, destination: bytes, pieces: Iterable[bytes | memoryview]) -> None:
        """Send one packet."""
        with self._failures_told(destination):
            sealed = self._post(self._request.outside, self._plain(destination), pieces)
        self._recorder.sent(SentFile(destination, sealed.plain_total_bytes, sealed))

    def send_chunks(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Seal the chunks and the meta file, then queue them."""
        request = self._request
        checksums: list[bytes] = []
        total_bytes = 0
        with self._post.group() as group:
            for number, chunk in enumerate(ChunkCutter(pieces, request.chunk_bytes).chunks()):
                self.check_chunk_names(number + 1)
                self._add(group, _chunk_name(request, number), chunk)
                checksums.append(chunk.checksum)
                total_bytes += chunk.size_bytes
            meta = encode_chunk_meta(ChunkMeta(total_bytes, request.chunk_bytes, tuple(checksums)))
            meta_name = request.destination + META_SUFFIX.encode("ascii")
            self._add(group, meta_name, [meta])
            for number in range(len(checksums)):
                self._queue(group, _chunk_name(request, number))
            # The log of the Go tools does not count the plain header here.
            self._queue(group, meta_name, len(meta))

    def _add(self, group: Group, name: bytes, pieces: Iterable[bytes | memoryview]) -> None:
        with self._failures_told(name):
            group.add(self._request.outside, self._plain(name), pieces)

    def _queue(self, group: Group, name: bytes, logged_bytes: int | None = None) -> None:
        with self._failures_told(name):
            sealed = group.queue_next()
        size_bytes = sealed.plain_total_bytes if logged_bytes is None else logged_bytes
        self._recorder.sent(SentFile(name, size_bytes, sealed))

    def _plain(self, destination: bytes) -> PlainHeader:
        return PlainHeader(PacketType.FILE, self._request.nice, destination)

    @contextmanager
    def _failures_told(self, name: bytes) -> Iterator[None]:
        try:
            yield
        except GatewayError as error:
            self._recorder.failed(name, error)
            raise


def _chunk_name(request: FileRequest, number: int) -> bytes:
    return request.destination + f"{CHUNK_MARK}{number}".encode("ascii")


def _size_error(request: FileRequest, size_bytes: int) -> TooLarge | None:
    plain_total_bytes = PLAIN_HEADER_BYTES + size_bytes
    packet_bytes = sealed_size_bytes(plain_total_bytes) + pad_bytes(plain_total_bytes, request.minsize_bytes)
    if packet_bytes <= request.maxsize_bytes:
        return None
    return TooLarge(
        f"Too big than allowed: a packet of {ibytes(packet_bytes)}, at most {ibytes(request.maxsize_bytes)}"
    )
