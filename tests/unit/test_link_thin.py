"""Sessions over thin links, in simulated time: 1,200 bit/s with half-minute round trips."""

from collections import deque
from dataclasses import dataclass, field

import pytest

from gateway.link.events import EndReason
from gateway.link.session import Session
from gateway.link.settings import LinkSettings, Padding
from tests.support.links import Host, initiator, make_packet, packet_id, responder

BYTES_PER_SECOND = 150
THIN = LinkSettings(
    padding=Padding.NONE,
    ping_seconds=0,
    handshake_seconds=120,
    stall_seconds=120,
    idle_seconds=120,
    silence_seconds=600,
    chunk_bytes=1024,
)


@dataclass
class Line:
    """One direction: bytes leave at a rate and arrive later."""

    delay_seconds: float
    waiting: bytearray = field(default_factory=bytearray)
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)
    carried_bytes: int = 0

    def tick(self, now: float) -> bytes:
        """Carry one second's bytes; what arrives now."""
        piece = bytes(self.waiting[:BYTES_PER_SECOND])
        del self.waiting[:BYTES_PER_SECOND]
        if piece:
            self.carried_bytes += len(piece)
            self.under_way.append((now + self.delay_seconds, piece))
        arrived = b""
        while self.under_way and self.under_way[0][0] <= now:
            arrived += self.under_way.popleft()[1]
        return arrived


@dataclass
class Side:
    host: Host
    session: Session
    line: Line
    """To the other one."""


@dataclass
class ThinLink:
    """Two hosts over two lines, a second at a time."""

    calling: Host
    answering: Host
    round_trip_seconds: float
    settings: LinkSettings = THIN
    now: float = 0.0
    sides: list[Side] = field(default_factory=list)

    def __post_init__(self) -> None:
        for host, session in (
            (self.calling, initiator(self.settings)),
            (self.answering, responder(self.settings)),
        ):
            self.sides.append(Side(host, session, Line(self.round_trip_seconds / 2)))
        first = self.sides[0]
        first.host.handle(first.session, first.session.begin(first.host.offers, 0.0), self.settings, 0.0)

    def tick(self) -> None:
        """One second."""
        self.now += 1
        for side, other in (self.sides, self.sides[::-1]):
            if not side.line.waiting and not side.session.is_ended:
                side.line.waiting += side.host.output(side.session, self.now)
            arrived = side.line.tick(self.now)
            events = other.session.receive_data(arrived, self.now)
            other.host.handle(other.session, events, self.settings, self.now)
        for side in self.sides:
            side.host.handle(side.session, side.session.handle_timeout(self.now), self.settings, self.now)

    def run(self) -> float:
        """Until both ended; when the last packet had come."""
        last = 0.0
        received_count = 0
        while not all(side.session.is_ended for side in self.sides):
            self.tick()
            count = sum(len(side.host.received) for side in self.sides)
            if count > received_count:
                received_count, last = count, self.now
            assert self.now < 50_000
        return last


@pytest.mark.parametrize("round_trip_seconds", [0.6, 10, 30])
def test_packets_cross_a_thin_link_in_one_session_at_nearly_its_speed(round_trip_seconds: float) -> None:
    there = [(100 + number, make_packet(4000, number)) for number in range(10)]
    back = [(100, make_packet(20_000, 99))]
    alice, bob = Host(there), Host(back)
    link = ThinLink(alice, bob, round_trip_seconds)
    last = link.run()
    assert set(bob.received.values()) == {content for _, content in there}
    assert set(alice.received.values()) == {content for _, content in back}
    assert not alice.outbound
    assert not bob.outbound
    for side in link.sides:
        assert side.host.ended is not None
        assert side.host.ended.reason is EndReason.IDLE
    assert last < 3 * round_trip_seconds + 40_000 / BYTES_PER_SECOND * 1.15 + 30


def test_an_urgent_packet_overtakes_within_a_chunk_or_two() -> None:
    slow, urgent = make_packet(60_000, 1), make_packet(500, 2)
    alice, bob = Host([(200, slow)]), Host()
    link = ThinLink(alice, bob, 10)
    while not bob.parts:
        link.tick()
    alice.add(urgent, 10)
    link.sides[0].session.announce(alice.offers, link.now)
    began = link.now
    while packet_id(urgent) not in bob.received:
        link.tick()
    # A message that is being sent, INFO there, FREQ back, another message, the packet.
    assert link.now - began < 3 * 5 + 3 * 1100 / BYTES_PER_SECOND + 10


def test_many_announcements_do_not_hold_up_a_packet() -> None:
    small = [(200, make_packet(300, number)) for number in range(300)]
    first = make_packet(2000, 999)
    alice, bob = Host([*small, (10, first)]), Host()
    link = ThinLink(alice, bob, 10)
    while packet_id(first) not in bob.received:
        link.tick()
    # All the announcements alone take 300 * 48 / 150 = 96 seconds.
    assert link.now < 75


def test_a_go_like_message_of_64_kib_comes_through_in_its_time() -> None:
    settings = LinkSettings(
        padding=Padding.NONE, ping_seconds=0, stall_seconds=120, idle_seconds=120, handshake_seconds=120
    )
    content = make_packet(65_000)
    alice, bob = Host([(100, content)]), Host()
    link = ThinLink(alice, bob, 30, settings)
    link.run()
    assert bob.received == {packet_id(content): content}
    assert alice.ended is not None
    assert alice.ended.is_clean
