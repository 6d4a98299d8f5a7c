"""Strangers at our daemon: no handshakes, unknown keys, slow ones, a thousand at once."""

import contextlib
import re
import resource
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.link.envelope import MAGIC, wrap
from tests.support.hostile_peer import HostilePeer
from tests.support.nodes import make_books
from tests.support.online import HOST
from tests.support.online_victim import DEADLINE_SECONDS, SECONDS, SLACK_SECONDS, Victim, said_by, serving
from tests.support.processes import slowness, wait_until

CROWD = 1000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with serving(tmp_path_factory.mktemp("online")) as daemon:
        yield daemon


STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "where an envelope should begin"),
    (MAGIC + b"\x7f\xff\xff\xff", "an envelope of 2147483647 bytes"),
    (wrap(bytes(96)), "low-order|does not authenticate"),
    (wrap(bytes(range(96))), "does not authenticate"),
    (wrap(bytes(20)), "too short"),
    (MAGIC + struct.pack(">I", 32736) + bytes(1000), "no handshake within 2 seconds"),
    (b"", "it said nothing: no handshake within 2 seconds"),
)


@pytest.mark.parametrize(("opening", "reason"), STRANGERS)
def test_stranger_is_hung_up_on(daemon: Victim, opening: bytes, reason: str) -> None:
    """What is no handshake ends the connection at once, or at the deadline, and the log tells from where."""
    with said_by(daemon.pair, "b") as text, HostilePeer.connected_to(daemon.port) as peer:
        with contextlib.suppress(ConnectionError):
            peer.send(opening)
        assert peer.wait_end() < DEADLINE_SECONDS + SLACK_SECONDS * slowness()
        wait_until(lambda: re.search(reason, text()), SECONDS, reason, explain=text)


def test_unknown_neighbour_is_hung_up_on(daemon: Victim) -> None:
    """A caller whose key nobody configured gets no answer, and the log shows the key."""
    stranger = make_books("a")["a"]
    with said_by(daemon.pair, "b") as text, HostilePeer.connected_to(daemon.port) as peer:
        with pytest.raises(ConnectionError):
            peer.call(stranger, daemon.pair.books["a"].find("b"))
        wait_until(lambda: "unknown peer" in text(), SECONDS, "a word about it", explain=text)


def test_slow_stranger_is_hung_up_on_in_time(daemon: Victim) -> None:
    """A handshake that comes byte by byte does not hold a connection beyond the deadline."""
    start = time.monotonic()
    with HostilePeer.connected_to(daemon.port) as peer, pytest.raises(ConnectionError):
        peer.connection.settimeout(0.1)
        for byte in wrap(bytes(96)):
            peer.send(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if not peer.connection.recv(1):
                    raise ConnectionResetError
    assert time.monotonic() - start < DEADLINE_SECONDS + SLACK_SECONDS * slowness()


def test_neighbour_gets_through_a_crowd(place: Path) -> None:
    """While a thousand connections say nothing, a true neighbour calls and exchanges its packets."""
    need_descriptors(2 * CROWD)
    with contextlib.ExitStack() as stack:
        # Of its own, since it logs only so many strangers a minute.
        daemon = stack.enter_context(serving(place / "online"))
        daemon.queue_one_each()
        for _ in range(CROWD):
            end = socket.socket()
            stack.callback(end.close)
            end.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                end.connect((HOST, daemon.port))
        daemon.exchange_honestly()


def need_descriptors(count: int) -> None:
    """Raise our own limit of open files; the daemon keeps the usual one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
