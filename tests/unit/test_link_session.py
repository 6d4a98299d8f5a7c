import pytest

from gateway.errors import LocalProtocolError
from gateway.ids import PacketId
from gateway.link.envelope import MAGIC, wrap
from gateway.link.events import (
    Chunk,
    Confirmed,
    Ended,
    EndReason,
    Established,
    Event,
    Halted,
    Ignored,
    Offer,
    Offered,
    PeerKnown,
    Received,
    Requested,
)
from gateway.link.frames import (
    HALT,
    PING,
    Done,
    File,
    Frame,
    Freq,
    Halt,
    Info,
    decode_frames,
    encode_done,
    encode_file,
    encode_freq,
    encode_info,
)
from gateway.link.noise import Initiator, NoisePair, Responder
from gateway.link.session import Session
from gateway.link.settings import LinkSettings, Padding
from tests.support.links import (
    PLAIN,
    Host,
    Pipe,
    RawPeer,
    ephemeral,
    initiator,
    make_packet,
    noise_pair,
    packet_id,
    responder,
)

PACKET, OTHER = PacketId(b"p" * 32), PacketId(b"q" * 32)
OFFER = Offer(PACKET, 100, 5000)


def file(packet: PacketId, offset_bytes: int, data: bytes) -> bytes:
    return b"".join(encode_file(packet, offset_bytes, data))


def end_of(events: list[Event]) -> Ended:
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert not any(isinstance(event, Ended) for event in events[:-1])
    return ended


def call(payload: bytes = b"") -> bytes:
    return wrap(Initiator(noise_pair("alice"), noise_pair("bob").public, ephemeral()).write_first(payload))


def test_a_caller_announces_with_its_first_message_and_knows_after_the_answer() -> None:
    peer = RawPeer(initiator(), offers=[OFFER], payload=encode_info(OTHER, 5, 10))
    assert list(decode_frames(memoryview(peer.first_payload))) == [Info(PACKET, 100, 5000)]
    assert peer.events == [Established(), Offered(OTHER, 5, 10)]
    assert peer.session.is_established


def test_a_responder_asks_before_it_answers() -> None:
    session = responder()
    assert session.receive_data(call(encode_info(OTHER, 5, 10)), 0.0) == [
        PeerKnown(noise_pair("alice").public)
    ]
    assert session.remote_pub == noise_pair("alice").public
    assert session.data_to_send(0.0) == []
    assert session.accept(PLAIN, [OFFER], 0.0) == [Established(), Offered(OTHER, 5, 10)]
    assert session.is_established
    assert len(session.data_to_send(0.0)) == 1


def test_a_refused_caller_gets_no_byte() -> None:
    session = responder()
    session.receive_data(call(), 0.0)
    assert session.refuse("busy with it already") == [Ended(EndReason.REFUSED, "busy with it already")]
    assert session.data_to_send(0.0) == []
    assert session.accept(PLAIN, [], 0.0) == []
    assert session.refuse("again") == []


def test_the_settings_of_the_neighbour_replace_those_of_the_responder() -> None:
    settings = LinkSettings(nice=50, padding=Padding.FULL, idle_seconds=3)
    peer = RawPeer(responder(), settings, [OFFER, Offer(OTHER, 50, 10)], encode_info(PACKET, 51, 10))
    assert peer.events[1:] == [Established()]
    assert len(peer.first_payload) == 65280
    assert next(decode_frames(memoryview(peer.first_payload))) == Info(OTHER, 50, 10)
    assert peer.session.next_deadline() == 3


@pytest.mark.parametrize("padding", Padding)
def test_offers_beyond_the_first_message_follow_it(padding: Padding) -> None:
    offers = [Offer(PacketId(number.to_bytes(32, "big")), 1 + number % 3, 10) for number in range(3000)]
    settings = LinkSettings(padding=padding)
    peer = RawPeer(initiator(settings), offers=offers)
    first = [frame for frame in decode_frames(memoryview(peer.first_payload)) if frame != Halt()]
    messages = [first, *peer.heard()]
    assert [len(message) for message in messages] == [1360, 1360, 280]
    assert [frame for message in messages for frame in message] == [
        Info(o.packet, o.nice, 10) for o in sorted(offers, key=lambda offer: offer.nice)
    ]


