"""What the SMTP endpoint has promised when the process ends, or the disk refuses, at any point."""

import errno
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.store import BODIES_NAME, INLINE_BODY_BYTES, Queue
from tests.support.doomed import doomed
from tests.support.endpoint import Client, Endpoint, Kept, kept_messages, stuffed
from tests.support.processes import Running

SMALL = b"Subject: small\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"z" * (2 * INLINE_BODY_BYTES) + b"\r\n"
FIRST = b"Subject: first\r\n\r\nwas here before\r\n"


@contextmanager
def _child(directory: Path, step: str, number: int) -> Iterator[tuple[Running, Client]]:
    with doomed("smtp", directory, step, number) as (running, port), Client(port) as client:
        assert client.answer()[0] == 220
        assert client.command("EHLO client.test")[0] == 250
        yield running, client


def _after_restart(directory: Path) -> tuple[list[Kept], list[Path]]:
    """What a new process finds, and the body files it is left with."""
    with Queue(directory / "queue", Disk(is_syncing=False), reserve_bytes=0) as queue:
        queue.sweep_bodies()
        return kept_messages(queue), list((directory / "queue" / BODIES_NAME).iterdir())


def _outcome(client: Client, message: bytes) -> int:
    """The code that the client was told, 0 for a broken connection."""
    try:
        client.begin()
        return client.content(stuffed(message))[0]
    except OSError:
        return 0


# Steps of the disk for one message of each size, in their order, with how often each comes; the
# commit is the one that decides.
BEFORE = [
    (SMALL, "commit", 1),
    (LARGE, "create", 1),
    (LARGE, "write", 1),
    (LARGE, "write", 2),
    (LARGE, "sync", 1),
    (LARGE, "sync-directory", 1),
    (LARGE, "commit", 1),
]
AFTER = [(SMALL, "committed", 1), (LARGE, "committed", 1)]


def _name(value: object) -> str | None:
    return ("large" if len(value) > 1000 else "small") if isinstance(value, bytes) else None


@pytest.mark.parametrize(("message", "step", "number"), BEFORE, ids=_name)
def test_killed_before_the_commit(tmp_path: Path, message: bytes, step: str, number: int) -> None:
    """A message whose commit never came was not acknowledged, leaves nothing, and harms no other."""
    with Endpoint(tmp_path) as endpoint, endpoint.client() as client:
        assert client.mail(FIRST)[0] == 250
    with _child(tmp_path, step, number) as (running, client):
        assert _outcome(client, message) == 0
        assert running.wait(60) == -signal.SIGKILL
    kept, bodies = _after_restart(tmp_path)
    assert [each.content for each in kept] == [FIRST]
    assert bodies == []


@pytest.mark.parametrize(("message", "step", "number"), AFTER, ids=_name)
def test_killed_after_the_commit(tmp_path: Path, message: bytes, step: str, number: int) -> None:
    """A message whose commit is on disk is there after the restart, even if nobody was told."""
    with _child(tmp_path, step, number) as (running, client):
        assert _outcome(client, message) == 0
        assert running.wait(60) == -signal.SIGKILL
    kept, bodies = _after_restart(tmp_path)
    assert [each.content for each in kept] == [message]
    assert len(bodies) == (len(message) > INLINE_BODY_BYTES)


@pytest.mark.parametrize("message", [SMALL, LARGE], ids=_name)
def test_killed_right_after_250(tmp_path: Path, message: bytes) -> None:
    """A message that was acknowledged survives a kill at that very moment."""
    with _child(tmp_path, "never", 1) as (running, client):
        assert _outcome(client, message) == 250
        running.kill_group()
    kept, _ = _after_restart(tmp_path)
    assert [each.content for each in kept] == [message]


def test_killed_at_the_third_commit(tmp_path: Path) -> None:
    """Every message acknowledged before the kill is there, the one under way is not."""
    with _child(tmp_path, "commit", 3) as (running, client):
        assert [_outcome(client, FIRST), _outcome(client, LARGE)] == [250, 250]
        assert _outcome(client, SMALL) == 0
        assert running.wait(60) == -signal.SIGKILL
    kept, _ = _after_restart(tmp_path)
    assert [each.content for each in kept] == [FIRST, LARGE]


class _Failing:
    """A disk hook that refuses one step for as long as it is told to."""

    def __init__(self, step: str, error: Exception) -> None:
        self.is_failing = False
        self._step = step
        self._error = error

    def __call__(self, step: str, _path: Path) -> None:
        if self.is_failing and step == self._step:
            raise self._error


