import tracemalloc
from collections.abc import Callable

import pytest

from gateway.errors import BadBlock, BadMagic, BadSignature, PacketError, Truncated, UnknownNode
from gateway.packet.plain import PLAIN_HEADER_BYTES, PlainHeader, encode_plain
from gateway.packet.sealed import (
    BLOCK_BYTES,
    UNIT_BYTES,
    EncryptedHeader,
    decode_header,
    sign_header,
)
from gateway.packet.unseal import Unsealer
from tests.support.packets import (
    FILE_HEADER,
    Opened,
    craft_packet,
    golden_keys,
    make_keys,
    neighbours,
    open_layers,
    pat,
    seal_packet,
)

ALICE, BOB, CAROL = (make_keys(name) for name in ("alice", "bob", "carol"))
PLAIN = encode_plain(FILE_HEADER)
FULL_BLOCK = PLAIN + pat(BLOCK_BYTES - PLAIN_HEADER_BYTES)


def size_block(total_bytes: int, padding_bytes: int, rest: bytes) -> tuple[str, bytes]:
    return "size", total_bytes.to_bytes(8, "big") + padding_bytes.to_bytes(8, "big") + rest


def open_crafted(*blocks: tuple[str, bytes], trailer: bytes = b"") -> Opened:
    return open_layers(craft_packet(ALICE, BOB, blocks, trailer), ALICE, BOB)


def unsealer_of_bob() -> Unsealer:
    return Unsealer(BOB.id, BOB.exchprv, neighbours(ALICE))


def proven(unsealer: Unsealer) -> tuple[EncryptedHeader | None, PlainHeader | None]:
    return unsealer.header, unsealer.plain


def test_crafted_packet_of_the_right_form_opens() -> None:
    opened = open_crafted(("full", FULL_BLOCK), size_block(BLOCK_BYTES + 3, 2, b"abc\0\0"))
    assert opened.payload == FULL_BLOCK[PLAIN_HEADER_BYTES:] + b"abc"


def test_header_and_plain_header_appear_when_they_are_proven() -> None:
    packet = seal_packet(pat(200_000), ALICE, BOB)
    unsealer = unsealer_of_bob()
    assert unsealer.feed(packet[:171]) == []
    assert proven(unsealer) == (None, None)
    assert unsealer.feed(packet[171:172]) == []
    assert proven(unsealer) == (decode_header(packet[:172]), None)
    first = b"".join(unsealer.feed(packet[172 : 172 + UNIT_BYTES]))
    assert proven(unsealer) == (decode_header(packet[:172]), FILE_HEADER)
    assert first == pat(BLOCK_BYTES - PLAIN_HEADER_BYTES)


def test_last_block_comes_out_of_finish() -> None:
    unsealer = unsealer_of_bob()
    assert unsealer.feed(seal_packet(b"payload", ALICE, BOB)) == []
    assert b"".join(unsealer.finish()) == b"payload"


def test_size_below_what_came_before() -> None:
    with pytest.raises(BadBlock, match=f"block 1 .* {BLOCK_BYTES - 1} bytes"):
        open_crafted(("full", FULL_BLOCK), size_block(BLOCK_BYTES - 1, 0, b""))


def test_size_below_a_plain_header() -> None:
    with pytest.raises(BadBlock, match="has 275 bytes"):
        open_crafted(size_block(275, 0, PLAIN[:275]))


@pytest.mark.parametrize("total_bytes", [BLOCK_BYTES, 2 * BLOCK_BYTES + 5, (1 << 64) - 1])
def test_size_of_more_than_this_block_can_end(total_bytes: int) -> None:
    with pytest.raises(BadBlock, match="does not fit the 0 bytes before it"):
        open_crafted(size_block(total_bytes, 0, PLAIN))


def test_short_size_block_that_announces_more() -> None:
    with pytest.raises(BadBlock, match=r"block 0 .* holds 276 bytes, but 277 are announced"):
        open_crafted(size_block(277, 0, PLAIN))


def test_padding_that_is_not_zero() -> None:
    with pytest.raises(BadBlock, match=r"block 0 .* padding that is not zero"):
        open_crafted(size_block(276, 3, PLAIN + b"\0\0x"))


def test_more_padding_in_the_block_than_announced() -> None:
    with pytest.raises(BadBlock, match="3 bytes of padding, but 2 are announced"):
        open_crafted(size_block(276, 2, PLAIN + bytes(3)))


def test_less_padding_than_announced() -> None:
    with pytest.raises(Truncated, match="and 1 of padding"):
        open_crafted(size_block(276, 4, PLAIN + bytes(3)))


SPLIT_TOTAL_BYTES = BLOCK_BYTES - 10
SPLIT_SIZE_BLOCK = size_block(SPLIT_TOTAL_BYTES, 4, FULL_BLOCK[: BLOCK_BYTES - 16])
SPLIT_TAIL = FULL_BLOCK[BLOCK_BYTES - 16 : SPLIT_TOTAL_BYTES]


def test_tail_in_a_block_of_its_own() -> None:
    opened = open_crafted(SPLIT_SIZE_BLOCK, ("full", SPLIT_TAIL + bytes(4)))
    assert opened.payload == FULL_BLOCK[PLAIN_HEADER_BYTES:SPLIT_TOTAL_BYTES]


