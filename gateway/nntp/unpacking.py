r"""Packed batches of articles, unpacked under a limit.

    #! cunbatch\n     compress (.Z) or gzip
    #! gunbatch\n     gzip
    #! bunbatch\n     bzip2
    #! zstdunbatch\n  zstd

Contract: a stream that ends within what is packed is a fault, as is one that unfolds to more than the
limit; what is held is little, whatever the input. Nothing is written anywhere.

Spec: INN rnews(1).
"""

import bz2
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Protocol

import zstandard

from gateway.errors import BadBatch, CutShortBatch
from gateway.nntp.lzw import MAGIC as COMPRESS_MAGIC
from gateway.nntp.lzw import LzwExpander

GZIP_MAGIC = b"\x1f\x8b"
BZIP2_MAGIC = b"BZh"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PIECE_BYTES = 64 * 1024
"""What one call of a library gets, and gives at most, where it can be told."""
FED_BYTES = 256
"""What is fed at once to a decoder that can not be told; that is 11 MiB at most of zstd or compress."""
WINDOW_LIMIT_BYTES = 64 * 1024 * 1024
"""Memory that the sender of a zstd batch may make us use."""
_GZIP_WINDOW = 31
"""zlib's number for the gzip format with its largest window."""


class Packing(StrEnum):
    """How a batch is packed: the word behind ``#!``."""

    CUNBATCH = "cunbatch"
    GUNBATCH = "gunbatch"
    BUNBATCH = "bunbatch"
    ZSTDUNBATCH = "zstdunbatch"


class _Expander(Protocol):
    """One member of a packed stream after the other."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack the next bytes."""

    def finish(self) -> bytes:
        """Say that no more come; raises CutShortBatch if some are missing."""


def unpack(packing: Packing, source: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    """Unpack what follows the line.

    Args:
        packing: the word of the line.
        source: the bytes behind it, in pieces of any size.
        limit_bytes: more than that is a fault.

    Raises:
        CutShortBatch: the end is missing.
        BadBatch: damaged, or too large.
    """
    total_bytes = 0
    for piece in _unpacked(packing, source):
        total_bytes += len(piece)
        if total_bytes > limit_bytes:
            raise BadBatch(
                f"the batch unfolds to more than {limit_bytes} bytes, the most allowed", status="5.3.4"
            )
        yield piece


def _unpacked(packing: Packing, source: Iterable[bytes]) -> Iterator[bytes]:
    blocks = _in_blocks(source)
    head = next(blocks, b"")
    expander = _expander(packing, head)
    yield from expander.feed(head)
    for block in blocks:
        yield from expander.feed(block)
    yield expander.finish()


def _in_blocks(source: Iterable[bytes]) -> Iterator[bytes]:
    """Bytes in blocks of one size: of damaged input zstd says different things when it is cut differently."""
    held = bytearray()
    for piece in source:
        held += piece
        whole_bytes = len(held) - len(held) % PIECE_BYTES
        for at in range(0, whole_bytes, PIECE_BYTES):
            yield bytes(held[at : at + PIECE_BYTES])
        del held[:whole_bytes]
    if held:
        yield bytes(held)


def _expander(packing: Packing, head: bytes) -> _Expander:
    for magic, make in _FORMATS[packing].items():
        if head.startswith(magic):
            return make()
    raise BadBatch(f"the batch says {packing} and begins with {head[:4].hex() or 'nothing'}")


class _Members:
    """Members of gzip, bzip2 or zstd in a row, as their programs unpack them."""

    def __init__(self, name: str, member: Callable[[], "_Member"]) -> None:
        self._name = name
        self._new_member = member
        self._member: _Member | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or (self._member is not None and self._member.has_more):
            if self._member is None:
                self._member = self._new_member()
            try:
                piece, data = self._member.take(data)
            except (zlib.error, OSError, ValueError, EOFError, zstandard.ZstdError) as error:
                raise BadBatch(f"the batch is no sound {self._name}: {error}") from None
            if self._member.has_ended:
                self._member = None
            if piece:
                yield piece

    def finish(self) -> bytes:
        if self._member is not None:
            raise CutShortBatch(f"the batch ends within {self._name}")
        return b""


class _Member(Protocol):
    """One member."""

    has_ended: bool
    has_more: bool
    """There is more to come without any further input."""

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Unpack some of the data; returns what came of it, and the data that is left."""


class _Gzip:
    def __init__(self) -> None:
        self.has_ended = self.has_more = False
        self._stream = zlib.decompressobj(_GZIP_WINDOW)

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._stream.decompress(data, PIECE_BYTES)
        self.has_ended = self._stream.eof
        # A full piece may leave some more of a match in zlib, all input taken.
        self.has_more = not self.has_ended and len(piece) == PIECE_BYTES
        return piece, self._stream.unused_data if self.has_ended else self._stream.unconsumed_tail


class _Bzip2:
    def __init__(self) -> None:
        self.has_ended = self.has_more = False
        self._stream = bz2.BZ2Decompressor()

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._stream.decompress(data, PIECE_BYTES)
        self.has_ended = self._stream.eof
        self.has_more = not self.has_ended and not self._stream.needs_input
        return piece, self._stream.unused_data


class _Zstd:
    def __init__(self) -> None:
        self.has_ended = self.has_more = False
        self._stream = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT_BYTES).decompressobj()

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._stream.decompress(data[:FED_BYTES])
        self.has_ended = self._stream.eof
        return piece, self._stream.unused_data + data[FED_BYTES:]


class _Compress:
    def __init__(self) -> None:
        self._stream = LzwExpander()

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), FED_BYTES):
            if piece := self._stream.feed(data[at : at + FED_BYTES]):
                yield piece

    def finish(self) -> bytes:
        return self._stream.finish()


def _gzip() -> _Expander:
    return _Members("gzip", _Gzip)


def _bzip2() -> _Expander:
    return _Members("bzip2", _Bzip2)


def _zstd() -> _Expander:
    return _Members("zstd", _Zstd)


_FORMATS: dict[Packing, dict[bytes, Callable[[], _Expander]]] = {
    Packing.CUNBATCH: {COMPRESS_MAGIC: _Compress, GZIP_MAGIC: _gzip},
    Packing.GUNBATCH: {GZIP_MAGIC: _gzip},
    Packing.BUNBATCH: {BZIP2_MAGIC: _bzip2},
    Packing.ZSTDUNBATCH: {ZSTD_MAGIC: _zstd},
}
