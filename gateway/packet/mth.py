"""MTH, NNCP's Merkle-tree hash: the name of a packet and the checksum of a chunk.

Leaves are keyed BLAKE3 of 128 KiB each, joined in pairs level by level; a node without a
partner moves up as it is. A lone leaf is its own partner.

Contract: any split of the input gives the same hash. Memory: one hash for each level of the tree.

Spec: NNCP 8 manual, MTH.
"""

from blake3 import blake3

LEAF_BYTES = 128 * 1024

_LEAF_KEY = blake3(b"NNCP MTH LEAF").digest()
_NODE_KEY = blake3(b"NNCP MTH NODE").digest()


def _join(left: bytes, right: bytes) -> bytes:
    return blake3(left + right, key=_NODE_KEY).digest()


class MerkleTreeHash:
    """Hashes a stream."""

    __slots__ = ("_leaf", "_leaf_count", "_leaf_fill_bytes", "_peaks")

    def __init__(self) -> None:
        self._leaf = blake3(key=_LEAF_KEY)
        self._leaf_fill_bytes = 0
        self._leaf_count = 0
        # Roots of complete subtrees, largest first: one for each 1 bit of the leaf count.
        self._peaks: list[bytes] = []

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the stream."""
        view = memoryview(data)
        if self._leaf_fill_bytes:
            view = self._fill_leaf(view)
        while len(view) >= LEAF_BYTES:
            self._add(blake3(view[:LEAF_BYTES], key=_LEAF_KEY).digest())
            view = view[LEAF_BYTES:]
        if view:
            self._fill_leaf(view)

    def digest(self) -> bytes:
        """The 32-byte hash of what has come so far; more may follow."""
        peaks = self._peaks
        if self._leaf_fill_bytes or not peaks:
            peaks = [*peaks, self._leaf.digest()]
        if self._leaf_count + (self._leaf_fill_bytes > 0) <= 1:
            return _join(peaks[0], peaks[0])
        root = peaks[-1]
        for left in reversed(peaks[:-1]):
            root = _join(left, root)
        return root

    def _fill_leaf(self, view: memoryview) -> memoryview:
        part = view[: LEAF_BYTES - self._leaf_fill_bytes]
        self._leaf.update(part)
        self._leaf_fill_bytes += len(part)
        if self._leaf_fill_bytes == LEAF_BYTES:
            self._add(self._leaf.digest())
            self._leaf.reset()
            self._leaf_fill_bytes = 0
        return view[len(part) :]

    def _add(self, leaf: bytes) -> None:
        self._leaf_count += 1
        root, count = leaf, self._leaf_count
        while count % 2 == 0:
            root = _join(self._peaks.pop(), root)
            count //= 2
        self._peaks.append(root)


def mth(data: bytes | bytearray | memoryview) -> bytes:
    """The 32-byte Merkle-tree hash of ``data``."""
    tree = MerkleTreeHash()
    tree.update(data)
    return tree.digest()