def _database_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorcode = code
    return error


FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("message", "step", "error", "code", "status"),
    [
        (SMALL, "commit", _database_error(sqlite3.SQLITE_FULL), 452, "4.3.1"),
        (SMALL, "commit", _database_error(sqlite3.SQLITE_IOERR), 451, "4.3.0"),
        (SMALL, "commit", _database_error(sqlite3.SQLITE_CORRUPT), 451, "4.3.0"),
        (LARGE, "commit", _database_error(sqlite3.SQLITE_FULL), 452, "4.3.1"),
        (LARGE, "create", FULL, 452, "4.3.1"),
        (LARGE, "write", FULL, 452, "4.3.1"),
        (LARGE, "sync", FULL, 452, "4.3.1"),
        (LARGE, "sync-directory", FULL, 452, "4.3.1"),
        (LARGE, "write", BROKEN, 451, "4.3.0"),
        (LARGE, "sync", BROKEN, 451, "4.3.0"),
    ],
    ids=_name,
)
def test_disk_refuses(
    tmp_path: Path, message: bytes, step: str, error: Exception, code: int, status: str
) -> None:
    """A message that the disk refuses gets a 4xx and leaves nothing; the next one is taken."""
    failing = _Failing(step, error)
    with (
        Endpoint(tmp_path, disk=Disk(is_syncing=False, hook=failing)) as endpoint,
        endpoint.client() as client,
    ):
        assert client.mail(FIRST)[0] == 250
        failing.is_failing = True
        answer = client.mail(message)
        assert (answer[0], answer[1].split()[0]) == (code, status)
        assert [each.content for each in endpoint.kept()] == [FIRST]
        assert list(endpoint.queue.bodies.directory.iterdir()) == []
        failing.is_failing = False
        assert client.mail(message)[0] == 250
        assert [each.content for each in endpoint.kept()] == [FIRST, message]
        assert endpoint.ask(lambda: endpoint.server.inflight_bytes) == 0


def test_database_that_can_not_grow(tmp_path: Path) -> None:
    """SQLite's own "database or disk is full" is a 452, and the messages before it stay."""
    with Endpoint(tmp_path) as endpoint, endpoint.client() as client:
        assert client.mail(FIRST)[0] == 250
        body = b"Subject: x\r\n\r\n" + b"q" * (INLINE_BODY_BYTES // 2) + b"\r\n"
        (pages_count,) = endpoint.queue.write(lambda db: db.execute("PRAGMA page_count").fetchone())
        endpoint.queue.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages_count + 2}").fetchone())
        code, text = client.mail(body)
        assert (code, text.split()[0]) == (452, "4.3.1")
        endpoint.queue.write(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())
        assert client.mail(body)[0] == 250
        assert [each.content for each in endpoint.kept()] == [FIRST, body]


@pytest.mark.parametrize("body", [SMALL, LARGE])
@pytest.mark.parametrize("failing", [1, 2])
def test_a_message_in_two_parts_is_taken_whole_or_not_at_all(
    tmp_path: Path, body: bytes, failing: int
) -> None:
    """When the disk fails no part stays behind, so that the client's next try brings nothing twice."""
    commits = 0

    def hook(step: str, _path: Path) -> None:
        nonlocal commits
        if step == "commit":
            commits += 1
            if commits == failing:
                raise _database_error(sqlite3.SQLITE_FULL)

    with Endpoint(tmp_path, disk=Disk(is_syncing=False, hook=hook)) as endpoint, endpoint.client() as client:
        codes = [client.mail(body, "a@a.test", "eve@here.test", "bob@b.test")[0] for _ in range(2)]
        assert sorted(codes) == [250, 452]
        assert sorted(each.recipients for each in endpoint.kept()) == [("bob@b.test",), ("eve@here.test",)]
        assert len(list(endpoint.queue.bodies.directory.iterdir())) == (2 if body is LARGE else 0)


@pytest.mark.parametrize("cut", [0, 1, len(SMALL), len(stuffed(SMALL)) - 3, len(stuffed(SMALL)) - 1])
def test_link_cut_within_the_content(tmp_path: Path, cut: int) -> None:
    """A message whose end did not arrive is not queued."""
    with Endpoint(tmp_path) as endpoint:
        with endpoint.client() as client:
            client.begin()
            client.send(stuffed(SMALL)[:cut])
        with endpoint.client() as client:
            assert client.mail(FIRST)[0] == 250
        assert [each.content for each in endpoint.kept()] == [FIRST]
