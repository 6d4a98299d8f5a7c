"""Toss a packet that is sealed for somebody else: queue it for its recipient, as it is."""

from gateway.errors import GatewayError, PacketError, UnknownNode
from gateway.ids import ID_BYTES, NodeId, format_nice
from gateway.nodes import Node
from gateway.spool.sizes import ibytes
from gateway.toss.packet import Failed, Fields, ReceivedPacket, Tossed
from gateway.toss.work import Work
from gateway.tx.exec_packet import resolve_via
from gateway.tx.relay import send_relayed
from gateway.tx.sealing import Route


def toss_trns(work: Work, packet: ReceivedPacket) -> Tossed:
    """Pass a packet on.

    Raises:
        Failed: its recipient is not known, it is not whole, or the disk refused.
    """
    path = packet.plain.path
    if len(path) != ID_BYTES:
        error = PacketError(f"the recipient's id has {len(path)} bytes, not {ID_BYTES}")
        raise packet.failed("rx-unmarshal", error, step="unmarshal")
    next_id = NodeId(path)
    recipient = work.book.find_id(next_id)
    if recipient is None:
        raise packet.failed("rx-unknown", UnknownNode("unknown node"), next_id.text)
    fields, name = packet.fields(next_id.text), f"Tossing {packet.name}: {recipient.name}"
    try:
        _relay(work, packet, recipient)
    except PacketError as error:
        raise Failed("rx-unmarshal", fields, error, f"{name}: unmarshal") from error
    except GatewayError as error:
        raise Failed("rx-trns", fields, error, f"{name}: txing") from error
    size = ibytes(packet.size_bytes)
    return Tossed(
        fields,
        f"Got transitional packet from {packet.sender.name} to {recipient.name} ({size})",
    )


def _relay(work: Work, packet: ReceivedPacket, recipient: Node) -> None:
    """Queue the inner packet; it is committed only when the outer one has proven whole."""
    if work.settings.is_dry_run:
        for _piece in packet.first:
            pass
        return
    route = Route(recipient, resolve_via(work.book, recipient, None))
    nice, size_bytes = packet.header.nice, packet.size_bytes
    send_relayed(work.spool, work.book.private_keys(), route, packet.first, nice=nice)
    fields: Fields = [("Type", "trns"), ("Node", recipient.id.text), ("Nice", nice), ("Size", size_bytes)]
    size = ibytes(size_bytes)
    message = f"Transitional packet to {recipient.name} ({size}) (nice {format_nice(nice)})"
    work.records.info("tx", fields, message)
