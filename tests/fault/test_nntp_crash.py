"""What the endpoint for news has promised when its process ends, at any point."""

import re
import shutil
import signal
import threading
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.history import History
from gateway.msgqueue.store import BODIES_NAME, INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from tests.support.doomed import doomed
from tests.support.news import article
from tests.support.newsroom import crlf
from tests.support.nntp_endpoint import NntpClient, takethis
from tests.support.peers import require
from tests.support.processes import wait_until

LARGE = "x" * 70 + "\n"
LARGE *= 2 * INLINE_BODY_BYTES // len(LARGE)
_CALL = re.compile(rb"^\d+ +(\w+)\((\d+)(.*)\)? += (-?\d+)")


def _client(port: int) -> NntpClient:
    client = NntpClient(port)
    assert client.answer()[0] == 200
    return client


def _found(directory: Path) -> tuple[list[str], list[Path]]:
    """Message-IDs that a new process finds in the queue, and the body files it is left with."""
    with Queue(directory / "news", Disk(is_syncing=False), reserve_bytes=0) as queue:
        queue.sweep_bodies()
        found = [view.message_id for view in list_messages(queue)]
        assert History(queue).known(found) == set(found)
        return found, list((directory / "news" / BODIES_NAME).iterdir())


@pytest.mark.parametrize("body", ["s\n", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("step", ["commit", "committed"])
def test_killed_at_a_commit(tmp_path: Path, body: str, step: str) -> None:
    """An article is there with its Message-ID or neither is; before the commit nobody was told yes."""
    with doomed("nntp", tmp_path, step) as (running, port), _client(port) as client:
        client.send(takethis(1, crlf(article(1, body))))
        assert client.answer()[0] == 0
        assert running.wait(60) == -signal.SIGKILL
    found, bodies = _found(tmp_path)
    is_in = step == "committed"
    assert found == ["<1@a.test>"] * is_in
    assert len(bodies) == (is_in and body is LARGE)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 40))]
)
def test_killed_under_a_feed(tmp_path: Path, seed: int) -> None:
    """Every article that was answered with 239 is in the queue, and none is there twice, however it ends."""
    told: set[str] = set()
    for number in range(2):
        with doomed("nntp", tmp_path) as (running, port), _client(port) as first, _client(port) as second:
            enough = 20 + 40 * seed % 500 + 15 * number
            feeders = [
                threading.Thread(target=_feed_until_cut, args=(client, number, place, told))
                for place, client in enumerate((first, second))
            ]
            for feeder in feeders:
                feeder.start()
            wait_until(lambda: len(told) >= enough, 60, "articles")  # noqa: B023
            running.kill_group()
            for feeder in feeders:
                feeder.join(60)
        found, _ = _found(tmp_path)
        assert told <= set(found)
        assert len(found) == len(set(found))
        told = set(found)


def _feed_until_cut(client: NntpClient, round_number: int, place: int, told: set[str]) -> None:
    """Send articles in a window, and note which were taken, until the server is gone."""
    sent = 0
    try:
        while True:
            pieces = []
            for _ in range(20):
                # Every fifth comes by both connections, every twentieth is large.
                name = f"{round_number}.{sent}" if sent % 5 == 0 else f"{round_number}.{place}.{sent}"
                pieces.append(takethis(name, crlf(article(name, LARGE if sent % 20 == 0 else "s\n"))))
                sent += 1
            client.send(b"".join(pieces))
            for _ in pieces:
                code, text = client.answer()
                if code == 0:
                    return
                if code == 239:
                    told.add(text)
    except OSError:
        return


def test_it_is_said_after_the_sync(tmp_path: Path) -> None:
    """No 239 leaves before a sync that ended after its article had come."""
    require("strace")
    trace = tmp_path / "trace"
    calls = "trace=read,recvfrom,sendto,write,fsync,fdatasync"
    strace = (shutil.which("strace") or "", "-f", "-y", "-s", "300", "-e", calls, "-o", str(trace))
    with doomed("nntp", tmp_path / "e", "never", 1, *strace) as (_, port), _client(port) as client:
        for number in range(5):
            assert client.take_this(number)[0] == 239
        client.command("QUIT")
    lines = trace.read_text(errors="replace").splitlines()
    state = "nothing"
    said_count = 0
    for line in lines:
        if "TAKETHIS <" in line:
            state = "came"
        elif state == "came" and re.search(r"f(data)?sync\(.*queue\.sqlite-wal|f(data)?sync resumed", line):
            state = "synced"
        elif '"239 <' in line:
            assert state == "synced", line
            state, said_count = "nothing", said_count + 1
    assert said_count == 5
