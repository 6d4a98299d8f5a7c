"""Toss a file request: send the neighbour the file that it asks for.

Contract: nothing is sent before the request is proven whole. What is sent lies below the ``freq.path``
that the neighbour has here, all symbolic links followed; its size and chunks are as that ``freq``
says. A request that fails stays, and can be answered when the file is there.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError, GatewayError, PacketError, TooLarge
from gateway.packet.plain import PATH_LIMIT_BYTES
from gateway.toss.inside import HERE, relative_name, resolve_inside
from gateway.toss.packet import Failed, Fields, ReceivedPacket, Tossed
from gateway.toss.work import Work
from gateway.tx.exec_packet import resolve_via
from gateway.tx.file_packet import FileRequest, clean_path, send_file
from gateway.tx.file_records import FileRecorder
from gateway.tx.file_source import FileSource, open_source
from gateway.tx.posting import post_to
from gateway.tx.sealing import Route


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a packet asks for, and what the log calls that."""

    packet: ReceivedPacket
    source: str
    destination: bytes

    def fields(self) -> Fields:
        return [*self.packet.fields(), ("Src", self.source), ("Dst", os.fsdecode(self.destination))]

    def failed(self, who: str, error: GatewayError, step: str = "") -> Failed:
        names = f"{self.source} -> {os.fsdecode(self.destination)}"
        message = ": ".join(filter(None, (f"Tossing {self.packet.name}", names, step)))
        return Failed(who, self.fields(), error, message)


def toss_freq(work: Work, packet: ReceivedPacket) -> Tossed:
    """Answer a request; in a dry run it is only proven, and the path checked.

    Raises:
        Failed: the neighbour may request nothing, the path does not lie in what it may request or is
            not there, the packet is not whole, or the answer could not be queued.
    """
    raw_source = packet.plain.path
    try:
        wish = _Wish(packet, os.fsdecode(raw_source), _read_destination(packet.first))
    except PacketError as error:
        raise packet.failed("rx-unmarshal", error, step="unmarshal") from error
    except GatewayError as error:
        raise packet.failed("rx-read", error, step="reading") from error
    try:
        path = _find(packet, raw_source)
        destination = clean_path(wish.destination, "destination") if wish.destination else b""
    except PacketError as error:
        raise wish.failed("rx-non-rel", error) from error
    except GatewayError as error:
        raise wish.failed("rx-no-freq", error) from error
    if not work.settings.is_dry_run:
        try:
            _answer(work, packet, path, destination)
        except GatewayError as error:
            raise wish.failed("rx-tx", error, "txing") from error
        subject = f"Freq from {packet.sender.name}: {wish.source}"
        work.notify(packet, work.settings.freq_notice, subject, wish.source)
    return Tossed(wish.fields(), f"Got file request {wish.source} to {packet.sender.name}")


def _read_destination(content: Iterable[memoryview]) -> bytes:
    destination = bytearray()
    for piece in content:
        destination += piece[: PATH_LIMIT_BYTES + 1 - len(destination)]
    if len(destination) > PATH_LIMIT_BYTES:
        raise TooLarge(f"destination path: more than {PATH_LIMIT_BYTES} bytes, the most that a packet names")
    return bytes(destination)


def _find(packet: ReceivedPacket, source: bytes) -> Path:
    root = packet.sender.freq.path
    if root is None:
        raise ConfigError("freqing is not allowed")
    name = relative_name(source, "source")
    resolve_inside(Path(root), name, "freqing")
    return Path(root) if name == HERE else Path(root) / os.fsdecode(name)


def _answer(work: Work, packet: ReceivedPacket, path: Path, destination: bytes) -> None:
    node, freq = packet.sender, packet.sender.freq
    with open_source(path) as source:
        request = FileRequest(
            destination or source.default_destination,
            packet.plain.nice,
            freq.minsize_bytes,
            freq.maxsize_bytes,
            freq.chunked_bytes,
        )
        _send(work, request, source, Route(node, resolve_via(work.book, node, None)))


def _send(work: Work, request: FileRequest, source: FileSource, route: Route) -> None:
    recorder = FileRecorder(work.records, route.destination, request.nice, source.name)
    post = post_to(work.spool, work.book.private_keys(), route)
    send_file(post, request, source, free_bytes=work.spool.free_bytes(), recorder=recorder)
