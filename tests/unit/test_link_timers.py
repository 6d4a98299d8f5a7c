"""Deadlines of a session, with a clock that only the tests move."""

from dataclasses import replace

import pytest

from gateway.ids import PacketId
from gateway.link.events import Ended, EndReason, Event, Offer, Received
from gateway.link.frames import PING, Frame, Info, Ping, encode_file, encode_freq, encode_info
from gateway.link.session import Session
from gateway.link.settings import LinkSettings, Padding
from tests.support.links import PLAIN, RawPeer, initiator, responder

PACKET, OTHER = PacketId(b"p" * 32), PacketId(b"q" * 32)
LASTING = replace(PLAIN, idle_seconds=1000, silence_seconds=0, ping_seconds=0)
"""Ends by nothing that a test does not ask for."""


def end_of(events: list[Event]) -> Ended:
    (ended,) = events
    assert isinstance(ended, Ended)
    return ended


def opened(settings: LinkSettings, *offers: Offer) -> RawPeer:
    return RawPeer(responder(settings), settings, offers)


def frames(peer: RawPeer, now: float) -> list[Frame]:
    return [frame for message in peer.heard(now) for frame in message]


def assert_due(session: Session, at: float, reason: EndReason) -> Ended:
    """Nothing happens a moment before, and the session ends then."""
    assert session.next_deadline() == pytest.approx(at)
    assert session.handle_timeout(at - 0.001) == []
    ended = end_of(session.handle_timeout(at + 1e-9))
    assert ended.reason is reason
    assert session.next_deadline() is None
    return ended


def test_a_call_that_is_not_answered_ends() -> None:
    session = initiator(now=100.0)
    session.begin([], 101.0)
    session.data_to_send(101.0)
    assert assert_due(session, 110.0, EndReason.BAD_HANDSHAKE).text == "no handshake within 10 seconds"


def test_a_caller_that_sends_its_call_too_slowly_is_sent_away() -> None:
    session = responder(now=100.0)
    for second in range(9):
        session.receive_data(b"NNCPS\0\0\1\0"[second : second + 1], 100.0 + second)
    assert_due(session, 110.0, EndReason.BAD_HANDSHAKE)


def test_an_accepted_caller_has_its_own_time() -> None:
    settings = replace(PLAIN, idle_seconds=20)
    peer = RawPeer(responder(now=0.0), settings, now=9.0)
    assert_due(peer.session, 29.0, EndReason.IDLE)


def test_a_session_with_nothing_to_do_ends_whatever_pings_come() -> None:
    peer = opened(replace(LASTING, idle_seconds=10))
    peer.say(encode_info(OTHER, 1, 10), now=5.0)
    for second in range(6, 15):
        assert peer.say(PING, now=second) == []
    assert assert_due(peer.session, 15.0, EndReason.IDLE).text == "nothing to do for 10 seconds"


def test_the_end_tells_for_how_long_nothing_had_moved() -> None:
    settings = replace(PLAIN, idle_seconds=30)
    peer = opened(settings)
    peer.say(encode_info(PACKET, 100, 1000), now=5)
    peer.say(PING, now=20)
    assert end_of(peer.session.receive_end(23)).idle_seconds == pytest.approx(18)


def test_a_message_without_frames_keeps_nothing_alive() -> None:
    peer = opened(replace(LASTING, idle_seconds=10))
    peer.say(now=9.0)
    assert_due(peer.session, 10.0, EndReason.IDLE)


def test_sending_keeps_a_session_alive() -> None:
    peer = opened(replace(LASTING, idle_seconds=10), Offer(PACKET, 1, 100))
    peer.say(encode_freq(PACKET, 0), now=1.0)
    chunk = peer.session.wants_chunk(8.0)
    assert chunk is not None
    peer.session.send_chunk(chunk, bytes(100), 8.0)
    peer.heard(9.0)
    assert_due(peer.session, 19.0, EndReason.IDLE)


def test_a_session_is_not_idle_while_a_complete_packet_awaits_our_word() -> None:
    peer = opened(replace(LASTING, idle_seconds=10))
    peer.say(encode_info(OTHER, 1, 3))
    peer.session.request(OTHER, 0, 0.0)
    peer.heard()
    (received,) = peer.say(b"".join(encode_file(OTHER, 0, b"abc")))
    assert isinstance(received, Received)
    assert peer.session.next_deadline() is None
    peer.session.abandon(OTHER)
    assert_due(peer.session, 10.0, EndReason.IDLE)


def test_a_session_without_any_deadline_is_left_alone() -> None:
    peer = opened(LASTING)
    assert peer.session.handle_timeout(999.9) == []


def test_the_longest_time_counts_from_the_start() -> None:
    settings = replace(LASTING, longest_seconds=30)
    session = initiator(settings, now=5.0)
    peer = RawPeer(session, now=14.0)
    peer.session.confirm(OTHER, 34.0)
    ended = assert_due(session, 35.0, EndReason.DEADLINE)
    assert ended.is_clean
    assert ended.text == "the session took 30 seconds"
    assert len(frames(peer, 35.0)) == 1


