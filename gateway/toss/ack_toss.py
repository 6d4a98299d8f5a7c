"""Acknowledgements: drop our copy of a packet that has arrived, and acknowledge what we were sent."""

from gateway.errors import GatewayError, PacketError
from gateway.ids import ID_BYTES, PacketId
from gateway.spool.layout import Box
from gateway.toss.packet import Fields, ReceivedPacket, Tossed
from gateway.toss.work import Work
from gateway.tx.ack_packet import AckRequest, send_ack
from gateway.tx.exec_packet import resolve_via


def toss_ack(work: Work, packet: ReceivedPacket) -> Tossed:
    """Remove the packet that its recipient says it has; one that is gone already is no error.

    Raises:
        Failed: the acknowledgement is not whole, or the disk refused.
    """
    path = packet.plain.path
    try:
        if len(path) != ID_BYTES:
            raise PacketError(f"the packet's id has {len(path)} bytes, not {ID_BYTES}")
        for _piece in packet.first:
            pass
    except GatewayError as error:
        raise packet.failed("rx-unmarshal", error, step="unmarshal") from error
    arrived = PacketId(path)
    try:
        if not work.settings.is_dry_run:
            work.spool.discard(packet.sender.id, Box.TX, arrived)
    except GatewayError as error:
        raise packet.failed("rx-ack", error, arrived.text, "removing") from error
    fields = [*packet.fields(), ("Pkt", arrived.text)]
    return Tossed(fields, f"Got ACK packet from {packet.sender.name} of {arrived}")


def acknowledge(work: Work, packet: ReceivedPacket) -> None:
    """Queue an acknowledgement of a packet for whom we have it from, and mark it as made by toss.

    That is the neighbour in whose directory it lies: of a packet that was relayed, the author knows only
    the wrapping, under another name.

    Raises:
        Failed: the disk refused.
    """
    arrived = packet.job.packet
    try:
        bringer = work.book.find(packet.job.node.text)
        via = resolve_via(work.book, bringer, None)
        request = AckRequest(bringer, via, arrived, bringer.ack.nice, bringer.ack.minsize_bytes)
        sealed = send_ack(work.spool, work.book.private_keys(), request)
        # Beside the packet, which with via is not the sender's directory.
        work.spool.mark_ack(sealed.first_hop.id, sealed.packet)
    except GatewayError as error:
        raise packet.failed("rx-genack", error, step="acknowledging") from error
    fields: Fields = [
        ("Type", "ack"),
        ("Node", bringer.id.text),
        ("Nice", request.nice),
        ("Pkt", arrived.text),
        ("NewPkt", sealed.packet.text),
    ]
    work.records.info("tx", fields, f"ACK to {bringer.name} of {arrived} is sent")
