"""One online session: bytes, orders and time in; bytes, events and the next deadline out.

How a driver uses it, with ``now`` in seconds of a monotonic clock:

    initiator:  begin(offers) → data_to_send ... receive_data → Established
    responder:  receive_data → PeerKnown → accept(settings, offers) → Established, or refuse
    then        whatever arrives goes into receive_data (receive_end at its end) while may_receive is true;
                while the transport takes more: data_to_send until it is empty, then wants_chunk, read,
                send_chunk, and again;
                at next_deadline: handle_timeout
    at the end  Ended is told exactly once, by whichever call finds it; data_to_send then gives the last
                confirmations, if the end is clean; every other call does nothing any more.

- ``begin`` returns events, since the neighbour's key may turn out to be unusable.
- ``wants_chunk`` reserves: several calls give several pieces (as many as one message takes), which may be
  read together; each is answered by ``send_chunk``, or its packet by ``give_up``.
- After the last piece of a packet (``Received.is_last``) the session waits for ``confirm``, a new
  ``request`` or ``abandon`` before it calls itself idle.
- ``may_receive`` is false too while a peer makes us owe it much and reads nothing: ``data_to_send`` changes
  that. What the driver was given is to be written before it closes, if the end is clean.
- Nothing a peer sends makes a method raise; LocalProtocolError means that the driver broke a rule.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.ids import PacketId
from gateway.link.dialogue import Dialogue
from gateway.link.envelope import EnvelopeReader, wrap
from gateway.link.events import Chunk, Ended, EndReason, Established, Event, Offer, PeerKnown
from gateway.link.frames import PING, Ping, decode_frames, encode_info
from gateway.link.noise import TAG_BYTES, Ciphers, Initiator, NoisePair, Piece, Responder
from gateway.link.padding import handshake_filler
from gateway.link.settings import LinkSettings
from gateway.link.timers import Due, Situation, Timers

PING_BODY_BYTES = len(PING) + TAG_BYTES
"""Body of a message with a PING and nothing else."""


class State(Enum):
    """How far a session is; docs/reference/online-protocol.md has the table."""

    READY = auto()
    CALLING = auto()
    LISTENING = auto()
    DECIDING = auto()
    OPEN = auto()
    ENDED = auto()


_NO_ANSWER = "closed without an answer: the peer does not know us, or is busy with us already"
_CLOSED: Mapping[State, tuple[EndReason, str]] = {
    State.READY: (EndReason.BAD_HANDSHAKE, "closed before our call"),
    State.CALLING: (EndReason.REFUSED, _NO_ANSWER),
    State.LISTENING: (EndReason.BAD_HANDSHAKE, "closed before the call was complete"),
    State.DECIDING: (EndReason.BAD_HANDSHAKE, "closed before our answer"),
    State.OPEN: (EndReason.PEER_CLOSED, "the peer closed the connection"),
    State.ENDED: (EndReason.PEER_CLOSED, "the peer closed the connection"),
}
"""What the end of the stream means."""


class Session:
    """One session with one peer.

    Args:
        is_initiator: we called.
        keys: our own static keys.
        remote_pub: noisepub of whom we call, 32 bytes; None for a responder.
        ephemeral_private: 32 fresh random bytes, used for this session only.
        settings: a responder's are replaced by those of ``accept``.
        now: when the session began.
    """

    def __init__(
        self,
        *,
        is_initiator: bool,
        keys: NoisePair,
        remote_pub: bytes | None,
        ephemeral_private: bytes,
        settings: LinkSettings,
        now: float,
    ) -> None:
        self.remote_pub = remote_pub
        """The peer's noisepub, once it is known."""
        self.received_bytes = 0
        """Bytes from the wire so far."""
        self.sent_bytes = 0
        """Bytes for the wire handed over so far."""
        self._state = State.READY if is_initiator else State.LISTENING
        self._side: Initiator | Responder = Responder(keys, ephemeral_private)
        if is_initiator:
            if remote_pub is None:
                raise LocalProtocolError("a session that calls needs the key of whom")
            self._side = Initiator(keys, remote_pub, ephemeral_private)
        self._settings = settings
        self._timers = Timers(settings, now)
        self._reader = EnvelopeReader()
        self._dialogue = Dialogue(settings)
        self._ciphers: Ciphers | None = None
        self._ready: list[bytes | bytearray] = []
        """Envelopes of the handshake and, after the end, the last confirmations."""
        self._first_payload = b""

    @property
    def is_established(self) -> bool:
        """Whether the handshake was completed, also after the end."""
        return self._ciphers is not None

    @property
    def is_ended(self) -> bool:
        """Whether Ended was told."""
        return self._state is State.ENDED

    @property
    def has_unsent(self) -> bool:
        """Whether something the peer requested was not handed over to its end."""
        return self._dialogue.has_unsent

    @property
    def has_unreceived(self) -> bool:
        """Whether something we requested did not come to its end."""
        return self._dialogue.has_unreceived

    def begin(self, offers: Sequence[Offer], now: float) -> list[Event]:
        """Call: announce as many packets with the first message as fit; the others follow.

        Returns:
            Nothing, or Ended if the neighbour's key is unusable.

        Raises:
            LocalProtocolError: the session has begun already, or is one that listens.
        """
        if not self._goes_on(now):
            return []
        if self._state is not State.READY or not isinstance(self._side, Initiator):
            raise LocalProtocolError("only a fresh session calls")
        self._dialogue.announce(offers)
        self._state = State.CALLING
        try:
            self._ready.append(wrap(self._side.write_first(self._payload())))
        except RemoteProtocolError as error:
            return [self._end(EndReason.BAD_HANDSHAKE, str(error))]
        return []

    def accept(self, settings: LinkSettings, offers: Sequence[Offer], now: float) -> list[Event]:
        """Answer the caller that PeerKnown told of.

        Args:
            settings: for this neighbour.
            offers: what waits for it.
            now: the time.

        Returns:
            Established, and what the caller announced.

        Raises:
            LocalProtocolError: nobody is to be answered.
        """
        if not self._goes_on(now):
            return []
        if self._state is not State.DECIDING or not isinstance(self._side, Responder):
            raise LocalProtocolError("nobody called")
        self._settings = self._timers.settings = settings
        self._dialogue = Dialogue(settings)
        self._dialogue.announce(offers)
        self._ready.append(wrap(self._side.write_second(self._payload())))
        events: list[Event] = []
        try:
            self._open(self._first_payload, events)
        except RemoteProtocolError as error:
            return [*events, self._end(EndReason.PROTOCOL_FAULT, str(error))]
        return self._finish(events)

    def refuse(self, text: str) -> list[Event]:
        """Do not answer the caller; the connection is to be closed."""
        return [] if self.is_ended else [self._end(EndReason.REFUSED, text)]

    def receive_data(self, data: Piece, now: float) -> list[Event]:
        """Take what arrived, in pieces of any size."""
        if not self._goes_on(now) or not data:
            return []
        self._timers.bytes_received()
        self.received_bytes += len(data)
        events: list[Event] = []
        is_new = not self._reader.is_inside
        try:
            for body in self._reader.feed(data):
                self._timers.message_received()
                self._take(body, events)
                is_new = True
        except RemoteProtocolError as error:
            reason = EndReason.PROTOCOL_FAULT if self.is_established else EndReason.BAD_HANDSHAKE
            events.append(self._end(reason, str(error)))
            return events
        if self._reader.is_inside and is_new:
            self._timers.envelope_began()
        if self._reader.body_bytes > PING_BODY_BYTES:
            self._timers.moved()
        return self._finish(events)

    def receive_end(self, now: float) -> list[Event]:
        """The peer will send nothing more."""
        reason, text = _CLOSED[self._state]
        if self._reader.is_inside and self._state in {State.CALLING, State.OPEN}:
            reason = EndReason.CUT if self._state is State.OPEN else EndReason.BAD_HANDSHAKE
            text = "the connection ended inside a message"
        return self.stop(reason, text, now)

    def may_receive(self, now: float) -> bool:
        """Whether the transport should be read.

        Not while ``rx_per_second_count`` is used up, nor while the peer takes nothing of what we owe it.
        """
        return self._goes_on(now) and self._timers.may_receive and self._dialogue.may_receive

    def transport_moved(self, now: float) -> None:
        """What was handed over goes on to the peer, however slowly; to be told before ``handle_timeout``."""
        if self._goes_on(now):
            self._timers.taken()

    def reading_held(self, now: float) -> None:
        """Until now the driver did not read, its disk being behind; to be told before ``handle_timeout``."""
        if self._goes_on(now):
            self._timers.held()

    def data_to_send(self, now: float) -> list[bytes | bytearray]:
        """Take what is to be sent: whole envelopes, each to be written at one go. Empty: nothing for now."""
        self._timers.tell(now)
        envelopes, self._ready = self._ready, []
        if self._state is State.OPEN and self._ciphers is not None:
            sealed, is_movement = self._dialogue.fetch(self._ciphers.sending)
            envelopes += sealed
            if is_movement:
                self._timers.moved()
        if envelopes:
            self._timers.messages_sent()
            self.sent_bytes += sum(map(len, envelopes))
            self._check_budget()
        self._fetched()
        return envelopes

    def wants_chunk(self, now: float) -> Chunk | None:
        """Reserve the next piece of the most urgent packet that the peer requested.

        Returns:
            What to read, or None: nothing, not yet, or a message is full and wants ``data_to_send``.
        """
        self._timers.tell(now)
        if self._state is not State.OPEN or not self._timers.may_send_chunk:
            return None
        chunk = self._dialogue.reserve()
        if chunk is not None:
            self._timers.chunk_reserved()
        self._fetched()
        return chunk

    def send_chunk(self, chunk: Chunk, data: Piece, now: float) -> None:
        """Send a reserved piece; one that nobody wants any more is dropped.

        Raises:
            LocalProtocolError: the data has not the length that was asked for.
        """
        if self._goes_on(now):
            self._dialogue.send_chunk(chunk, data)
            self._waits()

    def give_up(self, packet: PacketId) -> None:
        """A packet of ours is gone or cannot be read: do not send it."""
        self._dialogue.give_up(packet)

    def announce(self, offers: Sequence[Offer], now: float) -> None:
        """Tell the peer of more packets; those it was told of are passed over."""
        if self._goes_on(now):
            self._dialogue.announce(offers)
            self._waits()

    def request(self, packet: PacketId, offset_bytes: int, now: float) -> None:
        """Ask for an offered packet, from a byte on; asked again it begins anew there.

        Raises:
            LocalProtocolError: it was not offered, or is shorter.
        """
        if self._goes_on(now):
            self._dialogue.request(packet, offset_bytes)
            self._waits()

    def confirm(self, packet: PacketId, now: float) -> None:
        """Tell the peer that we have the packet for good, so that it removes its own."""
        if self._goes_on(now):
            self._dialogue.confirm(packet)
            self._waits()

    def abandon(self, packet: PacketId) -> None:
        """Nothing more will be asked or said about an offered packet; what still comes of it is dropped."""
        self._dialogue.abandon(packet)

    def stop(self, reason: EndReason, text: str, now: float) -> list[Event]:
        """End the session, such as STOPPED, or CUT when the transport failed."""
        return [self._end(reason, text)] if self._goes_on(now) else []

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` is to be called at the latest; any other call may change it."""
        return None if self.is_ended else min((at for at, _ in self._deadlines()), default=None)

    def handle_timeout(self, now: float) -> list[Event]:
        """Do what is due: a PING, the end of the session, or nothing."""
        if not self._goes_on(now):
            return []
        for at, due in sorted(self._deadlines(), key=lambda deadline: deadline[0]):
            if at > self._timers.now:
                break
            if due is not Due.PING:
                ended = self._timers.ended(due)
                return [self._end(ended.reason, ended.text)]
            self._dialogue.add_ping()
            self._waits()
        return []

    def _goes_on(self, now: float) -> bool:
        """Take note of the time."""
        self._timers.tell(now)
        return not self.is_ended

    def _deadlines(self) -> list[tuple[float, Due]]:
        dialogue = self._dialogue
        situation = Situation(
            is_open=self._state is State.OPEN,
            is_busy=dialogue.is_busy,
            is_winding_down=dialogue.is_winding_down,
            is_awaiting=dialogue.has_unreceived,
            inside_bytes=self._reader.body_bytes,
        )
        return list(self._timers.deadlines(situation))

    def _payload(self) -> bytes:
        infos = [
            encode_info(offer.packet, offer.nice, offer.size_bytes) for offer in self._dialogue.first_offers()
        ]
        used = b"".join(infos)
        return used + handshake_filler(self._settings.padding, len(used))

    def _open(self, payload: bytes, events: list[Event]) -> None:
        self._ciphers = self._side.ciphers()
        self._state = State.OPEN
        self._timers.opened()
        events.append(Established())
        self._take_frames(memoryview(payload), events)

    def _take(self, body: memoryview, events: list[Event]) -> None:
        if self._ciphers is not None:
            self._take_frames(self._ciphers.receiving.open(body), events)
        elif self._state is State.CALLING and isinstance(self._side, Initiator):
            self._open(self._side.read_second(body), events)
        elif self._state is State.LISTENING and isinstance(self._side, Responder):
            self._first_payload = self._side.read_first(body)
            self.remote_pub = self._side.remote_pub
            self._state = State.DECIDING
            events.append(PeerKnown(self.remote_pub))
        else:
            raise RemoteProtocolError("the peer went on before it was its turn")

    def _take_frames(self, message: memoryview, events: list[Event]) -> None:
        for frame in decode_frames(message):
            if not isinstance(frame, Ping):
                self._timers.moved()
            event = self._dialogue.receive(frame)
            if event is not None:
                events.append(event)

    def _finish(self, events: list[Event]) -> list[Event]:
        self._check_budget()
        self._waits()
        return events

    def _check_budget(self) -> None:
        is_used_up = 0 < self._settings.budget_bytes <= self.received_bytes + self.sent_bytes
        if is_used_up and self.is_established and not self._dialogue.is_winding_down:
            self._dialogue.wind_down()

    def _waits(self) -> None:
        """Something may have come that is to be sent."""
        if self._timers.unsent_since is None and self._dialogue.has_output:
            self._timers.unsent_since = self._timers.now

    def _fetched(self) -> None:
        """The driver took what it could."""
        self._timers.unsent_since = self._timers.now if self._dialogue.has_output else None

    def _end(self, reason: EndReason, text: str) -> Ended:
        self._state = State.ENDED
        if self._ciphers is None or not reason.is_clean or reason is EndReason.PEER_CLOSED:
            self._ready = []
        else:
            self._ready += self._dialogue.fetch_confirmations(self._ciphers.sending)
        return Ended(reason, text, self._timers.idle_seconds)
