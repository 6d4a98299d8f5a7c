"""The packets of one session: between the engine, which speaks of them, and the disk, which has them.

    engine: Offered   → arrivals: assessed   → engine: request, confirm, or nothing
    engine: Received  → arrivals: written, verified, committed → engine: confirm
    engine: Requested → departures: read ahead → engine: send_chunk
    engine: Confirmed → departures: removed
    departures: found in tx/ → engine: announce

Contract: everything runs in the event loop, each step as a turn of the conversation, which takes care of
what follows from it: sending, deadlines, the end.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.carry.online.arrivals import Arrivals
from gateway.carry.online.departures import Departures
from gateway.carry.online.display import Display
from gateway.carry.online.office import Office
from gateway.carry.online.parts import Answer, Wants
from gateway.carry.online.records import Records, Verdict
from gateway.ids import PacketId
from gateway.link.events import (
    Chunk,
    Confirmed,
    EndReason,
    Established,
    Event,
    Halted,
    Ignored,
    Offer,
    Offered,
    Received,
    Requested,
)
from gateway.link.session import Session
from gateway.link.settings import LinkSettings
from gateway.nodes import Node


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a session runs.

    Args:
        node: the neighbour.
        settings: what it may take.
        offers: what waits for the neighbour, as far as it is known.
        wants: what is taken from it.
    """

    node: Node
    settings: LinkSettings
    offers: Sequence[Offer] = ()
    wants: Wants = field(default_factory=Wants)


Step = Callable[[float], Sequence[Event]]
Turn = Callable[[Step], None]
"""Does a step with the time, then what follows from its events."""


