"""The kernel's own word for it: what says that something was taken is said after its sync."""

import base64
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ingest.passwords import Cost, hash_password, write_passwords
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.spool.layout import PART_SUFFIX, Box
from tests.support.both_nncp import OURS
from tests.support.endpoint import Client
from tests.support.gateways import CHILD_SECONDS, MODULE, START_SECONDS, GatewayNode, clean_environ, pair
from tests.support.online import OnlinePair
from tests.support.online_packets import TINY
from tests.support.processes import Running
from tests.support.strace import Call, Unsynced, strace_argv

ALICE, BOB, CAROL = "alice@a.test", "bob@b.test", "carol@a.test"
SMALL = b"Subject: marked\r\n\r\nsmall\r\n"
LARGE = SMALL + b"0123456789\r\n" * (INLINE_BODY_BYTES // 6)
PASSED_OVER = ("-shm", ".sqlite", ".log", ".lock", "pipe.sock", "lmtp", "wake.sock")
"""The index of the write-ahead log is made anew after a crash; so is the database, which is written from that
log alone, at any time, and whose log is kept until it is synced. The others hold no mail."""
TAKEN = re.compile(r'"250 2\.0\.0 Ok: queued as ')
PACKET_COUNT = 40
"""So many that they come in groups."""
EXIT_0 = re.compile(r'"X\\0\\0\\0\\1\\0"')


class Traced:
    """A node, one of whose programs is watched."""

    def __init__(self, place: Path) -> None:
        self.a = GatewayNode(place / "a", "a.test")
        pair(self.a, GatewayNode(place / "b", "b.test"))
        self.trace = place / "trace"
        self.a.set_toml("lmtp", 'socket = "lmtp"\n')
        self.a.set_toml("submission", 'listen = ["127.0.0.1:0"]\ncleartext_on_loopback = true\n')
        hashed = {"alice": hash_password("wonderland", Cost(log_n=4, r=8, p=1))}
        write_passwords(self.a.home / "state/passwords", hashed, Disk(is_syncing=False))
        self.unsynced = Unsynced(self.a.home / "state", PASSED_OVER)
        self.bin = place / "bin"
        self.a.run("links", "--mail", str(self.bin))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The daemon, with nothing at work but what takes mail in."""
        only = [word for name in ("smtp", "lmtp", "submission", "pipe") for word in ("--only", name)]
        argv = [*strace_argv(self.trace), *MODULE, "-c", str(self.a.config_path), "serve", *only]
        with Running(argv, self.a.log_path, env=clean_environ()) as daemon:
            daemon.wait_ready(lambda: "ready: " in self.a.log_text(), START_SECONDS, "ready")
            yield
            _terminate(self.trace)
            assert daemon.wait(60) == 0

    def pipe(self, name: str, *words: str, content: bytes, around: Sequence[str] = ()) -> None:
        """Hand something in by one of the names."""
        done = subprocess.run(
            [*around, str(self.bin / name), *words], input=content, capture_output=True, check=False,
            timeout=CHILD_SECONDS, env={"PATH": os.defpath}, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def port(self, name: str) -> int:
        """Of an endpoint."""
        return int(re.findall(rf"{name}\b.* on 127\.0\.0\.1:(\d+)", self.a.log_text())[-1])

    def told(self, is_told: Callable[[Call], object]) -> list[int]:
        """How many syncs there had been each time it was told; each time everything was on disk."""
        counts = []
        for call in self.unsynced.follow(self.trace):
            if is_told(call):
                assert not self.unsynced.written, f"told before the sync: {call}"
                assert not self.unsynced.named, f"told before the sync of the name: {call}"
                counts.append(self.unsynced.synced_count)
        return counts


def _terminate(trace: Path) -> None:
    """End a program that is watched; strace, told itself, would leave it alone."""
    os.kill(int(trace.read_text(errors="replace").split(maxsplit=1)[0]), signal.SIGTERM)


@pytest.fixture
def traced(place: Path) -> Traced:
    return Traced(place)


def says(pattern: re.Pattern[str]) -> Callable[[Call], object]:
    """Whether a call sends something like it."""
    return lambda call: call.name in {"sendto", "sendmsg", "write"} and pattern.search(call.words)


def assert_each_after_a_sync(told: list[int], count: int) -> None:
    """So often it was told, and never twice for one sync."""
    assert len(told) == count
    assert [0, *told] == sorted({0, *told})


def hand_in(client: Client, greeting: str, *recipients: str) -> None:
    """A small and a large message over one connection."""
    with client:
        client.answer()
        client.command(f"{greeting} client.test")
        if greeting == "EHLO" and len(recipients) == 1:
            secret = base64.b64encode(b"\0alice\0wonderland").decode()
            client.command(f"AUTH PLAIN {secret}")
        for message in (SMALL, LARGE):
            assert client.mail(message, ALICE, *recipients)[0] == 250
            for _ in recipients[1:] if greeting == "LHLO" else ():
                assert client.answer()[0] == 250


def test_each_250_comes_after_the_sync(traced: Traced) -> None:
    """SMTP, submission, and LMTP for each recipient: at a 250 all that was written is synced, names too."""
    with traced.serving():
        hand_in(Client(traced.port("SMTP")), "EHLO", BOB, CAROL)
        hand_in(Client(traced.port("SUBMISSION")), "EHLO", BOB)
    assert_each_after_a_sync(traced.told(says(TAKEN)), 4)


def test_each_250_of_lmtp_comes_after_the_sync(traced: Traced) -> None:
    """The answers of all recipients of a message come after the sync of that message."""
    with traced.serving():
        hand_in(Client(traced.a.home / "lmtp"), "LHLO", BOB, CAROL)
    # Both answers to a message travel together.
    assert_each_after_a_sync(traced.told(says(TAKEN)), 2)


def test_each_exit_status_0_of_the_daemon_comes_after_the_sync(traced: Traced) -> None:
    """A pipe is told 0 once its message, or its whole batch, is synced."""
    batch = b"".join(b"MAIL FROM:<>\nRCPT TO:<bob@b.test>\nDATA\n%s.\n" % one for one in (SMALL, LARGE))
    batch = batch.replace(b"\r\n", b"\n")
    with traced.serving():
        for content in (SMALL, LARGE):
            traced.pipe("sendmail", "-i", "--", BOB, content=content)
            traced.pipe("rmail", BOB, CAROL, content=content)
        traced.pipe("rsmtp", content=batch)
    assert_each_after_a_sync(traced.told(says(EXIT_0)), 5)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_exit_status_0_without_a_daemon_comes_after_the_sync(traced: Traced, content: bytes) -> None:
    """A command that does it all by itself ends with 0 once everything is synced."""
    traced.pipe("rmail", BOB, CAROL, content=content, around=strace_argv(traced.trace))
    assert traced.told(lambda call: (call.name, call.words) == ("exit_group", "0"))[-1] > 0


def test_a_packet_is_removed_after_the_sync_of_what_was_in_it(traced: Traced, place: Path) -> None:
    """Toss removes a packet once its mail is synced in the queue of this side."""
    b = GatewayNode(place / "c", "c.test")
    pair(traced.a, b, "--understands", "gateway")
    for content in (SMALL, LARGE):
        b.send(BOB, [CAROL], content)
        b.run("flush")
    b.carry_to(traced.a, place / "stick")
    argv = [*strace_argv(traced.trace), *MODULE, "-c", str(traced.a.config_path), "toss"]
    subprocess.run(argv, check=True, capture_output=True, timeout=CHILD_SECONDS, env=clean_environ())
    assert len(traced.a.queue()) == 2
    packet = re.compile(r'spool/[A-Z2-7]{52}/rx/[A-Z2-7]{52}"')
    told = traced.told(lambda call: call.name.startswith("unlink") and packet.search(call.words))
    assert_each_after_a_sync(told, 2)


def test_a_packet_that_came_online_gets_its_name_after_the_sync_of_its_bytes(place: Path) -> None:
    """Of packets that come together none is renamed before it is synced, alone or with all files."""
    pair = OnlinePair(place / "pair", deadline_seconds=600)
    pair.fill("b", PACKET_COUNT, mix=TINY)
    trace = place / "trace"
    unsynced = Unsynced(pair.directory, PASSED_OVER)
    with pair.listening(OURS, "b", "-quiet") as (port, _):
        argv = pair.argv(OURS, "a", "call", "-quiet", "b", pair.address("b", port))
        with Running([*strace_argv(trace), *argv], place / "call.log", env=clean_environ()) as call:
            call.wait_ready(lambda: not pair.packets("b", Box.TX), CHILD_SECONDS, "the last confirmation")
            _terminate(trace)
            call.wait(60)
    pair.check_all()
    renamed = []
    for done in unsynced.follow(trace):
        if done.name.startswith("rename") and done.names[0].endswith(PART_SUFFIX):
            assert done.names[0] not in unsynced.written, f"renamed before the sync: {done}"
            renamed.append(done.names[1])
    assert len(set(renamed)) == PACKET_COUNT
    assert unsynced.synced_count > 0
