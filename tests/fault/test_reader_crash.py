"""The store for newsreaders after the program died: every article is there once, under one number."""

from collections.abc import Callable
from pathlib import Path

from gateway.deliver.news_deliverer import NewsDeliverer
from gateway.deliver.reader import ReaderTarget
from gateway.durable import Disk
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support.bookshelf import marks, message_ids, open_store, written
from tests.support.crash import run_until_step
from tests.support.news import GROUP, article
from tests.support.newsroom import FROM_A, crlf, desk, feed, waiting
from tests.support.queue_clock import SetClock

STEP_LIMIT = 200
LARGE = "x" * INLINE_BODY_BYTES + "\n"
ARTICLES = [article(1, LARGE), article(2), article(3, LARGE), article(4, groups=f"{GROUP},comp.x")]
EXPECTED = [(number, f"<{number}@a.test>") for number in range(1, 5)]


def stop_at_each_step(
    tmp_path: Path,
    prepare: Callable[[Path], None],
    work: Callable[[Path, Disk], None],
    check: Callable[[Path], None],
) -> None:
    """Do some work that is stopped before each of its steps, and again; and look at what is there then."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        prepare(directory)
        was_stopped, _ = run_until_step(step, lambda disk, d=directory: work(d, disk))  # type: ignore[misc]
        if was_stopped:
            work(directory, Disk(is_syncing=False))
        check(directory)
        if not was_stopped:
            assert step > 5
            return
    raise AssertionError("the work never came to its end")


def fill_queue(directory: Path) -> None:
    with Queue(directory / "queue", Disk(is_syncing=False)) as queue:
        newsdesk = desk(queue, [feed(name="reader")])
        for content in ARTICLES:
            newsdesk.take(newsdesk.judge(crlf(content), FROM_A), FROM_A).result()


def deliver(directory: Path, disk: Disk) -> None:
    with Queue(directory / "queue", disk) as queue, open_store(directory / "reader", disk) as store:
        NewsDeliverer(queue, {"reader": ReaderTarget(lambda: store)}).run_once(is_early=True)


def check_delivered(directory: Path) -> None:
    with Queue(directory / "queue", Disk(is_syncing=False)) as queue:
        assert not waiting(queue)
    with open_store(directory / "reader") as store:
        store.sweep()
        assert message_ids(store, GROUP) == EXPECTED
        assert message_ids(store, "comp.x") == [(1, "<4@a.test>")]
        assert marks(store) == {GROUP: (1, 4, 4), "comp.x": (1, 1, 1)}
        for number in (1, 3):
            found = store.retrieve(GROUP, number)
            assert found is not None
            assert found.data.endswith(crlf(LARGE.encode()))
    assert len(list((directory / "reader/bodies").iterdir())) == 2


def test_a_stop_at_every_step_of_delivering_and_another_try(tmp_path: Path) -> None:
    """An article is in the store once, with its body, wherever delivery died."""
    stop_at_each_step(tmp_path, fill_queue, deliver, check_delivered)


def test_a_stop_at_every_step_of_expiring_and_another_try(tmp_path: Path) -> None:
    """What had to go is gone with its files, what had to stay is there, and marks went on only."""
    clock = SetClock()

    def prepare(directory: Path) -> None:
        clock.seconds = 1000.0
        with open_store(directory, clock=clock.make, keep_seconds=100.0) as store:
            store.add([written(1, body=LARGE), written(2), written(3, groups="comp.x")])
            clock.go_on(60)
            store.add([written(4, body=LARGE)])
            clock.go_on(60)

    def expire(directory: Path, disk: Disk) -> None:
        with open_store(directory, disk, clock=clock.make, keep_seconds=100.0) as store:
            store.expire()
            store.sweep()

    def check(directory: Path) -> None:
        with open_store(directory, clock=clock.make, keep_seconds=100.0) as store:
            assert marks(store) == {GROUP: (3, 3, 1), "comp.x": (2, 1, 0)}
            assert store.retrieve(GROUP, 3) is not None
            (body,) = (directory / "bodies").iterdir()
            assert store.sweep() == 0
            assert body.exists()
            store.add([written(5, groups=f"{GROUP},comp.x")])
            assert marks(store) == {GROUP: (3, 4, 2), "comp.x": (2, 2, 1)}

    stop_at_each_step(tmp_path, prepare, expire, check)
