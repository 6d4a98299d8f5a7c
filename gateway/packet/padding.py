"""How large a packet becomes, and how much padding brings it to a wished size.

Contract: the same figures as Go NNCP, so that a packet of ours can't be told from one of its
own by size.

Spec: NNCP 8 manual, Encrypted packet (padding), and the ``-minsize`` option of its commands.
"""

from gateway.packet.plain import PLAIN_HEADER_BYTES
from gateway.packet.sealed import BLOCK_BYTES, ENCRYPTED_HEADER_BYTES, SIZE_BYTES, TAG_BYTES

UNLIMITED_BYTES = 1 << 62
"""NNCP's default for a maximal size: no limit in practice."""


def sealed_size_bytes(plain_total_bytes: int, wrappers: int = 1) -> int:
    """Size of a packet without padding.

    Args:
        plain_total_bytes: plain header and payload.
        wrappers: how many layers are sealed around it: 1, and 1 for each node it goes via.

    Spec: NNCP 8 manual, Encrypted packet.
    """
    size_bytes = plain_total_bytes - PLAIN_HEADER_BYTES
    for _ in range(wrappers):
        clear_bytes = PLAIN_HEADER_BYTES + size_bytes + SIZE_BYTES
        block_count = -(-clear_bytes // BLOCK_BYTES)
        size_bytes = ENCRYPTED_HEADER_BYTES + clear_bytes + TAG_BYTES * block_count
    return size_bytes


def pad_bytes(plain_total_bytes: int, minsize_bytes: int, wrappers: int = 1) -> int:
    """Padding for the innermost layer, so that the outermost one reaches a size.

    A packet of one layer gets exactly ``minsize_bytes``. Through relays it may become a few tags
    larger, where the padding itself starts another block of an outer layer.

    Args:
        plain_total_bytes: plain header and payload.
        minsize_bytes: the size wished for, 0 for none.
        wrappers: how many layers are sealed around it.

    Spec: NNCP 8 manual, Encrypted packet (padding).
    """
    return max(0, minsize_bytes - sealed_size_bytes(plain_total_bytes, wrappers))
