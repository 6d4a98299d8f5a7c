"""Where everything lies in a spool directory: names only, nothing is opened here.

A packet's file name is its id, 52 characters of base32; every other name in ``rx/`` and ``tx/``
is not a packet. ``SPOOL/ID`` is the directory of one neighbour.

Spec: NNCP manual, Spool directory.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import BadIdentifier, StoreError
from gateway.ids import ID_CHARS, AreaMessageId, NodeId, PacketId

PART_SUFFIX = ".part"
"""An incomplete packet of the online protocol."""

NOCK_SUFFIX = ".nock"
"""A complete packet whose checksum nobody has verified yet."""

ACK_DIRECTORY = "ack"
AREA_DIRECTORY = "area"
HEADER_DIRECTORY = "hdr"
SEEN_DIRECTORY = "seen"
TEMPORARY_DIRECTORY = "tmp"
TEMPORARY_PREFIX = "nncp"

_RESERVED_NAMES = frozenset({HEADER_DIRECTORY, SEEN_DIRECTORY, ACK_DIRECTORY})
_TX_TEMPORARY = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


class Box(StrEnum):
    """Received or outbound packets of a neighbour."""

    RX = "rx"
    TX = "tx"


class LockKind(StrEnum):
    """What a lock of a neighbour's directory protects."""

    TOSS = "toss"
    RX = "rx"
    TX = "tx"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one spool.

    Args:
        root: the spool directory, absolute.
    """

    root: Path

    @property
    def temporaries(self) -> Path:
        """Directory of files that are being written."""
        return self.root / TEMPORARY_DIRECTORY

    def node(self, node: NodeId) -> Path:
        """Directory of one neighbour."""
        return self.root / node.text

    def box(self, node: NodeId, box: Box) -> Path:
        """Directory of a neighbour's received or outbound packets."""
        return self.root / node.text / box.value

    def packet(self, node: NodeId, box: Box, packet: PacketId) -> Path:
        """A packet."""
        return self.box(node, box) / packet.text

    def seen(self, node: NodeId, packet: PacketId) -> Path:
        """The marker of a packet that was tossed already."""
        return self.box(node, Box.RX) / SEEN_DIRECTORY / packet.text

    def ack(self, node: NodeId, packet: PacketId) -> Path:
        """The marker that names an outbound packet as an acknowledgement of ours."""
        return self.box(node, Box.TX) / ACK_DIRECTORY / packet.text

    def area(self, node: NodeId, area: NodeId, message: AreaMessageId) -> Path:
        """The marker of a message that a neighbour has, or that we have processed (our own node)."""
        return self.node(node) / AREA_DIRECTORY / area.text / message.text

    def lock(self, node: NodeId, kind: LockKind) -> Path:
        """The file that is locked; it stays forever."""
        return self.node(node) / f"{kind.value}.lock"

    def tx_temporary(self, node: NodeId, name: str) -> Path:
        """A packet being sealed, in the directory it will be committed in.

        Args:
            node: the neighbour it will go to.
            name: letters, digits, dots, dashes, underlines; not the form of a packet's name,
                so that every NNCP tool ignores the file.

        Raises:
            StoreError: the name could be taken for a packet or for something else of NNCP's.
        """
        is_plain = _TX_TEMPORARY.fullmatch(name) is not None and name not in {".", ".."}
        if (
            not is_plain
            or len(name) == ID_CHARS
            or name in _RESERVED_NAMES
            or name.endswith((PART_SUFFIX, NOCK_SUFFIX))
        ):
            raise StoreError(f"{name!r} cannot name a temporary in {self.box(node, Box.TX)}")
        return self.box(node, Box.TX) / name


def header_path(packet: Path) -> Path:
    """Where the copy of a packet's header lies."""
    return packet.parent / HEADER_DIRECTORY / packet.name


def parse_packet_name(name: str) -> PacketId | None:
    """The packet that a file name denotes, or None: not a packet."""
    if len(name) != ID_CHARS:
        return None
    try:
        return PacketId.parse(name)
    except BadIdentifier:
        return None


def parse_suffixed_name(name: str, suffix: str) -> PacketId | None:
    """The packet that a name with ``.part`` or ``.nock`` denotes, or None."""
    return parse_packet_name(name.removesuffix(suffix)) if name.endswith(suffix) else None
