"""``nncp pkt``: show what a packet on standard input is, or write its content to standard output."""

import os
from collections.abc import Callable, Iterator, Mapping

from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_OK
from gateway.cli.nncp.standard_input import read_stdin
from gateway.cli.nncp.standard_output import write_stdout
from gateway.cli.nncp.verbs import PKT
from gateway.errors import BadMagic, Truncated
from gateway.ids import ID_BYTES, NodeId, PacketId, format_nice
from gateway.packet.plain import (
    PLAIN_HEADER_BYTES,
    PLAIN_MAGIC,
    PacketType,
    PlainHeader,
    decode_plain,
    encode_plain,
)
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, SEALED_MAGIC, SIZE_BYTES, decode_header
from gateway.packet.unseal import Unsealer
from gateway.toss.expansion import expand

_TYPE_NAMES: Mapping[int, str] = {
    PacketType.FILE: "file",
    PacketType.FREQ: "file request",
    PacketType.EXEC: "exec compressed",
    PacketType.TRNS: "transitional",
    PacketType.EXEC_FAT: "exec uncompressed",
    PacketType.AREA: "area",
    PacketType.ACK: "acknowledgement",
}


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(PKT, arguments, environ, _show)


def _show(context: Context) -> int:
    if context.parsed.switch("overheads"):
        _print(f"Plain: {PLAIN_HEADER_BYTES}", f"Encrypted: {ENCRYPTED_HEADER_BYTES}", f"Size: {SIZE_BYTES}")
        return STATUS_OK
    head, rest = _split_head(read_stdin(), PLAIN_HEADER_BYTES)
    if len(head) < ENCRYPTED_HEADER_BYTES:
        raise Truncated(f"Not enough data to read: {len(head)} bytes are no packet")
    if head.startswith(SEALED_MAGIC):
        _show_sealed(context, head, rest)
    elif head.startswith(PLAIN_MAGIC) and len(head) >= PLAIN_HEADER_BYTES:
        _show_plain(context, head, rest)
    else:
        raise BadMagic("Unable to determine packet type: neither a plain nor an encrypted packet of NNCP 8")
    return STATUS_OK


def _show_sealed(context: Context, head: bytes, rest: Iterator[bytes]) -> None:
    if context.parsed.switch("dump"):
        recipient = decode_header(head[:ENCRYPTED_HEADER_BYTES]).recipient
        write_stdout(_opened(context, recipient, _joined(head, rest)))
        return
    header = decode_header(head[:ENCRYPTED_HEADER_BYTES])
    _print(
        "Packet type: encrypted",
        f"Niceness: {format_nice(header.nice)} ({header.nice})",
        f"Sender: {_with_name(context, header.sender)}",
        f"Recipient: {_with_name(context, header.recipient, 'area ')}",
    )


def _opened(context: Context, recipient: NodeId, packet: Iterator[bytes]) -> Iterator[bytes | memoryview]:
    """The plain packet; it is proven whole only when this has ended without an error."""
    own = context.book.private_keys()
    reader, private = own.id, own.exchprv
    area = context.book.find_area_id(recipient)
    if area is not None:
        reader, (_, private) = area.id, area.keys()
    unsealer = Unsealer(reader, private, context.book.find_keys)
    is_header_due = True
    for piece in packet:
        opened = unsealer.feed(piece)
        if is_header_due and unsealer.plain is not None:
            yield encode_plain(unsealer.plain)
            is_header_due = False
        yield from opened
    opened = unsealer.finish()
    if is_header_due and unsealer.plain is not None:
        yield encode_plain(unsealer.plain)
    yield from opened


def _show_plain(context: Context, head: bytes, rest: Iterator[bytes]) -> None:
    plain = decode_plain(head)
    if context.parsed.switch("dump"):
        write_stdout(expand(rest) if context.parsed.switch("decompress") else rest)
        return
    _print(
        "Packet type: plain",
        f"Payload type: {_TYPE_NAMES.get(plain.type, 'unknown')}",
        f"Niceness: {format_nice(plain.nice)} ({plain.nice})",
        f"Path: {_path_text(context, plain)}",
    )


def _path_text(context: Context, plain: PlainHeader) -> str:
    describe = _PATHS.get(plain.type)
    if describe is None:
        return os.fsdecode(plain.path)
    return describe(context, plain.path)


def _exec_path(_context: Context, path: bytes) -> str:
    return os.fsdecode(path.replace(b"\0", b" "))


def _node_path(context: Context, path: bytes) -> str:
    return _with_name(context, NodeId(path.ljust(ID_BYTES, b"\0")[:ID_BYTES]))


def _packet_path(_context: Context, path: bytes) -> str:
    return PacketId(path.ljust(ID_BYTES, b"\0")[:ID_BYTES]).text


_PATHS: Mapping[int, Callable[[Context, bytes], str]] = {
    PacketType.EXEC: _exec_path,
    PacketType.EXEC_FAT: _exec_path,
    PacketType.TRNS: _node_path,
    PacketType.AREA: _node_path,
    PacketType.ACK: _packet_path,
}


def _with_name(context: Context, node_id: NodeId, area_word: str = "") -> str:
    known = context.book.find_id(node_id)
    if known is not None:
        return f"{node_id} ({known.name})"
    area = context.book.find_area_id(node_id)
    return f"{node_id} ({'unknown' if area is None else area_word + area.name})"


def _split_head(pieces: Iterator[bytes], size_bytes: int) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= size_bytes:
            break
    return head[:size_bytes], _joined(head[size_bytes:], pieces)


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _print(*lines: str) -> None:
    write_stdout(os.fsencode(line + "\n") for line in lines)
