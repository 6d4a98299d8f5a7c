"""Received batches go in once and whole; each recipient then has its own outcome."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadBatch
from gateway.ids import BatchId, PacketId
from gateway.msgqueue.entry import NewMessage, Outcome, State, Verdict
from gateway.msgqueue.inbox import CRASH_LIMIT, Inbox
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import forget_finished, list_messages, show_message
from tests.support.messages import NODE_A, NODE_C, new_message

BATCH = BatchId(b"\x07" * 16)
PACKET = PacketId(b"\x01" * 32)
OTHER_PACKET = PacketId(b"\x02" * 32)

DELIVERED = Outcome(Verdict.DELIVERED, "2.0.0", "ok")
DEFERRED = Outcome(Verdict.DEFERRED, "4.2.1", "try later")
REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "no such user")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def received(count: int = 1, recipients: tuple[str, ...] = ("bob@b.test",)) -> list[NewMessage]:
    return [new_message(node=None, nice=0, recipients=recipients) for _ in range(count)]


def test_a_batch_is_taken_once_however_often_and_in_whatever_packet_it_comes(queue: Queue) -> None:
    inbox = Inbox(queue)
    first = inbox.put_batch(NODE_A, received(3), batch=BATCH, packet=PACKET)
    again = inbox.put_batch(NODE_A, received(3), batch=BATCH, packet=OTHER_PACKET)
    assert (first.is_duplicate, first.message_count) == (False, 3)
    assert (again.is_duplicate, again.message_count) == (True, 0)
    assert len(list_messages(queue)) == 3


def test_an_id_counts_for_its_sender_only(queue: Queue) -> None:
    inbox = Inbox(queue)
    inbox.put_batch(NODE_A, received(), batch=BATCH, packet=None)
    assert not inbox.put_batch(NODE_C, received(), batch=BATCH, packet=None).is_duplicate


def test_a_batch_without_an_id_is_known_by_its_packet_or_taken_twice(queue: Queue) -> None:
    inbox = Inbox(queue)
    inbox.put_batch(NODE_A, received(), batch=None, packet=PACKET)
    assert inbox.put_batch(NODE_A, received(), batch=None, packet=PACKET).is_duplicate
    assert not inbox.put_batch(NODE_A, received(), batch=None, packet=OTHER_PACKET).is_duplicate
    for _ in range(2):
        assert not inbox.put_batch(NODE_A, received(), batch=None, packet=None).is_duplicate


def test_a_batch_that_fails_half_way_leaves_nothing(queue: Queue) -> None:
    def failing() -> Iterator[NewMessage]:
        yield from received(2)
        raise BadBatch("cut short")

    inbox = Inbox(queue)
    with pytest.raises(BadBatch):
        inbox.put_batch(NODE_A, failing(), batch=BATCH, packet=PACKET)
    assert list_messages(queue) == []
    assert not inbox.put_batch(NODE_A, received(), batch=BATCH, packet=PACKET).is_duplicate


def test_a_forgotten_batch_id_is_taken_again(queue: Queue) -> None:
    inbox = Inbox(queue)
    inbox.put_batch(NODE_A, received(), batch=BATCH, packet=PACKET)
    forget_finished(queue, keep_seconds=1e9, keep_batch_seconds=0)
    assert not inbox.put_batch(NODE_A, received(), batch=BATCH, packet=PACKET).is_duplicate


def test_each_recipient_has_its_own_outcome(queue: Queue) -> None:
    inbox = Inbox(queue)
    (message,) = received(recipients=("a@b.test", "b@b.test", "c@b.test"))
    inbox.put_batch(NODE_A, [message], batch=BATCH, packet=PACKET)
    (due,) = inbox.due(10)
    outcomes = (DELIVERED, DEFERRED, REFUSED)
    inbox.record([(seq, outcome, 600.0) for seq, outcome in zip(due.delivery_seqs, outcomes, strict=True)])
    view = show_message(queue, message.id)
    assert view is not None
    assert [delivery.state for delivery in view.deliveries] == [State.DELIVERED, State.QUEUED, State.DEAD]
    assert [delivery.status for delivery in view.deliveries] == ["2.0.0", "4.2.1", "5.1.1"]
    assert 300 < view.deliveries[1].next_try_seconds <= 600
    assert view.has_body
    assert inbox.due(10) == []
    (early,) = inbox.due(10, is_early=True)
    assert early.envelope.recipients == ("b@b.test",)
    assert early.attempts == 1
    wait_seconds = inbox.next_try_seconds()
    assert wait_seconds is not None
    assert 300 < wait_seconds <= 600


def test_a_delivered_message_gives_up_its_body(queue: Queue) -> None:
    inbox = Inbox(queue)
    inbox.put_batch(NODE_A, received(), batch=BATCH, packet=PACKET)
    (due,) = inbox.due(10)
    inbox.record([(due.delivery_seqs[0], DELIVERED, 0.0)])
    (view,) = list_messages(queue, states=[State.DELIVERED])
    assert not view.has_body
    assert inbox.next_try_seconds() is None


def test_a_delivery_that_keeps_breaking_us_is_set_aside_with_its_body(queue: Queue) -> None:
    inbox = Inbox(queue)
    inbox.put_batch(NODE_A, received(), batch=BATCH, packet=PACKET)
    for _ in range(CRASH_LIMIT):
        (due,) = inbox.due(10, is_early=True)
        inbox.record_crash(due.delivery_seqs, "KeyError: 'x'", 60.0)
    assert inbox.due(10, is_early=True) == []
    (view,) = list_messages(queue, states=[State.DEAD])
    assert "KeyError" in view.deliveries[0].text
    assert view.has_body


def test_due_is_bounded_and_in_order(queue: Queue) -> None:
    inbox = Inbox(queue)
    messages = received(7)
    inbox.put_batch(NODE_A, messages, batch=BATCH, packet=PACKET)
    assert [message.id for message in inbox.due(3)] == [message.id for message in messages[:3]]
