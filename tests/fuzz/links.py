"""Fuzz targets of the online protocol: envelopes, frames, strangers, and peers that know their keys."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from gateway.ids import NodeId, PacketId
from gateway.link.announcement import MAGIC as ANNOUNCEMENT_MAGIC
from gateway.link.announcement import decode_announcement, encode_announcement
from gateway.link.envelope import BODY_LIMIT_BYTES, MAGIC, EnvelopeReader, wrap
from gateway.link.events import Ended, EndReason, Event, Offer, Offered, Received
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
)
from gateway.link.noise import Initiator
from gateway.link.settings import LinkSettings, Padding
from tests.fuzz.target import Target, in_pieces
from tests.support.links import PLAIN, RawPeer, initiator, noise_pair, responder

OURS, THEIRS = PacketId(b"o" * 32), PacketId(b"t" * 32)
OUR_BYTES, THEIR_BYTES = 300, 200
OFFERS = [Offer(OURS, 100, OUR_BYTES)]
SMALL = LinkSettings(padding=Padding.NONE, chunk_bytes=100, budget_bytes=20_000, rx_per_second_count=50)
ANNOUNCED = encode_info(THEIRS, 10, THEIR_BYTES)
ASKED = encode_freq(OURS, 0)


def envelopes(source: Iterable[bytes]) -> object:
    """What lies in envelopes."""
    reader = EnvelopeReader()
    found = [bytes(body) for piece in source for body in reader.feed(piece)]
    assert all(len(body) <= BODY_LIMIT_BYTES for body in found)
    return found, reader.is_inside


def encoded(frame: Frame) -> bytes:
    """The frame as it is written."""
    match frame:
        case Info(packet, nice, size_bytes):
            return encode_info(packet, nice, size_bytes)
        case Freq(packet, offset_bytes):
            return encode_freq(packet, offset_bytes)
        case File(packet, offset_bytes, data):
            return b"".join(encode_file(packet, offset_bytes, bytes(data)))
        case Done(packet):
            return encode_done(packet)
        case Halt():
            return HALT
        case Ping():
            return PING


def frames(data: bytes) -> None:
    """The frames of a message, and the way back."""
    found = list(decode_frames(memoryview(data)))
    again = b"".join(map(encoded, found))
    assert list(decode_frames(memoryview(again))) == found
    assert len(again) <= len(data)


def stranger(source: Iterable[bytes]) -> object:
    """Anything in place of a call; the one thing a stranger may reach is PeerKnown."""
    session = responder()
    events = [event for piece in source for event in session.receive_data(piece, 0.0)]
    assert session.data_to_send(0.0) == []
    return [*events, *session.receive_end(0.0)]


def stranger_seeds() -> Iterator[bytes]:
    """A sound call."""
    caller = Initiator(noise_pair("alice"), noise_pair("bob").public, bytes(range(32)))
    yield b"\x0d" + wrap(caller.write_first(ANNOUNCED))


def answer(source: Iterable[bytes]) -> object:
    """Anything in place of an answer, which nobody can make without the key."""
    session = initiator()
    session.begin(OFFERS, 0.0)
    events = [event for piece in source for event in session.receive_data(piece, 0.0)]
    events += session.receive_end(0.0)
    assert [type(event) for event in events] == [Ended]
    return [event.reason for event in events if isinstance(event, Ended)]


class Scene:
    """A session with a peer that knows its keys, and a driver with one packet to send and one to come."""

    def __init__(self, *, is_small: bool) -> None:
        settings = SMALL if is_small else PLAIN
        self.peer = RawPeer(responder(settings), settings, OFFERS)
        self.now = 0.0
        self.part_bytes = 0
        self.end_count = 0

    def handle(self, events: list[Event]) -> None:
        """What a driver does, with what may never come checked."""
        session = self.peer.session
        for event in events:
            match event:
                case Offered(packet):
                    assert event.size_bytes > 0
                    if packet == THEIRS:
                        session.request(packet, min(self.part_bytes, event.size_bytes), self.now)
                case Received():
                    assert event.packet == THEIRS
                    assert event.offset_bytes + len(event.data) <= event.size_bytes
                    self.part_bytes = event.offset_bytes + len(event.data)
                    if event.is_last:
                        session.confirm(event.packet, self.now)
                case Ended():
                    assert event.reason is not EndReason.BAD_HANDSHAKE
                    self.end_count += 1
                case _:
                    assert not self.end_count

    def say(self, message: bytes) -> None:
        """A sealed message."""
        self.handle(self.peer.say(message, now=self.now))

    def inject(self, data: bytes) -> None:
        """Bytes of the wire."""
        self.handle(self.peer.session.receive_data(data, self.now))

    def wait(self, data: bytes) -> None:
        """Time passes."""
        self.now += sum(data)
        self.handle(self.peer.session.handle_timeout(self.now))

    def send(self, _: bytes) -> None:
        """We send what we have; it must be sound."""
        session = self.peer.session
        while (chunk := session.wants_chunk(self.now)) is not None:
            assert chunk.packet == OURS
            assert chunk.offset_bytes + chunk.length_bytes <= OUR_BYTES
            session.send_chunk(chunk, bytes(chunk.length_bytes), self.now)
        sent = list(chain.from_iterable(self.peer.heard(self.now)))
        assert all(isinstance(frame, (Freq, File, Done, Halt, Ping)) for frame in sent)


def peer_script(data: bytes) -> None:
    """A script of what an authentic peer says and when: steps of kind, length and content."""
    scene = Scene(is_small=bool(data[:1] and data[0] & 1))
    steps = (scene.say, scene.say, scene.say, scene.inject, scene.wait, scene.send, scene.send, scene.say)
    at = 1
    while at + 2 <= len(data):
        step, size = steps[data[at] % len(steps)], data[at + 1]
        step(data[at + 2 : at + 2 + size])
        at += 2 + size
    scene.handle(scene.peer.session.receive_end(scene.now))
    assert scene.end_count == 1
    assert scene.peer.session.next_deadline() is None


def script(*steps: tuple[int, bytes]) -> bytes:
    """The steps as the target reads them."""
    return b"".join(bytes((kind, len(content))) + content for kind, content in steps)


def peer_seeds() -> Iterator[bytes]:
    """Sound sessions, with and without limits."""
    file = b"".join(encode_file(THEIRS, 0, bytes(100)))
    rest = b"".join(encode_file(THEIRS, 100, bytes(100)))
    yield b"\0" + script(
        (0, ANNOUNCED + ASKED), (5, b""), (0, file), (0, rest), (5, b""), (0, encode_done(OURS))
    )
    yield b"\1" + script((0, ASKED + PING), (5, b""), (4, b"\x05"), (5, b""), (0, HALT), (4, b"\xff"))


def announcement(data: bytes) -> None:
    """A datagram of multicast discovery."""
    assert encode_announcement(decode_announcement(data)) == data


WORDS = (ANNOUNCED, ASKED, encode_done(OURS), HALT, PING, encode_file(THEIRS, 0, b"")[0])

LINKS: Mapping[str, Target] = {
    "envelope": Target(
        in_pieces(envelopes),
        lambda: [b"\x05" + wrap(bytes(16)) + wrap(bytes(33)), b"\xff" + wrap(bytes(500))],
        (MAGIC, MAGIC + b"\0\0\0\x10", MAGIC + b"\0\2\0\0"),
    ),
    "frames": Target(
        frames,
        lambda: [ANNOUNCED + ASKED + HALT, b"".join(encode_file(THEIRS, 5, b"data.")) + PING],
        WORDS,
        2048,
    ),
    "stranger": Target(in_pieces(stranger), stranger_seeds, (MAGIC, MAGIC + b"\0\0\0\x90"), 512),
    "answer": Target(in_pieces(answer), lambda: [b"\x0d" + wrap(bytes(96))], (MAGIC,), 512),
    "peer": Target(peer_script, peer_seeds, WORDS, 2048),
    "announcement": Target(
        announcement, lambda: [encode_announcement(NodeId(bytes(range(32))))], (ANNOUNCEMENT_MAGIC,), 64
    ),
}
"""The online protocol, from the first byte of a stranger to what a neighbour says."""
