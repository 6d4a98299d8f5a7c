import pytest

from gateway.errors import BadMagic, BadSignature, PacketError, Truncated
from gateway.packet.sealed import (
    BlockKeys,
    agree,
    decode_header,
    encode_header,
    nonce,
    sign_header,
    verify_header,
)
from tests.support.packets import golden_bytes, golden_keys, make_keys

ALICE, BOB = make_keys("alice"), make_keys("bob")
RAW = sign_header(96, ALICE.id, BOB.id, b"e" * 32, ALICE.signprv)
HEADER = decode_header(RAW)


def test_layout() -> None:
    raw = RAW
    assert encode_header(HEADER) == raw
    assert raw[:12] == b"NNCPE\0\0\x06\0\0\0\x60"
    assert raw[12:108] == ALICE.id.raw + BOB.id.raw + b"e" * 32
    assert raw[108:] == HEADER.signature
    assert len(raw) == 172
    assert decode_header(memoryview(raw)) == HEADER


def test_header_of_the_go_tools() -> None:
    raw = golden_bytes("exec")[:172]
    header = decode_header(raw)
    assert (header.nice, header.sender) == (96, golden_keys("alice").id)
    assert header.recipient == golden_keys("bob").id
    verify_header(header, golden_keys("alice").signpub)
    assert encode_header(header) == raw


def test_signature_of_somebody_else() -> None:
    verify_header(HEADER, ALICE.signpub)
    with pytest.raises(BadSignature, match=ALICE.id.text):
        verify_header(HEADER, BOB.signpub)


@pytest.mark.parametrize("size_bytes", [0, 171, 173])
def test_wrong_length(size_bytes: int) -> None:
    with pytest.raises(Truncated, match=f"{size_bytes} bytes, not 172"):
        decode_header(bytes(size_bytes))


def test_old_version_is_named() -> None:
    raw = RAW
    with pytest.raises(BadMagic, match=r"encrypted packet v5 format is unsupported \(used till 7\.7\.0\)"):
        decode_header(raw[:7] + b"\x05" + raw[8:])


@pytest.mark.parametrize("nice", [256, -1])
def test_niceness_that_is_no_byte_is_not_written(nice: int) -> None:
    with pytest.raises(PacketError, match="niceness"):
        sign_header(nice, ALICE.id, BOB.id, b"e" * 32, ALICE.signprv)


LOW_ORDER_POINTS = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=bytes.hex)
def test_point_that_gives_everybody_the_same_secret(point: bytes) -> None:
    with pytest.raises(PacketError, match=f"exchpub of {BOB.id}: a low-order X25519 point"):
        agree(ALICE.exchprv, point, "exchpub", BOB.id)


def test_both_sides_agree() -> None:
    ours = agree(ALICE.exchprv, BOB.exchpub, "exchpub", BOB.id)
    assert ours == agree(BOB.exchprv, ALICE.exchpub, "exchpub", ALICE.id)


def test_nonce_counts_from_0_in_network_order() -> None:
    assert nonce(0) == bytes(12)
    assert nonce(258) == bytes(10) + b"\x01\x02"


def test_outer_pad_is_one_stream() -> None:
    keys = BlockKeys(b"signed", b"s" * 32)
    whole, pieces = keys.pad(), keys.pad()
    assert whole.take(1000) == pieces.take(1) + pieces.take(0) + pieces.take(700) + pieces.take(299)
