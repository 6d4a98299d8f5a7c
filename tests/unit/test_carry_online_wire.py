"""Connections as descriptors: sockets and pipes alike, never blocking, with an end that is told once."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import pytest

from gateway.carry.online.descriptors import Descriptors
from gateway.carry.online.sockets import wire_of
from gateway.carry.online.wire import Wire
from tests.support.online_sessions import WAIT_SECONDS, until

LARGE = os.urandom(3_000_000)


class Hearer:
    """Remembers what a wire brings."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ends: list[OSError | None] = []
        self.writable_count = 0

    def received(self, data: memoryview) -> None:
        self.heard += data

    def writable(self) -> None:
        self.writable_count += 1

    def ended(self, error: OSError | None) -> None:
        self.ends.append(error)


def socket_wires() -> tuple[Wire, Wire]:
    first, second = socket.socketpair()
    return wire_of(first, "first"), wire_of(second, "second")


def pipe_wires() -> tuple[Wire, Wire]:
    there, back = os.pipe(), os.pipe()
    first = Wire(back[0], there[1], Descriptors(back[0], there[1]), "first")
    return first, Wire(there[0], back[1], Descriptors(there[0], back[1]), "second")


WIRES = pytest.mark.parametrize("wires", [socket_wires, pipe_wires])
Make = Callable[[], tuple[Wire, Wire]]


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await story()

    asyncio.run(limited())


@WIRES
def test_what_the_kernel_does_not_take_at_once_follows(wires: Make) -> None:
    async def story() -> None:
        first, second = wires()
        hearers = Hearer(), Hearer()
        first.start(hearers[0])
        second.start(hearers[1])
        first.write([LARGE[:10], bytearray(LARGE[10:2_000_000]), LARGE[2_000_000:]])
        assert first.is_busy
        assert first.unsent_bytes >= len(LARGE) - len(hearers[1].heard)
        await until(lambda: len(hearers[1].heard) == len(LARGE))
        assert hearers[1].heard == LARGE
        await until(lambda: not first.is_busy)
        assert hearers[0].writable_count == 1
        assert first.written_bytes == len(LARGE)
        await until(lambda: first.unsent_bytes == 0)
        first.abort()
        await until(lambda: hearers[1].ends)
        assert hearers[1].ends == [None]
        second.abort()
        second.abort()

    run(story)


@WIRES
def test_a_paused_wire_brings_nothing_until_it_is_resumed(wires: Make) -> None:
    async def story() -> None:
        first, second = wires()
        hearer = Hearer()
        first.start(Hearer())
        second.start(hearer)
        second.pause()
        first.write([b"x"])
        await until(lambda: second.has_input)
        assert hearer.heard == b""
        second.resume()
        await until(lambda: hearer.heard == b"x")
        first.abort()
        second.abort()

    run(story)


@WIRES
def test_closing_sends_all_and_lets_the_peer_finish(wires: Make) -> None:
    async def story() -> None:
        first, second = wires()
        hearer = Hearer()
        first.start(Hearer())
        second.start(hearer)
        first.write([LARGE])
        closing = asyncio.ensure_future(first.close(WAIT_SECONDS))
        await until(lambda: hearer.ends)
        assert hearer.heard == LARGE
        assert not closing.done()
        second.write([b"what comes now is dropped"])
        second.abort()
        assert await closing

    run(story)


@WIRES
def test_a_peer_that_takes_nothing_is_left_after_the_time(wires: Make) -> None:
    async def story() -> None:
        first, second = wires()
        first.start(Hearer())
        first.write([LARGE])
        assert not await first.close(0.05)
        first.write([b"nothing happens"])
        second.abort()

    run(story)


@WIRES
def test_a_peer_that_is_gone_is_told_once(wires: Make) -> None:
    async def story() -> None:
        first, second = wires()
        hearer = Hearer()
        first.start(hearer)
        second.abort()
        for _ in range(5):
            first.write([LARGE])
        await until(lambda: hearer.ends)
        first.write([LARGE])
        await asyncio.sleep(0)
        assert len(hearer.ends) == 1
        first.abort()

    run(story)


def test_words_before_the_end_are_heard_before_it_is_told() -> None:
    async def story() -> None:
        sock, other = socket.socketpair()
        hearer = Hearer()
        other.sendall(b"last words")
        other.close()
        wire = wire_of(sock, "peer")
        wire.start(hearer)
        await until(lambda: hearer.ends)
        assert hearer.heard == b"last words"
        assert hearer.ends == [None]
        wire.abort()

    run(story)


def test_what_the_kernel_holds_of_a_thin_connection_is_little() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            sock = socket.create_connection(server.getsockname())
            peer, _ = server.accept()
        with peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            thick = wire_of(sock, "peer")
            thick.start(Hearer())
            thick.limit(1024)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 64 << 10
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 1024
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            thick.abort()

    run(story)


def test_a_thin_pipe_holds_one_page() -> None:
    async def story() -> None:
        first, second = pipe_wires()
        first.limit(1024)
        first.start(Hearer())
        first.write([bytes(20_000)])
        assert first.is_busy
        assert first.unsent_bytes == 20_000
        assert second.has_input
        first.abort()
        second.abort()

    run(story)