def test_the_longest_time_ends_a_handshake_too() -> None:
    assert_due(initiator(replace(LASTING, longest_seconds=3)), 3.0, EndReason.DEADLINE)


def test_pings_go_out_when_nothing_else_does() -> None:
    peer = opened(replace(LASTING, ping_seconds=60))
    peer.session.confirm(OTHER, 10.0)
    frames(peer, 20.0)
    for at in (80.0, 140.0):
        assert peer.session.next_deadline() == at
        assert peer.session.handle_timeout(at) == []
        assert frames(peer, at) == [Ping()]


def test_a_ping_that_nobody_fetches_is_not_repeated_but_stalls() -> None:
    peer = opened(replace(LASTING, ping_seconds=60, stall_seconds=7))
    assert peer.session.handle_timeout(60.0) == []
    assert_due(peer.session, 67.0, EndReason.STALLED)


def test_pings_of_the_peer_break_its_silence() -> None:
    peer = opened(replace(LASTING, silence_seconds=120))
    peer.session.confirm(OTHER, 30.0)
    frames(peer, 30.0)
    peer.say(PING, now=100.0)
    ended = assert_due(peer.session, 220.0, EndReason.SILENCE)
    assert ended.text == "the peer said nothing for 120 seconds"
    assert not ended.is_clean


def test_a_message_that_stops_in_the_middle_ends_the_session() -> None:
    peer = opened(replace(LASTING, stall_seconds=10))
    envelope = peer.envelope(encode_info(OTHER, 1, 10))
    peer.session.receive_data(envelope[:20], 1.0)
    peer.session.receive_data(envelope[20:21], 8.0)
    ended = assert_due(peer.session, 18.0, EndReason.STALLED)
    assert ended.text == "a message of the peer stopped for 10 seconds"


def test_a_message_that_comes_slowly_is_movement() -> None:
    settings = replace(LASTING, stall_seconds=10, idle_seconds=10)
    peer = opened(settings)
    envelope = peer.envelope(bytes(encode_info(OTHER, 1, 10)))
    events: list[Event] = []
    for second, byte in enumerate(envelope):
        events += peer.session.receive_data(bytes([byte]), 0.2 * second)
        events += peer.session.handle_timeout(0.2 * second)
    assert not any(isinstance(event, Ended) for event in events)
    assert len(events) == 1


def test_a_ping_that_comes_slowly_is_none() -> None:
    peer = opened(replace(LASTING, idle_seconds=10))
    for second, byte in enumerate(peer.envelope(PING)[:9]):
        assert peer.session.receive_data(bytes([byte]), second) == []
    assert_due(peer.session, 10.0, EndReason.IDLE)


def test_a_slow_loris_inside_a_message_ends_in_the_end() -> None:
    peer = opened(replace(LASTING, stall_seconds=10, idle_seconds=10))
    envelope = peer.envelope(encode_info(OTHER, 1, 10) * 1000)
    events = peer.session.receive_data(envelope[:12], 0.0)
    now = 0.0
    for byte in envelope[12:]:
        events += peer.session.receive_data(bytes([byte]), now)
        now += 9.0
        events += peer.session.handle_timeout(now)
        if events:
            break
    ended = end_of(events)
    assert ended == Ended(EndReason.STALLED, "a message came slower than 5 bytes a second")
    assert now == pytest.approx(10 + (48_000 + 16) / 5, abs=9.0)


def test_the_time_of_a_message_begins_with_its_own_first_byte() -> None:
    peer = opened(replace(LASTING, stall_seconds=10))
    envelopes = peer.envelope(encode_info(OTHER, 1, 10)) + peer.envelope(encode_info(PACKET, 1, 10))
    for number in range(len(envelopes) - 1):
        assert peer.session.handle_timeout(number * 0.15) == []
        peer.session.receive_data(envelopes[number : number + 1], number * 0.15)
    assert not peer.session.is_ended


def test_what_is_not_fetched_for_long_stalls() -> None:
    peer = opened(replace(LASTING, stall_seconds=10))
    peer.session.confirm(OTHER, 3.0)
    peer.session.confirm(PACKET, 9.0)
    assert assert_due(peer.session, 13.0, EndReason.STALLED).text == "the peer took nothing for 10 seconds"


def test_what_goes_out_slowly_is_no_stall_and_no_rest() -> None:
    peer = opened(replace(LASTING, stall_seconds=10, idle_seconds=20))
    peer.session.confirm(OTHER, 3.0)
    peer.session.transport_moved(12.0)
    assert peer.session.next_deadline() == pytest.approx(22.0)
    peer.heard(13.0)
    peer.session.transport_moved(30.0)
    assert_due(peer.session, 50.0, EndReason.IDLE)


