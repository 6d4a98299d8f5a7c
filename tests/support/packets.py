"""Nodes, payloads and packets for tests: well-formed ones, Go's golden ones and crafted bad ones."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nacl import bindings

from gateway.ids import NodeId, decode_base32
from gateway.packet.keys import KEY_BYTES, SIGNING_KEY_BYTES, PrivateKeys, PublicKeys, Random, generate_keys
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.packet.sealed import (
    BLOCK_BYTES,
    SIGNED_BYTES,
    BlockKeys,
    agree,
    nonce,
    sign_header,
)
from gateway.packet.unseal import Unsealer

VECTORS = Path(__file__).resolve().parent.parent / "vectors"

BOUNDARY_TOTALS_BYTES = (
    276,
    277,
    4096,
    BLOCK_BYTES - 17,
    BLOCK_BYTES - 16,
    BLOCK_BYTES - 15,
    BLOCK_BYTES - 1,
    BLOCK_BYTES,
    BLOCK_BYTES + 1,
    2 * BLOCK_BYTES - 17,
    2 * BLOCK_BYTES - 16,
    2 * BLOCK_BYTES - 15,
    2 * BLOCK_BYTES - 1,
    2 * BLOCK_BYTES,
    2 * BLOCK_BYTES + 1,
)
"""Sizes of a plain packet (header and payload) around which the form of the blocks changes."""

FindKeys = Callable[[NodeId], PublicKeys | None]


def seeded(seed: str) -> Random:
    """Randomness that is the same in every run."""
    count = 0

    def rng(size_bytes: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size_bytes)

    return rng


@cache
def make_keys(name: str) -> PrivateKeys:
    """The keys of a node, always the same for a name."""
    return generate_keys(seeded(f"keys of {name}"))


def hop_to(keys: PrivateKeys) -> Hop:
    """The node as a recipient."""
    return Hop(keys.id, keys.exchpub)


def neighbours(*nodes: PrivateKeys) -> FindKeys:
    """A lookup that knows these nodes only."""
    return {node.id: node.public for node in nodes}.get


def pat(size_bytes: int) -> bytes:
    """The payload pattern of the golden packets."""
    count = -(-size_bytes // 32)
    whole = b"".join(
        hashlib.sha256(b"nncp-vector" + number.to_bytes(8, "big")).digest() for number in range(count)
    )
    return whole[:size_bytes]


FILE_HEADER = PlainHeader(PacketType.FILE, 224, b"some/dir/file.bin")


def seal_packet(
    payload: bytes,
    author: PrivateKeys,
    destination: PrivateKeys,
    via: Sequence[PrivateKeys] = (),
    *,
    plain: PlainHeader = FILE_HEADER,
    nice: int = 96,
    minsize_bytes: int = 0,
    rng: Random | None = None,
    pieces: Iterable[bytes] | None = None,
) -> bytes:
    """Seal a whole packet, fed at once or in the given pieces."""
    sealer = OnionSealer(
        author,
        hop_to(destination),
        [hop_to(node) for node in via],
        plain,
        nice=nice,
        rng=rng or seeded("packet"),
        minsize_bytes=minsize_bytes,
    )
    packet = bytearray()
    for piece in [payload] if pieces is None else pieces:
        packet += sealer.feed(piece)
    packet += sealer.finish()
    return bytes(packet)


@dataclass(frozen=True, slots=True)
class Opened:
    """A packet that was opened to its end."""

    plain: PlainHeader
    payload: bytes
    nice: int
    sender: NodeId


def open_packet(packet: bytes | Iterable[bytes], own_id: NodeId, exchprv: bytes, find: FindKeys) -> Opened:
    """Open one layer, fed at once or in pieces."""
    unsealer = Unsealer(own_id, exchprv, find)
    payload = bytearray()
    for piece in [packet] if isinstance(packet, bytes) else packet:
        for chunk in unsealer.feed(piece):
            payload += chunk
    for chunk in unsealer.finish():
        payload += chunk
    assert unsealer.header is not None
    assert unsealer.plain is not None
    return Opened(unsealer.plain, bytes(payload), unsealer.header.nice, unsealer.header.sender)


def open_layers(packet: bytes, author: PrivateKeys, *receivers: PrivateKeys) -> Opened:
    """Open a packet by one receiver after the other; all but the last are relays."""
    *relays, last = receivers
    for relay in relays:
        opened = open_packet(packet, relay.id, relay.exchprv, neighbours(author))
        assert opened.plain.type == PacketType.TRNS
        packet = opened.payload
    return open_packet(packet, last.id, last.exchprv, neighbours(author))


def craft_packet(
    author: PrivateKeys, destination: PrivateKeys, blocks: Iterable[tuple[str, bytes]], trailer: bytes = b""
) -> bytes:
    """Seal arbitrary blocks under a valid header, as a hostile but known sender could.

    Args:
        author: who signs.
        destination: who opens.
        blocks: key ("full" or "size") and clear bytes of each.
        trailer: what follows them.
    """
    private = seeded("crafted")(KEY_BYTES)
    ephemeral = bindings.crypto_scalarmult_base(private)
    header = sign_header(96, author.id, destination.id, ephemeral, author.signprv)
    packet = bytearray(header)
    shared = agree(private, destination.exchpub, "exchpub", destination.id)
    keys = BlockKeys(header[:SIGNED_BYTES], shared)
    for number, (key, clear) in enumerate(blocks):
        cipher = keys.size() if key == "size" else keys.full()
        packet += cipher.encrypt(nonce(number), clear, keys.associated)
    return bytes(packet + trailer)


@cache
def golden() -> Mapping[str, Any]:
    """What ``tests/vectors/packets.json`` says."""
    loaded: Mapping[str, Any] = json.loads((VECTORS / "packets.json").read_text("utf-8"))
    return loaded


def golden_bytes(name: str) -> bytes:
    """The file of a golden packet."""
    return (VECTORS / "packets" / f"{name}.pkt").read_bytes()


@cache
def golden_keys(name: str) -> PrivateKeys:
    """The keys of a node of the golden packets."""
    texts = golden()["keys"][name]
    sizes = {"signprv": SIGNING_KEY_BYTES}
    raw = {field: decode_base32(text, sizes.get(field, KEY_BYTES)) for field, text in texts.items()}
    return PrivateKeys(id=NodeId(raw.pop("id")), **raw)


def golden_opener(name: str) -> tuple[NodeId, bytes]:
    """Id and private exchange key of a node, or of ``area:NAME``."""
    if name.startswith("area:"):
        area = golden()["areas"][name.removeprefix("area:")]
        return NodeId.parse(area["id"]), decode_base32(area["prv"], KEY_BYTES)
    keys = golden_keys(name)
    return keys.id, keys.exchprv


def decode_base64(text: str) -> bytes:
    """Bytes of a golden entry."""
    return base64.b64decode(text, validate=True)
