"""Batches of neighbours are taken whole or not at all, and each article in them has its own fate."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import TooLarge
from gateway.ids import PacketId
from gateway.msgqueue.store import Queue
from gateway.receive.unpack import CutShort
from tests.support.messages import NODE_C
from tests.support.news import article, batch
from tests.support.newsroom import PACKET, receive, waiting

OTHER_PACKET = PacketId(b"\x02" * 32)
GOOD = batch([article(number) for number in range(3)])


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def kept(queue: Queue) -> list[str]:
    return sorted(path.suffix for path in queue.directory.glob("quarantine/*"))


def test_articles_are_counted_by_their_fates(queue: Queue) -> None:
    receive(queue, batch([article(1)]))
    payload = batch([article(1), article(2), article(3, path="gw.test!"), article(2), b"junk\n", article(4)])
    receipt = receive(queue, payload, OTHER_PACKET)
    assert (receipt.message_count, receipt.dead_count, receipt.quarantine_id) == (2, 2, None)
    assert [message_id for message_id, to in waiting(queue) if to == "b"] == [
        "<1@a.test>",
        "<2@a.test>",
        "<4@a.test>",
    ]


def test_a_packet_that_comes_again_changes_nothing(queue: Queue) -> None:
    assert receive(queue, GOOD).message_count == 3
    assert receive(queue, GOOD).is_duplicate
    again = receive(queue, GOOD, OTHER_PACKET)
    assert (again.is_duplicate, again.message_count) == (False, 0)


@pytest.mark.parametrize(
    "payload",
    [
        GOOD[:-5],
        b"",
        b"#! rnews 999999\n" + article(1),
        GOOD + b"#! rnews x\n",
        GOOD + b"more\n",
        b"#! frobnicate\n" + GOOD,
        b"#! cunbatch\n" + gzip.compress(GOOD)[:-9],
        b"#! gunbatch\n" + gzip.compress(b"#! rnews 100000000\n" + bytes(100_000_000)),
    ],
    ids=["cut", "empty", "count", "no number", "tail", "unpacker", "cut gzip", "bomb"],
)
def test_a_batch_that_is_not_whole_is_set_aside_and_nothing_of_it_taken(queue: Queue, payload: bytes) -> None:
    assert receive(queue, payload).quarantine_id is not None
    assert waiting(queue) == []
    assert kept(queue) == [".batch", ".txt"]


@pytest.mark.parametrize(
    "payload", [GOOD[:-5], b"#! cunbatch\n" + gzip.compress(GOOD)[:-9], article(1)[:-3], b"#! rne"]
)
def test_a_cut_under_a_tosser_that_does_not_tell_leaves_the_packet_where_it_is(
    queue: Queue, payload: bytes
) -> None:
    with pytest.raises(CutShort) as caught:
        receive(queue, payload, None)
    assert caught.value.is_temporary
    assert waiting(queue) == []
    assert kept(queue) == []


@pytest.mark.parametrize(
    "payload", [GOOD, b"#! cunbatch\n" + gzip.compress(GOOD), b"#! gunbatch\n" + gzip.compress(GOOD)]
)
def test_packed_or_not_it_is_the_same(queue: Queue, payload: bytes) -> None:
    assert receive(queue, payload, None).message_count == 3


def test_a_single_article_is_a_batch_too(queue: Queue) -> None:
    assert receive(queue, article(7), None).message_count == 1


def test_who_may_send_no_news_is_told_in_the_quarantine(queue: Queue) -> None:
    assert receive(queue, GOOD, sender=NODE_C).quarantine_id is not None
    assert waiting(queue) == []
    (record,) = queue.directory.glob("quarantine/*.txt")
    assert "is no neighbour that news is taken from" in record.read_text()


def test_a_payload_over_the_limit_stays_a_packet(queue: Queue) -> None:
    with pytest.raises(TooLarge) as caught:
        receive(queue, bytes((1 << 26) + 1), PACKET)
    assert caught.value.is_temporary
