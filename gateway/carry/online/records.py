"""What an online session writes to NNCP's log: the same events and fields as the Go tools.

Spec: NNCP 8 manual, Log format; Sync protocol.
"""

from collections.abc import Mapping
from enum import Enum, auto

from gateway.ids import NodeId, PacketId, format_nice
from gateway.link.events import Offered
from gateway.nodes import Node
from gateway.spool.log import Log
from gateway.spool.sizes import ibytes

Field = tuple[str, str | int | bool]


class Verdict(Enum):
    """What we do about a packet that a neighbour offers."""

    REQUEST = auto()
    LIST = auto()
    """Nothing: we only want to know of it, or want others only."""
    HAVE = auto()
    SEEN = auto()
    UNCHECKED = auto()
    """It is here, and will be checked."""
    NO_SPACE = auto()
    FAULT = auto()
    """Our disk refuses."""


_EVENTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.HAVE: ("sp-info-done", "already here"),
    Verdict.SEEN: ("sp-info-seen", "already tossed"),
    Verdict.UNCHECKED: ("sp-info-nock", "here, but not checked yet"),
    Verdict.NO_SPACE: ("sp-info-no-space", "not enough space"),
}
"""The event, and what is said of it, for all but the ordinary."""


class Records:
    """The records of one session.

    Args:
        log: where they go.
        node: the neighbour.
        nice: that of the session.
    """

    def __init__(self, log: Log, node: Node, nice: int) -> None:
        self._log = log
        self._node = node
        self._nice = nice

    def infos(self, xx: str, count: int, size_bytes: int) -> None:
        """What waits on one side, as a sum."""
        name = self._node.name
        who = f"We have got for {name}" if xx == "tx" else f"{name} has got for us"
        fields: list[Field] = [
            ("XX", xx),
            ("Node", self._node.id.text),
            ("Pkts", count),
            ("Size", size_bytes),
        ]
        self._log.info(f"sp-infos-{xx}", fields, f"{who}: {count} packets, {ibytes(size_bytes)}")

    def offered(self, offer: Offered, verdict: Verdict, offset_bytes: int) -> None:
        """A packet that the neighbour has."""
        progress = f"{_percent(offset_bytes, offer.size_bytes)}%"
        event, text = _EVENTS.get(verdict, ("sp-info", progress))
        fields: list[Field] = [*self._fields("info", offer.packet), ("Size", offer.size_bytes)]
        fields.append(("PktNice", offer.nice))
        if event == "sp-info":
            fields.append(("Offset", offset_bytes))
        what = f"Packet {offer.packet} ({ibytes(offer.size_bytes)}) (nice {format_nice(offer.nice)})"
        self._log.info(event, fields, f"{what}: {text}")

    def received(self, packet: PacketId, size_bytes: int) -> None:
        """A packet is here, whole and verified."""
        self._file("sp-file-done", packet, size_bytes, "done")

    def downloaded(self, packet: PacketId, size_bytes: int) -> None:
        """A packet is here, whole, to be verified."""
        self._file("sp-file-downloaded", packet, size_bytes, "downloaded")

    def verified(self, packet: PacketId, size_bytes: int) -> None:
        """A packet that was downloaded proved to be whole."""
        fields: list[Field] = [
            ("XX", "rx"), ("Node", self._node.id.text), ("Pkt", packet.text), ("Size", size_bytes),
        ]  # fmt: skip
        self._log.info("sp-checker-done", fields, f"Packet {packet} is retrieved ({ibytes(size_bytes)})")

    def confirmed(self, packet: PacketId) -> None:
        """The neighbour has a packet of ours."""
        self._log.info("sp-done", [*self._fields("done", packet), ("XX", "tx")], f"Packet {packet} is sent")

    def failed(self, event: str, packet: PacketId, error: BaseException | str) -> None:
        """Something went wrong with one packet, which does not end the session."""
        fields: list[Field] = [*self._fields("file", packet)]
        self._log.error(event, fields, error, f"Packet {packet} of {self._node.name}")

    def fault(self, event: str, error: BaseException | str, message: str) -> None:
        """Something went wrong with the session."""
        fields: list[Field] = [("Node", self._node.id.text), ("Nice", self._nice)]
        self._log.error(event, fields, error, f"{message} {self._node.name}")

    def remark(self, event: str, text: str) -> None:
        """Something odd that harms nobody."""
        fields: list[Field] = [("Node", self._node.id.text), ("Nice", self._nice)]
        self._log.info(event, fields, f"{self._node.name}: {text}")

    def _file(self, event: str, packet: PacketId, size_bytes: int, text: str) -> None:
        fields: list[Field] = [
            ("Node", self._node.id.text), ("Nice", self._nice), ("Type", "file"), ("XX", "rx"),
            ("Pkt", packet.text), ("Size", size_bytes), ("FullSize", size_bytes),
        ]  # fmt: skip
        size = ibytes(size_bytes)
        self._log.info(event, fields, f"Got packet {packet} 100% ({size} / {size}): {text}")

    def _fields(self, kind: str, packet: PacketId) -> list[Field]:
        return [("Node", self._node.id.text), ("Nice", self._nice), ("Type", kind), ("Pkt", packet.text)]


def record_lock(journal: Log, node: NodeId, error: BaseException, path: str) -> None:
    """Somebody else is busy with a neighbour."""
    fields: list[Field] = [("Node", node.text), ("Path", path)]
    journal.error("lockdir-flock", fields, error, f"Locking directory: locking {path}")


def _percent(part_bytes: int, whole_bytes: int) -> int:
    return 100 * part_bytes // whole_bytes if whole_bytes else 0
