"""Batches of news: what stands in them, areas, and both queues before a carrier leaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.batch.batcher import Batcher
from gateway.batch.flusher import Flusher
from gateway.batch.flushers import Flushers
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.batch.rnews_body import GATHERED_BYTES, article_in_batch
from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.msgqueue.entry import Form
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.store import Queue
from gateway.newsdesk.desk import NewsDesk
from gateway.nntp.article import ArticleLimits
from gateway.packet.plain import decode_exec_path
from gateway.spool.layout import Box
from tests.support.areas import AreaNodes
from tests.support.messages import new_message
from tests.support.news import article, without_path
from tests.support.newsroom import FROM_A, INN_FEED, crlf, desk, feed
from tests.support.nodes import make_books, make_spool, payloads_for

NEWS = BatchSettings(default=LanePolicy(form=Form.RNEWS, level=1))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "news", Disk(is_syncing=False)) as opened:
        yield opened


def put(newsdesk: NewsDesk, *contents: bytes) -> None:
    for content in contents:
        newsdesk.take(newsdesk.judge(crlf(content), FROM_A), FROM_A).result()


def put_for(queue: Queue, node: NodeId, *contents: bytes) -> None:
    put(desk(queue, [feed(name="b", node=node, nice=224)]), *contents)


def articles_in(payload: bytes) -> list[bytes]:
    """The articles of a batch, without Path; the counts are proved on the way."""
    found = []
    while payload:
        line, _, payload = payload.partition(b"\n")
        size_bytes = int(line.removeprefix(b"#! rnews "))
        found.append(without_path(payload[:size_bytes]))
        payload = payload[size_bytes:]
    return found


@pytest.mark.parametrize("size_bytes", [10, 200_000, GATHERED_BYTES + 10])
def test_the_count_is_that_of_the_bytes_that_follow(queue: Queue, size_bytes: int) -> None:
    content = article(1, "x\n" * (size_bytes // 2))
    limits = ArticleLimits(article_bytes=1 << 24)
    put(desk(queue, [INN_FEED], limits=limits), content)
    (waiting,) = Inbox(queue).due(1)
    written = b"".join(article_in_batch(waiting, queue.read_body))
    assert articles_in(written) == [without_path(content)]


def test_articles_of_a_lane_are_one_packet_for_the_handle_rnews(queue: Queue, tmp_path: Path) -> None:
    books, spool = make_books("a", "b"), make_spool(tmp_path / "spool")
    b = books["b"].self_node.id
    contents = [article(number, ".\n" * number) for number in range(5)]
    put_for(queue, b, *contents)
    result = Batcher(queue, books["a"], spool, NEWS).run_once(is_flush=True)
    assert (result.packet_count, result.message_count) == (1, 5)
    ((plain, payload),) = payloads_for(spool, b, books["b"])
    assert decode_exec_path(plain.path) == (b"rnews", ())
    assert articles_in(payload) == list(map(without_path, contents))
    (job,) = spool.jobs(b, Box.TX)
    assert job.nice == 224


def test_a_batch_for_an_area_goes_to_ourselves_and_its_author_does_not_take_it_back(tmp_path: Path) -> None:
    nodes = AreaNodes(tmp_path, {"a": ("b",)})
    with Queue(tmp_path / "news", Disk(is_syncing=False)) as queue:
        area = nodes.area("a")
        put_for(queue, area.id, article(1))
        batcher = Batcher(queue, nodes.books["a"], nodes.spools["a"], NEWS)
        assert batcher.next_run_seconds() is not None
        assert batcher.run_once(is_flush=True).packet_count == 1
    (job,) = nodes.spools["a"].jobs(nodes.id("a"), Box.TX)
    assert job.nice == 224
    nodes.toss("a")
    assert len(list(nodes.spools["a"].jobs(nodes.id("b"), Box.TX))) == 1
    assert not (tmp_path / "a" / "got").exists()


def test_a_batch_for_an_area_that_is_gone_waits(queue: Queue, tmp_path: Path) -> None:
    books, spool = make_books("a", "b"), make_spool(tmp_path / "spool")
    put_for(queue, NodeId(b"\x11" * 32), article(1))
    batcher = Batcher(queue, books["a"], spool, NEWS)
    assert batcher.run_once(is_flush=True).bad_count == 1
    assert batcher.next_run_seconds() is None


def test_both_queues_are_flushed_before_a_carrier_leaves(queue: Queue, tmp_path: Path) -> None:
    books, spool = make_books("a", "b"), make_spool(tmp_path / "spool")
    b = books["b"].self_node.id
    with Queue(tmp_path / "mail", Disk(is_syncing=False)) as mail:
        patient = BatchSettings(default=LanePolicy(form=Form.BSMTP))
        flushers = Flushers(
            [
                Flusher(each, books["a"], Batcher(each, books["a"], spool, settings), 0)
                for each, settings in ((mail, patient), (queue, NEWS))
            ]
        )
        mail.put(new_message(node=b)).result()
        put_for(queue, b, article(1))
        assert flushers.has_open_lane(b)
        assert flushers.has_open_lane(b, 96)
        assert [figures.lane.nice for figures in flushers.lanes_by_hop()[b]] == [96, 224]
        assert flushers.flush_now(b).packet_count == 2
        assert not flushers.has_open_lane(b)
        put_for(queue, b, article(2))
        assert not flushers.has_open_lane(b, 96)
        flushers.flush(None)
        assert flushers.lanes_by_hop() == {}
    assert sorted(job.nice for job in spool.jobs(b, Box.TX)) == [96, 224, 224]
