"""What the queue has for newsreaders comes into their store, and stays in the queue while it can't."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.news_deliverer import NewsDeliverer
from gateway.deliver.reader import GROUP_BYTES, ReaderTarget
from gateway.durable import Disk
from gateway.msgqueue.store import Queue
from gateway.nntp.wildmat import Wildmat
from gateway.reader.store import ReaderStore
from gateway.reader.values import ReaderRules
from tests.support.bookshelf import marks, message_ids, open_store
from tests.support.news import article
from tests.support.newsroom import FROM_A, crlf, desk, feed, waiting


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "queue", Disk(is_syncing=False)) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReaderStore]:
    with open_store(tmp_path / "reader", groups=Wildmat.parse("*,!alt.*")) as opened:
        yield opened


def fill(queue: Queue, *articles: bytes) -> None:
    newsdesk = desk(queue, [feed(name="reader")])
    for content in articles:
        newsdesk.take(newsdesk.judge(crlf(content), FROM_A), FROM_A).result()


def deliver(queue: Queue, store: ReaderStore | None) -> tuple[int, int, int]:
    result = NewsDeliverer(queue, {"reader": ReaderTarget(lambda: store)}).run_once(is_early=True)
    return result.delivered_count, result.deferred_count, result.dead_count


def test_articles_are_filed_and_what_nobody_keeps_is_refused(queue: Queue, store: ReaderStore) -> None:
    fill(queue, article(1), article(2, groups="alt.x"), article(3))
    assert deliver(queue, store) == (2, 0, 1)
    assert message_ids(store, "misc.test") == [(1, "<1@a.test>"), (2, "<3@a.test>")]
    assert not waiting(queue)
    found = store.retrieve("misc.test", 1)
    assert found is not None
    assert found.data.startswith(b"Path: gw.test!")


def test_an_article_that_is_brought_again_is_delivered(queue: Queue, store: ReaderStore) -> None:
    store.add([crlf(article(2))])
    fill(queue, article(2))
    assert deliver(queue, store) == (1, 0, 0)
    assert marks(store) == {"misc.test": (1, 1, 1)}


def test_more_than_fits_in_memory_is_brought_by_groups(queue: Queue, store: ReaderStore) -> None:
    body = ("x" * 70 + "\n") * (GROUP_BYTES // 71 // 5)
    fill(queue, *(article(number, body) for number in range(12)))
    assert deliver(queue, store) == (12, 0, 0)
    assert marks(store) == {"misc.test": (1, 12, 12)}


def test_while_the_store_can_not_be_opened_articles_wait(queue: Queue, store: ReaderStore) -> None:
    fill(queue, article(1), article(2))
    assert deliver(queue, None) == (0, 2, 0)
    assert len(waiting(queue)) == 2
    assert deliver(queue, store) == (2, 0, 0)


def test_while_the_disk_is_full_articles_wait(queue: Queue, tmp_path: Path) -> None:
    fill(queue, article(1))
    rules = ReaderRules("gw.test")
    with ReaderStore(tmp_path / "full", Disk(is_syncing=False), rules, reserve_bytes=1 << 60) as full:
        assert deliver(queue, full) == (0, 1, 0)
    assert len(waiting(queue)) == 1


def test_an_article_whose_body_is_lost_stops_no_other(queue: Queue, store: ReaderStore) -> None:
    fill(queue, article(1), article(2, "x" * 200_000), article(3))
    for path in queue.bodies.directory.iterdir():
        path.unlink()
    delivered, _, dead = deliver(queue, store)
    assert (delivered, dead) == (2, 1)
    assert [message_id for _, message_id in message_ids(store, "misc.test")] == ["<1@a.test>", "<3@a.test>"]
