"""Bundle, reading: what is done with the packets that are found.

    receive   a packet for us goes into the spool on its way: SENDER/rx/PACKET
    confirm   a packet that we sent can be read again, and is removed: RECIPIENT/tx/PACKET

Contract: a packet stands in ``rx/`` whole and synced or not at all; it is removed from ``tx/`` only
when its copy was read whole.

Spec: NNCP manual, Bundles.
"""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.carry.bundle_reception import Incoming, Purpose
from gateway.carry.bundle_sender import Fields
from gateway.durable import NewFile
from gateway.errors import StoreFull
from gateway.ids import NICE_MAX, NodeId
from gateway.nodes import Book
from gateway.packet.bundle import PacketStart
from gateway.packet.sealed import EncryptedHeader
from gateway.spool.layout import Box
from gateway.spool.log import Log
from gateway.spool.sizes import ibytes
from gateway.spool.store import Spool


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """What to take from a bundle.

    Args:
        nice: packets whose niceness is above this are left alone.
        only: the senders to receive from, or the recipients to confirm for; None: all.
        is_dry_run: verify and tell, but change nothing.
    """

    nice: int = NICE_MAX
    only: Collection[NodeId] | None = None
    is_dry_run: bool = False


class Receive:
    """Puts packets for us into the spool.

    Args:
        book: who we are and whom we know.
        spool: where packets lie.
        log: gets a record for each packet.
        settings: what to take.
    """

    label = "receiving"

    def __init__(self, book: Book, spool: Spool, log: Log, settings: ReadSettings) -> None:
        self._book = book
        self._spool = spool
        self._log = log
        self._settings = settings
        self.senders: set[NodeId] = set()
        """Whose packets were received, over all runs."""

    def choose(self, start: PacketStart, header: EncryptedHeader) -> bool:
        """Whether a packet is for us, wanted and not here yet."""
        only, sender = self._settings.only, header.sender
        if header.nice > self._settings.nice:
            return _skip(self._log, "bundle-rx-too-nice", start, "too nice")
        if header.recipient != self._book.self_node.id:
            return _skip(self._log, "nncp-bundle", start, "unknown recipient")
        if only is not None and sender not in only:
            return _skip(self._log, "bundle-rx-skip", start, "sender is not requested")
        if self._book.find_id(sender) is None:
            fields: Fields = [("XX", "rx"), ("Pkt", start.name)]
            self._log.info("bundle-rx-unknown", fields, f"Bundle transfer rx/{start.name}: unknown sender")
            return False
        return self._is_new(sender, start)

    def _is_new(self, sender: NodeId, start: PacketStart) -> bool:
        if self._spool.has_packet(sender, Box.RX, start.packet):
            who, reason = "bundle-rx-exists", "packet already exists"
        elif self._spool.is_seen(sender, start.packet):
            who, reason = "bundle-rx-seen", "packet already seen"
        else:
            return True
        message = f"Bundle transfer {sender}/rx/{start.packet}: {reason}"
        self._log.debug(who, _fields("rx", sender, start), message)
        return False

    def open(self, start: PacketStart) -> NewFile | None:
        """A temporary in the spool.

        Raises:
            StoreFull: the packet does not fit.
            StoreError: the disk refused.
        """
        if self._settings.is_dry_run:
            return None
        room_bytes = self._spool.free_bytes()
        if start.size_bytes > room_bytes:
            size, room = ibytes(start.size_bytes), ibytes(room_bytes)
            raise StoreFull(f"is not enough space: {size} needed in {self._spool.root}, {room} free")
        return self._spool.new_temporary()

    def finish(self, incoming: Incoming, header: EncryptedHeader) -> None:
        """Commit a verified packet.

        Raises:
            StoreError: the disk refused.
        """
        start = incoming.start
        if incoming.temporary is not None:
            self._spool.commit(incoming.temporary, header.sender, Box.RX, start.packet, incoming.head)
            incoming.temporary = None
            self.senders.add(header.sender)
        fields = [*_fields("rx", header.sender, start), ("Size", start.size_bytes)]
        what = f"{header.sender} {start.packet} ({ibytes(start.size_bytes)})"
        self._log.info("bundle-rx", fields, f"Bundle transfer, received from {what}")

    def failed(self, start: PacketStart, header: EncryptedHeader | None) -> tuple[str, Fields, str]:
        """The record of a packet that can't be received."""
        if header is None:
            return "bundle-rx", [("XX", "rx"), ("Pkt", start.name)], f"Bundle transfer rx/{start.name}"
        name = f"{header.sender}/rx/{start.packet}"
        return "bundle-rx", _fields("rx", header.sender, start), f"Bundle transfer {name}"