def test_small_chunks_make_small_messages_from_the_first_on() -> None:
    offers = [Offer(PacketId(number.to_bytes(32, "big")), 1, 10) for number in range(100)]
    session = initiator(LinkSettings(padding=Padding.NONE, chunk_bytes=1024))
    session.begin(offers, 0.0)
    (first,) = session.data_to_send(0.0)
    assert len(first) <= 12 + 96 + 1072


def test_a_session_in_thin_mode_is_set_up_with_less_than_a_hundredth_of_go() -> None:
    sizes = []
    for padding in (Padding.NONE, Padding.GO):
        pipe = Pipe(Host(), Host(), LinkSettings(padding=padding))
        pipe.run()
        sizes.append(sum(session.sent_bytes for session in pipe.sessions))
    assert sizes == [12 + 96 + 12 + 48, 12 + 96 + 12 + 48 + 2 * 32640]


def test_a_packet_goes_through_all_its_steps() -> None:
    content = make_packet(70_000)
    alice, bob = Host([(100, content)]), Host()
    Pipe(alice, bob).run()
    packet = packet_id(content)
    assert alice.events == [
        Established(),
        Requested(packet, 0),
        Confirmed(packet),
        Ended(EndReason.IDLE, "nothing to do for 10 seconds"),
    ]
    assert bob.events[:3] == [
        PeerKnown(noise_pair("alice").public),
        Established(),
        Offered(packet, 100, 70_000),
    ]
    assert bob.received == {packet: content}


def test_a_packet_the_peer_has_already_is_confirmed_at_once() -> None:
    content = make_packet(70_000)
    alice, bob = Host([(100, content)]), Host()
    bob.received[packet_id(content)] = content
    pipe = Pipe(alice, bob)
    pipe.run()
    assert not alice.outbound
    assert pipe.sessions[0].sent_bytes < 1000


def test_packets_that_appear_during_a_session_are_sent_in_it_and_urgent_ones_overtake() -> None:
    slow = [make_packet(1_000_000, number) for number in range(2)]
    alice, bob = Host([(200, content) for content in slow]), Host()
    pipe = Pipe(alice, bob)
    urgent = make_packet(1000, 9)

    def add(step: int) -> None:
        if step == 5:
            alice.add(urgent, 10)
            pipe.sessions[0].announce(alice.offers, pipe.now)

    pipe.run(add)
    assert bob.order == [packet_id(content) for content in (urgent, *slow)]


def test_a_packet_that_cannot_be_read_is_passed_over() -> None:
    good, gone = make_packet(100, 1), make_packet(100, 2)
    alice, bob = Host([(10, gone), (20, good)]), Host()
    pipe = Pipe(alice, bob)

    def remove(step: int) -> None:
        if step == 1:
            del alice.outbound[packet_id(gone)]

    pipe.run(remove)
    assert set(bob.received) == {packet_id(good)}
    assert not pipe.sessions[0].has_unsent
    assert pipe.sessions[1].has_unreceived


def test_one_side_may_only_send_and_the_other_is_not_told() -> None:
    alice, bob = Host([(10, make_packet(100, 1))]), Host([(10, make_packet(100, 2))])
    session = initiator(LinkSettings(is_receiving=False))
    pipe = Pipe(alice, bob)
    pipe.sessions = (session, pipe.sessions[1])
    pipe.run()
    assert len(bob.received) == 1
    assert not alice.received
    assert len(bob.outbound) == 1
    assert not pipe.sessions[1].has_unsent


HOSTILE_STREAMS = {
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "a packet": b"NNCPE\0\0\x05" + bytes(100),
    "a giant envelope": MAGIC + b"\x7f\xff\xff\xff",
    "an empty envelope": MAGIC + bytes(4),
    "rubbish in an envelope": wrap(b"r" * 96),
    "low-order keys": wrap(bytes(200)),
    "a short call": wrap(bytes(95)),
}