def test_a_peer_that_is_not_read_is_neither_silent_nor_stalled_nor_idle() -> None:
    peer = opened(replace(PLAIN, stall_seconds=10, idle_seconds=10, silence_seconds=10, ping_seconds=0))
    peer.session.receive_data(peer.envelope(encode_info(OTHER, 1, 10))[:20], 1.0)
    peer.session.reading_held(60.0)
    assert peer.session.may_receive(60.0)
    assert peer.session.handle_timeout(69.9) == []
    assert end_of(peer.session.handle_timeout(70.0)).reason in {EndReason.STALLED, EndReason.SILENCE}


def test_files_that_are_not_fetched_for_long_stall() -> None:
    peer = opened(replace(LASTING, stall_seconds=10), Offer(PACKET, 1, 200_000))
    peer.say(encode_freq(PACKET, 0), now=3.0)
    chunk = peer.session.wants_chunk(5.0)
    assert chunk is not None
    # While we read, it is not the peer that is slow.
    assert peer.session.handle_timeout(100.0) == []
    peer.session.send_chunk(chunk, bytes(chunk.length_bytes), 100.0)
    peer.heard(105.0)
    assert_due(peer.session, 115.0, EndReason.STALLED)


def test_a_long_handshake_is_no_stall() -> None:
    settings = replace(LASTING, stall_seconds=10, handshake_seconds=60)
    session = initiator(settings)
    session.announce([Offer(PACKET, 1, 10)], 0.0)
    peer = RawPeer(session, now=0.0)
    session = initiator(settings)
    offers = [Offer(PacketId(number.to_bytes(32, "big")), 1, 10) for number in range(1400)]
    peer = RawPeer(session, settings, offers, now=50.0)
    assert peer.session.handle_timeout(59.0) == []
    assert sum(isinstance(frame, Info) for frame in frames(peer, 59.0)) == 40


def test_a_receive_rate_keeps_us_from_reading() -> None:
    peer = opened(replace(LASTING, rx_per_second_count=2))
    assert not peer.session.may_receive(0.0)
    assert peer.session.next_deadline() == 0.5
    assert peer.session.may_receive(0.5)
    stream = peer.envelope(PING) + peer.envelope(PING) + peer.envelope(PING)
    peer.session.receive_data(stream, 1.0)
    assert not peer.session.may_receive(2.4)
    assert peer.session.next_deadline() == 2.5
    assert peer.session.may_receive(2.5)


def test_while_we_do_not_read_the_peer_is_not_silent() -> None:
    peer = opened(replace(LASTING, rx_per_second_count=1, silence_seconds=5, idle_seconds=5))
    stream = b"".join(peer.envelope(encode_info(OTHER, 1, 10)) for _ in range(20))
    peer.session.receive_data(stream, 1.0)
    assert peer.session.handle_timeout(20.9) == []
    assert peer.session.next_deadline() == 21.0
    assert peer.session.may_receive(21.0)
    assert end_of(peer.session.handle_timeout(26.0)).reason in {EndReason.SILENCE, EndReason.IDLE}


def test_a_send_rate_spaces_the_pieces_of_files() -> None:
    peer = opened(replace(LASTING, tx_per_second_count=4, chunk_bytes=100), Offer(PACKET, 1, 1000))
    peer.say(encode_freq(PACKET, 0), now=10.0)
    sent_at = []
    now = 10.0
    while peer.session.has_unsent:
        chunk = peer.session.wants_chunk(now)
        if chunk is None:
            deadline = peer.session.next_deadline()
            assert deadline is not None
            assert deadline > now
            now = deadline
            assert peer.session.handle_timeout(now) == []
            continue
        peer.session.send_chunk(chunk, bytes(chunk.length_bytes), now)
        peer.heard(now)
        sent_at.append(now)
    assert sent_at == [10.0 + number / 4 for number in range(10)]


def test_a_clock_that_goes_back_changes_nothing() -> None:
    peer = opened(replace(LASTING, idle_seconds=10), Offer(PACKET, 1, 10))
    peer.say(encode_info(OTHER, 1, 10), now=100.0)
    peer.say(encode_freq(PACKET, 10), now=50.0)
    peer.heard(20.0)
    chunk = peer.session.wants_chunk(20.0)
    assert chunk is not None
    peer.session.send_chunk(chunk, b"", 0.0)
    peer.heard(0.0)
    assert peer.session.handle_timeout(60.0) == []
    assert_due(peer.session, 110.0, EndReason.IDLE)


def test_a_go_peer_that_pings_late_is_not_silent() -> None:
    # Its minute ticker looks whether it sent within the last minute: 120 seconds can pass.
    peer = opened(replace(LinkSettings(padding=Padding.NONE), idle_seconds=1000))
    assert peer.session.handle_timeout(60.0) == []
    peer.heard(60.0)
    peer.session.handle_timeout(121.0)
    assert not peer.session.is_ended
