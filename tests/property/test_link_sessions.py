"""Sessions in any pieces, with any cuts, and with anything in place of what a peer would say."""

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.ids import PacketId
from gateway.link.envelope import MAGIC, EnvelopeReader, pad_bytes, wrap
from gateway.link.events import Ended, EndReason, Event, Offer, Offered, PeerKnown, Received
from gateway.link.frames import HALT, PING, decode_frames, encode_done, encode_file, encode_freq, encode_info
from gateway.link.noise import Initiator, Responder
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

SIZES = st.one_of(st.integers(1, 200), st.sampled_from([4096, 65231, 65232, 65233, 130464, 200_000]))
CONTENTS = st.lists(st.tuples(st.integers(1, 255), SIZES), max_size=8)
CHUNKS = st.sampled_from([1, 7, 1024, 4000, 65232])
FIRST, SECOND = make_packet(300, 1), make_packet(70_000, 2)
IDS = [packet_id(FIRST), packet_id(SECOND), PacketId(bytes(32)), PacketId(b"\xff" * 32)]
NUMBERS = st.sampled_from([0, 1, 299, 300, 301, 70_000, 2**63 - 1, 2**63, 2**64 - 1])


def packets(sizes: Sequence[tuple[int, int]], first: int) -> list[tuple[int, bytes]]:
    return [(nice, make_packet(size, first + number)) for number, (nice, size) in enumerate(sizes)]


@given(CONTENTS, CONTENTS, CHUNKS, st.randoms(use_true_random=False))
def test_every_packet_arrives_whole_however_the_streams_are_split(
    there: list[tuple[int, int]], back: list[tuple[int, int]], chunk_bytes: int, chance: random.Random
) -> None:
    alice, bob = Host(packets(there, 0)), Host(packets(back, 1000))
    sent = [dict(alice.outbound), dict(bob.outbound)]
    small = sum(size for _, size in [*there, *back]) < 200 * chunk_bytes
    settings = LinkSettings(chunk_bytes=chunk_bytes if small else 65232, padding=Padding.NONE)
    pipe = Pipe(alice, bob, settings, chance)
    pipe.run()
    for host, expected in ((bob, sent[0]), (alice, sent[1])):
        assert host.received == {packet: content for packet, (_, content) in expected.items()}
        assert host.ended is not None
        assert host.ended.is_clean
    assert not alice.outbound
    assert not bob.outbound
    assert pipe.sessions[0].sent_bytes == pipe.sessions[1].received_bytes
    assert pipe.sessions[1].sent_bytes == pipe.sessions[0].received_bytes


@given(CONTENTS, CONTENTS, st.lists(st.integers(0, 400_000), max_size=8), st.randoms(use_true_random=False))
def test_cut_sessions_go_on_where_they_were_cut(
    there: list[tuple[int, int]], back: list[tuple[int, int]], cuts: list[int], chance: random.Random
) -> None:
    alice, bob = Host(packets(there, 0)), Host(packets(back, 1000))
    sent = [dict(alice.outbound), dict(bob.outbound)]
    hosts = [alice, bob]
    kept_bytes = 0
    for cut_bytes in cuts:
        Pipe(hosts[0], hosts[1], PLAIN, chance, cut_bytes).run()
        assert hosts[0].ended is not None
        now_kept_bytes = sum(
            sum(map(len, host.parts.values())) + sum(map(len, host.received.values())) for host in hosts
        )
        assert now_kept_bytes >= kept_bytes
        kept_bytes = now_kept_bytes
        hosts.reverse()
    Pipe(hosts[0], hosts[1], PLAIN, chance).run()
    assert bob.received == {packet: content for packet, (_, content) in sent[0].items()}
    assert alice.received == {packet: content for packet, (_, content) in sent[1].items()}
    assert not alice.outbound
    assert not bob.outbound


