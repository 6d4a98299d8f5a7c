"""Golden packets of the Go tools open to what went in; changed ones fail in the way they are named for."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest
import zstandard

from gateway import errors
from gateway.errors import GatewayError
from gateway.ids import NodeId, PacketId
from gateway.packet.keys import PublicKeys
from gateway.packet.mth import mth
from gateway.packet.padding import pad_bytes, sealed_size_bytes
from gateway.packet.plain import PLAIN_HEADER_BYTES, PlainHeader, encode_plain
from tests.support import packets
from tests.support.packets import golden, golden_bytes, golden_keys, golden_opener, open_packet, pat

Entry = Mapping[str, Any]
NODES = ("alice", "bob", "carol", "dave")


def entry_names(entry: Entry) -> str:
    return str(entry["name"] if "from" not in entry else f"{entry['from']}: {entry['name']}")


def is_as_expected(payload: bytes, wanted: Entry) -> bool:
    if "zstd" in wanted:
        return is_as_expected(decompress(payload), wanted["zstd"])
    if "pat" in wanted:
        return payload == pat(int(wanted["pat"]))
    if "text" in wanted:
        return payload == str(wanted["text"]).encode()
    if "b64" in wanted:
        return payload == packets.decode_base64(str(wanted["b64"]))
    if "tar" in wanted:
        with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
            return bool(archive.getnames()[:1] == wanted["tar"])
    return hashlib.sha256(payload).hexdigest() == str(wanted["sha256"])


def decompress(payload: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(payload) if payload else b""


@pytest.mark.parametrize("entry", golden()["packets"], ids=entry_names)
def test_golden_packet_opens_to_what_was_sent(entry: Entry) -> None:
    packet = golden_bytes(entry["name"])
    assert len(packet) == entry["size_bytes"]
    assert PacketId(mth(packet)).text == entry["packet_id"]
    find = packets.neighbours(*map(golden_keys, NODES))
    for number, layer in enumerate(entry["layers"]):
        opened = open_packet(packet, *golden_opener(layer["node"]), find)
        assert opened.plain == PlainHeader(layer["type"], layer["nice"], bytes.fromhex(layer["path_hex"]))
        assert opened.nice == layer["outer_nice"]
        assert opened.sender == golden_keys(entry["sender"]).id
        packet = opened.payload
        if number == 0:
            clear = encode_plain(opened.plain) + packet
            assert len(clear) == entry["plain_total_bytes"]
            assert hashlib.sha256(clear).hexdigest() == entry["plain_sha256"]
    assert is_as_expected(packet, entry["payload"])


def is_sized_by_us(entry: Entry) -> bool:
    return not entry["layers"][-1]["node"].startswith("area:") and "pat" in entry["payload"]


@pytest.mark.parametrize(
    "entry", [entry for entry in golden()["packets"] if is_sized_by_us(entry)], ids=entry_names
)
def test_our_packet_of_the_same_payload_has_the_size_of_the_golden_one(entry: Entry) -> None:
    *relays, destination = [golden_keys(layer["node"]) for layer in entry["layers"]]
    payload = pat(entry["payload"]["pat"])
    minsize_bytes = entry.get("minsize_bytes", 0)
    ours = packets.seal_packet(
        payload, golden_keys("alice"), destination, relays, minsize_bytes=minsize_bytes
    )
    total_bytes = PLAIN_HEADER_BYTES + len(payload)
    padding_bytes = pad_bytes(total_bytes, minsize_bytes, len(entry["layers"]))
    assert len(ours) == entry["size_bytes"]
    if not relays:
        assert sealed_size_bytes(total_bytes) + padding_bytes == entry["size_bytes"]


def change(packet: bytes, how: Entry) -> bytes:
    changed = bytearray(packet[: how.get("cut", len(packet))])
    if "flip" in how:
        offset, bit = how["flip"]
        changed[offset] ^= 1 << bit
    if "write" in how:
        offset, text = how["write"]
        changed[offset : offset + len(text) // 2] = bytes.fromhex(text)
    changed += bytes.fromhex(how.get("append", "")) + bytes(how.get("append_zeros", 0))
    return bytes(changed)


def find_for(how: Entry) -> packets.FindKeys:
    known = {golden_keys(name).id: golden_keys(name).public for name in how.get("neighbours", NODES)}
    if "signpub_of" in how:
        sender, other = (golden_keys(name) for name in how["signpub_of"])
        known[sender.id] = PublicKeys(sender.id, sender.exchpub, other.signpub)
    return known.get


@pytest.mark.parametrize("entry", golden()["derived"], ids=entry_names)
def test_changed_packet_fails_as_named(entry: Entry) -> None:
    how = entry["change"]
    source = next(one for one in golden()["packets"] if one["name"] == entry["from"])
    node = source["layers"][0]["node"]
    own_id: NodeId = golden_opener(how.get("open_as", node))[0]
    exchprv = golden_opener(how.get("open_key", how.get("open_as", node)))[1]
    packet = change(golden_bytes(entry["from"]), how)
    with pytest.raises(GatewayError) as caught:
        open_packet(packet, own_id, exchprv, find_for(how))
    assert type(caught.value) is getattr(errors, entry["expect"])


@pytest.mark.parametrize("entry", golden()["mth"], ids=lambda entry: f"{entry['pat']} bytes")
def test_hash_of_golden_data(entry: Entry) -> None:
    digest = mth(pat(entry["pat"]))
    assert digest.hex() == entry["hex"]
    assert PacketId(digest).text == entry["name"]
