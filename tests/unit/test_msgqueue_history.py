"""An article goes in once, together with its Message-ID, however often it comes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadBatch
from gateway.msgqueue.entry import Form, Lane, Outcome, Verdict
from gateway.msgqueue.history import Fate, History, NewArticle
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.shelf import Shelf
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.newsdesk.desk import Origin
from gateway.routing.feeds import Feed
from tests.support.messages import NODE_A, NODE_B
from tests.support.news import article
from tests.support.newsroom import B_FEED, FROM_A, INN_FEED, LOCAL, crlf, desk, take, waiting
from tests.support.queue_clock import SetClock

DONE = Outcome(Verdict.DELIVERED, "2.0.0", "ok")
LARGE = "x" * INLINE_BODY_BYTES + "\n"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as opened:
        yield opened


def bodies(queue: Queue) -> int:
    return len(list(queue.bodies.directory.iterdir()))


@pytest.mark.parametrize("body", ["hello\n", LARGE])
def test_an_article_that_comes_again_changes_nothing(queue: Queue, body: str) -> None:
    assert [take(queue, 1, body=body) for _ in range(3)] == [Fate.NEW, Fate.KNOWN, Fate.KNOWN]
    assert waiting(queue) == [("<1@a.test>", "b"), ("<1@a.test>", "inn")]
    assert bodies(queue) == (body == LARGE)


def test_articles_of_one_commit_have_each_their_fate(queue: Queue) -> None:
    take(queue, 1)
    newsdesk = desk(queue)
    group = [(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A) for number in (1, 2, 2, 3)]
    fates = newsdesk.take_group(group).result()
    assert fates == (Fate.KNOWN, Fate.NEW, Fate.KNOWN, Fate.NEW)
    assert len(waiting(queue)) == 2 * 3


def test_a_long_batch_keeps_its_order_and_what_comes_twice_in_it_is_known(queue: Queue) -> None:
    newsdesk = desk(queue, [INN_FEED])
    numbers = [*range(100), *range(150), 7, 7]
    articles = [
        newsdesk.new_article(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A) for number in numbers
    ]
    put = newsdesk.history.put_batch(iter(articles), node=None, packet=None, shelf=Shelf(newsdesk.queue))
    assert put.fates == (*[Fate.NEW] * 100, *[Fate.KNOWN] * 100, *[Fate.NEW] * 50, Fate.KNOWN, Fate.KNOWN)
    assert [each.message_id for each in Inbox(queue).due(1000)] == [
        f"<{number}@a.test>" for number in range(150)
    ]


def test_it_is_known_which_message_ids_have_come(queue: Queue) -> None:
    for number in range(3):
        take(queue, number)
    history = History(queue)
    asked = [f"<{number}@a.test>" for number in range(1200)]
    assert history.known(asked) == {"<0@a.test>", "<1@a.test>", "<2@a.test>"}
    assert history.known([]) == frozenset()


def test_an_article_for_all_has_one_body_that_goes_when_nobody_needs_it(queue: Queue) -> None:
    take(queue, 1, body=LARGE)
    outbox, inbox = Outbox(queue), Inbox(queue)
    lane = Lane(NODE_B, B_FEED.nice)
    batch = outbox.claim(lane, Form.RNEWS, max_count=9, max_bytes=1 << 30, first_hop=NODE_B)
    assert batch is not None
    (due,) = inbox.due(9)
    inbox.record([(due.delivery_seqs[0], DONE, 0.0)])
    assert bodies(queue) == 1
    assert sum(map(len, queue.read_body(due.seq))) > INLINE_BODY_BYTES
    outbox.finish(batch.id)
    assert bodies(queue) == 0


def test_who_decides_by_itself_where_an_article_goes_is_obeyed_though_it_is_known(queue: Queue) -> None:
    take(queue, 1, LOCAL)
    forced = Origin("", "local user news", None, only=Feed("c", B_FEED.groups, NODE_A, 224))
    assert take(queue, 1, forced) is Fate.NEW
    assert waiting(queue) == [("<1@a.test>", "b"), ("<1@a.test>", "inn"), ("<1@a.test>", "c")]
    assert take(queue, 2, forced) is Fate.NEW
    assert take(queue, 2) is Fate.KNOWN


def test_history_is_forgotten_on_the_queue_s_own_clock(queue: Queue, clock: SetClock) -> None:
    history = History(queue)
    take(queue, 1)
    clock.go_on(100)
    take(queue, 2)
    clock.wall_ahead_seconds = 1e9
    assert history.forget(keep_seconds=101) == 0
    clock.go_on(1)
    assert history.forget(keep_seconds=101) == 1
    assert history.known(["<1@a.test>", "<2@a.test>"]) == {"<2@a.test>"}


def test_articles_that_a_server_refused_do_not_stay_for_ever(queue: Queue, clock: SetClock) -> None:
    desk_of_inn = desk(queue, [INN_FEED])
    for number in (1, 2):
        content = crlf(article(number, LARGE))
        desk_of_inn.take(desk_of_inn.judge(content, FROM_A), FROM_A).result()
    inbox, history = Inbox(queue), History(queue)
    refused = Outcome(Verdict.REFUSED, "5.7.1", "437 no")
    inbox.record([(inbox.due(9)[0].delivery_seqs[0], refused, 0.0)])
    clock.go_on(50)
    assert history.forget_dead(keep_seconds=51) == []
    clock.go_on(1)
    assert len(history.forget_dead(keep_seconds=51)) == 1
    assert bodies(queue) == 1
    assert waiting(queue) == [("<2@a.test>", "inn")]


def test_a_batch_that_fails_half_way_leaves_neither_articles_nor_history(queue: Queue) -> None:
    newsdesk = desk(queue)
    first = newsdesk.new_article(newsdesk.judge(crlf(article(1)), FROM_A), FROM_A)

    def broken() -> Iterator[NewArticle]:
        yield first
        raise BadBatch("cut")

    with pytest.raises(BadBatch):
        newsdesk.history.put_batch(broken(), node=NODE_A, packet=None, shelf=Shelf(newsdesk.queue))
    assert newsdesk.history.known(["<1@a.test>"]) == frozenset()
    assert waiting(queue) == []
