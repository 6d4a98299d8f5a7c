"""What a mail server was told, and what is there, when the daemon or the client ends at any point."""

import signal
import subprocess
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.payload import sweep
from gateway.msgqueue.store import BODIES_NAME, INLINE_BODY_BYTES, Queue
from tests.support.doomed import doomed
from tests.support.endpoint import Kept, kept_messages
from tests.support.handing_in import PipeEndpoint
from tests.support.messages import NODE_A
from tests.support.pipe_client import CLIENT_SECONDS, client_argv, run_client
from tests.support.processes import wait_until

BOB = "bob@b.test"
SMALL = b"Subject: small\nMessage-ID: <1@x>\nDate: x\nFrom: x\n\nhello\n"
LARGE = SMALL + b"0123456789\n" * (INLINE_BODY_BYTES // 5)
BATCH = b"MAIL FROM:<>\nRCPT TO:<bob@b.test>\nDATA\n" + SMALL + b".\n"
PAYLOAD = b"Return-Path: <>\n" + SMALL

Case = tuple[str, tuple[str, ...], bytes, dict[str, str]]
CASES: dict[str, Case] = {
    "small": ("sendmail", ("-i", "--", BOB), SMALL, {}),
    "large": ("sendmail", ("-i", "--", BOB), LARGE, {}),
    "batch": ("rsmtp", (), BATCH + BATCH.replace(SMALL, LARGE), {}),
    "tossed": ("sendmail", (BOB,), PAYLOAD, {"NNCP_SENDER": NODE_A.text}),
    "tossed large": ("sendmail", (BOB,), PAYLOAD.replace(SMALL, LARGE), {"NNCP_SENDER": NODE_A.text}),
}
STEPS = [
    *(("small", "commit", 1), ("small", "committed", 1)),
    *(("large", step, 1) for step in ("create", "write", "sync", "sync-directory", "commit", "committed")),
    *(("batch", step, 1) for step in ("create", "write", "sync", "commit", "committed")),
    *(("batch", step, 2) for step in ("create", "write", "sync-directory")),
    *(("tossed", step, 1) for step in ("commit", "committed")),
    *(("tossed large", step, 1) for step in ("create", "write", "commit", "committed")),
    *(("tossed large", step, 2) for step in ("create", "write")),
]
DONE = frozenset({"committed"})
"""Steps behind the commit."""


def _after_restart(directory: Path) -> tuple[list[Kept], list[str]]:
    """What a new process finds, and the files it is left with that no message has."""
    with Queue(directory / "queue", Disk(is_syncing=False), reserve_bytes=0) as queue:
        queue.sweep_bodies()
        incoming = directory / "queue" / "incoming"
        if incoming.is_dir():
            sweep(incoming, Disk(is_syncing=False))
        kept = kept_messages(queue)
        named = {each.view.id for each in kept}
        found = [*(directory / "queue" / BODIES_NAME).iterdir(), *incoming.glob("*")]
        return kept, [path.name for path in found if path.name not in named]


def _count(case: str) -> int:
    return 2 if case == "batch" else 1


@pytest.mark.parametrize(("case", "step", "number"), STEPS)
def test_a_daemon_killed_on_the_way_asks_for_another_try(
    place: Path, case: str, step: str, number: int
) -> None:
    """Whenever the daemon dies, the mail server is told to try again, and the queue holds all or nothing."""
    name, words, content, environ = CASES[case]
    directory = place / "state"
    with doomed("pipe", directory, step, number) as (running, _):
        done = run_client(directory, name, *words, stdin=content, environ=environ)
        assert running.wait(60) == -signal.SIGKILL
    assert (done.returncode, done.stdout) == (75, b"")
    kept, leftovers = _after_restart(directory)
    assert len(kept) == (_count(case) if step in DONE else 0)
    assert leftovers == []
    with doomed("pipe", directory):
        assert run_client(directory, name, *words, stdin=content, environ=environ).returncode == 0
    kept, leftovers = _after_restart(directory)
    assert len(kept) == _count(case) * (2 if step in DONE else 1), "a second copy, as RFC 1047 has it"
    assert leftovers == []


@pytest.mark.parametrize("case", CASES)
def test_what_was_told_to_be_there_is_there_after_a_kill(place: Path, case: str) -> None:
    """Status 0 survives the death of the daemon at that very moment."""
    name, words, content, environ = CASES[case]
    directory = place / "state"
    with doomed("pipe", directory) as (running, _):
        assert run_client(directory, name, *words, stdin=content, environ=environ).returncode == 0
        running.kill_group()
    kept, leftovers = _after_restart(directory)
    assert len(kept) == _count(case)
    assert leftovers == []


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("case", CASES)
def test_a_client_killed_on_the_way_leaves_nothing(place: Path, case: str, share: float) -> None:
    """A message whose client was killed before it had all of it is not queued; the next one is."""
    name, words, content, environ = CASES[case]
    directory = place / "state"
    with PipeEndpoint(directory) as endpoint:
        argv = client_argv(directory, name, words)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, env=environ) as child:
            assert child.stdin is not None
            child.stdin.write(content[: int(len(content) * share)])
            child.stdin.flush()
            wait_until(lambda: endpoint.server.connections_count, 60, "the client")
            child.kill()
            assert child.wait(CLIENT_SECONDS) == -signal.SIGKILL
        wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of the conversation")
        assert (endpoint.kept(), endpoint.leftovers()) == ([], [])
        assert run_client(directory, name, *words, stdin=content, environ=environ).returncode == 0
        assert len(endpoint.kept()) == _count(case)


@pytest.mark.parametrize("step", ["create", "write", "sync", "commit"])
def test_a_disk_that_refuses_asks_for_another_try(place: Path, step: str) -> None:
    """While the disk refuses the mail stays with its server; afterwards it comes in once."""
    is_broken = True

    def hook(taken: str, path: Path) -> None:
        if is_broken and taken == step and "queue" in path.parts:
            raise OSError(28, "No space left on device")

    directory = place / "state"
    with PipeEndpoint(directory) as endpoint:
        endpoint.kept()
    with PipeEndpoint(directory, disk=Disk(is_syncing=False, hook=hook)) as endpoint:
        for name, words, content, environ in (CASES["large"], CASES["batch"]):
            done = run_client(directory, name, *words, stdin=content, environ=environ)
            assert done.returncode == 75
            assert done.stderr.startswith((b"4.3.1 ", b"4.3.0 "))
        assert (endpoint.kept(), endpoint.leftovers()) == ([], [])
        is_broken = False
        name, words, content, environ = CASES["large"]
        assert run_client(directory, name, *words, stdin=content, environ=environ).returncode == 0
        assert len(endpoint.kept()) == 1
