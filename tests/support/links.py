"""Sessions of the online protocol in memory: hosts that drive them, pipes between them, raw peers."""

import hashlib
import random
from collections.abc import Callable, Iterable
from functools import cache
from itertools import count

from gateway.ids import NICE_NORMAL, PacketId
from gateway.link.envelope import EnvelopeReader, seal_envelope, wrap
from gateway.link.events import (
    Confirmed,
    Ended,
    EndReason,
    Event,
    Offer,
    Offered,
    PeerKnown,
    Received,
)
from gateway.link.frames import Frame, decode_frames
from gateway.link.noise import Ciphers, Initiator, NoisePair, Piece, Responder
from gateway.link.session import Session
from gateway.link.settings import LinkSettings, Padding
from tests.support.packets import golden_keys, pat

PLAIN = LinkSettings(padding=Padding.NONE)
"""Without filler, for the sake of speed."""
_EPHEMERALS = count(1)


@cache
def noise_pair(name: str) -> NoisePair:
    """The golden keys of a node."""
    keys = golden_keys(name)
    return NoisePair(keys.noiseprv, keys.noisepub)


def ephemeral() -> bytes:
    """A fresh private key, but no secret one."""
    return hashlib.sha256(b"ephemeral %d" % next(_EPHEMERALS)).digest()


def packet_id(content: bytes) -> PacketId:
    """A stand-in for the hash that names a packet."""
    return PacketId(hashlib.sha256(content).digest())


def make_packet(size_bytes: int, number: int = 0) -> bytes:
    """Different content for each number."""
    return (number.to_bytes(4, "big") + pat(size_bytes))[:size_bytes]


def initiator(settings: LinkSettings = PLAIN, now: float = 0.0) -> Session:
    """Alice, who calls Bob."""
    return Session(
        is_initiator=True,
        keys=noise_pair("alice"),
        remote_pub=noise_pair("bob").public,
        ephemeral_private=ephemeral(),
        settings=settings,
        now=now,
    )


def responder(settings: LinkSettings = PLAIN, now: float = 0.0) -> Session:
    """Bob, who is called."""
    return Session(
        is_initiator=False,
        keys=noise_pair("bob"),
        remote_pub=None,
        ephemeral_private=ephemeral(),
        settings=settings,
        now=now,
    )


class RawPeer:
    """The other end of a session, which may say whatever it likes.

    Args:
        session: a fresh one; it is open afterwards.
        settings: what a responder accepts with.
        offers: what the session announces first.
        payload: of the peer's message of the handshake.
    """

    def __init__(
        self,
        session: Session,
        settings: LinkSettings = PLAIN,
        offers: Iterable[Offer] = (),
        payload: bytes = b"",
        now: float = 0.0,
    ) -> None:
        self.session = session
        self.events: list[Event] = []
        self._reader = EnvelopeReader()
        if session.remote_pub is None:
            side = Initiator(noise_pair("alice"), noise_pair("bob").public, ephemeral())
            self.events += session.receive_data(wrap(side.write_first(payload)), now)
            self.events += session.accept(settings, list(offers), now)
            self.first_payload = side.read_second(self._bodies(now)[0])
            self.ciphers: Ciphers = side.ciphers()
        else:
            answering = Responder(noise_pair("bob"), ephemeral())
            assert session.begin(list(offers), now) == []
            self.first_payload = answering.read_first(self._bodies(now)[0])
            answer = wrap(answering.write_second(payload))
            self.ciphers = answering.ciphers()
            self.events += session.receive_data(answer, now)

    def envelope(self, *frames: bytes) -> bytes:
        """A sealed message of frames."""
        return bytes(seal_envelope(list(frames), self.ciphers.sending))

    def say(self, *frames: bytes, now: float = 0.0) -> list[Event]:
        """Send one message.

        Returns:
            What the session makes of it.
        """
        return self.session.receive_data(self.envelope(*frames), now)

    def heard(self, now: float = 0.0) -> list[list[Frame]]:
        """The messages that the session wants to send, each as its frames."""
        return [list(decode_frames(self.ciphers.receiving.open(body))) for body in self._bodies(now)]

    def _bodies(self, now: float) -> list[memoryview]:
        bodies: list[memoryview] = []
        while envelopes := self.session.data_to_send(now):
            for envelope in envelopes:
                bodies += self._reader.feed(envelope)
        return bodies


