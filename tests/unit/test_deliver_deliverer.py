"""What is due is tried once, its outcome recorded and logged; faults stay with their message."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.deliver.deliverer import LOCK, Deliverer, DeliverSettings, Share
from gateway.deliver.retry import RetrySchedule
from gateway.deliver.target import Job, TargetDown, same_for_all
from gateway.durable import Disk
from gateway.errors import StoreBusy, StoreCorrupt, StoreError
from gateway.ids import NodeId
from gateway.message.envelope import DeliverBy, Envelope, LateAction, MailOptions
from gateway.msgqueue.due import QUIET_SECONDS
from gateway.msgqueue.entry import NewMessage, Outcome, QueuedMessage, Role, State, Target, Verdict
from gateway.msgqueue.inbox import CRASH_LIMIT, Inbox
from gateway.msgqueue.insertion import LARGE_BYTES
from gateway.msgqueue.lock import SharedLock
from gateway.msgqueue.operations import Operations
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import DeliveryView, MessageView, list_messages, show_message
from tests.support.messages import NODE_A, NODE_B, new_message
from tests.support.processes import wait_until
from tests.support.queue_clock import SetClock

DELIVERED = Outcome(Verdict.DELIVERED, "2.0.0", "taken")
DEFERRED = Outcome(Verdict.DEFERRED, "4.2.1", "mailbox locked")
REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "no such user")
CUT = Outcome(Verdict.DEFERRED, "4.4.2", "the connection broke", is_cut=True)

Answer = Callable[[QueuedMessage], Sequence[Outcome]]


class Scripted:
    """A target that answers as the test says."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.tried: list[QueuedMessage] = []
        self.bodies: list[bytes] = []
        self.close_count = 0

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        for job in jobs:
            self.tried.append(job.message)
            self.bodies.append(b"".join(job.body()))
            yield self.answer(job.message)

    def close(self) -> None:
        self.close_count += 1


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def put(queue: Queue, *recipients: str, body: bytes = b"Subject: x\r\n\r\nhello\r\n") -> str:
    message = new_message(
        node=None, nice=0, recipients=recipients or ("bob@b.test",), body=body, sender="alice@a.test"
    )
    queue.put(message, Role.INBOX).result()
    return message.id


def run(queue: Queue, answer: Answer, *, is_early: bool = False, **settings: object) -> Scripted:
    target = Scripted(answer)
    retry = RetrySchedule(**settings)  # type: ignore[arg-type]
    Deliverer(queue, [target], DeliverSettings(retry, page_count=2)).run_once(is_early=is_early)
    return target


def view_of(queue: Queue, message_id: str) -> MessageView:
    view = show_message(queue, message_id)
    assert view is not None
    return view


def deliveries(queue: Queue, message_id: str) -> tuple[DeliveryView, ...]:
    return view_of(queue, message_id).deliveries


