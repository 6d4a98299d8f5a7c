"""``nncp trns``: send a packet that is sealed already through other nodes."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_OK, wrong_usage
from gateway.cli.nncp.verbs import TRNS
from gateway.durable import store_errors
from gateway.errors import ConfigError, PacketError, UnknownNode
from gateway.ids import format_nice, parse_nice
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, EncryptedHeader, decode_header
from gateway.spool.layout import Box, parse_packet_name
from gateway.spool.sizes import ibytes
from gateway.tx.exec_packet import resolve_via
from gateway.tx.relay import send_relayed
from gateway.tx.sealing import Route

READ_BYTES = 256 * 1024


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(TRNS, arguments, environ, _send)


def _send(context: Context) -> int:
    parsed = context.parsed
    if len(parsed.arguments) != 1:
        return wrong_usage(TRNS)
    nice = parse_nice(parsed.text("nice"))
    own = context.book.private_keys()
    path = _find_packet(context, parsed.arguments[0])
    with store_errors(path, "open"):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        recipient = context.book.find_id(_read_header(path, fd).recipient)
        if recipient is None:
            raise UnknownNode(f"{path}: the recipient is an unknown node")
        via = resolve_via(context.book, recipient, parsed.text("via"))
        if not via:
            raise ConfigError(
                f"{path}: no node to go through: -via is missing, and {recipient.name} has no via"
            )
        with store_errors(path, "read"):
            size_bytes = os.fstat(fd).st_size
        send_relayed(context.spool, own, Route(recipient, via), _pieces(path, fd), nice=nice)
    finally:
        os.close(fd)
    records = context.log
    records.info(
        "tx",
        [("Type", "trns"), ("Node", recipient.id.text), ("Nice", nice), ("Size", size_bytes)],
        f"Transitional packet to {recipient.name} ({ibytes(size_bytes)}) (nice {format_nice(nice)})",
    )
    return STATUS_OK


def _find_packet(context: Context, name: str) -> Path:
    """A file, or a packet in the tx of a node.

    Raises:
        ConfigError: neither.
        UnknownNode: no such node.
    """
    path = Path(name)
    if path.is_file():
        return path
    node_name, colon, packet_name = name.partition(":")
    if not colon:
        raise ConfigError(f"Invalid NODE:PKT specification: {name} is no file either")
    try:
        node = context.book.find(node_name)
    except UnknownNode as error:
        raise UnknownNode(f"Invalid NODE specified: {error}") from error
    packet = parse_packet_name(packet_name)
    if packet is None:
        raise ConfigError(f"Invalid NODE:PKT specification: {packet_name!r} is not the name of a packet")
    return context.spool.layout.box(node.id, Box.TX) / packet_name


def _read_header(path: Path, fd: int) -> EncryptedHeader:
    with store_errors(path, "read"):
        raw = os.pread(fd, ENCRYPTED_HEADER_BYTES, 0)
    try:
        return decode_header(raw)
    except PacketError as error:
        raise type(error)(f"{path}: {error}") from error


def _pieces(path: Path, fd: int) -> Iterator[bytes]:
    with store_errors(path, "read"):
        while piece := os.read(fd, READ_BYTES):
            yield piece