def hold(stream: Sequence[bytes]) -> tuple[list[Event], bytes]:
    """What a responder with two offers makes of a stream, and what it says."""
    session = fixed_responder()
    offers = [Offer(IDS[0], 100, len(FIRST)), Offer(IDS[1], 200, len(SECOND))]
    contents = dict(zip(IDS, (FIRST, SECOND), strict=False))
    events: list[Event] = []
    for piece in stream:
        arrived = session.receive_data(piece, 0.0)
        for event in arrived:
            if isinstance(event, PeerKnown):
                arrived += session.accept(PLAIN, offers, 0.0)
        events += arrived
    for event in events:
        if isinstance(event, Offered):
            session.request(event.packet, 0, 0.0)
    said = session.data_to_send(0.0)
    while (chunk := session.wants_chunk(0.0)) is not None:
        data = contents[chunk.packet][chunk.offset_bytes : chunk.offset_bytes + chunk.length_bytes]
        session.send_chunk(chunk, data, 0.0)
        said += session.data_to_send(0.0)
    return events, b"".join(said)


def fixed_responder() -> Session:
    return Session(
        is_initiator=False,
        keys=noise_pair("bob"),
        remote_pub=None,
        ephemeral_private=b"r" * 32,
        settings=PLAIN,
        now=0.0,
    )


FRAMES = st.one_of(
    st.builds(encode_info, st.sampled_from(IDS), st.integers(0, 2**32 - 1), NUMBERS),
    st.builds(encode_freq, st.sampled_from(IDS), NUMBERS),
    st.builds(
        lambda packet, offset, size: b"".join(encode_file(packet, offset, bytes(size))),
        st.sampled_from(IDS),
        NUMBERS,
        st.sampled_from([0, 1, 299, 300, 301, 5000]),
    ),
    st.builds(encode_done, st.sampled_from(IDS)),
    st.sampled_from([HALT, PING]),
)
ODD_FRAMES = st.one_of(
    FRAMES, st.binary(max_size=60), st.sampled_from([b"\0\0\0\6", b"\xff\xff\xff\xff", b"\0\0\0\2"])
)
MESSAGES = st.lists(st.lists(ODD_FRAMES, max_size=6).map(b"".join), max_size=6)


def call_and_say(messages: Sequence[bytes]) -> bytes:
    """The stream of a caller with fixed keys who says these messages."""
    caller = Initiator(noise_pair("alice"), noise_pair("bob").public, b"i" * 32)
    stream = wrap(caller.write_first(encode_info(IDS[2], 50, 10)))
    scratch = fixed_responder()
    scratch.receive_data(stream, 0.0)
    offers = [Offer(IDS[0], 100, len(FIRST)), Offer(IDS[1], 200, len(SECOND))]
    scratch.accept(PLAIN, offers, 0.0)
    (body,) = EnvelopeReader().feed(scratch.data_to_send(0.0)[0])
    caller.read_second(body)
    sending = caller.ciphers().sending
    for message in messages:
        sealed = bytearray(message + bytes(16))
        sending.seal(memoryview(sealed))
        stream += wrap(bytes(sealed))
    return stream


def comparable(event: Event) -> object:
    if isinstance(event, Received):
        return (event.packet, event.offset_bytes, bytes(event.data), event.size_bytes)
    return event


@given(MESSAGES, st.binary(max_size=30), st.lists(st.integers(1, 300), max_size=12))
def test_events_and_answers_do_not_depend_on_how_the_stream_is_split(
    messages: list[bytes], rest: bytes, sizes: list[int]
) -> None:
    stream = call_and_say(messages) + rest
    pieces, at = [], 0
    for size in sizes:
        pieces.append(stream[at : at + size])
        at += size
    pieces.append(stream[at:])
    # The answer to the call comes before what follows it, in every split.
    call_bytes = len(call_and_say([]))
    at_once, said_at_once = hold([stream[:call_bytes], stream[call_bytes:]])
    split, said_split = hold(split_after_call(pieces, call_bytes))
    assert list(map(comparable, split)) == list(map(comparable, at_once))
    assert said_split == said_at_once