@pytest.mark.parametrize("stream", HOSTILE_STREAMS.values(), ids=HOSTILE_STREAMS.keys())
def test_strangers_are_sent_away_without_a_byte(stream: bytes) -> None:
    session = responder()
    ended = end_of(session.receive_data(stream, 0.0))
    assert ended.reason is EndReason.BAD_HANDSHAKE
    assert ended.text
    assert session.data_to_send(0.0) == []
    assert session.receive_data(stream, 0.0) == []
    assert session.next_deadline() is None


def test_a_caller_that_goes_on_before_the_answer_is_sent_away() -> None:
    session = responder()
    events = session.receive_data(call() + wrap(bytes(16)), 0.0)
    assert events[0] == PeerKnown(noise_pair("alice").public)
    assert end_of(events) == Ended(EndReason.BAD_HANDSHAKE, "the peer went on before it was its turn")


def test_an_answer_of_a_stranger_ends_the_call() -> None:
    session = initiator()
    session.begin([], 0.0)
    stranger = Responder(noise_pair("carol"), ephemeral())
    stranger.read_first(
        Initiator(noise_pair("alice"), noise_pair("carol").public, ephemeral()).write_first(b"")
    )
    ended = end_of(session.receive_data(wrap(stranger.write_second(b"")), 0.0))
    assert ended == Ended(EndReason.BAD_HANDSHAKE, "the answer does not authenticate")


def test_a_neighbour_with_an_unusable_key_cannot_be_called() -> None:
    session = Session(
        is_initiator=True,
        keys=noise_pair("alice"),
        remote_pub=bytes(32),
        ephemeral_private=ephemeral(),
        settings=PLAIN,
        now=0.0,
    )
    assert end_of(session.begin([], 0.0)).reason is EndReason.BAD_HANDSHAKE
    assert session.data_to_send(0.0) == []


HOSTILE_MESSAGES: dict[str, tuple[bytes, str]] = {
    "an unknown type": (b"\0\0\0\6", "unknown type of frame 6"),
    "half a type": (PING + b"\0\0", "2 bytes are left over behind the frames"),
    "half an INFO": (encode_info(OTHER, 1, 1)[:-1], "the message ends inside INFO"),
    "half a FREQ": (encode_freq(OTHER, 1)[:40], "the message ends inside FREQ"),
    "half a DONE": (encode_done(OTHER)[:5], "the message ends inside DONE"),
    "half a FILE": (file(OTHER, 0, b"data")[:-4], "FILE says 4 bytes, the message has 0"),
    "a FILE beyond its message": (
        file(OTHER, 0, b"")[:-4] + b"\xff\xff\xff\xff",
        "FILE says 4294967295 bytes, the message has 0",
    ),
}


@pytest.mark.parametrize(("message", "text"), HOSTILE_MESSAGES.values(), ids=HOSTILE_MESSAGES.keys())
def test_a_message_that_is_no_frames_ends_the_session(message: bytes, text: str) -> None:
    peer = RawPeer(responder())
    assert peer.say(message) == [Ended(EndReason.PROTOCOL_FAULT, text)]
    assert not peer.session.data_to_send(0.0)


def test_frames_before_a_wrong_one_count() -> None:
    events = RawPeer(responder()).say(encode_info(OTHER, 1, 10), b"\0\0\0\6")
    assert events == [Offered(OTHER, 1, 10), Ended(EndReason.PROTOCOL_FAULT, "unknown type of frame 6")]


def test_wrong_frames_in_a_call_end_the_session_when_it_is_accepted() -> None:
    session = responder()
    session.receive_data(call(b"\0\0\0\6"), 0.0)
    events = session.accept(PLAIN, [], 0.0)
    assert end_of(events).reason is EndReason.PROTOCOL_FAULT


