"""What the log says of files that are sent, as the Go tools say it."""

import os

from gateway.errors import GatewayError
from gateway.nodes import Node
from gateway.spool.log import Log
from gateway.spool.sizes import ibytes
from gateway.tx.file_packet import SentFile

Fields = list[tuple[str, str | int | bool]]


class FileRecorder:
    """Writes the record of each file packet to one node.

    Args:
        records: the log.
        node: who gets the files.
        nice: niceness of the packets.
        source: what the file is called here.
    """

    def __init__(self, records: Log, node: Node, nice: int, source: str) -> None:
        self._records = records
        self._node = node
        self._nice = nice
        self._source = source

    def sent(self, sent: SentFile) -> None:
        """A packet was queued."""
        fields, message = self._describe(sent.destination, sent.size_bytes, sent.sealed.packet.text)
        self._records.info("tx", fields, message)

    def failed(self, destination: bytes, error: GatewayError) -> None:
        """A packet could not be queued."""
        fields, message = self._describe(destination, 0, "")
        self._records.error("tx", fields, error, message)

    def _describe(self, destination: bytes, size_bytes: int, packet: str) -> tuple[Fields, str]:
        target = os.fsdecode(destination)
        fields: Fields = [
            ("Type", "file"),
            ("Node", self._node.id.text),
            ("Nice", self._nice),
            ("Src", self._source),
            ("Dst", target),
            ("Size", size_bytes),
            ("Pkt", packet),
        ]
        return fields, f"File {self._source} ({ibytes(size_bytes)}) is sent to {self._node.name}:{target}"