def split_after_call(pieces: Sequence[bytes], call_bytes: int) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    for piece in pieces:
        cut = max(0, min(len(piece), call_bytes - at))
        found += [part for part in (piece[:cut], piece[cut:]) if part]
        at += len(piece)
    return found


@given(MESSAGES)
def test_frames_of_any_kind_give_events_or_one_defined_end(messages: list[bytes]) -> None:
    peer = RawPeer(responder(), offers=[Offer(IDS[0], 100, len(FIRST))])
    for message in messages:
        events = peer.say(message)
        ends = [event for event in events if isinstance(event, Ended)]
        assert len(ends) <= 1
        if ends:
            assert ends[0].reason is EndReason.PROTOCOL_FAULT
            assert events[-1] is ends[0]
            assert peer.say(PING) == []
            assert peer.session.data_to_send(0.0) == []
            break
        for event in events:
            if isinstance(event, Offered):
                peer.session.request(event.packet, 0, 0.0)


@given(
    st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([MAGIC, MAGIC + b"\0\0\0\x60"])), max_size=6)
)
def test_garbage_before_the_handshake_ends_the_session(pieces: list[bytes]) -> None:
    for session in (responder(), initiator()):
        session.begin([], 0.0) if session.remote_pub else None
        events = [event for piece in pieces for event in session.receive_data(piece, 0.0)]
        events += session.receive_end(0.0)
        assert [type(event) for event in events] == [Ended]
        assert isinstance(events[0], Ended)
        is_silent = session.remote_pub is not None and not any(pieces)
        assert events[0].reason is (EndReason.REFUSED if is_silent else EndReason.BAD_HANDSHAKE)


@given(st.data(), st.integers(0, 255))
def test_a_changed_byte_anywhere_ends_the_session(data: st.DataObject, change: int) -> None:
    peer = RawPeer(responder())
    envelope = bytearray(peer.envelope(encode_info(IDS[0], 1, 300)))
    body_end = len(envelope) - pad_bytes(48 + 16)
    at = data.draw(st.integers(0, body_end - 1))
    is_changed = envelope[at] != change
    envelope[at] = change
    events = peer.session.receive_data(envelope, 0.0) + peer.session.receive_end(0.0)
    ended = events[-1]
    assert isinstance(ended, Ended)
    if is_changed:
        assert ended.reason in {EndReason.PROTOCOL_FAULT, EndReason.CUT}
    else:
        assert events[0] == Offered(IDS[0], 1, 300)
        assert ended.reason is EndReason.PEER_CLOSED


@given(st.binary(max_size=400))
def test_any_call_is_read_or_refused(message: bytes) -> None:
    for read in (Responder(noise_pair("bob"), ephemeral()).read_first, called().read_second):
        try:
            read(message)
        except RemoteProtocolError:
            continue
        raise AssertionError("nobody could make it")


def called() -> Initiator:
    caller = Initiator(noise_pair("alice"), noise_pair("bob").public, ephemeral())
    caller.write_first(b"")
    return caller


@given(st.binary(max_size=300))
def test_any_plaintext_is_frames_or_the_defined_error(message: bytes) -> None:
    try:
        frames = list(decode_frames(memoryview(message)))
    except RemoteProtocolError:
        return
    assert len(frames) <= len(message) // 4


@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(1, 50))
def test_envelopes_come_out_as_they_went_in(contents: list[bytes], size: int) -> None:
    bodies = [content + bytes(16) for content in contents]
    stream = b"".join(map(wrap, bodies))
    reader = EnvelopeReader()
    found = [
        bytes(body) for at in range(0, len(stream), size) for body in reader.feed(stream[at : at + size])
    ]
    assert found == bodies
    assert not reader.is_inside
