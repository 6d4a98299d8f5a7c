"""Lanes, claims and batches of the outbox."""

import tracemalloc
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreCorrupt
from gateway.ids import PacketId
from gateway.msgqueue.entry import BatchState, Form, Lane, Outcome, Role, State, Target, Verdict
from gateway.msgqueue.outbox import PAGE_COUNT, Outbox
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import count_states, forget_finished, list_messages, show_message
from tests.support.messages import NODE_B, NODE_C, new_message

PACKET = PacketId(b"\x01" * 32)
LANE_B = Lane(NODE_B, 96)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path, Disk(is_syncing=False))


def test_lanes_are_apart_by_node_and_niceness(queue: Queue) -> None:
    queue.put(new_message(recipients=("a@b.test", "b@b.test"), body=b"12345"))
    queue.put(new_message(nice=224, body=b"123"))
    queue.put(
        new_message(body=b"1", targets=(Target("a@b.test", NODE_B, 96), Target("c@c.test", NODE_C, 96)))
    ).result()
    figures = {entry.lane: (entry.message_count, entry.size_bytes) for entry in Outbox(queue).lanes()}
    queue.close()
    assert figures == {LANE_B: (2, 6), Lane(NODE_B, 224): (1, 3), Lane(NODE_C, 96): (1, 1)}


def test_a_claim_takes_the_oldest_up_to_count_and_bytes_but_always_one(queue: Queue) -> None:
    ids = []
    for size in (10, 10, 10, 500, 10):
        message = new_message(body=b"x" * size)
        queue.put(message).result()
        ids.append(message.id)
    outbox = Outbox(queue)
    taken = []
    while batch := outbox.claim(LANE_B, Form.BSMTP, max_count=2, max_bytes=100, first_hop=NODE_B):
        taken.append([message.id for message in outbox.messages_of(batch.id)])
    queue.close()
    assert taken == [ids[0:2], ids[2:3], ids[3:4], ids[4:5]]


def test_the_messages_of_a_large_batch_take_little_memory(queue: Queue) -> None:
    count = 3000
    queue.put_together([(new_message(body=b"x"), Role.OUTBOX) for _ in range(count)]).result()
    outbox = Outbox(queue)
    batch = outbox.claim(LANE_B, Form.GATEWAY, max_count=count, max_bytes=count, first_hop=NODE_B)
    assert batch is not None
    tracemalloc.start()
    try:
        messages = outbox.messages_of(batch.id)
        kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    queue.close()
    assert len(messages) == count
    # What they have in common is there once, and rows are read a page at a time.
    assert kept_bytes / count < 700
    assert peak_bytes - kept_bytes < 500_000


@pytest.mark.parametrize("max_count", [1, 3, 400])
def test_messages_with_many_recipients_are_claimed_whole_however_many_are_read_at_a_time(
    queue: Queue, max_count: int
) -> None:
    counts = [PAGE_COUNT + 44, 1, 2, PAGE_COUNT, 3, 2 * PAGE_COUNT - 1, 1]
    messages = [new_message(recipients=tuple(f"r{n}@b.test" for n in range(count))) for count in counts]
    queue.put_together([(message, Role.OUTBOX) for message in messages]).result()
    outbox = Outbox(queue)
    batches = []
    while batch := outbox.claim(LANE_B, Form.BSMTP, max_count=max_count, max_bytes=10**9, first_hop=NODE_B):
        batches.append(outbox.messages_of(batch.id))
    queue.close()
    assert [len(batch) for batch in batches[:-1]] == [max_count] * (len(batches) - 1)
    found = [(message.id, message.envelope.recipients) for batch in batches for message in batch]
    assert found == [(message.id, message.envelope.recipients) for message in messages]


def test_a_batch_goes_claimed_named_done_and_then_its_body_is_gone(queue: Queue) -> None:
    body = b"x" * (INLINE_BODY_BYTES + 1)
    message = new_message(body=body)
    queue.put(new_message(id=message.id, body=queue.hold_body(message.id, body))).result()
    outbox = Outbox(queue)
    batch = outbox.claim(LANE_B, Form.BSMTP, max_count=9, max_bytes=9, first_hop=NODE_C)
    assert batch is not None
    assert outbox.lanes() == []
    assert [(b.id, b.state, b.packet, b.first_hop) for b in outbox.open_batches()] == [
        (batch.id, BatchState.CLAIMED, None, NODE_C)
    ]
    outbox.name_packet(batch.id, PACKET)
    assert [(b.state, b.packet) for b in outbox.open_batches()] == [(BatchState.NAMED, PACKET)]
    outbox.finish(batch.id)
    assert outbox.open_batches() == []
    view = show_message(queue, message.id)
    assert view is not None
    assert view.deliveries[0].state is State.SENT
    assert view.deliveries[0].packet == PACKET.text
    assert not view.has_body
    with pytest.raises(StoreCorrupt):
        list(queue.read_body(view.seq))
    assert list(queue.bodies.directory.iterdir()) == []
    queue.close()


