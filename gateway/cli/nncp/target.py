"""Whom a command sends to: ``NODE``, or ``area:AREA``."""

from gateway.errors import UnknownNode
from gateway.ids import format_nice
from gateway.nodes import Book
from gateway.spool.log import Log
from gateway.spool.sizes import ibytes
from gateway.tx.area_packet import Target, find_target
from gateway.tx.sealing import SealedPacket


def read_target(book: Book, name: str) -> Target:
    """Look up whom a packet is for.

    Raises:
        UnknownNode: there is no such node or area.
        ConfigError: the area has no keys to seal with.
    """
    try:
        return find_target(book, name)
    except UnknownNode as error:
        raise UnknownNode(f"Invalid NODE specified: {error}") from error


def tell_area(records: Log, sent: SealedPacket, nice: int) -> None:
    """Record that a packet carries a message of an area, if it does."""
    message = sent.message
    if message is None:
        return
    hop, size_bytes = sent.first_hop, message.size_bytes
    fields: list[tuple[str, str | int | bool]] = [
        ("Node", hop.id.text),
        ("Nice", nice),
        ("Size", size_bytes),
        ("Area", message.area.id.text),
        ("AreaMsg", message.id.text),
    ]
    text = f"Tx area packet to {hop.name} (source {ibytes(size_bytes)}) nice: {format_nice(nice)}"
    records.info("tx-area", fields, f"{text}, area {message.area.name}: {message.id}")
