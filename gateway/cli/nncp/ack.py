"""``nncp ack``: tell neighbours that packets of theirs have arrived.

What was queued is written to descriptor 4, a line ``NODE/PACKET`` for each acknowledgement.
"""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK, wrong_usage
from gateway.cli.nncp.verbs import ACK
from gateway.durable import store_errors
from gateway.errors import BadIdentifier, GatewayError, UnknownNode
from gateway.ids import PacketId, parse_nice
from gateway.nodes import Node
from gateway.packet.plain import PacketType
from gateway.spool.layout import Box
from gateway.spool.log import Log
from gateway.spool.store import Job
from gateway.toss.opened import BUFFER_BYTES, OpenedPacket
from gateway.tx.ack_packet import AckRequest, send_ack
from gateway.tx.exec_packet import resolve_via

REPORT_FD = 4
KIB_BYTES = 1024


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    report = _inherited()
    try:
        return run_verb(ACK, arguments, environ, lambda context: _acknowledge(context, report))
    finally:
        if report is not None:
            os.close(report)


def _inherited() -> int | None:
    """The descriptor to report on, if whoever started us gave one.

    It is copied before any file is opened, since the first one that is might get its number.
    """
    try:
        return os.dup(REPORT_FD)
    except OSError as error:
        if error.errno == errno.EBADF:
            return None
        raise


def _acknowledge(context: Context, report: int | None) -> int:
    parsed = context.parsed
    is_all, names, packet_name = parsed.switch("all"), parsed.text("node"), parsed.text("pkt")
    # Exactly one of the two, and a packet is one node's.
    if is_all == bool(names) or (packet_name and (is_all or "," in names)):
        return wrong_usage(ACK)
    nice = parse_nice(parsed.text("nice"))
    context.book.private_keys()
    nodes = list({node.id: node for node in context.book}.values()) if is_all else _find_nodes(context, names)
    acks = _Acks(context, report, nice, via=None if is_all else parsed.text("via"))
    if packet_name:
        acks.send(nodes[0], _parse_packet(packet_name))
        return STATUS_OK
    for node in nodes:
        acks.send_all(node)
    return STATUS_FAILED if acks.bad_count else STATUS_OK


def _find_nodes(context: Context, names: str) -> list[Node]:
    try:
        return [context.book.find(name) for name in names.split(",")]
    except UnknownNode as error:
        raise UnknownNode(f"Invalid -node specified: {error}") from error


def _parse_packet(name: str) -> PacketId:
    try:
        return PacketId.parse(name)
    except BadIdentifier as error:
        raise BadIdentifier(f"Invalid -pkt specified: {error}") from error


@dataclass(slots=True)
class _Acks:
    """Queues acknowledgements and reports them."""

    context: Context
    report: int | None
    nice: int
    via: str | None
    bad_count: int = 0

    @property
    def records(self) -> Log:
        """The log."""
        return self.context.log

    def send_all(self, node: Node) -> None:
        """Acknowledge every received packet of a node; one that can't be opened does not stop the others."""
        # Listed first: an acknowledgement to ourselves must not be found again.
        for job in list(self.context.spool.jobs(node.id, Box.RX, self._tell_bad)):
            packet = f"{node.name}/{job.packet}"
            fields = [("Node", node.id.text), ("Pkt", job.packet.text)]
            try:
                kind = self._prove(job)
            except GatewayError as error:
                self.bad_count += 1
                self.records.error("ack-read", fields, error, f"ACKing {packet}: can not read packet")
                continue
            if kind == PacketType.ACK:
                self.records.info("ack-read-if-ack", fields, f"ACKing {packet}: it is ACK, skipping")
            else:
                self.send(node, job.packet)

    def send(self, node: Node, packet: PacketId) -> None:
        """Acknowledge one packet.

        Raises:
            GatewayError: a node of -via is not known, or the disk refused.
        """
        context = self.context
        minsize_kib = context.parsed.number("minsize")
        minsize_bytes = node.ack.minsize_bytes if minsize_kib < 0 else minsize_kib * KIB_BYTES
        request = AckRequest(
            node, resolve_via(context.book, node, self.via), packet, self.nice, minsize_bytes
        )
        sent = send_ack(context.spool, context.book.private_keys(), request)
        self.records.info(
            "tx",
            [
                ("Type", "ack"),
                ("Node", node.id.text),
                ("Nice", self.nice),
                ("Pkt", packet.text),
                ("NewPkt", sent.packet.text),
            ],
            f"ACK to {node.name} of {packet} is sent",
        )
        if self.report is not None:
            with store_errors(Path(f"descriptor {REPORT_FD}"), "write"):
                os.write(self.report, f"{node.id}/{sent.packet}\n".encode())

    def _prove(self, job: Job) -> int:
        """Read a packet to its end: its sender will drop its own copy. Returns its type.

        Raises:
            GatewayError: it can't be opened, or is not whole.
        """
        with OpenedPacket(job.path, self.context.book, bytearray(BUFFER_BYTES)) as opened:
            reading = opened.read()
            _, plain = reading.start()
            for _piece in reading:
                pass
        return plain.type

    def _tell_bad(self, path: Path, error: GatewayError) -> None:
        self.bad_count += 1
        self.records.error("ack-read", [("Pkt", path.name)], error, f"ACKing {path.name}")
