"""Nodes that may put files here and ask for some, and what they got."""

import dataclasses
from pathlib import Path
from typing import Any

from gateway.ids import PacketId
from gateway.nodes import Book, Freq
from gateway.packet.plain import PacketType
from gateway.spool.layout import Box
from gateway.tx.file_packet import FileRequest, SentFile, send_file
from gateway.tx.file_records import FileRecorder
from gateway.tx.file_source import FileSource
from gateway.tx.posting import post_to
from gateway.tx.sealing import Route
from tests.support.packets import Opened, open_packet
from tests.support.tossing import Pair

PLENTY_BYTES = 1 << 40


def change_node(pair: Pair, at: str, node: str, **fields: Any) -> None:
    """Change what one node has configured for another."""
    book = pair.books[at]
    changed = dataclasses.replace(book.nodes[node], **fields)
    pair.books[at] = Book(book.own, {**book.nodes, node: changed}, book.areas)


def allow_files(pair: Pair, *, at: str = "b", sender: str = "a") -> Path:
    """Let a node put files somewhere; returns the directory, which is not made."""
    incoming = pair.directory / at / "incoming"
    change_node(pair, at, sender, incoming=str(incoming))
    return incoming


def allow_requests(pair: Pair, *, at: str = "b", sender: str = "a", **fields: Any) -> Path:
    """Let a node ask for files; returns the directory they lie in."""
    offered = pair.directory / at / "offered"
    offered.mkdir(parents=True, exist_ok=True)
    change_node(pair, at, sender, freq=Freq(str(offered), **fields))
    return offered


def post_file(
    pair: Pair, destination: bytes, content: bytes, *, chunk_bytes: int = 0, is_size_known: bool = True
) -> list[PacketId]:
    """Send a file from a to b, and lay all its packets into b's rx."""
    packets: list[PacketId] = []

    class Recorder(FileRecorder):
        def sent(self, sent: SentFile) -> None:
            packets.append(sent.sealed.packet)
            super().sent(sent)

    book = pair.books["a"]
    node = book.find("b")
    send_file(
        post_to(pair.spools["a"], book.private_keys(), Route(node)),
        FileRequest(destination, chunk_bytes=chunk_bytes),
        FileSource("-", [content], len(content) if is_size_known else None),
        free_bytes=PLENTY_BYTES,
        recorder=Recorder(pair.log("a"), node, 224, "-"),
    )
    for packet in packets:
        pair.carry("a", "b", packet)
    return packets


def put_file(pair: Pair, path: bytes, content: bytes = b"content") -> Path:
    """Lay one file packet from a into b's rx; the path is written as it is."""
    return pair.put_typed(PacketType.FILE, path, content)


def put_request(pair: Pair, source: bytes, destination: bytes = b"") -> Path:
    """Lay one request from a into b's rx; the paths are written as they are."""
    return pair.put_typed(PacketType.FREQ, source, destination)


def answers(pair: Pair) -> dict[bytes, Opened]:
    """What b has queued for a, by destination."""
    reader = pair.books["a"]
    own = reader.private_keys()
    opened = [
        open_packet(job.path.read_bytes(), own.id, own.exchprv, reader.find_keys)
        for job in pair.spools["b"].jobs(pair.id("a"), Box.TX)
    ]
    return {one.plain.path: one for one in opened}
