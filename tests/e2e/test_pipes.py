"""Mail through the names that mail servers call, with a daemon and without, and what a neighbour sent."""

import os
import pwd
import re
import stat
import subprocess
import sys
from collections.abc import Sequence
from email.utils import formataddr
from pathlib import Path

import pytest

from tests.support.gateways import CHILD_SECONDS, GatewayNode, mail, pair
from tests.support.peers import require_readable_by, require_root
from tests.support.processes import as_user

ALICE, BOB = "alice@a.test", "bob@b.test"
STRANGER = "mail"
"""A user that every Debian has."""


class Site:
    """Two nodes that know each other, and the names of the first."""

    def __init__(self, place: Path) -> None:
        self.a, self.b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
        pair(self.a, self.b, "--understands", "sendmail")
        self.bin = place / "bin"
        self.a.run("links", "--mail", str(self.bin))

    def run(
        self, name: str, *words: str, stdin: bytes = b"", user: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of the names as a mail server does: hardly any environment."""
        argv: Sequence[str | os.PathLike[str]] = as_user(user, [self.bin / name, *words])
        env = {"PATH": os.defpath, **environ}
        return subprocess.run(
            argv, input=stdin, capture_output=True, check=False, timeout=CHILD_SECONDS, env=env, cwd="/"
        )


@pytest.fixture
def site(place: Path) -> Site:
    return Site(place)


def test_it_makes_no_difference_whether_a_daemon_runs(site: Site) -> None:
    """The same message by the same name becomes the same mail of the queue, with a daemon and without."""
    message = (
        b"From alice Fri Nov 20\nTo: Bob <bob@b.test>\nBcc: carl@b.test\nMessage-ID: <1@x>\nDate: x\n\n.\nhi"
    )
    for _ in range(2):
        assert site.run("sendmail", "-ti", "-f", ALICE, stdin=message).returncode == 0
        if len(site.a.queue()) == 1:
            with site.a.serving("--only", "pipe"):
                assert site.run("sendmail", "-ti", "-f", ALICE, stdin=message).returncode == 0
    bodies = [site.a.run("queue", "show", "--body", each["id"]).out for each in site.a.queue()]
    contents = {body[body.index("To: Bob") :] for body in bodies}
    assert contents == {
        f"To: Bob <bob@b.test>\r\nMessage-ID: <1@x>\r\nDate: x\r\nFrom: {_full_name()}\r\n\r\n.\r\nhi\r\n"
    }
    assert len(bodies) == 3
    assert {tuple(r["recipient"] for r in each["recipients"]) for each in site.a.queue()} == {
        (BOB, "carl@b.test")
    }


def test_mail_goes_on_at_once(site: Site, place: Path) -> None:
    """What the daemon took from a pipe is a packet without waiting for the next look."""
    with site.a.serving():
        assert site.run("rmail", BOB, stdin=mail(1, ALICE, BOB)).returncode == 0
        site.a.wait_for_states(["sent"])
    site.a.carry_to(site.b, place / "stick")
    site.b.run("toss")
    site.b.run("deliver")
    (arrived,) = site.b.mails()
    assert arrived.endswith(mail(1, ALICE, BOB))


def test_a_daemon_that_was_killed_is_not_missed(site: Site) -> None:
    """After a power cut of the daemon alone mail goes in without it, and again through it later."""
    with site.a.serving() as daemon:
        assert site.run("rmail", BOB, stdin=b"one\n").returncode == 0
        daemon.kill_group()
    assert site.run("rmail", BOB, stdin=b"two\n").returncode == 0
    with site.a.serving():
        assert site.run("rmail", BOB, stdin=b"three\n").returncode == 0
    assert len(site.a.queue("--all")) == 3


def test_our_own_commands_are_done_by_the_daemon(site: Site) -> None:
    """While a daemon runs ``send`` and ``receive`` hand over to it; what comes out is the same."""
    with site.b.serving() as daemon:
        done = site.b.run("send", "-f", ALICE, "--", "carl@b.test", stdin=mail(1, ALICE, BOB))
        assert done.out.startswith("2.0.0 queued as ")
        batch = (
            f"HELO x\nMAIL FROM:<{ALICE}>\nRCPT TO:<{BOB}>\nDATA\n".encode() + mail(2, ALICE, BOB) + b".\n"
        )
        words = ["-c", str(site.b.config_path), "receive", "rsmtp"]
        for _ in range(2):
            taken = _child(words, batch, NNCP_SENDER=site.a.id)
            assert (taken.returncode, taken.stdout, taken.stderr) == (0, b"", b"")
        assert _child(words, batch[:-2], NNCP_SENDER=site.a.id).returncode == 75
        site.b.wait_for_mails(3)
        assert daemon.returncode is None
    # Another process would have written these lines elsewhere.
    assert site.b.log_text().count("event=unpacked") == 2
    assert site.b.log_text().count("event=received") == 1


def test_memory_does_not_grow_with_the_message(site: Site) -> None:
    """The daemon takes a message of any size in without holding it in memory."""
    site.a.set_toml("smtp", f"max_message_bytes = {1 << 30}\nmax_inflight_bytes = {1 << 30}\n")
    message = mail(1, ALICE, BOB, "0123456789\n") + b"z" * 70 * 1_000_000
    with site.a.serving("--only", "pipe") as daemon:
        before_mib = _peak_mib(daemon.pid)
        for words in (("send", "-f", ALICE, BOB), ("rmail", BOB)):
            name = "nncp-gateway-pipe" if words[0] == "send" else words[0]
            arguments = words if words[0] == "send" else words[1:]
            assert site.run(name, *arguments, stdin=message).returncode == 0
        assert _peak_mib(daemon.pid) - before_mib < 20
    assert [each["size_bytes"] > 70_000_000 for each in site.a.queue()] == [True, True]


def test_the_socket_is_for_our_group_alone(site: Site) -> None:
    """A user outside of the group can't hand mail in, by the socket or past it; it stays with its server."""
    require_root()
    require_readable_by(STRANGER)
    socket = site.a.home / "state" / "pipe.sock"
    with site.a.serving():
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
        done = site.run("rmail", BOB, stdin=b"x\n", user=STRANGER)
        assert done.returncode == 75
        assert b"cannot be read" in done.stdout + done.stderr
        assert site.a.queue("--all") == []


def test_who_may_connect_may_not_say_what_a_neighbour_sent(site: Site) -> None:
    """A user of the group hands in mail of its own, but nothing in a neighbour's name."""
    require_root()
    require_readable_by(STRANGER)
    state = site.a.home / "state"
    with site.a.serving():
        for path in (site.a.home, state, state / "pipe.sock"):
            path.chmod(path.stat().st_mode | 0o007)
        assert site.run("rmail", BOB, stdin=b"x\n", user=STRANGER).returncode == 0
        (message,) = site.a.queue("--all")
        assert message["origin"] == f"local user {STRANGER}"
        payload = f"Return-Path: <{ALICE}>\n".encode() + mail(1, ALICE, ALICE)
        done = site.run("sendmail", ALICE, stdin=payload, user=STRANGER, NNCP_SENDER=site.b.id)
        assert done.returncode == 75
        assert len(site.a.queue("--all")) == 1


def _child(words: Sequence[str], stdin: bytes, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run our command with an environment as Go's tosser makes it."""
    program = Path(sys.executable).with_name("nncp-gateway")
    return subprocess.run(
        [program, *words], input=stdin, capture_output=True, check=False, timeout=CHILD_SECONDS, env=environ
    )


def _peak_mib(pid: int) -> float:
    """The most memory that a process has held so far."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def _full_name() -> str:
    """From as our own user's name makes it."""
    gecos = pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    return formataddr((gecos, ALICE)) if gecos else ALICE
