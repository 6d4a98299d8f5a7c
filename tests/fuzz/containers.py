"""Fuzz targets of what holds other things: bundles, chunked files, encrypted configurations, logs."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gateway.errors import GatewayError
from gateway.ids import PacketId
from gateway.packet.bundle import BundleReader, PacketData, PacketEnd, PacketStart, encode_entry, padding
from gateway.packet.chunked import ChunkMeta, decode_chunk_meta, encode_chunk_meta
from gateway.packet.eblob import Costs, decode_eblob, open_eblob, seal_eblob
from gateway.packet.mth import mth
from gateway.spool.log_reader import LogReader
from tests.fuzz.target import Target, in_pieces
from tests.support.packets import golden_bytes, make_keys

CHEAP = Costs(spaces=4, rounds=1, jobs=1)
PASSPHRASE = b"passphrase"


def bundle(source: Iterable[bytes]) -> object:
    """The packets of a bundle and what else was found, also of one that is cut."""
    reader = BundleReader()
    found: list[object] = []
    content = bytearray()
    for piece in source:
        for event in reader.feed(piece):
            if isinstance(event, PacketData):
                content += event.data
            elif isinstance(event, PacketStart):
                content.clear()
                found.append(event)
            elif isinstance(event, PacketEnd):
                found.append(bytes(content))
            else:
                found.append(event)
    try:
        reader.finish()
    except GatewayError as error:
        found.append(type(error))
    return found


def bundle_seeds() -> Iterator[bytes]:
    """Two packets, with junk around them."""
    alice, bob = make_keys("alice").id, make_keys("bob").id
    entries = []
    for name in ("file-1", "exec-one-byte"):
        packet = golden_bytes(name)
        entries += [
            encode_entry(bob, alice, PacketId(mth(packet)), len(packet)),
            packet,
            padding(len(packet)),
        ]
    yield b"\x07" + b"".join(entries)
    yield b"\xc8junk" + b"".join([*entries[:3], b"between", *entries[3:]]) + bytes(1024)


def chunk_meta(data: bytes) -> None:
    """The list of a chunked file's chunks, and the way back."""
    meta = decode_chunk_meta(data)
    assert encode_chunk_meta(meta) == data
    assert sum(map(meta.chunk_size_bytes, range(len(meta.checksums)))) == meta.size_bytes


def encrypted_configuration(data: bytes) -> None:
    """An encrypted configuration; one that asks for much work is taken apart only."""
    blob = decode_eblob(data)
    if max(blob.costs.spaces, blob.costs.rounds, blob.costs.jobs) <= max(CHEAP.spaces, 2):
        open_eblob(blob, PASSPHRASE)
    else:
        blob.costs.check()


def log(data: bytes) -> None:
    """A log in Go's format; whatever is in it, a line for people is one line."""
    reader = LogReader(Path("log"))
    for record in reader.parse(data.splitlines(keepends=True)):
        assert record.fields
        assert "\n" not in record.line()


CONTAINERS: Mapping[str, Target] = {
    "bundle": Target(
        in_pieces(bundle),
        bundle_seeds,
        (b"NNCP/", b"ustar\x0000", b"27 path=", b"18 size=1\n", b"\0" * 512),
        8192,
    ),
    "meta": Target(
        chunk_meta,
        lambda: [
            encode_chunk_meta(ChunkMeta(5000, 2048, (bytes(32),) * 3)),
            encode_chunk_meta(ChunkMeta(0, 1, (bytes(32),))),
        ],
    ),
    "eblob": Target(
        encrypted_configuration, lambda: [seal_eblob(b"spool: /s\n", PASSPHRASE, CHEAP, bytes(32))]
    ),
    "log": Target(
        log,
        lambda: [b"When: 2024-01-02T03:04:05.123456789Z\nWho: tx\nErr: a\nMsg: b\n+ c\n\nWhen: x\n\n"],
        (b"\nMsg: ", b"\n+", b"\xe2\x80\xa8"),
    ),
}