def test_of_what_a_slow_server_has_not_answered_for_no_more_is_begun_than_two_pages(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server is slower than outcomes wait for each other.
    monkeypatch.setattr("gateway.deliver.deliverer.GROUP_SECONDS", 0)
    ids = [put(queue) for _ in range(20)]
    begun_counts = []

    def answer(message: QueuedMessage) -> Sequence[Outcome]:
        before = ids[: ids.index(message.id)]
        wait_until(
            lambda: all(deliveries(queue, one)[0].state is State.DELIVERED for one in before),
            60,
            "what was said before on disk",
        )
        with queue.reading() as connection:
            waiting = "SELECT count(*) FROM delivery WHERE state = 'queued' AND begun > 0"
            begun_counts.append(connection.execute(waiting).fetchone()[0])
        return [DELIVERED]

    run(queue, answer)
    assert 2 < max(begun_counts) <= 4
    assert len(begun_counts) == 20


def test_each_recipient_is_recorded_with_its_outcome(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    message_id = put(queue, "bob@b.test", "carl@b.test", "dora@b.test")
    target = Scripted(lambda _: [DELIVERED, DEFERRED, REFUSED])
    with caplog.at_level(logging.INFO, "gateway.mail"):
        result = Deliverer(queue, [target]).run_once()
    assert (result.delivered_count, result.deferred_count, result.dead_count) == (1, 1, 1)
    assert [delivery.state for delivery in deliveries(queue, message_id)] == [
        State.DELIVERED,
        State.QUEUED,
        State.DEAD,
    ]
    assert target.bodies == [b"Subject: x\r\n\r\nhello\r\n"]
    wait = "next-try-seconds=60"
    common = f"id={message_id} message-id=<test@a.test> from=alice@a.test"
    assert [record.getMessage() for record in caplog.records] == [
        f"event=delivered {common} to=bob@b.test node=127.0.0.1 status=2.0.0 text=taken",
        f'event=deferred {common} to=carl@b.test node=127.0.0.1 status=4.2.1 text="{DEFERRED.text}" {wait}',
        f'event=refused {common} to=dora@b.test node=127.0.0.1 status=5.1.1 text="no such user"',
    ]


def test_every_due_message_is_tried_once_in_order(queue: Queue) -> None:
    ids = [put(queue) for _ in range(5)]
    target = run(queue, lambda _: [DEFERRED])
    assert [message.id for message in target.tried] == ids
    assert target.close_count == 1
    assert run(queue, lambda _: [DELIVERED]).tried == []


def test_an_early_run_tries_what_waits_once_too(queue: Queue) -> None:
    ids = [put(queue) for _ in range(5)]
    run(queue, lambda _: [DEFERRED])
    target = run(queue, lambda _: [DEFERRED], is_early=True)
    assert [message.id for message in target.tried] == ids
    assert {message.attempts for message in target.tried} == {1}
    assert deliveries(queue, ids[0])[0].attempts == 2
    assert 60 < deliveries(queue, ids[0])[0].next_try_seconds <= 120


def test_a_delivery_without_more_tries_becomes_a_dead_letter(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = put(queue)
    with caplog.at_level(logging.INFO, "gateway.mail"):
        run(queue, lambda _: [DEFERRED], max_attempts=1)
    (delivery,) = deliveries(queue, message_id)
    assert (delivery.state, delivery.status) == (State.DEAD, "5.4.7")
    assert delivery.text == "given up after 1 try; the last: 4.2.1 mailbox locked"
    assert view_of(queue, message_id).has_body
    assert caplog.records[0].getMessage().startswith("event=dead ")


def test_a_target_that_is_down_is_asked_once(queue: Queue) -> None:
    ids = [put(queue) for _ in range(5)]

    def answer(_message: QueuedMessage) -> Sequence[Outcome]:
        raise TargetDown("cannot connect to mx.b.test:25: Connection refused")

    target = Scripted(answer)
    result = Deliverer(queue, [target], DeliverSettings(page_count=2)).run_once()
    assert len(target.tried) == 1
    assert result.is_target_down
    assert result.deferred_count == 5
    for message_id in ids:
        (delivery,) = deliveries(queue, message_id)
        assert (delivery.state, delivery.status) == (State.QUEUED, "4.4.1")
        assert "Connection refused" in delivery.text


def test_a_body_that_is_gone_is_a_dead_letter_and_the_next_message_goes_on(queue: Queue) -> None:
    broken, whole = put(queue), put(queue)

    def answer(message: QueuedMessage) -> Sequence[Outcome]:
        if message.id == broken:
            raise StoreCorrupt("body file x is missing")
        return [DELIVERED]

    run(queue, answer)
    assert deliveries(queue, broken)[0].state is State.DEAD
    assert deliveries(queue, whole)[0].state is State.DELIVERED


@pytest.mark.parametrize("answer", [lambda message: [message.origin["x"]], lambda _: []])
def test_a_bug_is_logged_and_counted_and_stays_with_its_message(
    queue: Queue, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    broken = put(queue)
    target = Scripted(lambda message: answer(message) if message.id == broken else [DELIVERED])
    with caplog.at_level(logging.INFO):
        for number in range(CRASH_LIMIT):
            other = put(queue)
            result = Deliverer(queue, [target]).run_once(is_early=True)
            assert (result.crash_count, result.delivered_count) == (1, 1)
            assert deliveries(queue, other)[0].state is State.DELIVERED
            assert (deliveries(queue, broken)[0].state is State.DEAD) == (number == CRASH_LIMIT - 1)
    assert "Traceback" in caplog.text
    assert "internal error" in deliveries(queue, broken)[0].text
    assert Deliverer(queue, [target]).run_once(is_early=True).crash_count == 0


def test_the_record_of_a_refused_message_is_never_delivered(queue: Queue) -> None:
    message_id = put(queue, body=b"")
    target = run(queue, lambda _: [DELIVERED])
    assert target.tried == []
    assert deliveries(queue, message_id)[0].state is State.DEAD


def test_refused_recipients_are_not_tried(queue: Queue) -> None:
    targets = (Target("bob@b.test"), Target("eve@c.test", refusal=REFUSED))
    message = NewMessage(
        queue.new_id(), Envelope("alice@a.test", ("bob@b.test", "eve@c.test")), targets, b"x\r\n", "", "a"
    )
    queue.put(message, Role.INBOX).result()
    target = run(queue, lambda message: same_for_all(message, DELIVERED))
    assert [message.envelope.recipients for message in target.tried] == [("bob@b.test",)]


def test_the_outbox_is_not_delivered(queue: Queue) -> None:
    queue.put(new_message()).result()
    assert run(queue, lambda _: [DELIVERED]).tried == []
    assert len(list_messages(queue, Role.OUTBOX)) == 1


def test_one_process_delivers_at_a_time(queue: Queue) -> None:
    put(queue)
    target = Scripted(lambda _: [DELIVERED])
    with queue.lock(LOCK), pytest.raises(StoreBusy):
        Deliverer(queue, [target]).run_once()
    assert target.tried == []
    Deliverer(queue, [target]).run_once()
    assert len(target.tried) == 1


@pytest.mark.parametrize(
    ("action", "state"), [(LateAction.RETURN, State.DEAD), (LateAction.NOTIFY, State.DELIVERED)]
)
def test_a_message_is_not_tried_after_the_time_its_sender_set_for_a_return(
    tmp_path: Path, action: LateAction, state: State
) -> None:
    clock = SetClock()
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as queue:
        message = new_message(node=None)
        options = MailOptions(deliver_by=DeliverBy(60, action))
        hurried = message._replace(envelope=replace(message.envelope, options=options))
        queue.put(hurried, Role.INBOX).result()
        clock.go_on(60)
        target = run(queue, lambda _: [DELIVERED])
        (delivery,) = deliveries(queue, message.id)
    assert delivery.state is state
    assert len(target.tried) == (state is State.DELIVERED)
    assert delivery.status == ("5.4.7" if state is State.DEAD else "2.0.0")


def receive(queue: Queue, node: NodeId, count: int, *, size_bytes: int = 100) -> list[str]:
    """Messages that came from a node."""
    body = b"Subject: x\r\n\r\n" + b"x" * size_bytes + b"\r\n"
    messages = []
    for _ in range(count):
        message_id = queue.new_id()
        held = queue.hold_body(message_id, body)
        messages.append(new_message(node=None, nice=0, body=held, id=message_id))
    Inbox(queue).put_batch(node, messages, batch=None, packet=None)
    for message in messages:
        if not isinstance(message.body, bytes):
            message.body.release()
    return [message.id for message in messages]


def test_nodes_take_turns_and_a_flood_from_one_keeps_no_other_waiting(queue: Queue) -> None:
    flood, few = receive(queue, NODE_A, 30), receive(queue, NODE_B, 2)
    tried = [message.id for message in run(queue, lambda _: [DELIVERED]).tried]
    assert sorted(tried) == sorted(flood + few)
    assert max(map(tried.index, few)) < 6
    assert [one for one in tried if one in flood] == flood


def test_a_large_message_does_not_hold_up_small_ones(queue: Queue) -> None:
    large = receive(queue, NODE_A, 3, size_bytes=LARGE_BYTES)
    small = receive(queue, NODE_A, 3)
    target = Scripted(lambda _: [DELIVERED])
    Deliverer(queue, [target], DeliverSettings(page_count=8)).run_once()
    tried = [message.id for message in target.tried]
    assert tried[:3] == small
    assert sorted(tried[3:]) == sorted(large)


def test_several_targets_deliver_at_the_same_time(queue: Queue) -> None:
    ids = [put(queue) for _ in range(16)]
    all_there = threading.Barrier(4, timeout=60)

    def answer(message: QueuedMessage) -> Sequence[Outcome]:
        if message.id in ids[::4]:
            all_there.wait()
        return [DELIVERED]

    targets = [Scripted(answer) for _ in range(4)]
    result = Deliverer(queue, targets, DeliverSettings(page_count=16)).run_once()
    assert result.delivered_count == 16
    assert sorted(message.id for target in targets for message in target.tried) == sorted(ids)
    assert [target.close_count for target in targets] == [1] * 4


def test_one_message_opens_one_connection(queue: Queue) -> None:
    put(queue)
    targets = [Scripted(lambda _: [DELIVERED]) for _ in range(4)]
    Deliverer(queue, targets).run_once()
    assert [len(target.tried) for target in targets] == [1, 0, 0, 0]


def test_a_server_that_refuses_a_second_connection_gets_everything_over_the_first(queue: Queue) -> None:
    ids = [put(queue) for _ in range(40)]

    def down(_message: QueuedMessage) -> Sequence[Outcome]:
        refused.set()
        raise TargetDown("421 too many connections")

    def patient(_message: QueuedMessage) -> Sequence[Outcome]:
        assert refused.wait(60)
        return [DELIVERED]

    refused = threading.Event()
    working = Scripted(patient)
    result = Deliverer(queue, [working, *(Scripted(down) for _ in range(3))]).run_once()
    assert (result.delivered_count, result.deferred_count, result.is_target_down) == (40, 0, False)
    assert sorted(message.id for message in working.tried) == sorted(ids)


def test_what_broke_off_is_tried_alone_behind_all_others(queue: Queue) -> None:
    first = put(queue)
    others = [put(queue) for _ in range(3)]
    run(queue, lambda message: [CUT if message.id == first else DEFERRED])
    target = run(queue, lambda _: [DELIVERED], is_early=True)
    assert [message.id for message in target.tried] == [*others, first]


def test_an_early_run_tries_what_broke_off_once(queue: Queue) -> None:
    put(queue)
    assert len(run(queue, lambda _: [CUT], is_early=True).tried) == 1
    assert len(run(queue, lambda _: [CUT], is_early=True).tried) == 1


def test_what_broke_off_waits_alone_as_well_while_the_server_is_down(queue: Queue) -> None:
    def down(_message: QueuedMessage) -> Sequence[Outcome]:
        raise TargetDown("cannot connect")

    broken, other = put(queue), put(queue)
    run(queue, lambda message: [CUT if message.id == broken else DEFERRED])
    run(queue, down, is_early=True)
    target = run(queue, lambda _: [DELIVERED], is_early=True)
    assert [message.id for message in target.tried] == [other, broken]


def test_a_stop_ends_a_run_between_two_messages_and_the_rest_is_not_begun(queue: Queue) -> None:
    ids = [put(queue) for _ in range(10)]
    target = Scripted(lambda _: [DELIVERED])
    stopping = lambda: len(target.tried) >= 2  # noqa: E731
    Deliverer(queue, [target], DeliverSettings(page_count=2), stopping).run_once()
    assert 2 <= len(target.tried) <= 6
    assert Inbox(queue).begun() is None
    left = run(queue, lambda _: [DELIVERED])
    assert [message.id for message in target.tried + left.tried] == ids


def test_a_queue_that_refuses_the_record_ends_the_run_and_keeps_what_was_begun(tmp_path: Path) -> None:
    is_refused = False

    def hook(step: str, _path: Path) -> None:
        if step == "commit" and is_refused:
            raise StoreError("the disk refused")

    def answer(_message: QueuedMessage) -> Sequence[Outcome]:
        nonlocal is_refused
        is_refused = True
        return [DELIVERED]

    with Queue(tmp_path, Disk(is_syncing=False, hook=hook)) as queue:
        message_id = put(queue)
        with pytest.raises(StoreError, match="the disk refused"):
            Deliverer(queue, [Scripted(answer)]).run_once()
        left = Inbox(queue).begun()
        assert left is not None
        assert left.id == message_id


def test_a_person_who_held_a_recipient_meanwhile_is_obeyed(queue: Queue) -> None:
    message_id = put(queue, "bob@b.test", "carl@b.test")
    (message,) = Inbox(queue).in_turns(10)

    def hold(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE delivery SET state = 'held' WHERE seq = ?", (message.delivery_seqs[0],))

    queue.write(hold)
    begun = Inbox(queue).record([], begin=[message])
    assert [one.envelope.recipients for one in begun.messages] == [("carl@b.test",)]
    assert [delivery.state for delivery in deliveries(queue, message_id)] == [State.HELD, State.QUEUED]


def shares(queue: Queue, *domains: str) -> Iterator[Share]:
    """A deliverer for each domain, beside the others."""
    lock = SharedLock(queue.lock(LOCK))
    for domain in domains:
        yield Share(partial(is_below, domain), lock)


def is_below(domain: str, recipient: str) -> bool:
    return recipient.endswith("@" + domain)


@pytest.mark.parametrize("is_early", [False, True])
def test_each_of_several_places_gets_its_own_recipients(queue: Queue, *, is_early: bool) -> None:
    both, theirs = put(queue, "bob@b.test", "carl@c.test", "dora@b.test"), put(queue, "carl@c.test")
    tried = []
    for share in shares(queue, "b.test", "c.test", "d.test"):
        target = Scripted(lambda message: [DELIVERED] * len(message.envelope.recipients))
        deliverer = Deliverer(queue, [target], share=share)
        assert (Inbox(queue, share.takes).next_try_seconds() is None) == share.takes("x@d.test")
        deliverer.run_once(is_early=is_early)
        assert deliverer.next_try_seconds() is None
        tried += [(message.id, message.envelope.recipients) for message in target.tried]
    assert tried == [
        (both, ("bob@b.test", "dora@b.test")),
        (both, ("carl@c.test",)),
        (theirs, ("carl@c.test",)),
    ]


def test_a_place_that_hangs_holds_up_no_other_and_keeps_other_processes_out(queue: Queue) -> None:
    put(queue, "bob@b.test", "carl@c.test")
    is_asked, may_answer = threading.Event(), threading.Event()

    def hang(_message: QueuedMessage) -> Sequence[Outcome]:
        is_asked.set()
        assert may_answer.wait(60)
        return [DELIVERED]

    hanging, quick = shares(queue, "b.test", "c.test")
    stuck = threading.Thread(target=Deliverer(queue, [Scripted(hang)], share=hanging).run_once)
    stuck.start()
    try:
        assert is_asked.wait(60)
        result = Deliverer(queue, [Scripted(lambda _: [DELIVERED])], share=quick).run_once()
        assert result.delivered_count == 1
        with pytest.raises(StoreBusy):
            Deliverer(queue, []).run_once()
    finally:
        may_answer.set()
        stuck.join()
    assert Deliverer(queue, []).run_once().delivered_count == 0
    assert Inbox(queue).begun() is None


def test_what_broke_off_in_one_place_is_tried_again_there_alone(queue: Queue) -> None:
    message_id = put(queue, "bob@b.test", "carl@c.test")
    mine, other = shares(queue, "b.test", "c.test")
    for share in (mine, other):
        Deliverer(queue, [Scripted(lambda _: [CUT])], share=share).run_once()
    target = Scripted(lambda _: [DELIVERED])
    Deliverer(queue, [target], share=other).run_once(is_early=True)
    assert [message.envelope.recipients for message in target.tried] == [("carl@c.test",)]
    assert [delivery.state for delivery in deliveries(queue, message_id)] == [State.QUEUED, State.DELIVERED]


def test_a_place_that_has_nothing_to_do_finds_all_that_is_new_or_becomes_due(tmp_path: Path) -> None:
    clock = SetClock()
    with Queue(tmp_path / "queue", Disk(is_syncing=False), clock=clock.make) as queue:
        _, mine = shares(queue, "b.test", "c.test")
        target = Scripted(lambda _: [DEFERRED])
        deliverer = Deliverer(queue, [target], share=mine)

        def tried_count() -> int:
            deliverer.run_once()
            deliverer.next_try_seconds()
            return len(target.tried)

        put(queue, "bob@b.test")
        old = put(queue, "carl@c.test")
        assert tried_count() == 1
        put(queue, "bob@b.test")
        assert tried_count() == 1
        assert deliverer.next_try_seconds() == QUIET_SECONDS
        put(queue, "carl@c.test")
        assert tried_count() == 2
        # What a person changes is seen soon, what becomes due at its time.
        Operations(queue).retry(Selection(ids=(old,)))
        clock.go_on(QUIET_SECONDS)
        assert tried_count() == 3
        clock.go_on(60 - QUIET_SECONDS)
        assert tried_count() == 4


@pytest.mark.parametrize("is_early", [False, True])
def test_a_run_by_hand_tries_what_waits_whatever_is_known(queue: Queue, *, is_early: bool) -> None:
    put(queue, "carl@c.test")
    (mine,) = shares(queue, "c.test")
    target = Scripted(lambda _: [DEFERRED])
    deliverer = Deliverer(queue, [target], share=mine)
    deliverer.run_once()
    assert deliverer.next_try_seconds() is not None
    deliverer.run_once(is_early=is_early)
    assert len(target.tried) == 1 + is_early
