from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.entry import Outcome, Role, State, Target, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import select_messages
from tests.support.messages import NODE_A, NODE_B, NODE_C, new_message
from tests.support.queue_clock import SetClock

REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "user unknown")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    """Five messages, an hour between each: old, bulk, null, in, dead."""
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as opened:
        opened.put(new_message(id="old", sender="Alice@a.test", body=b"x" * 1000)).result()
        clock.go_on(3600)
        opened.put(
            new_message(id="bulk", node=NODE_C, nice=200, recipients=("x_y@c.test", "z@c.test"))
        ).result()
        clock.go_on(3600)
        opened.put(new_message(id="null", sender="", recipients=("100%@b.test",))).result()
        clock.go_on(3600)
        came = new_message(id="in", node=None, nice=0, recipients=("bob@a.test",))
        Inbox(opened).put_batch(NODE_A, [came], batch=None, packet=None)
        dead = (Target("gone@b.test", NODE_B, 96, REFUSED), Target("here@b.test", NODE_B, 96))
        opened.put(new_message(id="dead", targets=dead)).result()
        yield opened


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(), ["old", "bulk", "null", "in", "dead"]),
        (Selection(ids=("null", "old", "no")), ["old", "null"]),
        (Selection(role=Role.INBOX), ["in"]),
        (Selection(states=(State.DEAD,)), ["dead"]),
        (Selection(states=(State.SENT,)), []),
        (Selection(nodes=(NODE_C.text,)), ["bulk"]),
        (Selection(nodes=(NODE_A.text,)), ["in"]),
        (Selection(nodes=(NODE_B.text, NODE_A.text)), ["old", "null", "in", "dead"]),
        (Selection(senders=("alice@*",)), ["old", "bulk", "in", "dead"]),
        (Selection(senders=("<Alice@a.test>",), min_size_bytes=1000), ["old"]),
        (Selection(senders=("<>",)), ["null"]),
        (Selection(senders=("",)), ["null"]),
        (Selection(recipients=("?_?@c.test",)), ["bulk"]),
        (Selection(recipients=("?%@b.test",)), []),
        (Selection(recipients=("*%@b.test",)), ["null"]),
        (Selection(recipients=("_@c.test",)), []),
        (Selection(nice=200), ["bulk"]),
        (Selection(min_age_seconds=7200), ["old", "bulk"]),
        (Selection(max_age_seconds=3600), ["null", "in", "dead"]),
        (Selection(max_size_bytes=999), ["bulk", "null", "in", "dead"]),
        (Selection(senders=("' OR 1 --",)), []),
        (Selection(states=(State.QUEUED,), recipients=("gone@*",)), []),
        (Selection(states=(State.QUEUED,), recipients=("here@*",)), ["dead"]),
    ],
    ids=str,
)
def test_what_is_asked_for_narrows_what_is_found(
    queue: Queue, selection: Selection, found: list[str]
) -> None:
    assert [view.id for view in select_messages(queue, selection)] == found


def test_a_message_is_shown_with_all_its_recipients(queue: Queue) -> None:
    (view,) = select_messages(queue, Selection(recipients=("z@c.test",)))
    assert [delivery.recipient for delivery in view.deliveries] == ["x_y@c.test", "z@c.test"]


def test_only_the_oldest_are_shown(queue: Queue) -> None:
    assert [view.id for view in select_messages(queue, Selection(), 2)] == ["old", "bulk"]


def test_only_a_selection_without_any_condition_is_everything() -> None:
    assert Selection().is_everything
    assert not Selection(max_age_seconds=0.0).is_everything
    assert not Selection(senders=("*",)).is_everything
