import pytest

from gateway.errors import RemoteProtocolError
from gateway.ids import PacketId
from gateway.link.frames import (
    HALT,
    PING,
    Done,
    File,
    Frame,
    Freq,
    Halt,
    Info,
    Ping,
    decode_frames,
    encode_done,
    encode_file,
    encode_freq,
    encode_info,
    file_bytes,
)

PACKET = PacketId(bytes(range(32)))
HEX = PACKET.raw.hex()


def decode(*parts: bytes) -> list[Frame]:
    return list(decode_frames(memoryview(b"".join(parts))))


def test_frames_are_written_as_the_manual_says() -> None:
    assert encode_info(PACKET, 0xE0, 0x1234).hex() == "00000000" + "000000e0" + "0000000000001234" + HEX
    assert encode_freq(PACKET, 0x1234).hex() == "00000001" + HEX + "0000000000001234"
    file = b"".join(encode_file(PACKET, 5, b"abcde"))
    assert file.hex() == "00000002" + HEX + "0000000000000005" + "00000005" + "6162636465" + "000000"
    assert encode_done(PACKET).hex() == "00000003" + HEX
    assert HALT.hex() == "00000004"
    assert PING.hex() == "00000005"


@pytest.mark.parametrize("length_bytes", range(6))
def test_the_size_of_a_file_frame_is_told_before(length_bytes: int) -> None:
    assert file_bytes(length_bytes) == sum(map(len, encode_file(PACKET, 0, bytes(length_bytes))))


def test_any_frames_may_share_a_message() -> None:
    frames = decode(
        PING,
        encode_info(PACKET, 7, 2**64 - 1),
        *encode_file(PACKET, 2**63, b"abc"),
        encode_freq(PACKET, 9),
        *encode_file(PACKET, 0, b""),
        encode_done(PACKET),
    )
    assert frames == [
        Ping(),
        Info(PACKET, 7, 2**64 - 1),
        File(PACKET, 2**63, memoryview(b"abc")),
        Freq(PACKET, 9),
        File(PACKET, 0, memoryview(b"")),
        Done(PACKET),
    ]
    assert decode() == []


def test_a_run_of_halts_is_one() -> None:
    assert decode(HALT * 8160) == [Halt()]
    assert decode(HALT * 2, PING, HALT) == [Halt(), Ping(), Halt()]


@pytest.mark.parametrize("number", [6, 7, 2**31, 2**32 - 1])
def test_an_unknown_type_is_refused_after_what_was_right(number: int) -> None:
    frames = decode_frames(memoryview(PING + number.to_bytes(4, "big") + PING))
    assert next(frames) == Ping()
    with pytest.raises(RemoteProtocolError, match=f"unknown type of frame {number}"):
        next(frames)


@pytest.mark.parametrize(
    "frame",
    [
        encode_info(PACKET, 1, 1),
        encode_freq(PACKET, 1),
        encode_done(PACKET),
        b"".join(encode_file(PACKET, 0, b"a")),
    ],
)
def test_a_frame_cut_anywhere_is_refused(frame: bytes) -> None:
    for size_bytes in range(1, len(frame)):
        with pytest.raises(RemoteProtocolError):
            decode(PING, frame[:size_bytes])


def test_a_file_longer_than_its_message_is_refused() -> None:
    head = encode_file(PACKET, 0, b"")[0][:-4]
    with pytest.raises(RemoteProtocolError, match="FILE says 4294967295 bytes, the message has 4"):
        decode(head, b"\xff\xff\xff\xff", b"data")