def test_a_message_played_again_ends_the_session() -> None:
    peer = RawPeer(responder())
    envelope = peer.envelope(encode_info(OTHER, 1, 10))
    assert peer.session.receive_data(envelope, 0.0) == [Offered(OTHER, 1, 10)]
    ended = end_of(peer.session.receive_data(envelope, 0.0))
    assert ended == Ended(EndReason.PROTOCOL_FAULT, "message 1 does not authenticate")


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (encode_info(OTHER, 1, 0), f"INFO of {OTHER} with 0 bytes"),
        (encode_freq(OTHER, 0), f"FREQ for {OTHER}, which was not announced"),
        (encode_freq(PACKET, 5001), f"FREQ for {PACKET} from byte 5001 of 5000"),
        (encode_freq(PACKET, 2**64 - 1), f"FREQ for {PACKET} from byte {2**64 - 1} of 5000"),
        (file(OTHER, 0, b"data"), f"FILE of {OTHER}, which is not wanted"),
    ],
)
def test_small_faults_of_a_peer_are_ignored_and_the_session_goes_on(frame: bytes, text: str) -> None:
    peer = RawPeer(responder(), offers=[OFFER])
    assert peer.say(frame) == [Ignored(text)]
    assert peer.session.wants_chunk(0.0) is None
    assert peer.say(encode_freq(PACKET, 5000)) == [Requested(PACKET, 5000)]
    assert peer.session.wants_chunk(0.0) == Chunk(PACKET, 5000, 0)


def test_data_beyond_the_announced_size_is_dropped() -> None:
    peer = RawPeer(responder())
    peer.say(encode_info(OTHER, 1, 6))
    peer.session.request(OTHER, 0, 0.0)
    assert peer.say(file(OTHER, 0, b"1234567")) == [Ignored(f"FILE of {OTHER} to byte 7 of 6")]
    (received,) = peer.say(file(OTHER, 0, b"123456"))
    assert isinstance(received, Received)
    assert received.is_last
    assert peer.say(file(OTHER, 6, b"7")) == [Ignored(f"FILE of {OTHER}, which is not wanted")]


def test_endless_offers_take_bounded_memory() -> None:
    peer = RawPeer(responder())
    offered = ignored = 0
    for start in range(0, 104_000, 1300):
        frames = [encode_info(PacketId(n.to_bytes(32, "big")), 1, 10) for n in range(start, start + 1300)]
        events = peer.say(*frames)
        offered += sum(isinstance(event, Offered) for event in events)
        ignored += sum(isinstance(event, Ignored) for event in events)
    assert offered == 100_000
    assert ignored == 20
    assert not peer.session.is_ended


def test_a_peer_that_only_talks_is_not_read_until_it_listens() -> None:
    peer = RawPeer(responder())
    said = 0
    while peer.session.may_receive(0.0):
        for event in peer.say(*[encode_info(PACKET, 1, 10)]):
            assert isinstance(event, Offered)
            peer.session.confirm(PACKET, 0.0)
        said += 1
    assert said == 20_000
    assert peer.heard()
    assert peer.session.may_receive(0.0)


def test_the_end_of_the_stream_between_messages_is_a_normal_end() -> None:
    peer = RawPeer(responder())
    ended = end_of(peer.session.receive_end(0.0))
    assert ended == Ended(EndReason.PEER_CLOSED, "the peer closed the connection")
    assert ended.is_clean


def test_the_end_of_the_stream_inside_a_message_is_a_cut() -> None:
    peer = RawPeer(responder())
    peer.session.receive_data(peer.envelope(PING)[:-1], 0.0)
    ended = end_of(peer.session.receive_end(0.0))
    assert ended.reason is EndReason.CUT
    assert not ended.is_clean


def test_a_call_that_is_closed_without_an_answer_says_what_that_means() -> None:
    session = initiator()
    session.begin([], 0.0)
    ended = end_of(session.receive_end(0.0))
    assert ended.reason is EndReason.REFUSED
    assert "does not know us, or is busy with us" in ended.text
    assert not session.is_established