class Confirm:
    """Removes packets from ``tx/`` whose copy in the bundle is whole.

    Args:
        spool: where packets lie.
        log: gets a record for each packet.
        settings: what to confirm.
    """

    label = "verifying"

    def __init__(self, spool: Spool, log: Log, settings: ReadSettings) -> None:
        self._spool = spool
        self._log = log
        self._settings = settings

    def choose(self, start: PacketStart, header: EncryptedHeader) -> bool:
        """Whether a packet waits in ``tx/`` for its recipient."""
        only, recipient = self._settings.only, header.recipient
        if header.nice > self._settings.nice:
            return _skip(self._log, "bundle-rx-too-nice", start, "too nice")
        if only is not None and recipient not in only:
            return _skip(self._log, "bundle-tx-skip", start, "recipient is not requested")
        if self._spool.has_packet(recipient, Box.TX, start.packet):
            return True
        name = f"{recipient}/tx/{start.packet}"
        fields: Fields = [("XX", "tx"), ("Node", recipient.text), ("Pkt", start.packet.text)]
        self._log.debug("bundle-tx-missing", fields, f"Bundle transfer {name}: packet is already missing")
        return False

    def open(self, _start: PacketStart) -> NewFile | None:
        """Nothing is written."""
        return None

    def finish(self, incoming: Incoming, header: EncryptedHeader) -> None:
        """Remove a packet.

        Raises:
            StoreError: the disk refused.
        """
        packet = incoming.start.packet
        if not self._settings.is_dry_run:
            self._spool.discard(header.recipient, Box.TX, packet)
        who, fields, message = self.failed(incoming.start, header)
        self._log.info(f"{who}-removed", fields, f"{message}: removed")

    def failed(self, start: PacketStart, header: EncryptedHeader | None) -> tuple[str, Fields, str]:
        """The record of a packet that can't be confirmed."""
        if header is None:
            return "bundle-tx", [("XX", "rx"), ("Pkt", start.name)], f"Bundle transfer rx/{start.name}"
        fields: Fields = [("XX", "tx"), ("Node", header.recipient.text), ("Pkt", start.packet.text)]
        return "bundle-tx", fields, f"Bundle transfer {header.recipient}/tx/{start.packet}"


class ReceiveAndConfirm:
    """Receives what others sent us, and confirms all else.

    Args:
        own_id: who we are.
        receive: for the packets to us.
        confirm: for the packets from us or through us.
    """

    label = "reading"

    def __init__(self, own_id: NodeId, receive: Receive, confirm: Confirm) -> None:
        self._own_id = own_id
        self._receive = receive
        self._confirm = confirm
        self._chosen: Purpose = receive

    def choose(self, start: PacketStart, header: EncryptedHeader) -> bool:
        """Whether a packet is of interest."""
        is_ours = header.sender == self._own_id or header.recipient != self._own_id
        self._chosen = self._confirm if is_ours else self._receive
        return self._chosen.choose(start, header)

    def open(self, start: PacketStart) -> NewFile | None:
        """A temporary, if the packet is to be received.

        Raises:
            StoreError: the disk refused.
        """
        return self._chosen.open(start)

    def finish(self, incoming: Incoming, header: EncryptedHeader) -> None:
        """Commit or remove a verified packet.

        Raises:
            StoreError: the disk refused.
        """
        self._chosen.finish(incoming, header)

    def failed(self, start: PacketStart, header: EncryptedHeader | None) -> tuple[str, Fields, str]:
        """The record of a packet that is damaged."""
        return (self._receive if header is None else self._chosen).failed(start, header)


def _fields(box: str, node: NodeId, start: PacketStart) -> Fields:
    return [("XX", box), ("Node", node.text), ("Pkt", start.packet.text), ("FullSize", start.size_bytes)]


def _skip(log: Log, who: str, start: PacketStart, reason: str) -> bool:
    log.debug(who, [("XX", "rx"), ("Pkt", start.name)], f"Bundle transfer rx/{start.name}: {reason}")
    return False
