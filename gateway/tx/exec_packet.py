"""Make exec packets: a command for another node to run, with its arguments and standard input.

Contract: the source is read once, in pieces, and memory does not grow with it. A packet is in the
spool only when ``send_exec`` returned: written whole, synced, renamed, its directory synced. When
anything fails on the way nothing is left under a packet's name.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import NewFile
from gateway.ids import NICE_BULK, NICE_PRIORITY
from gateway.nodes import Area, Book, Node
from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.padding import UNLIMITED_BYTES
from gateway.packet.plain import PacketType, PlainHeader, encode_exec_path
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from gateway.tx.compression import DEFAULT_LEVEL, compress
from gateway.tx.sealing import Outside, Route, SealedPacket, seal_payload

__all__ = ["ExecRequest", "SealedPacket", "resolve_via", "seal_exec", "send_exec"]

NO_VIA = "-"


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """What to run where.

    Args:
        destination: the node that runs it.
        via: the nodes on the way, in order of travel.
        handle: name of the command in the destination's configuration; not empty.
        args: more arguments; handle, arguments and separators fit 255 bytes together.
        nice: niceness of the packet.
        reply_nice: niceness the command is told to answer with.
        minsize_bytes: pad the packet up to this size.
        maxsize_bytes: refuse a larger plain packet.
        is_compressed: zstd body (exec), or the bytes as they are (exec-fat).
        level: of zstd, 1 to 22.
        window_log: of zstd, 10 to 29, for bodies with far repetitions; None: by the level.
        area: whose members run it; the destination passes it on. None: the destination runs it.
    """

    destination: Node
    via: tuple[Node, ...]
    handle: bytes
    args: tuple[bytes, ...] = ()
    nice: int = NICE_PRIORITY
    reply_nice: int = NICE_BULK
    minsize_bytes: int = 0
    maxsize_bytes: int = UNLIMITED_BYTES
    is_compressed: bool = True
    level: int = DEFAULT_LEVEL
    window_log: int | None = None
    area: Area | None = None


def resolve_via(book: Book, destination: Node, override: str | None) -> tuple[Node, ...]:
    """The nodes a packet travels through, in order of travel.

    Args:
        book: the nodes we know.
        destination: where the packet goes.
        override: names or ids separated by commas, ``-`` for none; None or empty: as the
            configuration says for the destination.

    Raises:
        UnknownNode: a name or id is not in the configuration.
    """
    if override == NO_VIA:
        return ()
    if override:
        return tuple(book.find(name) for name in override.split(","))
    return tuple(book.find(node_id.text) for node_id in destination.via)


def seal_exec(
    own: PrivateKeys,
    request: ExecRequest,
    source: Iterable[bytes | memoryview],
    temporary: NewFile,
    rng: Random = os.urandom,
) -> SealedPacket:
    """Seal an exec packet and leave it synced under the temporary's name.

    Args:
        own: signs the packet.
        request: what to run where.
        source: standard input of the command, in pieces.
        temporary: open and empty; kept when this returns, the caller's to discard when it raises.
        rng: cryptographic randomness.

    Raises:
        TooLarge: handle and arguments pass 255 bytes, or the packet its maximal size.
        PacketError: an empty handle, or a NUL in an argument.
        StoreError: the disk refused.
    """
    sealed = _seal(own, request, source, temporary, rng)
    temporary.keep()
    return sealed


def send_exec(
    spool: Spool,
    own: PrivateKeys,
    request: ExecRequest,
    source: Iterable[bytes | memoryview],
    rng: Random = os.urandom,
) -> SealedPacket:
    """Seal an exec packet and commit it to the spool.

    Args:
        spool: gets the packet in the tx of the first hop.
        own: signs the packet.
        request: what to run where.
        source: standard input of the command, in pieces.
        rng: cryptographic randomness.

    Raises:
        TooLarge: handle and arguments pass 255 bytes, or the packet its maximal size.
        PacketError: an empty handle, or a NUL in an argument.
        StoreError: the disk refused; no packet was made.
    """
    with spool.new_temporary() as temporary:
        sealed = _seal(own, request, source, temporary, rng)
        commit_packet(spool, sealed, temporary)
    return sealed


def commit_packet(spool: Spool, sealed: SealedPacket, temporary: NewFile | Path) -> None:
    """Put a sealed packet into the tx of its first hop.

    A message to an area is marked as processed here first: we know what we sent.

    Args:
        spool: gets the packet.
        sealed: the packet.
        temporary: the file it lies in; a path must have been synced and kept before.

    Raises:
        StoreError: the disk refused; no packet was made.
    """
    hop, message = sealed.first_hop, sealed.message
    if message is not None:
        # Before the packet, since a toss at work could take that at once. A marker too many does no harm.
        spool.mark_area(message.author, message.area.id, message.id)
    spool.commit(temporary, hop.id, Box.TX, sealed.packet, sealed.header, alias=hop.name)


def _seal(
    own: PrivateKeys,
    request: ExecRequest,
    source: Iterable[bytes | memoryview],
    temporary: NewFile,
    rng: Random,
) -> SealedPacket:
    kind = PacketType.EXEC if request.is_compressed else PacketType.EXEC_FAT
    plain = PlainHeader(kind, request.reply_nice, encode_exec_path(request.handle, request.args))
    payload = compress(source, request.level, request.window_log) if request.is_compressed else source
    return seal_payload(
        own,
        Route(request.destination, request.via, request.area),
        Outside(request.nice, request.minsize_bytes, request.maxsize_bytes),
        plain,
        payload,
        temporary,
        rng,
    )