class Exchange:
    """The packets that go both ways in one session.

    Args:
        office: what sessions share.
        terms: what the session is about.
        session: the engine.
        turn: does a step of the conversation.
    """

    def __init__(self, office: Office, terms: Terms, session: Session, turn: Turn) -> None:
        self._terms = terms
        self._session = session
        self._turn = turn
        self._display = Display(office.progress)
        self._records = Records(office.log, terms.node, terms.settings.nice)
        self._arrivals = Arrivals(office, terms.node, self._records, terms.wants, self)
        self._departures = Departures(office, terms.node, terms.settings.nice, self._records, self)
        self._offered: dict[PacketId, Offered] = {}
        self._reserved: deque[Chunk] = deque()
        self._failed_count = 0

    @property
    def is_full(self) -> bool:
        """Whether the disk is behind: nothing more is to be read from the neighbour."""
        return self._arrivals.is_full

    @property
    def is_complete(self) -> bool:
        """Whether all went through that either side asked for."""
        return not (self._failed_count or self._session.has_unsent or self._session.has_unreceived)

    def open(self) -> None:
        """The neighbour has proved who it is."""
        if self._terms.settings.is_receiving:
            self._arrivals.start()
        if self._terms.settings.is_sending:
            self._departures.start(self._terms.offers)
            self._sum("tx", self._terms.offers)

    def rescan(self) -> None:
        """Look for packets that nobody told of."""
        if self._terms.settings.is_sending:
            self._departures.rescan()

    def take(self, events: Sequence[Event]) -> None:
        """Do what the engine asks for."""
        offers: list[Offered] = []
        received: list[Received] = []
        confirmed: list[PacketId] = []
        for event in events:
            match event:
                case Received():
                    received.append(event)
                    self._display.moved("rx", event.packet, len(event.data), event.size_bytes)
                case Offered():
                    offers.append(event)
                case Confirmed(packet):
                    confirmed.append(packet)
                case Requested(packet, offset_bytes):
                    self._departures.requested(packet, offset_bytes)
                case _:
                    self._note(event)
        if offers:
            self._offered.update((offer.packet, offer) for offer in offers)
            self._arrivals.offered(offers)
        if received:
            self._arrivals.received(received)
        if confirmed and self._terms.settings.is_sending:
            self._departures.confirmed(confirmed)
        self._departures.read_ahead()
        if any(isinstance(event, Established) for event in events) and self._terms.settings.is_receiving:
            self._sum("rx", offers)

    def _sum(self, xx: str, offers: Sequence[Offer] | Sequence[Offered]) -> None:
        if offers:
            self._records.infos(xx, len(offers), sum(offer.size_bytes for offer in offers))

    def _note(self, event: Event) -> None:
        match event:
            case Halted(packets):
                self._departures.halt(packets)
            case Ignored(text):
                self._records.remark("sp-ignored", text)
            case _:
                pass

    def fill(self, now: float) -> None:
        """Give the engine the pieces of one message, as far as they were read."""
        while True:
            if not self._reserved:
                chunk = self._session.wants_chunk(now)
                if chunk is None:
                    return
                self._reserved.append(chunk)
            chunk = self._reserved[0]
            data = self._departures.take(chunk)
            if data is None:
                return
            self._reserved.popleft()
            self._session.send_chunk(chunk, data, now)
            self._display.moved("tx", chunk.packet, len(data), chunk.offset_bytes + len(data))

    async def settle(self) -> None:
        """Wait until what was received is written, and what is whole of it committed."""
        await self._arrivals.settle()

    async def close(self) -> None:
        """Store what was received, remove what was confirmed, end the threads."""
        self._display.end()
        await self._arrivals.close()
        await self._departures.close()

    # What came of arrivals

    def answered(self, answers: Sequence[Answer]) -> None:
        """Say what is to be said to offers."""
        self._turn(lambda now: self._answer(answers, now))

    def committed(self, packets: Sequence[PacketId]) -> None:
        """Confirm packets that are here for good."""
        self._turn(lambda now: self._confirm(packets, now))

    def downloaded(self, packets: Sequence[PacketId]) -> None:
        """Packets are here, to be verified: now, or by somebody else later."""
        if self._terms.wants.is_nock:
            self._turn(lambda _now: self._abandon(packets))

    def failed(self, packet: PacketId) -> None:
        """A packet can't be had in this session."""
        self._failed_count += 1
        self._turn(lambda _now: self._abandon([packet]))

    def refused(self, packet: PacketId) -> None:
        """What was resumed was not this packet: begin anew."""
        offer = self._offered.get(packet)
        if offer is not None and not self._session.is_ended:
            self._arrivals.offered([offer])

    def emptied(self) -> None:
        """The disk is no longer behind."""
        self._turn(lambda _now: ())

    # What came of departures

    def offers_found(self, offers: Sequence[Offer]) -> None:
        """Tell the neighbour of new packets."""
        if offers:
            self._turn(lambda now: self._announce(offers, now))

    def read(self) -> None:
        """Pieces are ready to be sent."""
        self._turn(lambda _now: ())

    def unreadable(self, packet: PacketId) -> None:
        """A packet of ours can't be sent."""
        self._failed_count += 1
        self._turn(lambda _now: self._give_up(packet))

    def broke(self, error: BaseException) -> None:
        """A thread failed by a fault of this program."""
        text = f"a fault of this program: {error!r}"
        self._turn(lambda now: self._session.stop(EndReason.CUT, text, now))

    # Steps

    def _answer(self, answers: Sequence[Answer], now: float) -> Sequence[Event]:
        for answer in answers:
            match answer.verdict:
                case Verdict.REQUEST:
                    self._session.request(answer.packet, answer.offset_bytes, now)
                case Verdict.HAVE | Verdict.SEEN:
                    self._confirm([answer.packet], now)
                case Verdict.FAULT | Verdict.NO_SPACE:
                    self._failed_count += 1
                case Verdict.LIST | Verdict.UNCHECKED:
                    pass
        return ()

    def _confirm(self, packets: Sequence[PacketId], now: float) -> Sequence[Event]:
        for packet in packets:
            # What an earlier session left may prove to be good before the neighbour offers it, or while
            # we find it here: once is enough, and Go takes a second confirmation for a fault.
            if self._offered.pop(packet, None) is not None:
                self._session.confirm(packet, now)
        return ()

    def _abandon(self, packets: Sequence[PacketId]) -> Sequence[Event]:
        for packet in packets:
            self._session.abandon(packet)
        return ()

    def _announce(self, offers: Sequence[Offer], now: float) -> Sequence[Event]:
        self._session.announce(offers, now)
        return ()

    def _give_up(self, packet: PacketId) -> Sequence[Event]:
        self._session.give_up(packet)
        self._reserved = deque(chunk for chunk in self._reserved if chunk.packet != packet)
        return ()
