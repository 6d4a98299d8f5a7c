"""The description of a file that travels in chunks: ``FILE.nncp.meta``.

A file is cut into ``FILE.nncp.chunk0``, ``FILE.nncp.chunk1`` and so on, all of one size but the
last; the meta file names the sizes and the hash of each chunk, and travels last.

Contract: ``decode_chunk_meta(encode_chunk_meta(meta)) == meta``; what is decoded holds together:
as many checksums as the sizes ask for. An empty file is one empty chunk.

Spec: NNCP 8 manual, Chunked files; RFC 4506 sections 4.9, 4.5 and 4.13.
"""

import struct
from dataclasses import dataclass

from gateway.errors import BadMagic, PacketError, TooLarge, Truncated
from gateway.ids import ID_BYTES
from gateway.packet.magic import describe_magic

META_MAGIC = b"NNCPM\0\0\x02"
META_SUFFIX = ".nncp.meta"
CHUNK_MARK = ".nncp.chunk"
META_HEADER_BYTES = 28
META_LIMIT_BYTES = 64 * 1024 * 1024
"""Of a meta file that is read into memory: two million chunks."""

_LAYOUT = struct.Struct(">8sQQI")
CHUNK_COUNT_LIMIT = (META_LIMIT_BYTES - META_HEADER_BYTES) // ID_BYTES


@dataclass(frozen=True, slots=True)
class ChunkMeta:
    """What a chunked file is made of.

    Args:
        size_bytes: of the whole file.
        chunk_bytes: of each chunk but the last; above 0.
        checksums: the MTH of each chunk, 32 bytes each.
    """

    size_bytes: int
    chunk_bytes: int
    checksums: tuple[bytes, ...]

    def chunk_size_bytes(self, number: int) -> int:
        """Size of a chunk.

        Args:
            number: from 0 up to the number of checksums.
        """
        return min(self.chunk_bytes, self.size_bytes - number * self.chunk_bytes)


def chunk_count(size_bytes: int, chunk_bytes: int) -> int:
    """How many chunks a file of a size has: at least one, and none is empty but that of an empty file."""
    return max(1, -(-size_bytes // chunk_bytes))


def encode_chunk_meta(meta: ChunkMeta) -> bytes:
    """Write a meta file.

    Raises:
        TooLarge: more chunks than a meta file may list.

    Spec: NNCP 8 manual, Chunked files.
    """
    if len(meta.checksums) > CHUNK_COUNT_LIMIT:
        raise TooLarge(
            f"{len(meta.checksums)} chunks, at most {CHUNK_COUNT_LIMIT} are allowed: take larger ones"
        )
    header = _LAYOUT.pack(META_MAGIC, meta.size_bytes, meta.chunk_bytes, len(meta.checksums))
    return header + b"".join(meta.checksums)


def decode_chunk_meta(raw: bytes) -> ChunkMeta:
    """Read a meta file.

    Raises:
        BadMagic: not a meta file, or a version that is not read.
        Truncated: it ends too early.
        PacketError: its figures contradict one another, or something follows.

    Spec: NNCP 8 manual, Chunked files.
    """
    if len(raw) < len(META_MAGIC):
        raise Truncated(f"meta file: {len(raw)} bytes, not even a magic number")
    if not raw.startswith(META_MAGIC):
        raise BadMagic(f"not a meta file: {describe_magic(raw[: len(META_MAGIC)])}")
    if len(raw) < META_HEADER_BYTES:
        raise Truncated(f"meta file: {len(raw)} bytes, its header has {META_HEADER_BYTES}")
    _magic, size_bytes, chunk_bytes, count = _LAYOUT.unpack_from(raw)
    if not chunk_bytes:
        raise PacketError("meta file: chunks of 0 bytes")
    if count != chunk_count(size_bytes, chunk_bytes):
        raise PacketError(
            f"meta file: {count} chunks, but {size_bytes} bytes in chunks of {chunk_bytes} "
            f"are {chunk_count(size_bytes, chunk_bytes)}"
        )
    expected_bytes = META_HEADER_BYTES + count * ID_BYTES
    if len(raw) < expected_bytes:
        raise Truncated(f"meta file: {len(raw)} bytes, with {count} checksums it has {expected_bytes}")
    if len(raw) > expected_bytes:
        raise PacketError(f"meta file: {len(raw)} bytes, with {count} checksums it has {expected_bytes}")
    checksums = (raw[at : at + ID_BYTES] for at in range(META_HEADER_BYTES, expected_bytes, ID_BYTES))
    return ChunkMeta(size_bytes, chunk_bytes, tuple(checksums))
