import tracemalloc
from collections.abc import Sequence

import pytest

from gateway.errors import PacketError, TooLarge
from gateway.packet.keys import PrivateKeys
from gateway.packet.padding import UNLIMITED_BYTES, sealed_size_bytes
from gateway.packet.plain import PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.packet.sealed import BLOCK_BYTES, decode_header
from tests.support.packets import FILE_HEADER, hop_to, make_keys, open_layers, seal_packet, seeded

ALICE, BOB, CAROL, DAVE = (make_keys(name) for name in ("alice", "bob", "carol", "dave"))


def start(
    via: Sequence[PrivateKeys] = (), *, minsize_bytes: int = 0, maxsize_bytes: int = UNLIMITED_BYTES
) -> OnionSealer:
    return OnionSealer(
        ALICE,
        hop_to(BOB),
        [hop_to(node) for node in via],
        FILE_HEADER,
        nice=96,
        rng=seeded("packet"),
        minsize_bytes=minsize_bytes,
        maxsize_bytes=maxsize_bytes,
    )


def test_direct_packet_is_handed_to_its_destination() -> None:
    sealer = start()
    assert sealer.first_hop == BOB.id
    assert decode_header(sealer.header).recipient == BOB.id


def test_relayed_packet_is_handed_to_the_first_relay() -> None:
    sealer = start([CAROL, DAVE])
    header = decode_header(sealer.header)
    assert sealer.first_hop == CAROL.id
    assert (header.recipient, header.sender, header.nice) == (CAROL.id, ALICE.id, 96)
    packet = bytes(sealer.feed(b"payload")) + sealer.finish()
    assert packet[:172] == sealer.header
    assert open_layers(packet, ALICE, CAROL, DAVE, BOB).payload == b"payload"


def test_two_packets_of_one_payload_differ() -> None:
    rng = seeded("two")
    first, second = (seal_packet(b"same", ALICE, BOB, rng=rng) for _ in range(2))
    assert first != second
    assert open_layers(first, ALICE, BOB).payload == open_layers(second, ALICE, BOB).payload


def test_packet_without_a_payload() -> None:
    sealer = start()
    packet = sealer.finish()
    assert len(packet) == 480
    assert sealer.plain_total_bytes == 276
    assert open_layers(packet, ALICE, BOB).payload == b""


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_taken(kind: type[bytes]) -> None:
    sealer = start()
    packet = bytes(sealer.feed(kind(b"payload"))) + sealer.finish()
    assert open_layers(packet, ALICE, BOB).payload == b"payload"


def test_limit_counts_the_plain_header_and_its_error_sticks() -> None:
    sealer = start(maxsize_bytes=1000)
    sealer.feed(bytes(724))
    assert sealer.plain_total_bytes == 1000
    with pytest.raises(TooLarge, match="more than 1000 bytes") as first:
        sealer.feed(b"1")
    with pytest.raises(TooLarge) as again:
        sealer.feed(b"")
    with pytest.raises(TooLarge) as at_the_end:
        sealer.finish()
    assert again.value is first.value
    assert at_the_end.value is first.value


def test_limit_is_not_for_the_layers_around() -> None:
    sealer = start([CAROL], maxsize_bytes=1000)
    packet = bytes(sealer.feed(bytes(724))) + sealer.finish()
    assert len(packet) == sealed_size_bytes(1000, 2)


def test_call_after_the_end_is_a_bug() -> None:
    sealer = start()
    sealer.finish()
    with pytest.raises(AssertionError, match="internal error"):
        sealer.feed(b"more")
    with pytest.raises(AssertionError, match="internal error"):
        sealer.finish()


def test_unusable_key_of_a_node_is_named() -> None:
    with pytest.raises(PacketError, match=f"exchpub of {BOB.id}"):
        OnionSealer(ALICE, Hop(BOB.id, bytes(32)), [], FILE_HEADER, nice=96, rng=seeded("packet"))


@pytest.mark.parametrize("nice", [256, -1])
def test_niceness_out_of_range(nice: int) -> None:
    with pytest.raises(PacketError, match="niceness of an encrypted packet"):
        OnionSealer(ALICE, hop_to(BOB), [], FILE_HEADER, nice=nice, rng=seeded("packet"))


def test_path_that_is_too_long() -> None:
    header = PlainHeader(1, 1, bytes(256))
    with pytest.raises(TooLarge, match="path"):
        OnionSealer(ALICE, hop_to(BOB), [], header, nice=96, rng=seeded("packet"))


def test_padding_that_starts_another_block_of_the_relay_costs_one_tag() -> None:
    packet = seal_packet(bytes(1000), ALICE, BOB, [CAROL], minsize_bytes=133120)
    assert len(packet) == 133136


def test_memory_does_not_grow_with_the_payload() -> None:
    sealer = start([CAROL])
    piece = bytes(64 * 1024)
    size_bytes = 0
    tracemalloc.start()
    for _ in range(512):
        size_bytes += len(sealer.feed(piece))
    for part in sealer.finish_pieces():
        size_bytes += len(part)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size_bytes == sealed_size_bytes(276 + 512 * len(piece), 2)
    assert peak_bytes < 12 * BLOCK_BYTES


def test_memory_does_not_grow_with_the_padding() -> None:
    sealer = start(minsize_bytes=32 << 20)
    tracemalloc.start()
    size_bytes = sum(len(part) for part in sealer.finish_pieces())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size_bytes == 32 << 20
    assert peak_bytes < 6 * BLOCK_BYTES


def test_interrupted_finish_can_not_be_taken_up_again() -> None:
    sealer = start()
    next(sealer.finish_pieces())
    with pytest.raises(AssertionError, match="internal error"):
        sealer.finish()
