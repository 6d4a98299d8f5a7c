"""Sealing and opening whatever the sizes, the splits and the damage."""

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadBlock, PacketError, Truncated
from gateway.packet.keys import PrivateKeys
from gateway.packet.mth import LEAF_BYTES, MerkleTreeHash, mth
from gateway.packet.padding import pad_bytes, sealed_size_bytes
from gateway.packet.plain import (
    PLAIN_HEADER_BYTES,
    PlainHeader,
    decode_exec_path,
    decode_plain,
    encode_exec_path,
    encode_plain,
)
from gateway.packet.sealed import (
    BLOCK_BYTES,
    ENCRYPTED_HEADER_BYTES,
    UNIT_BYTES,
    decode_header,
    encode_header,
)
from gateway.packet.unseal import Unsealer
from tests.support import packets
from tests.support.packets import BOUNDARY_TOTALS_BYTES, FILE_HEADER, make_keys, open_layers, pat, seal_packet

ALICE, BOB, CAROL, DAVE = (make_keys(name) for name in ("alice", "bob", "carol", "dave"))
FROM_ALICE = packets.neighbours(ALICE)

totals = st.sampled_from(BOUNDARY_TOTALS_BYTES) | st.integers(PLAIN_HEADER_BYTES, 3 * BLOCK_BYTES)
cuts = st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=8)
minsizes = st.sampled_from((0, 1024, BLOCK_BYTES, UNIT_BYTES + ENCRYPTED_HEADER_BYTES, 300_000))
relays = st.sampled_from(((), (CAROL,), (CAROL, DAVE)))
few = settings(max_examples=80, deadline=None)


def split(whole: bytes, at: Sequence[int]) -> Iterator[bytes]:
    edges = [0, *sorted(min(cut, len(whole)) for cut in at), len(whole)]
    return (whole[start:end] for start, end in itertools.pairwise(edges))


def feed_all(unsealer: Unsealer, packet: bytes) -> None:
    unsealer.feed(packet)
    unsealer.finish()


def payload_of(total_bytes: int) -> bytes:
    return pat(total_bytes - PLAIN_HEADER_BYTES)


@few
@given(totals, minsizes, relays)
def test_what_was_sealed_opens(total: int, minsize: int, via: tuple[PrivateKeys, ...]) -> None:
    payload = payload_of(total)
    packet = seal_packet(payload, ALICE, BOB, via, minsize_bytes=minsize)
    opened = open_layers(packet, ALICE, *via, BOB)
    assert opened == packets.Opened(FILE_HEADER, payload, 96, ALICE.id)
    natural_bytes = sealed_size_bytes(total, 1 + len(via))
    if not via:
        assert len(packet) == max(natural_bytes, minsize)
    else:
        assert 0 <= len(packet) - max(natural_bytes, minsize) <= 32 * len(via)
    assert pad_bytes(total, minsize, 1 + len(via)) == max(0, minsize - natural_bytes)


@pytest.mark.parametrize("via", [(), (CAROL,), (CAROL, DAVE)], ids=["direct", "1 relay", "2 relays"])
@pytest.mark.parametrize("total", BOUNDARY_TOTALS_BYTES)
def test_every_boundary_size_opens(total: int, via: tuple[PrivateKeys, ...]) -> None:
    payload = payload_of(total)
    for minsize in (0, total + 600, total + BLOCK_BYTES, total + 2 * BLOCK_BYTES):
        packet = seal_packet(payload, ALICE, BOB, via, minsize_bytes=minsize)
        assert open_layers(packet, ALICE, *via, BOB).payload == payload


@few
@given(totals, minsizes, relays, cuts)
def test_split_of_the_payload_does_not_change_the_packet(
    total: int, minsize: int, via: tuple[PrivateKeys, ...], at: list[int]
) -> None:
    payload = payload_of(total)
    pieces = list(split(payload, at))
    whole = seal_packet(payload, ALICE, BOB, via, minsize_bytes=minsize)
    assert seal_packet(payload, ALICE, BOB, via, minsize_bytes=minsize, pieces=pieces) == whole


@few
@given(totals, minsizes, cuts)
def test_split_of_the_packet_does_not_change_the_payload(total: int, minsize: int, at: list[int]) -> None:
    payload = payload_of(total)
    packet = seal_packet(payload, ALICE, BOB, minsize_bytes=minsize)
    opened = packets.open_packet(split(packet, at), BOB.id, BOB.exchprv, FROM_ALICE)
    assert opened.payload == payload


@settings(max_examples=3, deadline=None)
@given(st.integers(PLAIN_HEADER_BYTES, 2000))
def test_byte_by_byte(total: int) -> None:
    payload = payload_of(total)
    single = [payload[at : at + 1] for at in range(len(payload))]
    packet = seal_packet(payload, ALICE, BOB, (CAROL,), pieces=single, minsize_bytes=4096)
    inner = packets.open_packet(
        (packet[at : at + 1] for at in range(len(packet))), CAROL.id, CAROL.exchprv, FROM_ALICE
    )
    assert open_layers(inner.payload, ALICE, BOB).payload == payload


