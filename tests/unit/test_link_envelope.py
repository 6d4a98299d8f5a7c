import pytest

from gateway.errors import RemoteProtocolError
from gateway.link.envelope import (
    BODY_LIMIT_BYTES,
    HEAD_BYTES,
    MAGIC,
    MESSAGE_LIMIT_BYTES,
    EnvelopeReader,
    pad_bytes,
    seal_envelope,
    wrap,
)
from gateway.link.noise import Cipher
from tests.support.links import cut_evenly


def head(body_bytes: int) -> bytes:
    return MAGIC + body_bytes.to_bytes(4, "big")


def read(*pieces: bytes) -> list[bytes]:
    reader = EnvelopeReader()
    return [bytes(body) for piece in pieces for body in reader.feed(piece)]


@pytest.mark.parametrize("size_bytes", [16, 17, 18, 19, 20, MESSAGE_LIMIT_BYTES + 16, BODY_LIMIT_BYTES])
@pytest.mark.parametrize("piece_bytes", [1 << 20, 4096, 13])
def test_bodies_come_out_whole(size_bytes: int, piece_bytes: int) -> None:
    stream = wrap(b"a" * size_bytes) + wrap(b"b" * 16)
    assert len(stream) == 2 * HEAD_BYTES + size_bytes + pad_bytes(size_bytes) + 16
    assert read(*cut_evenly(stream, piece_bytes)) == [b"a" * size_bytes, b"b" * 16]


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 3, MESSAGE_LIMIT_BYTES])
def test_a_sealed_envelope_opens_to_its_parts(size_bytes: int) -> None:
    envelope = seal_envelope([b"x" * size_bytes, b"", b"yy"], Cipher(bytes(32)))
    assert len(envelope) % 4 == 0
    (body,) = EnvelopeReader().feed(envelope)
    assert bytes(Cipher(bytes(32)).open(body)) == b"x" * size_bytes + b"yy"


@pytest.mark.parametrize("body_bytes", [0, 15, BODY_LIMIT_BYTES + 1, 0xFFFFFFFF])
def test_a_length_that_no_message_has_is_refused_before_its_body(body_bytes: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"an envelope of {body_bytes} bytes; 16 to 131072 allowed"):
        read(head(body_bytes))


@pytest.mark.parametrize(
    "stream",
    [b"G", b"GET / HTTP/1.1\r\n", b"NNCPE\0\0\x05", b"NNCPS\0\0\x02", b"NNCPX", wrap(bytes(16)) + b"\0"],
)
def test_a_wrong_magic_is_refused_at_its_first_wrong_byte(stream: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="where an envelope should begin"):
        read(stream)


def test_after_an_error_every_call_raises_it_again() -> None:
    reader = EnvelopeReader()
    with pytest.raises(RemoteProtocolError, match="begin") as first:
        list(reader.feed(b"x"))
    with pytest.raises(RemoteProtocolError) as second:
        list(reader.feed(wrap(bytes(16))))
    assert second.value is first.value


def test_an_envelope_under_way_is_told() -> None:
    reader = EnvelopeReader()
    states = []
    for piece in (head(100_000)[:11], head(100_000)[11:] + b"x", bytes(99_998), b"x"):
        body_count = len(list(reader.feed(piece)))
        states.append((reader.is_inside, reader.body_bytes, body_count))
    assert states == [(True, 0, 0), (True, 100_000, 0), (True, 100_000, 0), (False, 0, 1)]


def test_bodies_stay_as_they_were_while_more_is_read() -> None:
    reader = EnvelopeReader()
    data = bytearray(wrap(b"a" * 16) + wrap(b"b" * 16))
    found = list(reader.feed(data))
    data[:] = bytes(len(data))
    list(reader.feed(wrap(b"c" * 16)))
    assert [bytes(body) for body in found] == [b"a" * 16, b"b" * 16]