def test_a_body_stays_while_another_recipient_waits(queue: Queue) -> None:
    queue.put(new_message(targets=(Target("a@b.test", NODE_B, 96), Target("c@c.test", NODE_C, 96)))).result()
    outbox = Outbox(queue)
    for node, has_body in ((NODE_B, True), (NODE_C, False)):
        batch = outbox.claim(Lane(node, 96), Form.BSMTP, max_count=9, max_bytes=9, first_hop=node)
        assert batch is not None
        outbox.name_packet(batch.id, PACKET)
        outbox.finish(batch.id)
        (view,) = list_messages(queue, states=list(State))
        assert view.has_body is has_body
    queue.close()


def test_recipients_that_do_not_fit_stay_for_the_next_batch(queue: Queue) -> None:
    recipients = tuple(f"r{number}@b.test" for number in range(5))
    queue.put(new_message(recipients=recipients)).result()
    outbox = Outbox(queue)
    taken = []
    while batch := outbox.claim(
        LANE_B,
        Form.SENDMAIL,
        max_count=1,
        max_bytes=1,
        first_hop=NODE_B,
        count_fitting=lambda r: min(2, len(r)),
    ):
        (message,) = outbox.messages_of(batch.id)
        taken.append(message.envelope.recipients)
    queue.close()
    assert taken == [recipients[0:2], recipients[2:4], recipients[4:5]]


def test_a_released_batch_gives_its_messages_back(queue: Queue) -> None:
    queue.put(new_message()).result()
    outbox = Outbox(queue)
    batch = outbox.claim(LANE_B, Form.BSMTP, max_count=9, max_bytes=9, first_hop=NODE_B)
    assert batch is not None
    outbox.release(batch.id)
    assert outbox.open_batches() == []
    assert outbox.lanes()[0].message_count == 1
    queue.close()


def test_a_flush_means_what_waits_now_and_not_what_comes_later(queue: Queue) -> None:
    outbox = Outbox(queue)
    queue.put(new_message()).result()
    queue.put(new_message(node=NODE_C)).result()
    outbox.ask_flush({NODE_B})
    assert {entry.lane.node: entry.is_flush_due for entry in outbox.lanes()} == {
        NODE_B: True,
        NODE_C: False,
    }
    assert outbox.claim(LANE_B, Form.BSMTP, max_count=9, max_bytes=9, first_hop=NODE_B)
    queue.put(new_message()).result()
    assert not any(entry.is_flush_due for entry in outbox.lanes())
    outbox.ask_flush()
    assert all(entry.is_flush_due for entry in outbox.lanes())
    queue.close()


def test_buried_deliveries_keep_their_body_and_reason(queue: Queue) -> None:
    message = new_message()
    queue.put(message).result()
    outbox = Outbox(queue)
    batch = outbox.claim(LANE_B, Form.SENDMAIL, max_count=1, max_bytes=1, first_hop=NODE_B)
    assert batch is not None
    (queued,) = outbox.messages_of(batch.id)
    outbox.bury(queued.delivery_seqs, Outcome(Verdict.REFUSED, "5.1.3", "does not fit"))
    outbox.release(batch.id)
    view = show_message(queue, message.id)
    assert view is not None
    assert (view.deliveries[0].state, view.deliveries[0].status) == (State.DEAD, "5.1.3")
    assert view.has_body
    queue.close()


def test_finished_messages_are_forgotten_and_dead_ones_are_kept(queue: Queue) -> None:
    queue.put(new_message())
    dead = new_message(targets=(Target("x@y.test", refusal=Outcome(Verdict.REFUSED, "5.7.1", "no")),))
    queue.put(dead).result()
    outbox = Outbox(queue)
    batch = outbox.claim(LANE_B, Form.BSMTP, max_count=1, max_bytes=1, first_hop=NODE_B)
    assert batch is not None
    outbox.name_packet(batch.id, PACKET)
    outbox.finish(batch.id)
    assert forget_finished(queue, keep_seconds=3600, keep_batch_seconds=3600) == 0
    assert forget_finished(queue, keep_seconds=0, keep_batch_seconds=0) == 1
    assert [view.id for view in list_messages(queue, states=list(State))] == [dead.id]
    assert sum(count_states(queue).values()) == 1
    queue.close()
