"""Who calls: neighbours, strangers, and crowds of them."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.carry.online.call import CallPlan, call
from gateway.carry.online.listener import Listener, ListenerSettings
from gateway.carry.online.office import Hooks, Office
from gateway.carry.online.strangers import TOLD_COUNT
from gateway.errors import ConfigError
from gateway.link.events import Offered
from gateway.link.settings import LinkSettings, Padding
from gateway.nodes import Node
from gateway.spool.layout import Box
from tests.support.online_sessions import SHORT, WAIT_SECONDS, Peer, Site, until
from tests.support.ports import free_port

GREETING = b"NNCPS\0\0\1"


@contextlib.asynccontextmanager
async def listening(
    site: Site, settings: ListenerSettings | None = None, hooks: Hooks | None = None
) -> AsyncIterator[tuple[int, Listener]]:
    """A listener of the node on a port of 127.0.0.1."""
    port = free_port()
    async with site.office(hooks=hooks) as office:
        listener = Listener(office, settings or ListenerSettings())
        assert await listener.open(f"127.0.0.1:{port}") == [("127.0.0.1", port)]
        running = asyncio.ensure_future(listener.run())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                yield port, listener
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def connect(port: int, first_words: bytes = b"") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(first_words)
    return sock


async def is_closed(sock: socket.socket) -> bool:
    """Wait for the other side to close; it says nothing before."""
    sock.setblocking(False)
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 100) == b""
    except ConnectionError:
        return True


async def call_site(site: Site, port: int, office: Office) -> bool:
    result = await call(office, CallPlan(site.peer, (f"127.0.0.1:{port}",), SHORT))
    return result.is_connected


def test_neighbours_are_served_one_after_the_other_over_tcp(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        async with listening(b) as (port, _), a.office() as office:
            for body in (b"one", b"two"):
                packet = a.queue(body)
                assert await call_site(a, port, office)
                assert packet.text in b.names(Box.RX)
        assert b.events().count("call-finished") == 2

    asyncio.run(story())


def test_who_has_hung_up_and_calls_again_waits_for_what_came_to_be_stored(tmp_path: Path) -> None:
    stored = threading.Event()

    def wait(_node: Node) -> None:
        assert stored.wait(WAIT_SECONDS)

    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        async with listening(b, hooks=Hooks(on_received=wait)) as (port, listener), a.office() as office:
            a.queue(b"one")
            assert await call_site(a, port, office)
            assert listener.session_count == 1
            packet = a.queue(b"two")
            again = asyncio.ensure_future(call_site(a, port, office))
            await until(lambda: listener.session_count == 1 and listener.stranger_count == 1)
            stored.set()
            assert await again
            assert packet.text in b.names(Box.RX)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "where an envelope should begin"),
        (GREETING + b"\xff\xff\xff\xff", "bytes"),
        (GREETING + (96).to_bytes(4, "big") + bytes(96), ""),
    ],
    ids=["wrong magic", "giant message", "garbage"],
)
def test_what_is_no_call_is_closed_and_logged_with_a_reason(tmp_path: Path, words: bytes, said: str) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        async with listening(b) as (port, _):
            with connect(port, words) as sock:
                assert await is_closed(sock)
            await until(lambda: "sp-startR" in b.events())
        assert said in b.log_text()

    asyncio.run(story())


def test_a_node_that_nobody_knows_is_told_by_its_key(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        a.book.private_keys()
        stranger = Site(tmp_path / "stranger", "b")
        async with listening(b) as (port, _):
            sock = connect(port)
            # The node b calls itself: its own key is no neighbour's.
            peer = Peer(sock, stranger.book, b.book.self_node, LinkSettings(padding=Padding.NONE))
            peer.session.begin([], asyncio.get_running_loop().time())
            await peer.flush()
            await peer.until_closed()
            peer.close()
            await until(lambda: "sp-startR-unknown" in b.events())
        assert "unknown peer: " in b.log_text()

    asyncio.run(story())


def test_a_thousand_silent_connections_keep_no_neighbour_out(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        a.queue(b"x")
        with contextlib.ExitStack() as crowd:
            async with (
                listening(b, ListenerSettings(stranger_limit_count=100)) as (port, _),
                a.office() as office,
            ):
                for _ in range(400):
                    crowd.enter_context(connect(port))
                calling = asyncio.ensure_future(call_site(a, port, office))
                for _ in range(50):
                    crowd.enter_context(connect(port))
                    await asyncio.sleep(0)
                assert await calling
        assert len(b.names(Box.RX)) == 1
        # Silence is told with its reason, and fills no log.
        assert 0 < b.events().count("sp-startR") <= TOLD_COUNT + 1
        assert "it said nothing: too many connections that do not tell who they are" in b.log_text()

    asyncio.run(story())


def test_a_crowd_that_says_a_little_is_limited_too_and_the_log_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        with contextlib.ExitStack() as crowd:
            async with listening(b, ListenerSettings(stranger_limit_count=10)) as (port, listener):
                for _ in range(100):
                    crowd.enter_context(connect(port, b"NNCP"))
                await until(lambda: "sp-startR" in b.events())
                assert listener.stranger_count <= 10
        # One more tells how many there were besides.
        assert b.events().count("sp-startR") <= TOLD_COUNT + 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (GREETING, "Err: no handshake within 0.2 seconds"),
        (b"", "Err: it said nothing: no handshake within 0.2 seconds"),
    ],
)
def test_who_says_too_little_in_time_is_sent_away_and_logged(tmp_path: Path, words: bytes, said: str) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        async with b.office() as office:
            listener = Listener(office, ListenerSettings())
            listener.patience = LinkSettings(handshake_seconds=0.2)
            port = free_port()
            await listener.open(f"127.0.0.1:{port}")
            running = asyncio.ensure_future(listener.run())
            with connect(port, words) as sock:
                async with asyncio.timeout(WAIT_SECONDS):
                    assert await is_closed(sock)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert said in b.log_text()

    asyncio.run(story())


def test_who_only_looks_whether_we_listen_is_not_logged(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        async with listening(b) as (port, listener):
            connect(port).close()
            connect(port, b"nonsense").close()
            await until(lambda: "sp-startR" in b.events() and not listener.stranger_count)
        assert b.events().count("sp-startR") == 1

    asyncio.run(story())


def test_who_calls_beyond_the_limit_of_sessions_waits_for_its_turn(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        a.queue(b"x")
        async with (
            listening(b, ListenerSettings(session_limit_count=1)) as (port, listener),
            a.office() as office,
        ):
            sock = connect(port)
            peer = Peer(sock, a.book, a.peer)
            await peer.begin()
            await until(lambda: listener.session_count == 1)
            waiting = connect(port, b"nonsense")
            waiting.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiting.recv(1)
            peer.close()
            await until(lambda: listener.session_count == 0)
            assert await is_closed(waiting)
            assert await call_site(a, port, office)
            waiting.close()

    asyncio.run(story())


def test_a_recorded_call_keeps_the_true_neighbour_out_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.carry.online.listener.UNPROVEN_SECONDS", WAIT_SECONDS)

    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        packet = a.queue(b"x")
        async with listening(b) as (port, listener), a.office() as office:
            recorded = Peer(connect(port), a.book, a.peer)
            await recorded.begin()
            assert not await call_site(a, port, office)
            # The moment is over.
            monkeypatch.setattr("gateway.carry.online.listener.UNPROVEN_SECONDS", 0)
            assert await call_site(a, port, office)
            await recorded.until_closed()
            recorded.close()
            await until(lambda: listener.session_count == 0)
        assert packet.text in b.names(Box.RX)

    asyncio.run(story())


def test_a_neighbour_that_has_proved_itself_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.carry.online.listener.UNPROVEN_SECONDS", 0)

    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        b.queue(b"x")
        async with listening(b) as (port, _), a.office() as office:
            peer = Peer(connect(port), a.book, a.peer)
            await peer.begin()
            await peer.until(lambda: peer.of(Offered))
            peer.session.confirm(peer.of(Offered)[0].packet, asyncio.get_running_loop().time())
            await peer.flush()
            await until(lambda: b.names(Box.TX) == set())
            assert not await call_site(a, port, office)
            peer.close()

    asyncio.run(story())


def test_a_listener_that_ends_ends_its_sessions_cleanly(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        async with listening(b) as (port, listener):
            peer = Peer(connect(port), a.book, a.peer)
            await peer.begin()
            await until(lambda: listener.session_count == 1)
        await peer.until_closed()
        peer.close()
        assert b.events()[-1] == "call-finished"
        with pytest.raises(ConnectionRefusedError):
            connect(port)

    asyncio.run(story())


def test_an_address_that_is_taken_or_none_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        async with b.office() as office:
            listener = Listener(office, ListenerSettings())
            with socket.create_server(("127.0.0.1", 0)) as other:
                port = other.getsockname()[1]
                with pytest.raises(
                    ConfigError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"
                ):
                    await listener.open(f"127.0.0.1:{port}")
            with pytest.raises(ConfigError, match="allowed: HOST:PORT"):
                await listener.open("nonsense")
            for bind in ("[::]:0", ":0"):
                (place,) = await listener.open(bind)
                with socket.create_connection(("127.0.0.1", place[1])):
                    pass
            listener.close()

    asyncio.run(story())
