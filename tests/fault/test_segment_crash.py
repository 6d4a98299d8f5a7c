"""Articles that stand in one file together are all there, or none is, wherever the program died."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.entry import Form, Lane, Outcome, Verdict
from gateway.msgqueue.history import History
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.segments import move_sparse
from gateway.msgqueue.store import Queue
from tests.support.crash import run_until_step
from tests.support.messages import NODE_B
from tests.support.news import article, batch
from tests.support.newsroom import B_FEED, FROM_A, crlf, desk, receive, waiting

COUNT = 60
STEP_LIMIT = 100
ARTICLES = [article(number, f"{number:05d}\n" * 500) for number in range(COUNT)]
Take = Callable[[Path, Disk], None]
IDS = [f"<{number}@a.test>" for number in range(COUNT)]
DONE = Outcome(Verdict.DELIVERED, "2.0.0", "ok")


def take_together(directory: Path, disk: Disk) -> None:
    """As a peer's TAKETHIS does."""
    with Queue(directory, disk) as queue:
        newsdesk = desk(queue)
        group = [(newsdesk.judge(crlf(content), FROM_A), FROM_A) for content in ARTICLES]
        newsdesk.take_group(group).result()


def take_batch(directory: Path, disk: Disk) -> None:
    """As a neighbour's packet does."""
    with Queue(directory, disk) as queue:
        receive(queue, batch(ARTICLES), disk=disk)


def check(directory: Path, left: list[str]) -> None:
    """These articles wait for here, with the bodies they came with, and no file is there for nothing."""
    with Queue(directory, Disk(is_syncing=False)) as queue:
        queue.sweep_bodies()
        due = Inbox(queue).due(1000)
        assert [message.message_id for message in due] == left
        for message in due:
            number = int(message.message_id[1:].partition("@")[0])
            body = b"".join(queue.read_body(message.seq)).partition(b"\r\n\r\n")[2]
            assert body == crlf(ARTICLES[number]).partition(b"\r\n\r\n")[2]
        with queue.reading() as connection:
            named = {name for (name,) in connection.execute("SELECT file FROM body WHERE file IS NOT NULL")}
        assert {path.name for path in queue.bodies.directory.iterdir()} == named


@pytest.mark.parametrize("take", [take_together, take_batch])
def test_a_stop_at_every_step_of_taking_articles_in(tmp_path: Path, take: Take) -> None:
    """Articles and their history are there together or not at all, and another try takes each once."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, steps = run_until_step(step, lambda disk, d=directory: take(d, disk))  # type: ignore[misc]
        with Queue(directory, Disk(is_syncing=False)) as queue:
            known = History(queue).known(IDS)
            assert {message_id for message_id, _ in waiting(queue)} == known
            assert len(known) in {0, COUNT}
        check(directory, IDS if known else [])
        take(directory, Disk(is_syncing=False))
        check(directory, IDS)
        if not was_stopped:
            synced = steps.index("sync-directory", steps.index("sync", steps.index("write")))
            assert synced < len(steps) - steps[::-1].index("committed") - 1
            return
    raise AssertionError("it never came to its end")


def deliver_some(directory: Path, disk: Disk) -> None:
    """Bring all but the last five to where they go, and give the room of the others back."""
    with Queue(directory, disk) as queue:
        outbox, inbox = Outbox(queue), Inbox(queue)
        lane = Lane(NODE_B, B_FEED.nice)
        taken = outbox.claim(lane, Form.RNEWS, max_count=1000, max_bytes=1 << 30, first_hop=NODE_B)
        if taken is not None:
            outbox.finish(taken.id)
        left = [message for message in inbox.due(1000) if message.message_id in IDS[:-5]]
        inbox.record([(message.delivery_seqs[0], DONE, 0.0) for message in left])
        move_sparse(queue)


def test_a_stop_at_every_step_of_giving_room_back(tmp_path: Path) -> None:
    """What is still needed is there, in the file or in the database, and the file goes in the end."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        take_together(directory, Disk(is_syncing=False))
        was_stopped, _ = run_until_step(step, lambda disk, d=directory: deliver_some(d, disk))  # type: ignore[misc]
        with Queue(directory, Disk(is_syncing=False)) as queue:
            due = [message.message_id for message in Inbox(queue).due(1000)]
        assert due in (IDS, IDS[-5:])
        check(directory, due)
        with Queue(directory, Disk(is_syncing=False)) as queue:
            for begun in Outbox(queue).open_batches():
                Outbox(queue).release(begun.id)
        deliver_some(directory, Disk(is_syncing=False))
        check(directory, IDS[-5:])
        assert not list((directory / "bodies").iterdir())
        if not was_stopped:
            return
    raise AssertionError("it never came to its end")
