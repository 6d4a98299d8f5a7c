import pytest

from gateway.errors import RemoteProtocolError
from gateway.link.noise import (
    FIRST_OVERHEAD_BYTES,
    SECOND_OVERHEAD_BYTES,
    Cipher,
    Initiator,
    NoisePair,
    Responder,
)
from tests.support.links import ephemeral, noise_pair

ALICE, BOB = noise_pair("alice"), noise_pair("bob")
LOW_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]
"""RFC 7748 section 6.1: every secret agreed with these is zero."""


def handshake(payload: bytes = b"there", answer: bytes = b"back") -> tuple[Initiator, Responder]:
    caller, called = Initiator(ALICE, BOB.public, ephemeral()), Responder(BOB, ephemeral())
    first = caller.write_first(payload)
    assert len(first) == FIRST_OVERHEAD_BYTES + len(payload)
    assert called.read_first(first) == payload
    second = called.write_second(answer)
    assert len(second) == SECOND_OVERHEAD_BYTES + len(answer)
    assert caller.read_second(second) == answer
    return caller, called


def seal(cipher: Cipher, plaintext: bytes) -> bytearray:
    message = bytearray(plaintext + bytes(16))
    cipher.seal(memoryview(message))
    return message


@pytest.mark.parametrize("size_bytes", [0, 1, 65280])
def test_both_sides_agree_on_who_they_are_and_on_keys(size_bytes: int) -> None:
    caller, called = handshake(bytes(size_bytes), bytes(size_bytes))
    assert called.remote_pub == ALICE.public
    assert caller.handshake_hash == called.handshake_hash
    ours, theirs = caller.ciphers(), called.ciphers()
    for number in range(3):
        for sending, receiving in ((ours.sending, theirs.receiving), (theirs.sending, ours.receiving)):
            sealed = seal(sending, b"message %d" % number)
            assert bytes(receiving.open(memoryview(sealed))) == b"message %d" % number


def test_the_transport_counts_little_endian() -> None:
    sending, receiving = Cipher(bytes(32)), Cipher(bytes(32))
    assert len({bytes(seal(sending, b"same")) for _ in range(300)}) == 300
    later = seal(sending, b"same")
    with pytest.raises(RemoteProtocolError, match="message 0 does not authenticate"):
        receiving.open(memoryview(later))


def test_a_message_played_again_is_refused() -> None:
    caller, called = handshake()
    sealed = seal(caller.ciphers().sending, b"pay 1")
    receiving = called.ciphers().receiving
    assert bytes(receiving.open(memoryview(bytearray(sealed)))) == b"pay 1"
    with pytest.raises(RemoteProtocolError, match="message 1"):
        receiving.open(memoryview(bytearray(sealed)))


@pytest.mark.parametrize("size_bytes", [0, 15])
def test_a_message_shorter_than_its_tag_is_refused(size_bytes: int) -> None:
    with pytest.raises(RemoteProtocolError, match="too short"):
        Cipher(bytes(32)).open(memoryview(bytearray(size_bytes)))


@pytest.mark.parametrize("at", [0, 31, 32, 79, 80, 90, 100])
def test_a_changed_call_is_refused(at: int) -> None:
    first = bytearray(Initiator(ALICE, BOB.public, ephemeral()).write_first(b"there"))
    first[at] ^= 1
    with pytest.raises(RemoteProtocolError, match="does not authenticate"):
        Responder(BOB, ephemeral()).read_first(first)


@pytest.mark.parametrize("at", [0, 31, 32, 40])
def test_a_changed_answer_is_refused(at: int) -> None:
    caller, called = Initiator(ALICE, BOB.public, ephemeral()), Responder(BOB, ephemeral())
    called.read_first(caller.write_first(b""))
    second = bytearray(called.write_second(b"back"))
    second[at] ^= 1
    with pytest.raises(RemoteProtocolError, match="the answer does not authenticate"):
        caller.read_second(second)


def test_a_call_for_somebody_else_is_refused() -> None:
    first = Initiator(ALICE, noise_pair("carol").public, ephemeral()).write_first(b"")
    with pytest.raises(RemoteProtocolError):
        Responder(BOB, ephemeral()).read_first(first)


def test_an_answer_of_somebody_else_is_refused() -> None:
    caller = Initiator(ALICE, BOB.public, ephemeral())
    caller.write_first(b"")
    other = Responder(noise_pair("carol"), ephemeral())
    other.read_first(Initiator(ALICE, noise_pair("carol").public, ephemeral()).write_first(b""))
    with pytest.raises(RemoteProtocolError):
        caller.read_second(other.write_second(b""))


def test_messages_too_short_for_their_keys_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="a call of 95 bytes is too short"):
        Responder(BOB, ephemeral()).read_first(bytes(FIRST_OVERHEAD_BYTES - 1))
    caller = Initiator(ALICE, BOB.public, ephemeral())
    caller.write_first(b"")
    with pytest.raises(RemoteProtocolError, match="an answer of 47 bytes is too short"):
        caller.read_second(bytes(SECOND_OVERHEAD_BYTES - 1))


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order_are_refused_in_every_place(point: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="low-order"):
        Responder(BOB, ephemeral()).read_first(point + bytes(64))
    caller = Initiator(ALICE, BOB.public, ephemeral())
    caller.write_first(b"")
    with pytest.raises(RemoteProtocolError, match="low-order"):
        caller.read_second(point + bytes(16))
    with pytest.raises(RemoteProtocolError, match="low-order"):
        Initiator(ALICE, point, ephemeral()).write_first(b"")
    # A caller who names such a point as its static key has proved nothing.
    forged = Initiator(NoisePair(ALICE.private, point), BOB.public, ephemeral()).write_first(b"")
    with pytest.raises(RemoteProtocolError, match="low-order"):
        Responder(BOB, ephemeral()).read_first(forged)


def test_a_caller_without_the_private_key_of_its_name_is_refused() -> None:
    liar = Initiator(NoisePair(noise_pair("carol").private, ALICE.public), BOB.public, ephemeral())
    with pytest.raises(RemoteProtocolError, match="the call does not authenticate"):
        Responder(BOB, ephemeral()).read_first(liar.write_first(b""))


def test_keys_are_not_shown() -> None:
    assert repr(ALICE.private) not in repr(ALICE)
    assert repr(ALICE.public) in repr(ALICE)