@few
@given(totals, minsizes, st.data())
def test_any_cut_is_noticed(total: int, minsize: int, data: st.DataObject) -> None:
    packet = seal_packet(payload_of(total), ALICE, BOB, minsize_bytes=minsize)
    units = st.integers(0, (len(packet) - 1 - ENCRYPTED_HEADER_BYTES) // UNIT_BYTES)
    boundaries = units.map(lambda count: ENCRYPTED_HEADER_BYTES + count * UNIT_BYTES)
    cut = data.draw(boundaries | st.integers(0, len(packet) - 1))
    with pytest.raises((Truncated, BadBlock)):
        packets.open_packet(packet[:cut], BOB.id, BOB.exchprv, FROM_ALICE)


@few
@given(totals, minsizes, st.data())
def test_any_flipped_bit_is_noticed(total: int, minsize: int, data: st.DataObject) -> None:
    packet = bytearray(seal_packet(payload_of(total), ALICE, BOB, minsize_bytes=minsize))
    at = data.draw(st.integers(0, ENCRYPTED_HEADER_BYTES - 1) | st.integers(0, len(packet) - 1))
    packet[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(PacketError):
        packets.open_packet(bytes(packet), BOB.id, BOB.exchprv, FROM_ALICE)


@few
@given(totals, minsizes, st.binary(min_size=1, max_size=64), cuts)
def test_anything_behind_the_end_is_noticed(total: int, minsize: int, junk: bytes, at: list[int]) -> None:
    packet = seal_packet(payload_of(total), ALICE, BOB, minsize_bytes=minsize)
    with pytest.raises(BadBlock):
        packets.open_packet(split(packet + junk, at), BOB.id, BOB.exchprv, FROM_ALICE)


block_contents = st.one_of(
    st.binary(max_size=400),
    st.builds(
        lambda total, padding, rest: total.to_bytes(8, "big") + padding.to_bytes(8, "big") + rest,
        st.integers(0, 1000) | st.integers(0, (1 << 64) - 1),
        st.integers(0, 400) | st.integers(0, (1 << 64) - 1),
        st.binary(max_size=400),
    ),
    st.sampled_from((bytes(BLOCK_BYTES), encode_plain(FILE_HEADER).ljust(BLOCK_BYTES, b"x"))),
)
crafted = st.lists(st.tuples(st.sampled_from(("full", "size")), block_contents), max_size=4)


@few
@given(crafted, st.binary(max_size=40))
def test_hostile_neighbour_gets_packet_errors_only(blocks: list[tuple[str, bytes]], trailer: bytes) -> None:
    packet = packets.craft_packet(ALICE, BOB, blocks, trailer)
    unsealer = Unsealer(BOB.id, BOB.exchprv, FROM_ALICE)
    is_refused = False
    try:
        feed_all(unsealer, packet)
    except PacketError:
        is_refused = True
    assert is_refused or unsealer.plain is not None


starts = st.sampled_from((b"", b"NNCPE\0\0\x06", seal_packet(b"", ALICE, BOB)[:ENCRYPTED_HEADER_BYTES]))


@few
@given(starts, st.binary(max_size=600))
def test_garbage_gives_packet_errors_and_they_stick(start: bytes, garbage: bytes) -> None:
    unsealer = Unsealer(BOB.id, BOB.exchprv, FROM_ALICE)
    with pytest.raises(PacketError) as first:
        feed_all(unsealer, start + garbage)
    with pytest.raises(PacketError) as again:
        unsealer.feed(b"more")
    with pytest.raises(PacketError) as at_the_end:
        unsealer.finish()
    assert again.value is first.value
    assert at_the_end.value is first.value


almost_plain = st.binary(min_size=268, max_size=268).map(lambda raw: b"NNCPP\0\0\x03" + raw)
almost_sealed = st.binary(min_size=164, max_size=164).map(lambda raw: b"NNCPE\0\0\x06" + raw)


@few
@given(st.binary(max_size=300) | almost_plain)
def test_garbage_is_no_plain_header_or_survives_the_way_back(raw: bytes) -> None:
    try:
        header = decode_plain(raw)
    except PacketError:
        return
    assert decode_plain(encode_plain(header)) == header


@few
@given(st.binary(max_size=300) | almost_sealed)
def test_garbage_is_no_sealed_header_or_survives_the_way_back(raw: bytes) -> None:
    try:
        header = decode_header(raw)
    except PacketError:
        return
    assert encode_header(header) == raw


bytes_of_path = st.binary(max_size=255)


@few
@given(st.integers(0, 255), st.integers(0, 255), bytes_of_path)
def test_plain_header_round_trip(kind: int, nice: int, path: bytes) -> None:
    header = PlainHeader(kind, nice, path)
    raw = encode_plain(header)
    assert len(raw) == PLAIN_HEADER_BYTES
    assert decode_plain(raw) == header


parts = st.binary(max_size=40).map(lambda part: part.replace(b"\0", b""))


@few
@given(parts.filter(bool), st.lists(parts, max_size=5))
def test_exec_path_round_trip(handle: bytes, args: list[bytes]) -> None:
    assert decode_exec_path(encode_exec_path(handle, args)) == (handle, tuple(args))


@few
@given(st.integers(0, 5 * LEAF_BYTES + 1) | st.sampled_from(range(0, 9 * LEAF_BYTES, LEAF_BYTES)), cuts)
def test_split_does_not_change_the_hash(size: int, at: list[int]) -> None:
    whole = bytes(size)
    tree = MerkleTreeHash()
    for piece in split(whole, at):
        tree.update(piece)
        tree.digest()
    assert tree.digest() == mth(whole)