def test_a_stopped_session_gives_its_last_confirmations_and_nothing_else() -> None:
    peer = RawPeer(responder(), offers=[OFFER])
    peer.say(encode_freq(PACKET, 0), encode_info(OTHER, 1, 3), encode_info(PacketId(bytes(32)), 1, 3))
    peer.session.request(OTHER, 0, 0.0)
    peer.heard()
    chunk = peer.session.wants_chunk(0.0)
    assert chunk is not None
    peer.session.send_chunk(chunk, bytes(5000), 0.0)
    peer.say(file(OTHER, 0, b"abc"))
    peer.session.request(PacketId(bytes(32)), 0, 0.0)
    peer.session.confirm(OTHER, 0.0)
    assert end_of(peer.session.stop(EndReason.STOPPED, "by the test", 0.0)).is_clean
    assert peer.heard() == [[Done(OTHER)]]
    assert peer.session.has_unsent
    assert peer.session.has_unreceived


def test_a_session_that_failed_gives_nothing_more() -> None:
    peer = RawPeer(responder())
    peer.session.confirm(OTHER, 0.0)
    peer.session.stop(EndReason.CUT, "reset", 0.0)
    assert peer.heard() == []


def test_after_the_end_every_call_does_nothing() -> None:
    peer = RawPeer(responder(), offers=[OFFER])
    session = peer.session
    peer.say(encode_freq(PACKET, 0))
    chunk = session.wants_chunk(0.0)
    assert chunk is not None
    session.stop(EndReason.STOPPED, "", 0.0)
    session.send_chunk(chunk, bytes(5000), 0.0)
    session.announce([Offer(OTHER, 1, 1)], 0.0)
    session.request(OTHER, 0, 0.0)
    session.confirm(OTHER, 0.0)
    assert peer.heard() == []
    assert session.wants_chunk(0.0) is None
    assert peer.say(PING) == []
    assert session.receive_end(0.0) == []
    assert session.handle_timeout(1e9) == []
    assert session.stop(EndReason.CUT, "", 0.0) == []
    assert session.begin([], 0.0) == []
    assert not session.may_receive(0.0)


def test_orders_out_of_turn_are_refused() -> None:
    calling, listening = initiator(), responder()
    with pytest.raises(LocalProtocolError, match="nobody called"):
        calling.accept(PLAIN, [], 0.0)
    with pytest.raises(LocalProtocolError, match="only a fresh session calls"):
        listening.begin([], 0.0)
    calling.begin([], 0.0)
    with pytest.raises(LocalProtocolError, match="only a fresh session calls"):
        calling.begin([], 0.0)
    with pytest.raises(LocalProtocolError, match="was not offered"):
        calling.request(OTHER, 0, 0.0)
    with pytest.raises(LocalProtocolError, match="needs the key of whom"):
        Session(
            is_initiator=True,
            keys=NoisePair(bytes(32), bytes(32)),
            remote_pub=None,
            ephemeral_private=bytes(32),
            settings=PLAIN,
            now=0.0,
        )


def test_a_peer_may_halt_what_it_asked_for_and_ask_again() -> None:
    peer = RawPeer(responder(), offers=[OFFER])
    assert peer.say(encode_freq(PACKET, 0), HALT) == [Requested(PACKET, 0), Halted((PACKET,))]
    assert peer.session.wants_chunk(0.0) is None
    peer.say(encode_freq(PACKET, 4990))
    assert peer.session.wants_chunk(0.0) == Chunk(PACKET, 4990, 10)


def test_bytes_are_counted_as_on_the_wire() -> None:
    peer = RawPeer(responder(LinkSettings()), settings=LinkSettings())
    handshake_bytes = (108, 60 + 32640)
    assert (peer.session.received_bytes, peer.session.sent_bytes) == handshake_bytes
    peer.say(PING)
    assert peer.session.received_bytes == 108 + 12 + 4 + 16


def replies(peer: RawPeer) -> list[Frame]:
    return [frame for message in peer.heard() for frame in message]


