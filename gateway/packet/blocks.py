"""Cutting a stream into blocks of one size, whatever pieces it arrives in.

Contract: blocks come out in order and do not depend on how the input was split. Only bytes that
straddle two calls are copied; a block that lies whole in one piece is handed on as a view of it.
"""


class BlockGatherer:
    """Gathers bytes until a block is complete.

    Args:
        block_bytes: size of a block.
    """

    __slots__ = ("_block_bytes", "_fill_bytes", "_store")

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        # Grows to a block once and is then written over: a small packet never pays for a whole one.
        self._store = bytearray()
        self._fill_bytes = 0

    def count_with(self, size_bytes: int) -> int:
        """How many blocks will be complete when ``size_bytes`` more have come."""
        return (self._fill_bytes + size_bytes) // self._block_bytes

    def next_block(self, data: memoryview) -> tuple[memoryview | None, memoryview]:
        """Take one block.

        Args:
            data: what came next in the stream.

        Returns:
            A block and what is left of ``data``; or None when ``data`` was used up without
            completing one. The block is valid until the next call, and while ``data`` is.
        """
        if not self._fill_bytes and len(data) >= self._block_bytes:
            return data[: self._block_bytes], data[self._block_bytes :]
        taken_bytes = min(self._block_bytes - self._fill_bytes, len(data))
        self._keep(data[:taken_bytes])
        if self._fill_bytes < self._block_bytes:
            return None, data[taken_bytes:]
        self._fill_bytes = 0
        return memoryview(self._store), data[taken_bytes:]

    def rest(self) -> memoryview:
        """The bytes of the block that is not complete; valid until the next call."""
        return memoryview(self._store)[: self._fill_bytes]

    def _keep(self, part: memoryview) -> None:
        end_bytes = self._fill_bytes + len(part)
        if end_bytes <= len(self._store):
            memoryview(self._store)[self._fill_bytes : end_bytes] = part
        else:
            self._store += part
        self._fill_bytes = end_bytes
