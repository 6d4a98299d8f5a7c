"""Bodies read ahead are those that are read one by one, in any order, and take little memory."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreCorrupt
from gateway.msgqueue.entry import QueuedMessage
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.read_ahead import AHEAD_LIMIT_BYTES, ReadAhead
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support.news import article
from tests.support.newsroom import FROM_A, INN_FEED, crlf, desk

SIZES_BYTES = (10, 5000, INLINE_BODY_BYTES + 10, 100_000)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def fill(queue: Queue, count: int) -> list[QueuedMessage]:
    newsdesk = desk(queue, [INN_FEED])
    for number in range(count):
        body = "x" * SIZES_BYTES[number % len(SIZES_BYTES)] + "\n"
        newsdesk.take(newsdesk.judge(crlf(article(number, body)), FROM_A), FROM_A).result()
    return Inbox(queue).due(count)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_every_body_is_the_one_that_is_read_alone(queue: Queue, seed: int | None) -> None:
    messages = fill(queue, 60)
    ahead = ReadAhead(queue, messages)
    in_order = list(messages)
    if seed is not None:
        random.Random(seed).shuffle(in_order)
    for message in in_order:
        assert b"".join(ahead(message.seq)) == b"".join(queue.read_body(message.seq))


def test_a_body_can_be_read_again_and_one_that_was_not_named_too(queue: Queue) -> None:
    *messages, last = fill(queue, 8)
    ahead = ReadAhead(queue, messages)
    for seq in (messages[0].seq, messages[0].seq, last.seq, last.seq, messages[1].seq):
        assert b"".join(ahead(seq)) == b"".join(queue.read_body(seq))


def test_a_body_that_is_gone_is_a_fault_of_its_own(queue: Queue) -> None:
    messages = fill(queue, 4)
    queue.write(
        lambda connection: connection.execute("DELETE FROM body WHERE message = ?", (messages[1].seq,))
    )
    ahead = ReadAhead(queue, messages)
    assert b"".join(ahead(messages[0].seq))
    with pytest.raises(StoreCorrupt):
        b"".join(ahead(messages[1].seq))
    assert b"".join(ahead(messages[3].seq))


def test_articles_that_nobody_wants_are_not_held(queue: Queue) -> None:
    messages = [message for message in fill(queue, 80) if message.size_bytes < INLINE_BODY_BYTES]
    ahead = ReadAhead(queue, messages)
    for message in messages[::15]:
        assert b"".join(ahead(message.seq))
        assert sum(map(len, ahead._held.values())) <= AHEAD_LIMIT_BYTES