class Host:
    """A node that keeps everything in memory and drives one session after the other.

    Args:
        contents: packets to send, with their niceness.
    """

    def __init__(self, contents: Iterable[tuple[int, bytes]] = ()) -> None:
        self.outbound: dict[PacketId, tuple[int, bytes]] = {
            packet_id(content): (nice, content) for nice, content in contents
        }
        self.parts: dict[PacketId, bytearray] = {}
        self.received: dict[PacketId, bytes] = {}
        self.order: list[PacketId] = []
        """Packets as they became complete."""
        self.events: list[Event] = []
        """Of the session, but for the data."""
        self.ended: Ended | None = None

    @property
    def offers(self) -> list[Offer]:
        """What waits to be sent, most urgent first."""
        waiting = [Offer(packet, nice, len(content)) for packet, (nice, content) in self.outbound.items()]
        return sorted(waiting, key=lambda offer: offer.nice)

    def add(self, content: bytes, nice: int = NICE_NORMAL) -> PacketId:
        """One more packet to send."""
        packet = packet_id(content)
        self.outbound[packet] = (nice, content)
        return packet

    def handle(self, session: Session, events: list[Event], settings: LinkSettings, now: float) -> None:
        """Do what a driver does with events."""
        for event in events:
            if isinstance(event, Received):
                self._store(session, event, now)
                continue
            self.events.append(event)
            match event:
                case PeerKnown():
                    self.handle(session, session.accept(settings, self.offers, now), settings, now)
                case Offered(packet):
                    if packet in self.received:
                        session.confirm(packet, now)
                    else:
                        session.request(packet, len(self.parts.get(packet, b"")), now)
                case Confirmed(packet):
                    self.outbound.pop(packet, None)
                case Ended():
                    assert self.ended is None
                    self.ended = event
                case _:
                    pass

    def output(self, session: Session, now: float, *, is_reading: bool = True) -> bytes:
        """All that can be sent now: what is owed, and one message of files."""
        pieces = session.data_to_send(now)
        while is_reading and (chunk := session.wants_chunk(now)) is not None:
            content = self.outbound[chunk.packet][1] if chunk.packet in self.outbound else b""
            end = chunk.offset_bytes + chunk.length_bytes
            if len(content) < end:
                session.give_up(chunk.packet)
            else:
                session.send_chunk(chunk, content[chunk.offset_bytes : end], now)
        return b"".join([*pieces, *session.data_to_send(now)])

    def _store(self, session: Session, event: Received, now: float) -> None:
        part = self.parts.setdefault(event.packet, bytearray())
        assert event.offset_bytes == len(part)
        part += event.data
        if event.is_last:
            content = bytes(self.parts.pop(event.packet))
            assert packet_id(content) == event.packet
            self.received[event.packet] = content
            self.order.append(event.packet)
            session.confirm(event.packet, now)


def cut_evenly(data: Piece, size_bytes: int) -> list[bytes]:
    """A stream in pieces of one size."""
    return [bytes(data[at : at + size_bytes]) for at in range(0, len(data), size_bytes)]


class Pipe:
    """Two hosts in session, in memory, with a clock that moves only when there is nothing else to do.

    Args:
        calling: whose session calls.
        answering: the other.
        settings: of both.
        chance: cuts the stream into pieces; None: it stays as it is.
        cut_bytes: the connection is lost after so many bytes; None: never.
        start: the clock's first time.
    """

    def __init__(
        self,
        calling: Host,
        answering: Host,
        settings: LinkSettings = PLAIN,
        chance: random.Random | None = None,
        cut_bytes: int | None = None,
        start: float = 0.0,
    ) -> None:
        self.now = start
        self.hosts = (calling, answering)
        self.sessions = (initiator(settings, start), responder(settings, start))
        self._settings = settings
        self._chance = chance
        self._left_bytes = cut_bytes
        self._in_flight = [bytearray(), bytearray()]
        for host in self.hosts:
            host.ended = None

    def run(self, on_step: Callable[[int], None] = lambda _step: None) -> None:
        """Hold the session until both sides ended.

        Args:
            on_step: called with the number of each step before it is done.
        """
        calling, session = self.hosts[0], self.sessions[0]
        calling.handle(session, session.begin(calling.offers, self.now), self._settings, self.now)
        for step in count():
            on_step(step)
            if all(session.is_ended for session in self.sessions):
                return
            if not (self._step(0) | self._step(1)):
                self._wait()

    def _step(self, side: int) -> bool:
        """Let one side send, and the other receive.

        Returns:
            Whether anything happened.
        """
        sender, receiver = self.sessions[side], self.sessions[1 - side]
        flight = self._in_flight[side]
        flight += self.hosts[side].output(sender, self.now)
        if self._left_bytes == 0:
            self._lose()
            return True
        if flight and not receiver.is_ended and receiver.may_receive(self.now):
            piece = self._piece(flight)
            self._handle(1 - side, receiver.receive_data(piece, self.now))
            return True
        if sender.is_ended and not receiver.is_ended and not flight:
            self._handle(1 - side, receiver.receive_end(self.now))
            return True
        return False

    def _piece(self, flight: bytearray) -> bytes:
        size_bytes = len(flight) if self._chance is None else self._chance.randint(1, len(flight))
        if self._left_bytes is not None:
            size_bytes = min(size_bytes, self._left_bytes)
            self._left_bytes -= size_bytes
        piece = bytes(flight[:size_bytes])
        del flight[:size_bytes]
        return piece

    def _lose(self) -> None:
        for side, session in enumerate(self.sessions):
            self._handle(side, session.stop(EndReason.CUT, "the test cut it", self.now))

    def _wait(self) -> None:
        deadlines = [session.next_deadline() for session in self.sessions]
        self.now = max(self.now, min(at for at in deadlines if at is not None))
        for side, session in enumerate(self.sessions):
            self._handle(side, session.handle_timeout(self.now))

    def _handle(self, side: int, events: list[Event]) -> None:
        self.hosts[side].handle(self.sessions[side], events, self._settings, self.now)
