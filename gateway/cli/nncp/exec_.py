"""``nncp exec``: send a command for another node to execute, with standard input as its input."""

import os
from collections.abc import Mapping

from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_OK, wrong_usage
from gateway.cli.nncp.standard_input import read_stdin
from gateway.cli.nncp.target import read_target, tell_area
from gateway.cli.nncp.verbs import EXEC
from gateway.errors import GatewayError
from gateway.ids import parse_nice
from gateway.packet.padding import UNLIMITED_BYTES
from gateway.spool.sizes import ibytes
from gateway.tx.exec_packet import ExecRequest, resolve_via, send_exec

KIB_BYTES = 1024
MIN_ARGUMENT_COUNT = 2


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(EXEC, arguments, environ, _send)


def _send(context: Context) -> int:
    arguments = context.parsed.arguments
    if len(arguments) < MIN_ARGUMENT_COUNT:
        return wrong_usage(EXEC)
    request = _request(context)
    target = " ".join(arguments[1:])
    message = f"Exec is sent to {request.destination.name}@{target}"
    records = context.log
    fields: list[tuple[str, str | int | bool]] = [
        ("Type", "exec"),
        ("Node", request.destination.id.text),
        ("Nice", request.nice),
        ("ReplyNice", request.reply_nice),
        ("Dst", target),
    ]
    own = context.book.private_keys()
    try:
        with context.progress.bar(f"sealing for {request.destination.name}") as bar:
            sent = send_exec(context.spool, own, request, bar.follow(read_stdin()))
    except GatewayError as error:
        records.error("tx", [*fields, ("Size", 0), ("Pkt", "")], error, f"{message} (0 B)")
        return fatal(EXEC, error)
    tell_area(records, sent, request.nice)
    size_bytes = sent.plain_total_bytes
    fields += [("Size", size_bytes), ("Pkt", sent.packet.text)]
    records.info("tx", fields, f"{message} ({ibytes(size_bytes)})")
    return STATUS_OK


def _request(context: Context) -> ExecRequest:
    """Read the command line.

    Raises:
        GatewayError: a niceness, the node or a node of -via is not known, or there are no private keys.
    """
    parsed = context.parsed
    nice, reply_nice = parse_nice(parsed.text("nice")), parse_nice(parsed.text("replynice"))
    context.book.private_keys()
    target = read_target(context.book, parsed.arguments[0])
    destination = target.node
    maxsize_kib = parsed.number("maxsize")
    return ExecRequest(
        destination=destination,
        via=resolve_via(context.book, destination, parsed.text("via")),
        handle=os.fsencode(parsed.arguments[1]),
        args=tuple(os.fsencode(argument) for argument in parsed.arguments[2:]),
        nice=nice,
        reply_nice=reply_nice,
        minsize_bytes=parsed.number("minsize") * KIB_BYTES,
        maxsize_bytes=maxsize_kib * KIB_BYTES or UNLIMITED_BYTES,
        is_compressed=not parsed.switch("nocompress"),
        area=target.area,
    )
