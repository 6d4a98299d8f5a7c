"""``nncp file``: send a file, a directory or standard input into another node's incoming."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_OK, wrong_usage
from gateway.cli.nncp.standard_input import read_stdin
from gateway.cli.nncp.target import read_target, tell_area
from gateway.cli.nncp.verbs import FILE
from gateway.errors import GatewayError, PacketError
from gateway.ids import parse_nice
from gateway.packet.padding import UNLIMITED_BYTES
from gateway.tx.area_packet import AREA_PREFIX, Target
from gateway.tx.exec_packet import resolve_via
from gateway.tx.file_packet import FileRequest, SentFile, clean_path, send_file
from gateway.tx.file_records import FileRecorder
from gateway.tx.file_source import FileSource, open_source
from gateway.tx.posting import post_to
from gateway.tx.sealing import Route

KIB_BYTES = 1024
ARGUMENT_COUNT = 2
STDIN = "-"


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(FILE, arguments, environ, _file)


class _Recorder(FileRecorder):
    """Tells of messages to an area too."""

    def sent(self, sent: SentFile) -> None:
        tell_area(self._records, sent.sealed, self._nice)
        super().sent(sent)


def _file(context: Context) -> int:
    parsed = context.parsed
    arguments = parsed.arguments
    if len(arguments) != ARGUMENT_COUNT or (names := split_target(arguments[1])) is None:
        return wrong_usage(FILE)
    nice = parse_nice(parsed.text("nice"))
    own = context.book.private_keys()
    target = read_target(context.book, names[0])
    route = Route(target.node, resolve_via(context.book, target.node, parsed.text("via")), target.area)
    destination = os.fsencode(names[1])
    try:
        with _open(arguments[0], destination) as source:
            name = clean_path(destination or source.default_destination, "destination")
            request = _request(context, target, name, nice)
            bar = context.progress.bar(f"{source.name} -> {target.node.name}", source.size_bytes)
            recorder = _Recorder(context.log, target.node, nice, source.name)
            post, free_bytes = post_to(context.spool, own, route), context.spool.free_bytes()
            with bar:
                shown = FileSource(source.name, bar.follow(source.pieces), source.size_bytes)
                send_file(post, request, shown, free_bytes=free_bytes, recorder=recorder)
    except GatewayError as error:
        return fatal(FILE, error)
    return STATUS_OK


def split_target(argument: str) -> tuple[str, str] | None:
    """Split ``NODE:DST`` or ``area:AREA:DST`` at the colon before DST; None where there is none."""
    prefix = AREA_PREFIX if argument.startswith(AREA_PREFIX) else ""
    name, colon, path = argument.removeprefix(prefix).partition(":")
    return (prefix + name, path) if colon else None


@contextmanager
def _open(source: str, destination: bytes) -> Iterator[FileSource]:
    if source != STDIN:
        with open_source(Path(source), source) as opened:
            yield opened
        return
    if not destination:
        raise PacketError("Must provide destination filename")
    yield FileSource(source, read_stdin())


def _request(context: Context, target: Target, destination: bytes, nice: int) -> FileRequest:
    parsed, freq = context.parsed, target.node.freq
    minsize_kib, chunked_kib = parsed.number("minsize"), parsed.number("chunked")
    return FileRequest(
        destination,
        nice,
        minsize_bytes=freq.minsize_bytes if minsize_kib < 0 else minsize_kib * KIB_BYTES,
        maxsize_bytes=parsed.number("maxsize") * KIB_BYTES or UNLIMITED_BYTES,
        chunk_bytes=freq.chunked_bytes if chunked_kib < 0 else chunked_kib * KIB_BYTES,
    )
