"""The test support itself: places, ports, waiting."""

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.support.peers import smtp_data
from tests.support.ports import free_port
from tests.support.processes import Running, is_alive, is_listening, wait_until


def test_place_is_fresh_short_and_open_to_every_user(place: Path) -> None:
    assert list(place.iterdir()) == []
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert all(parent.stat().st_mode & stat.S_IXOTH for parent in place.parents)
    assert len(os.fsencode(place)) <= 48


def test_free_port_refuses_connections_until_a_server_listens_again_and_again() -> None:
    port = free_port()
    assert not is_listening(port)
    for _ in range(2):
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen()
            assert is_listening(port)


def test_free_ports_are_all_different() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


def test_wait_until_names_what_did_not_happen() -> None:
    with pytest.raises(AssertionError, match=r"the moon\nphase: new"):
        wait_until(lambda: False, 0.05, "the moon", explain=lambda: "phase: new")


def test_running_is_ended_with_its_group(place: Path) -> None:
    log = place / "log"
    with Running(["sh", "-c", "sleep 60 & echo $!; wait"], log) as shell:
        shell.wait_ready(lambda: log.read_text().strip(), 60, "its first line")
        child = int(log.read_text())
        assert is_alive(child)
        shell.kill_group()
    wait_until(lambda: not is_alive(child), 60, "the end of the child")


def test_program_that_ends_too_early_is_reported_with_its_log(place: Path) -> None:
    with (
        Running(["sh", "-c", "echo no such disk; exit 3"], place / "log") as shell,
        pytest.raises(AssertionError, match=r"ended with 3 before ready\nno such disk"),
    ):
        shell.wait_ready(lambda: False, 60, "ready")


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (b"", b""),
        (b"A: b\n\n.\n..\r\n.x", b"A: b\r\n\r\n..\r\n...\r\n..x\r\n"),
        (b".\n", b"..\r\n"),
    ],
)
def test_smtp_data_doubles_dots_and_ends_lines_with_crlf(message: bytes, sent: bytes) -> None:
    assert smtp_data(message) == sent
