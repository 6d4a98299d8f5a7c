from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.entry import Outcome, Role, State, Target, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.insertion import SizeLimits
from gateway.msgqueue.store import Queue
from gateway.msgqueue.stream import put_all
from gateway.msgqueue.views import list_messages
from tests.support.messages import NODE_A, NODE_B, NODE_C, new_message

LIMITS = SizeLimits(outgoing={NODE_B.text: 100}, incoming={NODE_A.text: 50})
REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "user unknown")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), limits=LIMITS) as opened:
        yield opened


def states(queue: Queue) -> list[State]:
    return [each.state for view in list_messages(queue, states=tuple(State)) for each in view.deliveries]


@pytest.mark.parametrize(("size_bytes", "state"), [(100, State.QUEUED), (101, State.HELD)])
def test_what_is_larger_than_the_link_allows_is_held(queue: Queue, size_bytes: int, state: State) -> None:
    queue.put(new_message(body=b"x" * size_bytes)).result()
    put_all(queue, [(new_message(body=b"x" * size_bytes), Role.OUTBOX)]).result()
    assert states(queue) == [state, state]


def test_it_is_held_for_the_recipients_on_that_link_alone(queue: Queue) -> None:
    targets = (
        Target("a@b.test", NODE_B, 96),
        Target("b@c.test", NODE_C, 96),
        Target("c@b.test", NODE_B, 96, refusal=REFUSED),
    )
    queue.put(new_message(targets=targets, body=b"x" * 101)).result()
    assert states(queue) == [State.HELD, State.QUEUED, State.DEAD]
    (view,) = list_messages(queue)
    held = view.deliveries[0]
    assert (held.status, held.held_by) == ("4.3.4", "size")
    assert held.text == "too large for this link: 101 bytes, 100 are let through unasked"


@pytest.mark.parametrize(("size_bytes", "state"), [(50, State.QUEUED), (51, State.HELD)])
def test_what_a_neighbour_sends_has_a_limit_of_its_own(queue: Queue, size_bytes: int, state: State) -> None:
    message = new_message(node=None, body=b"x" * size_bytes)
    Inbox(queue).put_batch(NODE_A, [message], batch=None, packet=None)
    Inbox(queue).put_batch(NODE_C, [new_message(node=None, body=b"x" * 200)], batch=None, packet=None)
    assert states(queue) == [state, State.QUEUED]


def test_of_two_limits_the_lower_counts() -> None:
    why = LIMITS.why_held(200, to=NODE_B.text, came_from=NODE_A.text)
    assert why is not None
    assert "50 are let through" in why
    assert LIMITS.why_held(1 << 40, to=NODE_C.text) is None
    assert LIMITS.why_held(1 << 40) is None


def test_a_message_of_this_machine_is_not_held(queue: Queue) -> None:
    queue.put(new_message(node=None, body=b"x" * 999), Role.INBOX).result()
    assert states(queue) == [State.QUEUED]
