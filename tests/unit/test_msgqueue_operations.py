"""Each operation, from each state a delivery can have."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.message.envelope import DeliverBy, LateAction, MailOptions
from gateway.msgqueue.decisions import Ending, Standing
from gateway.msgqueue.entry import Form, Lane, NewMessage, Outcome, Role, State, Target, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.insertion import SizeLimits
from gateway.msgqueue.operations import Operations, Result
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.reports import Event, Reports, Told
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import DeliveryView, forget_finished, show_message
from tests.support.messages import NODE_A, NODE_B, NODE_C, new_message
from tests.support.queue_clock import SetClock

REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "user unknown")
LATER = Outcome(Verdict.DEFERRED, "4.2.2", "mailbox full")
PACKET = PacketId(b"\x05" * 32)
EVERYTHING = Selection()
LIMITS = SizeLimits(outgoing={NODE_C.text: 1000}, incoming={NODE_A.text: 1000})
DAY_SECONDS = 86_400.0

Act = Callable[[Operations], list[Result]]


def admit(_standing: Standing) -> Outcome | None:
    return None


OPERATIONS: dict[str, Act] = {
    "hold": lambda do: do.hold(EVERYTHING),
    "release": lambda do: do.release(EVERYTHING),
    "retry": lambda do: do.retry(EVERYTHING),
    "expire": lambda do: do.expire(EVERYTHING),
    "drop": lambda do: do.drop(EVERYTHING),
    "move": lambda do: do.move(EVERYTHING, NODE_C, 30),
    "replay": lambda do: do.replay(EVERYTHING, admit),
}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make, limits=LIMITS) as opened:
        yield opened


def put(queue: Queue, state: State, message: NewMessage | None = None) -> NewMessage:
    """A message for node b in a state."""
    message = message or new_message()
    if state is State.DEAD:
        targets = tuple(replace(target, refusal=REFUSED) for target in message.targets)
        message = message._replace(targets=targets)
    queue.put(message).result()
    outbox, which = Outbox(queue), Selection(ids=(message.id,))
    if state in {State.CLAIMED, State.SENT}:
        batch = outbox.claim(Lane(NODE_B, 96), Form.BSMTP, max_count=1, max_bytes=1 << 30, first_hop=NODE_B)
        assert batch is not None
        if state is State.SENT:
            outbox.name_packet(batch.id, PACKET)
            outbox.finish(batch.id)
    elif state is State.HELD:
        Operations(queue).hold(which)
    elif state is State.DROPPED:
        Operations(queue).drop(which)
    assert delivery_of(queue, message).state is state
    return message


def delivery_of(queue: Queue, message: NewMessage) -> DeliveryView:
    view = show_message(queue, message.id)
    assert view is not None
    return view.deliveries[0]


TABLE = {
    # operation: state afterwards for queued, held, dead; None: it can't be done
    "hold": (State.HELD, State.HELD, None),
    "release": (State.QUEUED, State.QUEUED, None),
    "retry": (State.QUEUED, None, None),
    "expire": (State.DEAD, State.DEAD, State.DEAD),
    "drop": (State.DROPPED, State.DROPPED, State.DROPPED),
    "move": (State.QUEUED, State.HELD, State.QUEUED),
    "replay": (State.QUEUED, State.HELD, State.QUEUED),
}


@pytest.mark.parametrize("operation", TABLE)
@pytest.mark.parametrize("place", [0, 1, 2], ids=["queued", "held", "dead"])
def test_what_waits_is_changed_as_the_table_says_and_a_second_time_nothing_is(
    queue: Queue, operation: str, place: int
) -> None:
    before, after = (State.QUEUED, State.HELD, State.DEAD)[place], TABLE[operation][place]
    message = put(queue, before)
    (dry,) = OPERATIONS[operation](Operations(queue, is_dry=True))
    assert delivery_of(queue, message).state is before
    (result,) = OPERATIONS[operation](Operations(queue))
    assert result == dry
    assert result.before.state is before
    shown = delivery_of(queue, message)
    assert shown.state is result.decision.state is (before if after is None else after)
    assert (result.decision.ending is Ending.IMPOSSIBLE) == (after is None)
    (again,) = OPERATIONS[operation](Operations(queue))
    if after is not None and operation != "retry":
        assert again.decision.ending is Ending.UNCHANGED
    assert replace(delivery_of(queue, message), next_try_seconds=0) == replace(shown, next_try_seconds=0)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("state", [State.CLAIMED, State.SENT, State.DROPPED])
def test_what_has_left_or_is_gone_is_left_alone_and_it_is_said_why(
    queue: Queue, operation: str, state: State
) -> None:
    message = put(queue, state)
    shown = delivery_of(queue, message)
    (result,) = OPERATIONS[operation](Operations(queue))
    expected = {
        State.CLAIMED: (Ending.BUSY, f"batch {shown.batch}"),
        State.SENT: (Ending.IMPOSSIBLE, f"echo {PACKET.text} | nncp-gateway nncp rm -node {NODE_B.text}"),
        State.DROPPED: (Ending.IMPOSSIBLE, "dropped"),
    }
    ending, text = expected[state]
    if (operation, state) == ("drop", State.DROPPED):
        ending = Ending.UNCHANGED
    assert result.decision.ending is ending
    assert text in result.decision.text
    assert delivery_of(queue, message) == shown


def test_a_packet_that_is_not_known_any_more_is_not_named(queue: Queue, clock: SetClock) -> None:
    two = new_message(targets=(Target("a@b.test", NODE_B, 96), Target("b@c.test", NODE_B, 99)))
    put(queue, State.SENT, two)
    clock.go_on(10.0)
    forget_finished(queue, keep_seconds=5.0, keep_batch_seconds=5.0)
    sent, waiting = Operations(queue).hold(EVERYTHING)
    assert sent.decision.text == "it left in a packet that is not known any more"
    assert waiting.decision.ending is Ending.DONE


def test_held_mail_is_in_no_lane_until_it_is_released(queue: Queue) -> None:
    put(queue, State.HELD)
    outbox = Outbox(queue)
    assert outbox.lanes() == []
    Operations(queue).release(EVERYTHING)
    assert [figures.message_count for figures in outbox.lanes()] == [1]


def test_a_reason_for_holding_stands_beside_it_until_it_goes_on(queue: Queue) -> None:
    message = put(queue, State.QUEUED)
    Operations(queue).hold(EVERYTHING, "looks odd")
    shown = delivery_of(queue, message)
    assert (shown.status, shown.text) == ("4.3.0", "held by the operator of this node: looks odd")
    assert shown.held_by == "person"
    Operations(queue).release(EVERYTHING)
    shown = delivery_of(queue, message)
    assert (shown.status, shown.text, shown.held_by) == ("", "", "")


def test_mail_for_here_is_held_and_tried_again_when_somebody_says_so(queue: Queue, clock: SetClock) -> None:
    inbox, do = Inbox(queue), Operations(queue)
    inbox.put_batch(NODE_A, [new_message(node=None, nice=0)], batch=None, packet=None)
    (message,) = inbox.due(10)
    inbox.record([(message.delivery_seqs[0], LATER, 500.0)])
    assert inbox.due(10) == []
    do.retry(EVERYTHING)
    assert [found.id for found in inbox.due(10)] == [message.id]
    do.hold(EVERYTHING)
    assert inbox.due(10) == []
    assert inbox.next_try_seconds() is None
    do.release(EVERYTHING)
    assert [found.id for found in inbox.due(10)] == [message.id]


def test_retrying_mail_for_a_neighbour_closes_its_lanes_and_no_others(queue: Queue) -> None:
    put(queue, State.QUEUED)
    queue.put(new_message(node=NODE_C)).result()
    Operations(queue, is_dry=True).retry(Selection(nodes=(NODE_B.text,)))
    assert not any(figures.is_flush_due for figures in Outbox(queue).lanes())
    Operations(queue).retry(Selection(nodes=(NODE_B.text,)))
    assert {figures.lane.node: figures.is_flush_due for figures in Outbox(queue).lanes()} == {
        NODE_B: True,
        NODE_C: False,
    }


def test_what_is_given_up_is_told_like_any_failure(queue: Queue) -> None:
    message = put(queue, State.HELD)
    Operations(queue).expire(EVERYTHING)
    (troubled,) = Reports(queue).failed(10)
    assert troubled.message.id == message.id
    assert troubled.troubles[0].status == "5.4.7"
    assert troubled.troubles[0].text == "given up by the operator of this node"


def test_what_is_dropped_is_told_to_nobody_and_its_body_goes_with_the_last_recipient(queue: Queue) -> None:
    id_ = Queue.new_id()
    large = queue.hold_body(id_, b"x" * (INLINE_BODY_BYTES + 1))
    put(queue, State.QUEUED, new_message(id=id_, recipients=("a@b.test", "b@b.test"), body=large))
    do = Operations(queue)
    do.drop(Selection(recipients=("a@*",)))
    view = show_message(queue, id_)
    assert view is not None
    assert view.has_body
    do.drop(Selection(recipients=("b@*",)))
    view = show_message(queue, id_)
    assert view is not None
    assert not view.has_body
    assert list(queue.bodies.directory.iterdir()) == []
    assert Reports(queue).failed(10) == []


def test_a_dropped_message_is_forgotten_like_one_that_was_sent(queue: Queue, clock: SetClock) -> None:
    message = put(queue, State.DROPPED)
    assert forget_finished(queue, keep_seconds=10.0, keep_batch_seconds=10.0) == 0
    clock.go_on(10.0)
    assert forget_finished(queue, keep_seconds=10.0, keep_batch_seconds=10.0) == 1
    assert show_message(queue, message.id) is None


def test_why_a_dead_letter_was_dead_can_still_be_read_when_it_was_dropped(queue: Queue) -> None:
    message = put(queue, State.DEAD)
    Operations(queue).drop(EVERYTHING)
    assert delivery_of(queue, message).text == "dropped by the operator of this node; before: user unknown"


@pytest.mark.parametrize(("node", "nice"), [(NODE_C, 30), (NODE_C, None), (None, 30)])
def test_moved_mail_is_in_its_new_lane(queue: Queue, node: object, nice: int | None) -> None:
    put(queue, State.QUEUED)
    Operations(queue).move(EVERYTHING, node, nice)  # type: ignore[arg-type]
    (figures,) = Outbox(queue).lanes()
    assert figures.lane == Lane(NODE_B if node is None else NODE_C, nice or 96)


def test_mail_for_here_is_not_moved(queue: Queue) -> None:
    queue.put(new_message(node=None), Role.INBOX).result()
    (result,) = Operations(queue).move(EVERYTHING, NODE_C, 30)
    assert result.decision.ending is Ending.IMPOSSIBLE
    assert "for here" in result.decision.text


@pytest.mark.parametrize("state", [State.QUEUED, State.HELD, State.DEAD])
def test_what_is_moved_to_a_link_it_is_too_large_for_is_held_there(queue: Queue, state: State) -> None:
    message = put(queue, state, new_message(body=b"x" * 1001))
    Operations(queue).move(EVERYTHING, NODE_C, None)
    shown = delivery_of(queue, message)
    assert (shown.state, shown.node) == (State.HELD, NODE_C.text)
    assert shown.held_by == ("person" if state is State.HELD else "size")
    Operations(queue).release(EVERYTHING)
    assert delivery_of(queue, message).state is State.QUEUED


def test_what_was_too_large_goes_on_by_a_wider_link(queue: Queue) -> None:
    message = new_message(body=b"x" * 1001, node=NODE_C)
    queue.put(message).result()
    assert delivery_of(queue, message).held_by == "size"
    Operations(queue).move(EVERYTHING, NODE_B, None)
    assert delivery_of(queue, message).state is State.QUEUED


def test_another_lane_of_the_same_link_holds_nothing_that_was_released(queue: Queue) -> None:
    message = new_message(body=b"x" * 1001, node=NODE_C)
    queue.put(message).result()
    do = Operations(queue)
    do.move(EVERYTHING, None, 30)
    assert delivery_of(queue, message).held_by == "size"
    do.release(EVERYTHING)
    do.move(EVERYTHING, None, 40)
    assert delivery_of(queue, message).state is State.QUEUED


def test_a_dead_letter_that_is_replayed_begins_anew(queue: Queue, clock: SetClock) -> None:
    by = MailOptions(deliver_by=DeliverBy(60.0, LateAction.RETURN))
    message = new_message()
    queue.put(message._replace(envelope=replace(message.envelope, options=by))).result()
    clock.go_on(30 * DAY_SECONDS)
    reports = Reports(queue)
    assert reports.expire(28 * DAY_SECONDS) == 1
    (troubled,) = reports.failed(10)
    reports.mark(Event.FAILED, troubled.troubles, Told.REPORTED)
    Operations(queue).replay(EVERYTHING, admit)
    shown = delivery_of(queue, message)
    assert (shown.state, shown.told, shown.attempts, shown.text) == (State.QUEUED, "", 0, "")
    assert reports.expire(28 * DAY_SECONDS) == 0
    clock.go_on(28 * DAY_SECONDS)
    assert reports.expire(28 * DAY_SECONDS) == 1
    assert len(reports.failed(10)) == 1


def test_a_time_for_a_return_that_has_not_passed_goes_on_for_a_replayed_message(queue: Queue) -> None:
    by = MailOptions(deliver_by=DeliverBy(60.0, LateAction.RETURN))
    message = new_message()
    queue.put(message._replace(envelope=replace(message.envelope, options=by))).result()
    do = Operations(queue)
    do.expire(EVERYTHING)
    do.replay(EVERYTHING, admit)
    batch = Outbox(queue).claim(Lane(NODE_B, 96), Form.BSMTP, max_count=1, max_bytes=99, first_hop=NODE_B)
    assert batch is not None
    (queued,) = Outbox(queue).messages_of(batch.id)
    assert queued.envelope.options.deliver_by == DeliverBy(60.0, LateAction.RETURN)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (new_message(node=None, body=b"", id="empty"), "its content is not here: user unknown"),
        (new_message(node=None, recipients=("",), id="nobody"), "address"),
        (new_message(node=None, recipients=("a\rb@c.test",), id="evil"), "address"),
    ],
    ids=["its bytes were never taken", "no recipient", "no address"],
)
def test_a_dead_letter_that_could_not_be_delivered_ever_is_not_replayed(
    queue: Queue, message: NewMessage, text: str
) -> None:
    targets = tuple(replace(target, refusal=REFUSED) for target in message.targets)
    queue.put(message._replace(targets=targets), Role.INBOX).result()
    (result,) = Operations(queue).replay(EVERYTHING, admit)
    assert result.decision.ending is Ending.IMPOSSIBLE
    assert text in result.decision.text


def test_a_dead_letter_that_would_not_be_taken_in_now_is_not_replayed(queue: Queue) -> None:
    refused = (Target("bob@b.test", refusal=REFUSED),)
    queue.put(new_message(targets=refused), Role.INBOX).result()
    no_relay = Outcome(Verdict.REFUSED, "5.7.1", "not here")
    (result,) = Operations(queue).replay(EVERYTHING, lambda _: no_relay)
    assert result.decision.ending is Ending.IMPOSSIBLE
    assert "5.7.1 not here" in result.decision.text


def test_a_dead_letter_that_may_go_on_to_a_neighbour_by_now_is_replayed_to_it(queue: Queue) -> None:
    message = new_message(targets=(Target("bob@b.test", refusal=REFUSED), Target("carl@a.test")))
    queue.put(message, Role.INBOX).result()
    which = Selection(states=(State.DEAD,))
    (result,) = Operations(queue).replay(which, lambda _: Lane(NODE_B, 96))
    assert (result.decision.ending, result.decision.text) == (Ending.DONE, "goes on, queued")
    batch = Outbox(queue).claim(Lane(NODE_B, 96), Form.BSMTP, max_count=9, max_bytes=99, first_hop=NODE_B)
    assert batch is not None
    (leaving,) = Outbox(queue).messages_of(batch.id)
    assert leaving.envelope.recipients == ("bob@b.test",)
    assert [due.envelope.recipients for due in Inbox(queue).due(9)] == [("carl@a.test",)]


def test_a_dead_letter_that_is_too_large_for_the_link_it_may_take_by_now_is_held(queue: Queue) -> None:
    message = new_message(targets=(Target("bob@b.test", refusal=REFUSED),), body=b"x" * 1001)
    queue.put(message, Role.INBOX).result()
    (result,) = Operations(queue).replay(EVERYTHING, lambda _: Lane(NODE_C, 96))
    assert result.decision.state is State.HELD


def test_a_dead_letter_beside_mail_that_went_on_is_asked_again_too(queue: Queue) -> None:
    targets = (Target("bob@b.test", NODE_B, 96), Target("x@world.test", refusal=REFUSED))
    queue.put(new_message(targets=targets)).result()
    no_relay = Outcome(Verdict.REFUSED, "5.7.1", "not here")
    (result,) = Operations(queue).replay(Selection(states=(State.DEAD,)), lambda _: no_relay)
    assert result.decision.ending is Ending.IMPOSSIBLE


def test_a_person_who_decides_while_a_delivery_is_tried_is_obeyed_unless_it_took_place(queue: Queue) -> None:
    inbox, do = Inbox(queue), Operations(queue)
    messages = [new_message(node=None, id=name) for name in ("held", "dropped", "given-up", "taken")]
    inbox.put_batch(NODE_A, messages, batch=None, packet=None)
    seqs = {found.id: found.delivery_seqs[0] for found in inbox.due(10)}
    do.hold(Selection(ids=("held", "taken")))
    do.drop(Selection(ids=("dropped",)))
    do.expire(Selection(ids=("given-up",)))
    taken = Outcome(Verdict.DELIVERED, "2.0.0", "taken")
    outcomes = {"held": LATER, "dropped": LATER, "given-up": REFUSED, "taken": taken}
    inbox.record([(seqs[name], outcome, 1.0) for name, outcome in outcomes.items()])
    inbox.record_crash([seqs["held"], seqs["dropped"]], "a bug", 1.0)
    assert [delivery_of(queue, message).state for message in messages] == [
        State.HELD,
        State.DROPPED,
        State.DEAD,
        State.DELIVERED,
    ]
    assert delivery_of(queue, messages[2]).status == "5.4.7"
