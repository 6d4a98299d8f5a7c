"""Neighbours that misbehave, against our daemon and our call over real sockets."""

import contextlib
import re
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.ids import NICE_NORMAL
from gateway.link.envelope import MAGIC, wrap
from gateway.link.frames import File, FrameType, encode_done, encode_file, encode_freq, encode_info
from gateway.spool.layout import PART_SUFFIX, Box
from tests.support.both_nncp import OURS
from tests.support.hostile_peer import HostilePeer
from tests.support.online import HOST, OnlinePair
from tests.support.online_packets import KIB, MIB, Made, Mix
from tests.support.online_victim import DEADLINE_SECONDS, SECONDS, SLACK_SECONDS, Victim, said_by, serving
from tests.support.processes import Running, slowness, wait_until

MEMORY_LIMIT_KIB = 150 * KIB
FLOOD_MESSAGES, FLOOD_FRAMES = 200, 1000
_INFO = struct.Struct(">IIQ24xQ")


@dataclass(slots=True)
class Scene:
    """What an attack meets.

    Args:
        pair: the nodes.
        victim: ours.
        peer: the attacker's connection to it, as its neighbour, after the handshake.
        theirs: a packet that the honest neighbour has for the victim.
        ours: a packet that the victim has for its neighbour.
    """

    pair: OnlinePair
    victim: str
    peer: HostilePeer
    theirs: Made
    ours: Made

    def offer(self, size_bytes: int) -> None:
        """Announce the honest neighbour's packet, with a size."""
        self.peer.say(encode_info(self.theirs.packet, NICE_NORMAL, size_bytes))

    def deliver(self, offset_bytes: int, data: bytes) -> None:
        """Send a piece of it."""
        self.peer.say(b"".join(encode_file(self.theirs.packet, offset_bytes, data)))


Attack = Callable[[Scene], None]


def wrong_magic(scene: Scene) -> None:
    scene.peer.send(b"NNCPS\0\0\2" + bytes(100))


def giant_envelope(scene: Scene) -> None:
    scene.peer.send(MAGIC + b"\xff\xff\xff\xfc" + bytes(1000))


def forged_message(scene: Scene) -> None:
    scene.peer.send(wrap(bytes(1000)))


def giant_frame(scene: Scene) -> None:
    head = struct.pack(">I32sQI", FrameType.FILE, scene.theirs.packet.raw, 0, 0xFFFFFFF0)
    scene.peer.say(head + bytes(1000))


def unknown_type(scene: Scene) -> None:
    scene.peer.say(struct.pack(">I", 99))


def half_a_frame(scene: Scene) -> None:
    scene.peer.say(encode_done(scene.theirs.packet)[:-4])


def request_beyond_the_end(scene: Scene) -> None:
    """Whoever answers such a request as Go does floods the line with empty pieces for ever."""
    scene.peer.say(encode_freq(scene.ours.packet, scene.ours.size_bytes + 1))
    assert not [frame for frame in scene.peer.heard() if isinstance(frame, File)]


def request_of_something_else(scene: Scene) -> None:
    scene.peer.say(encode_freq(scene.theirs.packet, 0), encode_done(scene.theirs.packet))


def packet_of_no_size(scene: Scene) -> None:
    scene.offer(0)


def packet_of_all_bytes(scene: Scene) -> None:
    """More than any disk holds."""
    scene.offer(2**64 - 1)


def more_than_announced(scene: Scene) -> None:
    scene.offer(1000)
    assert scene.peer.wait_freq().packet == scene.theirs.packet
    scene.deliver(0, bytes(900))
    scene.deliver(900, bytes(900))


def with_a_gap(scene: Scene) -> None:
    scene.offer(scene.theirs.size_bytes)
    scene.peer.wait_freq()
    scene.deliver(scene.theirs.size_bytes - 10, bytes(10))


def never_offered(scene: Scene) -> None:
    scene.deliver(0, bytes(1000))


def wrong_content(scene: Scene) -> None:
    scene.offer(scene.theirs.size_bytes)
    scene.peer.wait_freq()
    scene.deliver(0, bytes(scene.theirs.size_bytes))


def wrong_size(scene: Scene) -> None:
    scene.offer(700)
    scene.peer.wait_freq()
    scene.deliver(0, bytes(700))


def half_an_envelope(scene: Scene) -> None:
    scene.peer.send(MAGIC + struct.pack(">I", 1000) + bytes(500))


def nothing_at_all(scene: Scene) -> None:
    assert scene.peer.ciphers is not None


def flood_of_offers(scene: Scene) -> None:
    """Far more packets than anybody has, and none of what is asked about them is read."""
    packet = iter(range(FLOOD_MESSAGES * FLOOD_FRAMES))
    for _ in range(FLOOD_MESSAGES):
        frames = [_INFO.pack(FrameType.INFO, NICE_NORMAL, 1000, next(packet)) for _ in range(FLOOD_FRAMES)]
        scene.peer.say(*frames)


ENDING: tuple[tuple[Attack, str], ...] = (
    (wrong_magic, "where an envelope should begin"),
    (giant_envelope, "an envelope of 4294967292 bytes"),
    (forged_message, "does not authenticate"),
    (giant_frame, "FILE says 4294967280 bytes"),
    (unknown_type, "unknown type of frame 99"),
    (half_a_frame, "the message ends inside DONE"),
    (half_an_envelope, "stopped for 2 seconds"),
    (request_beyond_the_end, "FREQ for .* from byte"),
    (nothing_at_all, "Finished call"),
)
"""What the victim ends the session for, and what it says of it."""