@pytest.mark.parametrize(
    ("tail", "expected", "text"),
    [
        (SPLIT_TAIL + b"\0\0\0x", BadBlock, "block 1 .* not zero"),
        (SPLIT_TAIL + bytes(5), BadBlock, "block 1 .* 5 bytes of padding, but 4"),
        (SPLIT_TAIL + bytes(3), Truncated, "1 of padding"),
        (SPLIT_TAIL[:-1], Truncated, "within block 1"),
    ],
)
def test_bad_tail(tail: bytes, expected: type[PacketError], text: str) -> None:
    with pytest.raises(expected, match=text):
        open_crafted(SPLIT_SIZE_BLOCK, ("full", tail))


def test_tail_with_the_key_of_the_size_block() -> None:
    with pytest.raises(BadBlock, match=r"block 1 .* does not authenticate"):
        open_crafted(SPLIT_SIZE_BLOCK, ("size", SPLIT_TAIL + bytes(4)))


def test_second_size_block() -> None:
    block = size_block(BLOCK_BYTES - 16, 0, FULL_BLOCK[: BLOCK_BYTES - 16])
    with pytest.raises(BadBlock, match="follow the end"):
        open_crafted(block, block)


def test_short_block_of_the_full_key() -> None:
    with pytest.raises(BadBlock, match=r"block 0 .* does not authenticate"):
        open_crafted(("full", PLAIN))


def test_blocks_without_a_size_block() -> None:
    with pytest.raises(Truncated, match="after 2 blocks"):
        open_crafted(("full", FULL_BLOCK), ("full", FULL_BLOCK))


def test_junk_behind_a_size_block_of_full_length() -> None:
    block = size_block(BLOCK_BYTES - 16, 0, FULL_BLOCK[: BLOCK_BYTES - 16])
    assert open_crafted(block).payload == FULL_BLOCK[PLAIN_HEADER_BYTES : BLOCK_BYTES - 16]
    with pytest.raises(BadBlock, match="follow the end"):
        open_crafted(block, trailer=b"junk")


def test_plain_header_of_another_version() -> None:
    old = PLAIN[:7] + b"\x02" + PLAIN[8:]
    with pytest.raises(BadMagic, match="plain packet v2"):
        open_crafted(size_block(276, 0, old))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_ephemeral_key_of_low_order(point: bytes) -> None:
    header = sign_header(96, ALICE.id, BOB.id, point, ALICE.signprv)
    with pytest.raises(PacketError, match=f"ephemeral key of a packet of {ALICE.id}: a low-order"):
        unsealer_of_bob().feed(header)


def test_packet_for_somebody_else() -> None:
    with pytest.raises(UnknownNode, match=f"invalid recipient: the packet is for {CAROL.id}, not {BOB.id}"):
        unsealer_of_bob().feed(seal_packet(b"x", ALICE, CAROL))


def test_packet_of_a_stranger() -> None:
    with pytest.raises(UnknownNode, match=f"unknown sender {CAROL.id}"):
        unsealer_of_bob().feed(seal_packet(b"x", CAROL, BOB))


def test_forged_sender() -> None:
    header = sign_header(96, ALICE.id, BOB.id, bytes(32), golden_keys("alice").signprv)
    with pytest.raises(BadSignature, match="invalid signature"):
        unsealer_of_bob().feed(header)


def test_damage_names_the_block_and_its_place() -> None:
    packet = bytearray(seal_packet(pat(4 * BLOCK_BYTES), ALICE, BOB))
    packet[172 + 2 * UNIT_BYTES + 7] ^= 1
    with pytest.raises(BadBlock, match=rf"block 2 \(at byte {172 + 2 * UNIT_BYTES}\) does not authenticate"):
        unsealer_of_bob().feed(packet)


def test_what_did_not_authenticate_is_wiped() -> None:
    packet = bytearray(seal_packet(pat(2 * BLOCK_BYTES), ALICE, BOB))
    packet[172 + UNIT_BYTES - 1] ^= 1
    unsealer = unsealer_of_bob()
    with pytest.raises(BadBlock):
        unsealer.feed(packet)
    assert not any(unsealer._out)


def fed_then_finished(unsealer: Unsealer) -> list[Callable[[], object]]:
    return [lambda: unsealer.feed(b"more"), unsealer.finish]


def test_error_sticks() -> None:
    unsealer = unsealer_of_bob()
    with pytest.raises(Truncated) as first:
        unsealer.finish()
    for again in fed_then_finished(unsealer):
        with pytest.raises(Truncated) as caught:
            again()
        assert caught.value is first.value


def test_call_after_the_end_is_a_bug() -> None:
    unsealer = unsealer_of_bob()
    unsealer.feed(seal_packet(b"", ALICE, BOB))
    unsealer.finish()
    for again in fed_then_finished(unsealer):
        with pytest.raises(AssertionError, match="internal error"):
            again()


def test_memory_does_not_grow_with_the_packet() -> None:
    packet = memoryview(seal_packet(bytes(16 << 20), ALICE, BOB, minsize_bytes=24 << 20))
    unsealer = unsealer_of_bob()
    size_bytes = 0
    tracemalloc.start()
    for at in range(0, len(packet), 64 * 1024):
        size_bytes += sum(len(piece) for piece in unsealer.feed(packet[at : at + 64 * 1024]))
    size_bytes += sum(len(piece) for piece in unsealer.finish())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size_bytes == 16 << 20
    assert peak_bytes < 6 * BLOCK_BYTES
