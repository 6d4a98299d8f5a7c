import tracemalloc

import pytest
from blake3 import blake3

from gateway.packet.mth import LEAF_BYTES, MerkleTreeHash, mth

LEAF_KEY = blake3(b"NNCP MTH LEAF").digest()
NODE_KEY = blake3(b"NNCP MTH NODE").digest()


def by_levels(data: bytes) -> bytes:
    """The tree as it is defined, level by level."""
    level = [
        blake3(data[at : at + LEAF_BYTES], key=LEAF_KEY).digest()
        for at in range(0, max(1, len(data)), LEAF_BYTES)
    ]
    if len(level) == 1:
        level *= 2
    while len(level) > 1:
        pairs = [b"".join(level[at : at + 2]) for at in range(0, len(level), 2)]
        level = [blake3(pair, key=NODE_KEY).digest() if len(pair) == 64 else pair for pair in pairs]
    return level[0]


@pytest.mark.parametrize("leaf_count", range(20))
@pytest.mark.parametrize("extra_bytes", [0, 1])
def test_every_shape_of_the_tree(leaf_count: int, extra_bytes: int) -> None:
    data = bytes(leaf_count * LEAF_BYTES + extra_bytes)
    assert mth(data) == by_levels(data)


def test_digest_does_not_end_the_stream() -> None:
    tree = MerkleTreeHash()
    for piece in (b"a" * 100_000, b"b" * 100_000, b"c" * 100_000):
        tree.update(piece)
        assert tree.digest() == tree.digest()
    assert tree.digest() == mth(b"a" * 100_000 + b"b" * 100_000 + b"c" * 100_000)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_taken(kind: type[bytes]) -> None:
    assert mth(kind(b"abc")) == mth(b"abc")


def test_memory_does_not_grow_with_the_stream() -> None:
    piece = bytes(LEAF_BYTES + 1000)
    tree = MerkleTreeHash()
    tracemalloc.start()
    for _ in range(500):
        tree.update(piece)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20_000
