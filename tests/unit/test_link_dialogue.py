from collections.abc import Callable

import pytest

from gateway.errors import LocalProtocolError
from gateway.ids import PacketId
from gateway.link.dialogue import IGNORED_LIMIT_COUNT, OWED_LIMIT_COUNT, Dialogue
from gateway.link.envelope import EnvelopeReader
from gateway.link.events import Chunk, Confirmed, Halted, Ignored, Offer, Offered, Received, Requested
from gateway.link.frames import Done, File, Frame, Freq, Halt, Info, Ping, decode_frames
from gateway.link.noise import Cipher
from gateway.link.settings import LinkSettings

PACKET, OTHER = PacketId(b"p" * 32), PacketId(b"q" * 32)
KEY = bytes(32)


def fetched(dialogue: Dialogue) -> list[Frame]:
    """What is sent next; once for each dialogue."""
    envelopes, _ = dialogue.fetch(Cipher(KEY))
    cipher, reader = Cipher(KEY), EnvelopeReader()
    return [
        frame
        for envelope in envelopes
        for body in reader.feed(envelope)
        for frame in decode_frames(cipher.open(body))
    ]


def announced(*sizes: int, settings: LinkSettings | None = None) -> Dialogue:
    dialogue = Dialogue(settings or LinkSettings())
    dialogue.announce([Offer(PacketId(bytes([number]) * 32), 100, size) for number, size in enumerate(sizes)])
    dialogue.first_offers()
    return dialogue


def test_an_offer_is_told_and_its_request_is_sent() -> None:
    dialogue = Dialogue(LinkSettings())
    assert dialogue.receive(Info(PACKET, 5, 10)) == Offered(PACKET, 5, 10)
    dialogue.request(PACKET, 4)
    assert dialogue.has_unreceived
    assert fetched(dialogue) == [Freq(PACKET, 4)]


def test_offers_above_our_niceness_are_passed_over() -> None:
    dialogue = Dialogue(LinkSettings(nice=100))
    assert dialogue.receive(Info(PACKET, 101, 10)) is None
    assert dialogue.receive(Info(PACKET, 2**32 - 1, 10)) is None
    assert dialogue.receive(Info(PACKET, 100, 10)) == Offered(PACKET, 100, 10)


def test_a_session_that_only_sends_looks_at_no_offer() -> None:
    assert Dialogue(LinkSettings(is_receiving=False)).receive(Info(PACKET, 5, 10)) is None


def test_a_session_that_only_receives_announces_nothing() -> None:
    dialogue = Dialogue(LinkSettings(is_sending=False))
    dialogue.announce([Offer(PACKET, 5, 10)])
    assert dialogue.first_offers() == []
    assert not dialogue.has_output


def test_neither_empty_packets_nor_those_above_our_niceness_are_announced() -> None:
    dialogue = Dialogue(LinkSettings(nice=100))
    dialogue.announce([Offer(PACKET, 5, 0), Offer(OTHER, 101, 10)])
    assert not dialogue.has_output
    assert fetched(dialogue) == []


def test_a_request_is_told_and_sent_in_chunks() -> None:
    dialogue = announced(150, settings=LinkSettings(chunk_bytes=100))
    packet = PacketId(bytes(32))
    assert dialogue.receive(Freq(packet, 20)) == Requested(packet, 20)
    chunk = dialogue.reserve()
    assert chunk == Chunk(packet, 20, 100)
    dialogue.send_chunk(chunk, bytearray(b"x" * 100))
    assert dialogue.has_unsent
    assert fetched(dialogue) == [File(packet, 20, memoryview(b"x" * 100))]
    assert dialogue.has_unsent
    rest = dialogue.reserve()
    assert rest == Chunk(packet, 120, 30)
    dialogue.send_chunk(rest, b"y" * 30)
    dialogue.fetch(Cipher(KEY))
    assert not dialogue.has_unsent


def test_small_packets_are_reserved_until_their_message_is_full() -> None:
    dialogue = announced(*[4096] * 20)
    for number in range(20):
        dialogue.receive(Freq(PacketId(bytes([number]) * 32), 0))
    chunks = []
    while (chunk := dialogue.reserve()) is not None:
        chunks.append(chunk)
    assert len(chunks) == 65280 // (4096 + 48)
    for chunk in chunks:
        dialogue.send_chunk(chunk, bytes(4096))
    envelopes, is_movement = dialogue.fetch(Cipher(KEY))
    assert len(envelopes) == 1
    assert is_movement
    assert dialogue.reserve() is not None


def test_a_chunk_of_another_length_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="2 bytes for a chunk of 3"):
        announced(150).send_chunk(Chunk(PacketId(bytes(32)), 0, 3), b"ab")


