"""Sessions over standard input and output: ``|command`` addresses, UCSPI servers and clients, inetd."""

import contextlib
import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.both_nncp import OURS
from tests.support.nncp_verbs import verb_environ
from tests.support.online import OnlinePair
from tests.support.online_packets import MIXED
from tests.support.pairings import ALL, at_once
from tests.support.processes import is_alive, wait_until

PACKETS = 20
SECONDS = 60
CLIENT_FDS = (6, 7)
"""Where a UCSPI client leaves the connection."""
HIGH_FD = 50
"""Above all that a shell or a test run has open."""


def make_pair(place: Path) -> OnlinePair:
    pair = OnlinePair(place / "pair")
    for name in ("a", "b"):
        pair.fill(name, PACKETS, mix=MIXED)
    return pair


@at_once(*ALL)
def test_call_through_a_command(place: Path, caller: str, daemon: str) -> None:
    """An address that is a command reaches the daemon at the command's input and output."""
    pair = make_pair(place)
    command = shlex.join(pair.argv(daemon, "b", "daemon", "-quiet", "-ucspi"))
    pair.change("a", addrs={"command": f"|exec {command}"})
    pair.call(caller, "a", "-quiet")
    pair.check_all()


@at_once(*ALL)
def test_ucspi_client_and_server(place: Path, caller: str, daemon: str) -> None:
    """A session runs over a connection that a UCSPI client made, and a UCSPI server or inetd accepted."""
    pair = make_pair(place)
    client_end, server_end = socket.socketpair()
    with client_end, server_end:
        server = _spawn(
            pair.argv(daemon, "b", "daemon", "-quiet", "-ucspi"),
            server_end,
            (0, 1),
            PROTO="TCP",
            TCPREMOTEIP="192.0.2.1",
            TCPREMOTEPORT="5400",
        )
        client = _spawn(
            pair.argv(caller, "a", "call", "-quiet", "-ucspi", "b"),
            client_end,
            CLIENT_FDS,
        )
    with client, server:
        try:
            assert client.wait(SECONDS) == 0
            server.wait(SECONDS)
        finally:
            client.kill()
            server.kill()
    pair.check_all()
    # Go puts brackets around it.
    assert re.search(r"192\.0\.2\.1\]?:5400", pair.log_text("b"))


def test_command_that_fails_is_status_1(place: Path) -> None:
    """A command that ends at once is like a neighbour that cannot be reached."""
    pair = make_pair(place)
    pair.change("a", addrs={"command": "|exit 3"})
    assert pair.call(OURS, "a", "-quiet", is_checked=False).returncode == 1


def test_command_ends_with_the_session(place: Path) -> None:
    """What our call started does not outlive it for long, even if it ignores the end of its input."""
    pair = make_pair(place)
    pid_file = place / "pid"
    command = shlex.join(pair.argv(OURS, "b", "daemon", "-quiet", "-ucspi"))
    pair.change("a", addrs={"command": f"|echo $$ > {pid_file}; {command}; exec sleep 1000 0<&- 1>&-"})
    pair.call(OURS, "a", "-quiet")
    pid = int(pid_file.read_text())
    try:
        wait_until(lambda: not is_alive(pid), SECONDS, "the end of the command")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    pair.check_all()


def _spawn(
    argv: list[str], end: socket.socket, targets: Sequence[int], **environ: str
) -> "subprocess.Popen[bytes]":
    """Start a program with a socket at certain descriptors, as tcpserver and tcpclient do."""
    high = fcntl.fcntl(end, fcntl.F_DUPFD, HIGH_FD)
    moves = " ".join(f"{target}<&{high}" for target in targets)
    try:
        return subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$@" {moves} {high}<&-', "bash", *argv],
            env=verb_environ(NNCPNOSYNC="1", **environ),
            pass_fds=[high],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.close(high)
