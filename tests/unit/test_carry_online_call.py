"""Calls: addresses in turn, commands, and what the result tells."""

import asyncio
import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.carry.online.call import CallPlan, CallResult, call
from gateway.carry.online.listener import Listener, ListenerSettings
from gateway.link.settings import LinkSettings, Padding
from gateway.nodes import Book
from gateway.spool.layout import Box, LockKind
from gateway.spool.link_state import LinkStates
from tests.support.nncp_verbs import verb_argv
from tests.support.online_sessions import SHORT, WAIT_SECONDS, Site, until
from tests.support.ports import free_port
from tests.support.tossing import config_of


async def make_call(site: Site, plan: CallPlan) -> CallResult:
    async with site.office(links=LinkStates(site.spool.layout, site.spool.disk)) as office:
        async with asyncio.timeout(WAIT_SECONDS):
            return await call(office, plan)


def test_addresses_are_tried_in_turn_until_one_answers(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
        packet = a.queue(b"x")
        port = free_port()
        # The first is refused, the second speaks another language, the third is no address.
        with socket.create_server(("127.0.0.1", 0)) as other:
            loop = asyncio.get_running_loop()
            other.setblocking(False)

            async def babble() -> None:
                sock, _ = await loop.sock_accept(other)
                await loop.sock_sendall(sock, b"220 mail.example ESMTP\r\n")
                sock.close()

            babbling = asyncio.ensure_future(babble())
            addresses = (
                f"127.0.0.1:{free_port()}",
                f"127.0.0.1:{other.getsockname()[1]}",
                "nonsense",
                f"127.0.0.1:{port}",
                "127.0.0.1:1",
            )
            async with b.office() as office:
                listener = Listener(office, ListenerSettings())
                await listener.open(f"127.0.0.1:{port}")
                running = asyncio.ensure_future(listener.run())
                result = await make_call(a, CallPlan(a.peer, addresses, SHORT))
                running.cancel()
                await asyncio.gather(running, babbling, return_exceptions=True)
        assert result.is_connected
        assert result.is_complete
        assert result.address == addresses[3]
        assert packet.text in b.names(Box.RX)
        assert a.events().count("calling") == 3
        assert f"Addr: {addresses[0]}\n" in a.log_text()
        assert addresses[4] not in a.log_text()

    asyncio.run(story())


def test_a_neighbour_that_is_nowhere_is_told_with_the_reason_and_remembered(tmp_path: Path) -> None:
    a = Site(tmp_path, "a")
    address = f"127.0.0.1:{free_port()}"
    result = asyncio.run(make_call(a, CallPlan(a.peer, (address,), SHORT)))
    assert (result.is_connected, result.is_complete) == (False, False)
    assert (result.address, result.text) == (address, "Connection refused")
    history = LinkStates(a.spool.layout, a.spool.disk).read(a.peer.id).history
    assert history is not None
    assert history.attempt is not None
    assert (history.attempt.address, history.attempt.error) == (address, "Connection refused")


def test_a_host_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    a = Site(tmp_path, "a")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = replace(SHORT, handshake_seconds=0.2)
        result = asyncio.run(make_call(a, CallPlan(a.peer, (address,), settings)))
    assert not result.is_connected
    assert "0.2 seconds" in result.text


def test_a_neighbour_without_a_key_or_without_addresses_is_not_called(tmp_path: Path) -> None:
    a = Site(tmp_path, "a")
    keyless = replace(a.peer, keys=replace(a.peer.keys, noisepub=None))
    assert "no noisepub" in asyncio.run(make_call(a, CallPlan(keyless, ("127.0.0.1:1",)))).text
    assert "no address" in asyncio.run(make_call(a, CallPlan(a.peer, ()))).text


def test_a_cancelled_call_leaves_no_locks_and_no_connection(tmp_path: Path) -> None:
    async def story() -> None:
        a = Site(tmp_path, "a")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            calling = asyncio.ensure_future(make_call(a, CallPlan(a.peer, (address,), LinkSettings())))
            sock, _ = await asyncio.get_running_loop().sock_accept(silent)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            sock.setblocking(True)
            sock.settimeout(WAIT_SECONDS)
            while await asyncio.to_thread(sock.recv, 1 << 16):
                pass
            sock.close()
        for kind in (LockKind.RX, LockKind.TX):
            with a.spool.lock(a.peer.id, kind):
                pass

    asyncio.run(story())


def write_config(site: Site, book: Book) -> Path:
    path = site.log_path.with_name("cfg.json")
    path.write_text(json.dumps(config_of(book, site.log_path.parent)))
    return path


def test_a_command_is_a_connection(tmp_path: Path) -> None:
    a, b = Site(tmp_path, "a"), Site(tmp_path, "b")
    to_b, to_a = a.queue(b"there"), b.queue(b"back")
    daemon = verb_argv("daemon", "-cfg", write_config(b, b.book), "-ucspi", "-quiet")
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in daemon)
    project = Path(__file__).parents[2]
    command = f"|NNCPNOSYNC=1 PYTHONPATH={project} exec {quoted}"
    settings = LinkSettings(padding=Padding.NONE, idle_seconds=2, handshake_seconds=60)
    result = asyncio.run(make_call(a, CallPlan(a.peer, (command,), settings)))
    assert result.is_complete
    assert a.names(Box.RX) == {to_a.text}
    assert b.names(Box.RX) == {to_b.text}
    assert f"Connection to b ({command})" in a.log_text()


def test_a_command_that_fails_is_an_address_that_does_not_answer(tmp_path: Path) -> None:
    a = Site(tmp_path, "a")
    result = asyncio.run(make_call(a, CallPlan(a.peer, ("|exit 3", "|/does/not/exist 2>&1"), SHORT)))
    assert not result.is_connected
    assert a.events().count("calling") == 2


def test_a_command_is_ended_with_its_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.carry.online.descriptors.PATIENCE_SECONDS", 0.1)
    marker = tmp_path / "pid"

    async def story() -> None:
        a = Site(tmp_path, "a")
        command = f"|echo $$ > {marker}; exec sleep 600"
        calling = asyncio.ensure_future(make_call(a, CallPlan(a.peer, (command,), SHORT)))
        await until(lambda: marker.exists() and marker.read_text().endswith("\n"))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        with pytest.raises(ProcessLookupError):
            os.kill(int(marker.read_text()), 0)

    asyncio.run(story())
