"""News that is handed in, received or delivered again after the program died is there once."""

import gzip
import os
from pathlib import Path

import pytest

from gateway.deliver.news_deliverer import NewsDeliverer
from gateway.deliver.rnews_command import RnewsTarget, RnewsTargetSettings
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.ingest.rnews import RnewsIntake
from gateway.msgqueue.history import History
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.newsdesk.batches import BatchDesk
from gateway.nntp.rnews_batch import RnewsLimits
from tests.support.crash import run_until_step
from tests.support.news import article, batch
from tests.support.newsroom import FROM_A, PACKET, desk, judge, receive, waiting

STEP_LIMIT = 300
LARGE = "x" * INLINE_BODY_BYTES + "\n"
PAYLOAD = batch([article(1, LARGE), article(2), article(3, path="gw.test!"), article(4, LARGE), article(2)])
EXPECTED = [(f"<{number}@a.test>", to) for number in (1, 2, 4) for to in ("b", "inn")]


def check(directory: Path) -> None:
    """Every article is there once for each feed, with its body, and nothing else is left."""
    with Queue(directory, Disk(is_syncing=False)) as queue:
        queue.sweep_bodies()
        assert waiting(queue) == EXPECTED
        assert len(list(queue.bodies.directory.iterdir())) == 2
        assert History(queue).known([f"<{number}@a.test>" for number in range(6)]) == {
            "<1@a.test>",
            "<2@a.test>",
            "<4@a.test>",
        }
    assert not list(directory.glob("incoming/*"))
    assert not list(directory.glob("quarantine/*"))


def receive_all(directory: Path, disk: Disk, packet: PacketId | None) -> None:
    with Queue(directory, disk) as queue:
        receive(queue, PAYLOAD, packet, disk)


def hand_in(directory: Path, disk: Disk, content: bytes) -> None:
    with Queue(directory, disk) as queue:
        limits = RnewsLimits(article_bytes=1_000_000, article_count=100, total_bytes=1 << 26)
        intake = RnewsIntake(BatchDesk(desk(queue), limits), disk, 1 << 26, lambda _: None)
        taking = intake.begin("local user news")
        taking.write(content)
        taking.close().result()
        taking.done()


@pytest.mark.parametrize("packet", [PACKET, None])
def test_a_stop_at_every_step_of_receiving_and_another_try(tmp_path: Path, packet: PacketId | None) -> None:
    """An article is never lost and never there twice, wherever the receiver died."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, _ = run_until_step(
            step,
            lambda disk, d=directory: receive_all(d, disk, packet),  # type: ignore[misc]
        )
        if was_stopped:
            receive_all(directory, Disk(is_syncing=False), packet)
        check(directory)
        if not was_stopped:
            assert step > 10
            return
    raise AssertionError("the receiver never came to its end")


@pytest.mark.parametrize(
    "content", [PAYLOAD, b"#! gunbatch\n" + gzip.compress(PAYLOAD)], ids=["plain", "packed"]
)
def test_a_stop_at_every_step_of_handing_in_and_another_try(tmp_path: Path, content: bytes) -> None:
    """A program that got no answer hands its batch in again, and no article is lost or there twice."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, _ = run_until_step(
            step,
            lambda disk, d=directory: hand_in(d, disk, content),  # type: ignore[misc]
        )
        if was_stopped:
            hand_in(directory, Disk(is_syncing=False), content)
        check(directory)
        if not was_stopped:
            assert step > 10
            return
    raise AssertionError("handing in never came to its end")


def deliver(directory: Path, disk: Disk, got: Path) -> None:
    """Bring what waits to a program that keeps each batch under a name of its own."""
    script = directory / "keep"
    if not script.exists():
        script.write_text(f"#!/bin/sh\nexec /bin/cat > {got}/$$\n")
        script.chmod(0o755)
    with Queue(directory, disk) as queue:
        target = RnewsTarget(RnewsTargetSettings((str(script),)), queue.directory, disk)
        NewsDeliverer(queue, {"inn": target}).run_once(is_early=True)


def test_a_stop_at_every_step_of_delivering_and_another_try(tmp_path: Path) -> None:
    """Every article reaches the server at least once; twice only where its outcome was not on disk yet."""
    for step in range(STEP_LIMIT):
        directory, got = tmp_path / str(step), tmp_path / f"{step}.got"
        got.mkdir()
        with Queue(directory, Disk(is_syncing=False)) as queue:
            receive(queue, PAYLOAD)
        was_stopped, steps = run_until_step(
            step,
            lambda disk, d=directory, g=got: deliver(d, disk, g),  # type: ignore[misc]
        )
        deliver(directory, Disk(is_syncing=False), got)
        with Queue(directory, Disk(is_syncing=False)) as queue:
            assert [to for _, to in waiting(queue)] == ["b"] * 3
        contents = b"".join((got / name).read_bytes() for name in os.listdir(got))  # noqa: PTH208 - names
        counts = {contents.count(b"Message-ID: <%d@a.test>" % number) for number in (1, 2, 4)}
        assert counts <= {1, 2}
        if "committed" not in steps[-1:]:
            assert len(counts) == 1
        if not was_stopped:
            assert counts == {1}
            return
    raise AssertionError("delivery never came to its end")


def test_an_article_of_a_peer_that_got_no_answer_is_known_when_it_comes_again(tmp_path: Path) -> None:
    """The Message-ID and the article are on disk together or not at all, wherever a single put stopped."""

    def put(disk: Disk, directory: Path) -> None:
        with Queue(directory, disk) as queue:
            newsdesk = desk(queue)
            found = judge(queue, article(1, LARGE))
            newsdesk.take(found, FROM_A).result()

    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, _ = run_until_step(step, lambda disk, d=directory: put(disk, d))  # type: ignore[misc]
        with Queue(directory, Disk(is_syncing=False)) as queue:
            queue.sweep_bodies()
            is_known = bool(History(queue).known(["<1@a.test>"]))
            assert bool(waiting(queue)) is is_known
            assert len(list(queue.bodies.directory.iterdir())) == is_known
        if not was_stopped:
            assert is_known
            return
    raise AssertionError("the put never came to its end")