IGNORED: tuple[tuple[Attack, str], ...] = (
    (request_of_something_else, "FREQ for .* not announced"),
    (packet_of_no_size, "with 0 bytes"),
    (packet_of_all_bytes, "with 18446744073709551615 bytes"),
    (more_than_announced, "to byte 1800 of 1000"),
    (with_a_gap, "FILE of .* from byte"),
    (never_offered, "which is not wanted"),
    (wrong_content, "checksum|hash"),
    (wrong_size, "checksum|hash"),
)
"""What it only tells of."""

AGAINST_CALLS = (wrong_magic, forged_message, nothing_at_all, more_than_announced, wrong_content)
"""What is tried on our call too: the engine is the same on both sides."""

attacks = pytest.mark.parametrize(
    ("attack", "reason"), [pytest.param(*one, id=one[0].__name__) for one in ENDING + IGNORED]
)
attacks_on_calls = pytest.mark.parametrize(
    ("attack", "reason"),
    [pytest.param(*one, id=one[0].__name__) for one in ENDING + IGNORED if one[0] in AGAINST_CALLS],
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with serving(tmp_path_factory.mktemp("online")) as daemon:
        yield daemon


@pytest.fixture
def fresh_daemon(place: Path) -> Iterator[Victim]:
    """One whose memory and log know of nobody else."""
    with serving(place / "online") as daemon:
        yield daemon


@attacks
def test_neighbour_that_misbehaves_costs_its_own_session(daemon: Victim, attack: Attack, reason: str) -> None:
    """Our daemon tells why it does not like what a caller says, goes on, and the honest caller gets all."""
    theirs, ours = daemon.queue_one_each()
    with said_by(daemon.pair, "b") as text, HostilePeer.connected_to(daemon.port) as peer:
        peer.call(daemon.pair.books["a"], daemon.pair.books["a"].find("b"))
        strike(attack, Scene(daemon.pair, "b", peer, theirs, ours))
        wait_until(lambda: re.search(reason, text()), SECONDS, reason, explain=text)
    daemon.exchange_honestly()


@attacks_on_calls
def test_answerer_that_misbehaves_costs_its_own_session(daemon: Victim, attack: Attack, reason: str) -> None:
    """Our call tells why it does not like what it hears, ends, and the next one gets all."""
    ours, theirs = daemon.queue_one_each()
    pair = daemon.pair
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((HOST, 0)))
        text = stack.enter_context(said_by(pair, "a"))
        call = stack.enter_context(
            pair.start_call(OURS, "a", "--", pair.address("b", server.getsockname()[1]))
        )
        server.settimeout(SECONDS)
        peer = stack.enter_context(HostilePeer(server.accept()[0]))
        peer.answer(pair.books["b"])
        strike(attack, Scene(pair, "a", peer, theirs, ours))
        wait_until(lambda: re.search(reason, text()), SECONDS, reason, explain=text)
        peer.close()
        assert call.wait(SECONDS) in {0, 1}
    daemon.exchange_honestly()


def test_caller_that_reads_nothing_is_hung_up_on(daemon: Victim) -> None:
    """Who asks for much and takes nothing holds no session, and no packet, beyond the deadline."""
    pair = daemon.pair
    [ours] = pair.fill("b", 1, mix=Mix((32 * MIB, 32 * MIB), large_share=0))
    with said_by(pair, "b") as text, HostilePeer.connected_to(daemon.port) as peer:
        peer.call(pair.books["a"], pair.books["a"].find("b"))
        peer.say(encode_freq(ours.packet, 0))
        wait_until(lambda: "took nothing for 2 seconds" in text(), SECONDS, "the reason", explain=text)
    daemon.exchange_honestly()


def test_flood_of_offers_takes_little_memory(fresh_daemon: Victim) -> None:
    """A neighbour that announces more packets than anybody has is remembered to a limit only."""
    daemon = fresh_daemon
    theirs, ours = daemon.queue_one_each()
    with said_by(daemon.pair, "b") as text, HostilePeer.connected_to(daemon.port) as peer:
        peer.call(daemon.pair.books["a"], daemon.pair.books["a"].find("b"))
        strike(flood_of_offers, Scene(daemon.pair, "b", peer, theirs, ours))
        wait_until(lambda: "Session with a: " in text() or " beyond " in text(), SECONDS, "the reason")
    daemon.exchange_honestly()
    assert peak_kib(daemon.program) < MEMORY_LIMIT_KIB


@pytest.mark.parametrize("size", ["longer", "whole", "half"])
def test_damaged_part_does_not_block_its_packet(daemon: Victim, size: str) -> None:
    """Half a packet on our disk that is too long, or of other bytes, is found out, and the packet arrives."""
    made = daemon.queue_one_each()
    for name, packet in zip(("b", "a"), made, strict=True):
        size_bytes = {
            "longer": packet.size_bytes + 5,
            "whole": packet.size_bytes,
            "half": packet.size_bytes // 2,
        }
        box = daemon.pair.box(name, Box.RX)
        box.mkdir(parents=True, exist_ok=True)
        (box / (packet.packet.text + PART_SUFFIX)).write_bytes(bytes(size_bytes[size]))
    daemon.exchange_honestly()


def strike(attack: Attack, scene: Scene) -> None:
    """Attack, and wait until the victim closes if it must; that it may do so in the middle is no fault."""
    with contextlib.suppress(ConnectionError):
        attack(scene)
    if attack in {one for one, _ in ENDING}:
        assert scene.peer.wait_end() < DEADLINE_SECONDS + SLACK_SECONDS * slowness()


def peak_kib(program: Running) -> int:
    """The most memory that a running program has held."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{program.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
