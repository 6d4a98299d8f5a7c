"""Cutting a stream into chunks of one size, without holding any of them.

Contract: the chunks together are the stream; none is empty, except that an empty stream is one
empty chunk. A chunk must be read to its end before the next is asked for.
"""

from collections.abc import Iterable, Iterator

from gateway.packet.mth import MerkleTreeHash

Piece = bytes | memoryview


class Chunk:
    """One chunk: an iterator over its pieces, each valid until the next is asked for.

    Attributes:
        size_bytes: how much was read.
    """

    def __init__(self, cutter: "ChunkCutter", limit_bytes: int) -> None:
        self.size_bytes = 0
        self._cutter = cutter
        self._limit_bytes = limit_bytes
        self._tree = MerkleTreeHash()

    def __iter__(self) -> Iterator[Piece]:
        while self.size_bytes < self._limit_bytes:
            piece = self._cutter.take(self._limit_bytes - self.size_bytes)
            if not piece:
                return
            self.size_bytes += len(piece)
            self._tree.update(piece)
            yield piece

    @property
    def checksum(self) -> bytes:
        """The MTH of what was read."""
        return self._tree.digest()


class ChunkCutter:
    """Cuts a stream.

    Args:
        source: the stream, in pieces that are valid until the next is asked for.
        chunk_bytes: of each chunk but the last; above 0.
    """

    def __init__(self, source: Iterable[Piece], chunk_bytes: int) -> None:
        self._source = iter(source)
        self._chunk_bytes = chunk_bytes
        self._rest = memoryview(b"")

    def chunks(self) -> Iterator[Chunk]:
        """The chunks in order, each to be read before the next."""
        yield Chunk(self, self._chunk_bytes)
        while self._fill():
            yield Chunk(self, self._chunk_bytes)

    def take(self, limit_bytes: int) -> memoryview:
        """The next piece of the stream, of at most ``limit_bytes``; empty at the end."""
        self._fill()
        piece, self._rest = self._rest[:limit_bytes], self._rest[limit_bytes:]
        return piece

    def _fill(self) -> bool:
        while not self._rest:
            piece = next(self._source, None)
            if piece is None:
                return False
            self._rest = memoryview(piece)
        return True
