"""A file that came in chunks."""

from pathlib import Path

from gateway.packet.chunked import ChunkMeta, encode_chunk_meta
from gateway.packet.mth import mth


def lay_chunks(directory: Path, name: str, content: bytes, chunk_bytes: int) -> Path:
    """Write a file's chunks and their meta file; returns the meta file."""
    chunks = [content[at : at + chunk_bytes] for at in range(0, len(content), chunk_bytes)] or [b""]
    for number, chunk in enumerate(chunks):
        (directory / f"{name}.nncp.chunk{number}").write_bytes(chunk)
    meta = directory / f"{name}.nncp.meta"
    checksums = tuple(mth(chunk) for chunk in chunks)
    meta.write_bytes(encode_chunk_meta(ChunkMeta(len(content), chunk_bytes, checksums)))
    return meta
