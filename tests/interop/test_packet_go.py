"""Packets of ours in the hands of the real Go tools."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.ids import PacketId, encode_base32
from gateway.packet.keys import PrivateKeys
from gateway.packet.mth import mth
from gateway.packet.plain import PLAIN_HEADER_BYTES, PacketType, PlainHeader, encode_exec_path, encode_plain
from gateway.packet.sealed import BLOCK_BYTES
from tests.support.packets import BOUNDARY_TOTALS_BYTES, FILE_HEADER, make_keys, pat, seal_packet
from tests.support.peers import require

ALICE, BOB, CAROL, DAVE = NODES = [make_keys(name) for name in ("alice", "bob", "carol", "dave")]
NAMES = ("alice", "bob", "carol", "dave")
RUN_SECONDS = 60


def write_config(folder: Path, own: PrivateKeys, *, incoming_of: str | None = None) -> Path:
    """The configuration of one node, which knows all others; JSON is valid Hjson."""
    fields = ("exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")
    public = ("exchpub", "signpub", "noisepub")
    own_texts = {field: encode_base32(getattr(own, field)) for field in fields}
    neighbours = {
        "self" if node is own else name: {
            "id": node.id.text,
            **{field: encode_base32(getattr(node, field)) for field in public},
        }
        for name, node in zip(NAMES, NODES, strict=True)
    }
    if incoming_of is not None:
        neighbours[incoming_of]["incoming"] = str(folder / "incoming")
    config = {
        "spool": str(folder / "spool"),
        "log": str(folder / "log"),
        "self": {"id": own.id.text, **own_texts},
        "neigh": neighbours,
    }
    path = folder / "cfg.json"
    path.write_text(json.dumps(config))
    return path


def dump(folder: Path, packet: bytes, own: PrivateKeys) -> bytes:
    """Plain header and payload as ``nncp-pkt -dump`` of a node prints them."""
    config = write_config(folder, own)
    done = subprocess.run(
        [require("nncp-pkt"), "-cfg", str(config), "-dump"],
        input=packet,
        capture_output=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def dump_layers(folder: Path, packet: bytes, via: Sequence[PrivateKeys]) -> bytes:
    """Open the layers of the relays and then Bob's."""
    next_hops = [*via[1:], BOB]
    for relay, next_hop in zip(via, next_hops, strict=False):
        clear = dump(folder, packet, relay)
        header = PlainHeader(PacketType.TRNS, 0, next_hop.id.raw)
        assert clear[:PLAIN_HEADER_BYTES] == encode_plain(header)
        packet = clear[PLAIN_HEADER_BYTES:]
    return dump(folder, packet, BOB)


@pytest.mark.parametrize("via", [(), (CAROL,), (CAROL, DAVE)], ids=["direct", "1 relay", "2 relays"])
@pytest.mark.parametrize("total", BOUNDARY_TOTALS_BYTES)
def test_packets_of_every_boundary_size_open(
    tmp_path: Path, total: int, via: tuple[PrivateKeys, ...]
) -> None:
    """The Go tools open our packets at every size around which the form of the blocks changes."""
    payload = pat(total - PLAIN_HEADER_BYTES)
    packet = seal_packet(payload, ALICE, BOB, via)
    assert dump_layers(tmp_path, packet, via) == encode_plain(FILE_HEADER) + payload


@pytest.mark.parametrize("via", [(), (CAROL,)], ids=["direct", "1 relay"])
@pytest.mark.parametrize("total", [276, BLOCK_BYTES - 16, BLOCK_BYTES - 15, BLOCK_BYTES])
def test_padded_packets_open(tmp_path: Path, total: int, via: tuple[PrivateKeys, ...]) -> None:
    """The Go tools open our packets with padding in the last block and behind it."""
    payload = pat(total - PLAIN_HEADER_BYTES)
    for minsize in (total + 1000, total + BLOCK_BYTES + 999, total + 2 * BLOCK_BYTES + 5):
        packet = seal_packet(payload, ALICE, BOB, via, minsize_bytes=minsize)
        assert dump_layers(tmp_path, packet, via) == encode_plain(FILE_HEADER) + payload


def test_header_of_an_exec_is_understood(tmp_path: Path) -> None:
    """nncp-pkt names niceness, sender and recipient, and the command with its arguments."""
    config = write_config(tmp_path, BOB)
    header = PlainHeader(PacketType.EXEC_FAT, 224, encode_exec_path(b"sendmail", [b"a@b", b"c@d"]))
    packet = seal_packet(b"x", ALICE, BOB, plain=header)
    argv = [require("nncp-pkt"), "-cfg", str(config)]
    outer = subprocess.run(argv, input=packet, capture_output=True, check=True, timeout=RUN_SECONDS)
    inner = subprocess.run(
        argv, input=dump(tmp_path, packet, BOB), capture_output=True, check=True, timeout=RUN_SECONDS
    )
    assert outer.stdout.decode().splitlines() == [
        "Packet type: encrypted",
        "Niceness: P (96)",
        f"Sender: {ALICE.id} (alice)",
        f"Recipient: {BOB.id} (self)",
    ]
    assert inner.stdout.decode().splitlines() == [
        "Packet type: plain",
        "Payload type: exec uncompressed",
        "Niceness: B (224)",
        "Path: sendmail a@b c@d",
    ]


@pytest.mark.parametrize("total", BOUNDARY_TOTALS_BYTES)
def test_names_agree(tmp_path: Path, total: int) -> None:
    """nncp-hash gives our packets the name that we give them."""
    packet = seal_packet(pat(total - PLAIN_HEADER_BYTES), ALICE, BOB)
    path = tmp_path / "packet"
    path.write_bytes(packet)
    argv = [require("nncp-hash"), "-file", str(path)]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=RUN_SECONDS)
    assert done.stdout.decode().strip() == mth(packet).hex()


def test_packets_of_every_boundary_size_are_tossed(tmp_path: Path) -> None:
    """nncp-toss writes the files of our packets, byte for byte, and removes the packets."""
    config = write_config(tmp_path, BOB, incoming_of="alice")
    inbox = tmp_path / "spool" / ALICE.id.text / "rx"
    inbox.mkdir(parents=True)
    (tmp_path / "incoming").mkdir()
    for total in BOUNDARY_TOTALS_BYTES:
        header = PlainHeader(PacketType.FILE, 224, str(total).encode())
        minsize = total + BLOCK_BYTES if total % 2 else 0
        packet = seal_packet(pat(total - PLAIN_HEADER_BYTES), ALICE, BOB, plain=header, minsize_bytes=minsize)
        (inbox / PacketId(mth(packet)).text).write_bytes(packet)
    done = subprocess.run(
        [require("nncp-toss"), "-cfg", str(config), "-quiet"],
        capture_output=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode()
    tossed = {path.name: path.read_bytes() for path in (tmp_path / "incoming").iterdir()}
    assert tossed == {str(total): pat(total - PLAIN_HEADER_BYTES) for total in BOUNDARY_TOTALS_BYTES}
    assert [path for path in inbox.iterdir() if path.is_file()] == []
