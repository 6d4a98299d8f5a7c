"""Where connections come from: addresses, hosts with several of them, descriptors, commands."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from gateway.carry.online import descriptors, sockets
from gateway.carry.online.descriptors import Command
from gateway.carry.online.sockets import (
    PIPE,
    Door,
    TcpAddress,
    connect_tcp,
    format_place,
    parse_tcp_address,
    ucspi_peer,
    wire_of_descriptors,
)
from gateway.carry.online.wire import Wire
from gateway.errors import ConfigError
from tests.support.nncp_verbs import verb_argv, verb_environ
from tests.support.online_sessions import WAIT_SECONDS, until
from tests.support.ports import free_port
from tests.support.processes import is_alive


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.org:5400", TcpAddress("example.org", "5400")),
        ("192.0.2.1:nncp", TcpAddress("192.0.2.1", "nncp")),
        ("[2001:db8::1]:5400", TcpAddress("2001:db8::1", "5400")),
        ("[fe80::1%eth0]:1", TcpAddress("fe80::1%eth0", "1")),
        (":5400", TcpAddress("", "5400")),
    ],
)
def test_addresses_are_read_as_go_writes_them(text: str, address: TcpAddress) -> None:
    assert parse_tcp_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "host", "2001:db8::1:5400", "[::1]", "host:", "a:b:c", "yggdrasilc://x"]
)
def test_what_is_no_address_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match=r"allowed: HOST:PORT, \[IPv6\]:PORT or \|COMMAND"):
        parse_tcp_address(text)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("127.0.0.1", 1), "127.0.0.1:1"),
        (("::ffff:127.0.0.1", 1, 0, 0), "127.0.0.1:1"),
        (("::1", 1, 0, 0), "[::1]:1"),
        ("", PIPE),
    ],
)
def test_places_are_written_for_people(place: object, text: str) -> None:
    assert format_place(place) == text


def test_of_several_addresses_the_first_to_answer_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        dead = free_port()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            places = [
                (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", number)) for number in (dead, port)
            ]
            sock = await sockets._connect_first(places)
            assert sock.getpeername()[1] == port
            sock.close()

    asyncio.run(story())


def test_an_address_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "STAGGER_SECONDS", 0.01)

    async def story() -> None:
        with socket.socket() as silent, socket.create_server(("127.0.0.1", 0)) as server:
            # Its queue is full: connecting to it hangs.
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            fillers = []
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(silent.getsockname())
                fillers.append(filler)
            places = [
                (socket.AF_INET, socket.SOCK_STREAM, 0, "", place)
                for place in (silent.getsockname(), server.getsockname())
            ]
            async with asyncio.timeout(WAIT_SECONDS):
                sock = await sockets._connect_first(places)
            assert sock.getpeername() == server.getsockname()
            for each in (sock, *fillers):
                each.close()

    asyncio.run(story())


def test_a_host_where_nobody_answers_says_why() -> None:
    async def story() -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect_tcp(TcpAddress("127.0.0.1", str(free_port())))
        with pytest.raises(socket.gaierror):
            await connect_tcp(TcpAddress("host.invalid", "1"))

    asyncio.run(story())


class FullSocket:
    """A listening socket of a process that has no descriptors left, for the first time it is asked."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.asked_count = 0

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()

    def accept(self) -> tuple[socket.socket, object]:
        self.asked_count += 1
        if self.asked_count == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._real.accept()


def test_a_process_without_descriptors_takes_connections_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "FULL_SECONDS", 0.01)

    async def story() -> None:
        real = socket.create_server(("127.0.0.1", 0))
        real.setblocking(False)
        listening = FullSocket(real)
        wires: list[Wire] = []
        door = Door([listening], wires.append)  # type: ignore[list-item] # it has what a door needs
        door.open()
        with socket.create_connection(real.getsockname()):
            await until(lambda: wires)
        assert listening.asked_count >= 2
        door.close()
        wires[0].abort()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("environ", "peer"),
    [
        ({}, "PIPE"),
        ({"PROTO": "UNIX"}, "PIPE"),
        ({"PROTO": "TCP", "TCPREMOTEIP": "192.0.2.1", "TCPREMOTEPORT": "5"}, "192.0.2.1:5"),
        ({"PROTO": "TCP", "TCPREMOTEHOST": "h", "TCPREMOTEIP": "192.0.2.1", "TCPREMOTEPORT": "5"}, "h:5"),
    ],
)
def test_the_peer_is_who_the_ucspi_server_says(environ: dict[str, str], peer: str) -> None:
    assert ucspi_peer(environ) == peer


def leads_nowhere(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").readlink() == Path(os.devnull)


def test_an_inherited_socket_becomes_a_connection_and_its_descriptors_lead_to_nothing() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        fds = (os.dup(ours.fileno()), os.dup(ours.fileno()))
        ours.close()
        wire = wire_of_descriptors(fds, "peer")
        wire.write([b"hello"])
        assert theirs.recv(10) == b"hello"
        assert leads_nowhere(fds[0])
        wire.abort()
        assert theirs.recv(10) == b""
        theirs.close()
        for fd in fds:
            os.close(fd)

    asyncio.run(story())


def test_inherited_pipes_become_a_connection_and_their_descriptors_lead_to_nothing() -> None:
    async def story() -> None:
        (read_end, their_output), (their_input, write_end) = os.pipe(), os.pipe()
        wire = wire_of_descriptors((read_end, write_end), "peer")
        wire.write([b"hello"])
        assert os.read(their_input, 10) == b"hello"
        assert leads_nowhere(write_end)
        wire.abort()
        assert os.read(their_input, 10) == b""
        for fd in (their_output, their_input, read_end, write_end):
            os.close(fd)

    asyncio.run(story())


def test_descriptors_that_are_no_connection_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        with pytest.raises(ConfigError, match="are no connection"):
            wire_of_descriptors((fd, fd), "peer")
        os.close(fd)
        with pytest.raises(ConfigError, match="Bad file descriptor"):
            wire_of_descriptors((fd, fd), "peer")

    asyncio.run(story())


def test_a_command_that_ends_by_itself_is_waited_for() -> None:
    async def story() -> None:
        command = Command("cat >/dev/null; exit 7")
        command.wire.write([b"x"])
        await command.end()
        assert command.status == 7

    asyncio.run(story())


def test_a_command_that_goes_on_is_ended_with_its_whole_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(descriptors, "TERMINATE_SECONDS", 0.1)
    child = tmp_path / "child"

    async def story() -> None:
        command = Command(f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > {child}; sleep 600' & sleep 600")
        await until(lambda: child.exists() and child.read_text().endswith("\n"))
        await command.end()
        assert command.status == -signal.SIGKILL
        await until(lambda: not is_alive(int(child.read_text())))

    asyncio.run(story())


def test_under_inetd_nothing_that_is_printed_reaches_the_connection(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        done = subprocess.run(
            verb_argv("daemon", "-inetd", "-cfg", tmp_path / "none"),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=theirs.fileno(),
            env=verb_environ(),
            check=False,
            timeout=60,
        )
        theirs.close()
        assert done.returncode == 1
        assert ours.recv(1000) == b""