LOSSES: dict[str, Callable[[Dialogue], object]] = {
    "confirmed": lambda dialogue: dialogue.receive(Done(PacketId(bytes(32)))),
    "halted": lambda dialogue: dialogue.receive(Halt()),
    "given up": lambda dialogue: dialogue.give_up(PacketId(bytes(32))),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
def test_a_chunk_that_nobody_wants_any_more_is_dropped(lose: Callable[[Dialogue], object]) -> None:
    dialogue = announced(150)
    dialogue.receive(Freq(PacketId(bytes(32)), 0))
    chunk = dialogue.reserve()
    assert chunk is not None
    lose(dialogue)
    dialogue.send_chunk(chunk, bytes(150))
    assert fetched(dialogue) == []
    assert not dialogue.has_unsent


def test_a_peer_may_confirm_what_was_announced_in_an_earlier_session() -> None:
    assert announced(150).receive(Done(OTHER)) == Confirmed(OTHER)


def test_halt_is_told_only_if_something_was_halted() -> None:
    dialogue = announced(150)
    packet = PacketId(bytes(32))
    assert dialogue.receive(Halt()) is None
    dialogue.receive(Freq(packet, 0))
    assert dialogue.receive(Halt()) == Halted((packet,))
    assert not dialogue.has_unsent


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (Freq(OTHER, 0), "which was not announced"),
        (Freq(PacketId(bytes(32)), 151), "from byte 151 of 150"),
        (Info(PACKET, 1, 0), "with 0 bytes"),
        (File(PACKET, 0, memoryview(b"x")), "which is not wanted"),
    ],
)
def test_faults_that_harm_nobody_are_ignored_and_told(frame: Frame, fault: str) -> None:
    event = announced(150).receive(frame)
    assert isinstance(event, Ignored)
    assert event.text.endswith(fault)


def test_only_the_first_faults_are_told() -> None:
    dialogue = announced(150)
    told = [dialogue.receive(Freq(OTHER, 0)) for _ in range(IGNORED_LIMIT_COUNT + 5)]
    assert [event for event in told if event is not None] == [told[0]] * IGNORED_LIMIT_COUNT


def test_a_peer_that_takes_no_answers_is_not_read_any_more() -> None:
    dialogue = Dialogue(LinkSettings())
    for _ in range(OWED_LIMIT_COUNT):
        assert dialogue.may_receive
        assert dialogue.receive(Info(PACKET, 1, 10)) == Offered(PACKET, 1, 10)
        dialogue.confirm(PACKET)
    assert not dialogue.may_receive
    dialogue.fetch(Cipher(KEY))
    assert dialogue.may_receive


def test_winding_down_stops_the_peer_and_begins_nothing() -> None:
    dialogue = announced(150, 150)
    dialogue.announce([Offer(OTHER, 1, 10)])
    dialogue.receive(Freq(PacketId(bytes(32)), 0))
    dialogue.receive(Info(PACKET, 5, 10))
    dialogue.request(PACKET, 0)
    dialogue.wind_down()
    assert dialogue.reserve() is None
    assert dialogue.receive(Info(OTHER, 5, 10)) is None
    assert isinstance(dialogue.receive(File(PACKET, 0, memoryview(b"0123456789"))), Received)
    dialogue.confirm(PACKET)
    assert fetched(dialogue) == [Done(PACKET), Freq(PACKET, 0), Halt()]
    assert dialogue.has_unsent
    assert not dialogue.has_output


def test_winding_down_needs_no_halt_if_nothing_comes() -> None:
    dialogue = announced(150)
    dialogue.wind_down()
    assert fetched(dialogue) == []


def test_a_ping_is_no_movement() -> None:
    dialogue = Dialogue(LinkSettings())
    assert dialogue.receive(Ping()) is None
    dialogue.add_ping()
    envelopes, is_movement = dialogue.fetch(Cipher(KEY))
    assert len(envelopes) == 1
    assert not is_movement


def test_what_is_being_read_or_awaits_our_word_keeps_us_busy() -> None:
    dialogue = announced(150)
    assert not dialogue.is_busy
    dialogue.receive(Freq(PacketId(bytes(32)), 0))
    assert dialogue.has_output
    chunk = dialogue.reserve()
    assert chunk is not None
    assert (dialogue.has_output, dialogue.is_busy) == (False, True)
    dialogue.send_chunk(chunk, bytes(150))
    dialogue.fetch(Cipher(KEY))
    dialogue.receive(Info(PACKET, 5, 1))
    dialogue.request(PACKET, 0)
    dialogue.fetch(Cipher(KEY))
    assert not dialogue.is_busy
    dialogue.receive(File(PACKET, 0, memoryview(b"x")))
    assert (dialogue.has_output, dialogue.is_busy) == (False, True)
    dialogue.abandon(PACKET)
    assert not dialogue.is_busy


def test_announcements_and_files_take_turns() -> None:
    dialogue = Dialogue(LinkSettings(chunk_bytes=48))
    dialogue.announce([Offer(PacketId(number.to_bytes(32, "big")), 1, 100) for number in range(9)])
    assert len(dialogue.first_offers()) == 2
    dialogue.receive(Freq(PacketId(bytes(32)), 0))
    cipher, reading, reader = Cipher(KEY), Cipher(KEY), EnvelopeReader()
    sent: list[list[str]] = []
    while dialogue.has_output:
        while envelopes := dialogue.fetch(cipher)[0]:
            bodies = [body for envelope in envelopes for body in reader.feed(envelope)]
            sent += [[type(frame).__name__ for frame in decode_frames(reading.open(body))] for body in bodies]
        chunk = dialogue.reserve()
        if chunk is not None:
            dialogue.send_chunk(chunk, bytes(chunk.length_bytes))
    assert sent == [["Info"] * 2, ["File"], ["Info"] * 2, ["File"], ["Info"] * 2, ["File"], ["Info"]]