def test_a_used_up_budget_halts_the_peer_and_ends_cleanly() -> None:
    settings = LinkSettings(padding=Padding.NONE, budget_bytes=1900)
    peer = RawPeer(responder(), settings, [OFFER])
    peer.say(encode_info(OTHER, 1, 3000), encode_freq(PACKET, 0))
    peer.session.request(OTHER, 0, 0.0)
    assert replies(peer) == [Freq(OTHER, 0)]
    peer.say(file(OTHER, 0, bytes(1500)))
    assert replies(peer) == [Halt()]
    assert peer.session.wants_chunk(0.0) is None
    # What was on its way still counts.
    (last,) = peer.say(file(OTHER, 1500, bytes(1500)), now=4.0)
    assert isinstance(last, Received)
    assert peer.session.handle_timeout(30.0) == []
    peer.session.confirm(OTHER, 31.0)
    assert replies(peer) == [Done(OTHER)]
    ended = end_of(peer.session.handle_timeout(31.0))
    assert ended == Ended(EndReason.BUDGET, "the budget of 1900 bytes is used up")
    assert ended.is_clean
    assert peer.session.has_unsent


def test_after_the_budget_what_is_on_its_way_is_waited_for() -> None:
    settings = LinkSettings(padding=Padding.NONE, budget_bytes=1000, stall_seconds=7)
    peer = RawPeer(responder(), settings)
    peer.say(encode_info(OTHER, 1, 3000))
    peer.session.request(OTHER, 0, 0.0)
    peer.heard(0.0)
    peer.say(file(OTHER, 0, bytes(1000)), now=1.0)
    peer.heard(1.0)
    assert peer.session.next_deadline() == 8.0
    peer.say(file(OTHER, 1000, bytes(1000)), now=5.0)
    assert peer.session.handle_timeout(11.9) == []
    assert end_of(peer.session.handle_timeout(12.0)).reason is EndReason.BUDGET


def test_two_hosts_with_a_budget_move_all_in_several_sessions() -> None:
    contents = [(10 + number, make_packet(20_000, number)) for number in range(5)]
    alice, bob = Host(contents), Host(contents_back := [(9, make_packet(30_000, 50))])
    settings = LinkSettings(padding=Padding.NONE, budget_bytes=25_000, chunk_bytes=1024)
    session_count = 0
    while alice.outbound or bob.outbound:
        pipe = Pipe(alice, bob, settings)
        pipe.run()
        session_count += 1
        moved_bytes = pipe.sessions[0].sent_bytes + pipe.sessions[0].received_bytes
        assert moved_bytes < 25_000 + 10_000
        assert alice.ended is not None
        assert alice.ended.is_clean
    assert 5 <= session_count <= 10
    assert set(bob.received.values()) == {content for _, content in contents}
    assert set(alice.received.values()) == {content for _, content in contents_back}


def test_files_in_a_message_are_received_one_by_one() -> None:
    peer = RawPeer(responder())
    ids = [PacketId(bytes([number]) * 32) for number in range(3)]
    peer.say(*[encode_info(packet, 1, 3) for packet in ids])
    for packet in ids:
        peer.session.request(packet, 0, 0.0)
    events = peer.say(*[file(packet, 0, bytes(packet.raw[:3])) for packet in ids])
    assert [(event.packet, bytes(event.data)) for event in events if isinstance(event, Received)] == [
        (packet, packet.raw[:3]) for packet in ids
    ]
    for packet in ids:
        peer.session.confirm(packet, 0.0)
    assert [[type(frame) for frame in message] for message in peer.heard()] == [
        [Done, Done, Done, Freq, Freq, Freq]
    ]


def test_a_file_is_sent_as_it_was_when_it_was_given() -> None:
    peer = RawPeer(responder(), offers=[OFFER])
    peer.say(encode_freq(PACKET, 4996))
    chunk = peer.session.wants_chunk(0.0)
    assert chunk is not None
    data = bytearray(b"abcd")
    peer.session.send_chunk(chunk, data, 0.0)
    data[:] = b"xxxx"
    (message,) = peer.heard()
    assert message == [File(PACKET, 4996, memoryview(b"abcd"))]
