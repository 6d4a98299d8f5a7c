"""``nncp freq``: ask another node for one of its files."""

import os
import posixpath
from collections.abc import Mapping

from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_OK, wrong_usage
from gateway.cli.nncp.verbs import FREQ
from gateway.errors import GatewayError, PacketError, UnknownNode
from gateway.ids import parse_nice
from gateway.nodes import Book, Node
from gateway.tx.exec_packet import resolve_via
from gateway.tx.file_packet import clean_path
from gateway.tx.freq_packet import FreqRequest, send_freq
from gateway.tx.posting import post_to
from gateway.tx.sealing import Route

KIB_BYTES = 1024
ARGUMENT_COUNTS = (1, 2)
NAMELESS = frozenset({b".", b".."})


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(FREQ, arguments, environ, _freq)


def _freq(context: Context) -> int:
    parsed = context.parsed
    arguments = parsed.arguments
    if len(arguments) not in ARGUMENT_COUNTS or ":" not in arguments[0]:
        return wrong_usage(FREQ)
    name, _, source = arguments[0].partition(":")
    own = context.book.private_keys()
    nice, reply_nice = parse_nice(parsed.text("nice")), parse_nice(parsed.text("replynice"))
    node = _find(context.book, name)
    request = FreqRequest(
        *_paths(source, arguments[1] if len(arguments) > 1 else ""),
        nice=nice,
        reply_nice=reply_nice,
        minsize_bytes=parsed.number("minsize") * KIB_BYTES,
    )
    route = Route(node, resolve_via(context.book, node, parsed.text("via")))
    wanted, got = os.fsdecode(request.source), os.fsdecode(request.destination)
    fields: list[tuple[str, str | int | bool]] = [
        ("Type", "freq"),
        ("Node", node.id.text),
        ("Nice", nice),
        ("ReplyNice", reply_nice),
        ("Src", wanted),
        ("Dst", got),
    ]
    message = f"File request from {node.name}:{wanted} to {got} is sent"
    records = context.log
    try:
        context.spool.check()
        sealed = send_freq(post_to(context.spool, own, route), request)
    except GatewayError as error:
        records.error("tx", [*fields, ("Pkt", "")], error, message)
        return fatal(FREQ, error)
    records.info("tx", [*fields, ("Pkt", sealed.packet.text)], message)
    return STATUS_OK


def _find(book: Book, name: str) -> Node:
    try:
        return book.find(name)
    except UnknownNode as error:
        raise UnknownNode(f"Invalid NODE specified: {error}") from error


def _paths(source: str, destination: str) -> tuple[bytes, bytes]:
    """Clean both paths; the source's last part stands in for a destination that is not given.

    Raises:
        PacketError: a path is absolute, or no name can be found for the destination.
    """
    wanted = clean_path(os.fsencode(source), "source")
    if destination:
        return wanted, clean_path(os.fsencode(destination), "destination")
    base = posixpath.basename(wanted)
    if base in NAMELESS:
        raise PacketError("Must provide destination filename")
    return wanted, base
