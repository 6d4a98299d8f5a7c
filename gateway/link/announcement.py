"""What a node says of itself by multicast: the one datagram of NNCP's discovery.

Contract: the id in it is claimed, not proven; only the handshake of a call proves who answers. The
node listens for calls at the address and the port that the datagram came from.

Spec: NNCP 8 manual, MultiCast Discovery.
"""

from gateway.errors import BadMagic, Truncated
from gateway.ids import ID_BYTES, NodeId

MAGIC = b"NNCPD\0\0\x01"
ANNOUNCEMENT_BYTES = len(MAGIC) + ID_BYTES

GROUP = "ff02::4e4e:4350"
"""All nodes on one link; the last half spells NNCP."""

GROUP_PORT = 5400


def encode_announcement(node: NodeId) -> bytes:
    """Write the datagram of a node, ANNOUNCEMENT_BYTES long.

    Spec: NNCP 8 manual, MultiCast Discovery.
    """
    return MAGIC + node.raw


def decode_announcement(raw: bytes) -> NodeId:
    """Read who says that it is here.

    Args:
        raw: one datagram.

    Raises:
        Truncated: not ANNOUNCEMENT_BYTES long.
        BadMagic: something else, or another version.

    Spec: NNCP 8 manual, MultiCast Discovery.
    """
    if len(raw) != ANNOUNCEMENT_BYTES:
        raise Truncated(f"a datagram of {len(raw)} bytes, an announcement has {ANNOUNCEMENT_BYTES}")
    if not raw.startswith(MAGIC):
        raise BadMagic(f"unknown magic number {raw[: len(MAGIC)].hex()}")
    return NodeId(raw[len(MAGIC) :])
