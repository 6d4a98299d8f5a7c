from collections.abc import Iterable

import pytest

from gateway.ids import PacketId
from gateway.link.envelope import MESSAGE_LIMIT_BYTES, EnvelopeReader
from gateway.link.events import Offer
from gateway.link.frames import Done, File, Frame, Freq, Info, Ping, decode_frames, encode_freq
from gateway.link.noise import Cipher
from gateway.link.outgoing import Outgoing
from gateway.link.settings import LONGEST_CHUNK_BYTES

PACKET = PacketId(bytes(32))
KEY = bytes(32)


def frames(envelopes: Iterable[bytearray]) -> list[list[Frame]]:
    cipher, reader = Cipher(KEY), EnvelopeReader()
    return [
        list(decode_frames(cipher.open(body))) for envelope in envelopes for body in reader.feed(envelope)
    ]


def test_frames_of_all_kinds_share_a_message_most_urgent_first() -> None:
    outgoing = Outgoing(LONGEST_CHUNK_BYTES)
    outgoing.add_file(PACKET, 0, b"data")
    outgoing.add_request(encode_freq(PACKET, 1))
    outgoing.add_confirmation(PACKET)
    outgoing.add_ping()
    assert outgoing.owed_count == 2
    (message,) = frames(outgoing.fetch([Offer(PACKET, 2, 3)], Cipher(KEY)))
    assert message == [
        Ping(),
        Done(PACKET),
        Freq(PACKET, 1),
        Info(PACKET, 2, 3),
        File(PACKET, 0, memoryview(b"data")),
    ]
    assert (outgoing.owed_count, outgoing.files_bytes, outgoing.has_files, outgoing.has_ping) == (
        0,
        0,
        False,
        False,
    )
    assert outgoing.fetch([], Cipher(KEY)) == []


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1024, LONGEST_CHUNK_BYTES])
def test_no_message_is_longer_than_its_limit(chunk_bytes: int) -> None:
    outgoing = Outgoing(chunk_bytes)
    for _ in range(3000):
        outgoing.add_request(encode_freq(PACKET, 0))
    outgoing.add_file(PACKET, 0, bytes(chunk_bytes))
    reader = EnvelopeReader()
    envelopes = outgoing.fetch([], Cipher(KEY))
    sizes = [len(body) - 16 for envelope in envelopes for body in reader.feed(envelope)]
    assert max(sizes) <= outgoing.message_bytes <= MESSAGE_LIMIT_BYTES
    assert len(sizes) > 1
    assert sum(sizes) == 3000 * 44 + 48 + chunk_bytes + -chunk_bytes % 4


def test_infos_of_one_call_fit_into_one_message() -> None:
    assert Outgoing(LONGEST_CHUNK_BYTES).info_count == 1360
    assert Outgoing(1).info_count == 1


def test_at_the_end_confirmations_go_out_alone() -> None:
    outgoing = Outgoing(LONGEST_CHUNK_BYTES)
    outgoing.add_file(PACKET, 0, b"data")
    outgoing.add_request(encode_freq(PACKET, 1))
    assert outgoing.fetch_confirmations(Cipher(KEY)) == []
    outgoing.add_confirmation(PACKET)
    assert frames(outgoing.fetch_confirmations(Cipher(KEY))) == [[Done(PACKET)]]
    assert outgoing.has_files
