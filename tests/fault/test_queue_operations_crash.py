"""The program is stopped before every single step of what a person asks of the queue."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.entry import Outcome, Role, State, Target, Verdict
from gateway.msgqueue.insertion import SizeLimits
from gateway.msgqueue.operations import Operations
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from gateway.report.reporter import ReportSettings
from tests.support.crash import run_until_step
from tests.support.messages import NODE_B, NODE_C, new_message
from tests.support.queue_clock import SetClock
from tests.support.reporting import new_reporter, recipients_of, reports_in

STEP_LIMIT = 60
REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "user unknown")
LARGE = b"Subject: large\r\n\r\n" + b"x" * INLINE_BODY_BYTES + b"\r\n"
LIMITS = SizeLimits(outgoing={NODE_C.text: 1000})
EVERYTHING = Selection()

Act = Callable[[Operations], object]
States = dict[str, State]


def fill(directory: Path) -> None:
    """One queued and one held recipient, a large body for both; a dead letter; one message for here."""
    with Queue(directory, Disk(is_syncing=False)) as queue:
        large_id = Queue.new_id()
        large = new_message(
            id=large_id, recipients=("queued@b.test", "held@b.test"), body=queue.hold_body(large_id, LARGE)
        )
        queue.put(large).result()
        Operations(queue).hold(Selection(recipients=("held@*",)))
        dead_id = Queue.new_id()
        dead = (Target("dead@b.test", NODE_B, 96, REFUSED),)
        queue.put(new_message(id=dead_id, targets=dead, body=queue.hold_body(dead_id, LARGE))).result()
        queue.put(new_message(recipients=("here@a.test",), node=None), Role.INBOX).result()


def states_of(queue: Queue) -> States:
    views = list_messages(queue, states=tuple(State))
    return {each.recipient: each.state for view in views for each in view.deliveries}


BEFORE: States = {
    "queued@b.test": State.QUEUED,
    "held@b.test": State.HELD,
    "dead@b.test": State.DEAD,
    "here@a.test": State.QUEUED,
}
Q, H, DEAD, DROPPED = State.QUEUED, State.HELD, State.DEAD, State.DROPPED
OPERATIONS: dict[str, tuple[Act, tuple[State, State, State, State]]] = {
    "hold": (lambda do: do.hold(EVERYTHING), (H, H, DEAD, H)),
    "release": (lambda do: do.release(EVERYTHING), (Q, Q, DEAD, Q)),
    "retry": (lambda do: do.retry(EVERYTHING), (Q, H, DEAD, Q)),
    "expire": (lambda do: do.expire(EVERYTHING), (DEAD, DEAD, DEAD, DEAD)),
    "drop": (lambda do: do.drop(EVERYTHING), (DROPPED, DROPPED, DROPPED, DROPPED)),
    "move": (lambda do: do.move(EVERYTHING, NODE_C, 30), (H, H, H, Q)),
    "replay": (lambda do: do.replay(EVERYTHING, lambda _: None), (Q, H, Q, Q)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_stop_at_any_step_leaves_an_operation_done_or_not_and_it_can_be_done_again(
    tmp_path: Path, name: str
) -> None:
    """All that is selected is changed, or nothing; no body that is needed is lost, and no other stays."""
    act, places = OPERATIONS[name]
    after = dict(zip(BEFORE, places, strict=True))
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        fill(directory)

        def work(disk: Disk, directory: Path = directory) -> None:
            with Queue(directory, disk, limits=LIMITS) as queue:
                act(Operations(queue))

        was_stopped, steps = run_until_step(step, work)
        with Queue(directory, Disk(is_syncing=False)) as queue:
            assert states_of(queue) in (BEFORE, after), f"stopped before step {step}, after {steps[-1:]}"
        work(Disk(is_syncing=False))
        with Queue(directory, Disk(is_syncing=False)) as queue:
            assert states_of(queue) == after
            queue.sweep_bodies()
            needed = 0
            for view in list_messages(queue, states=tuple(State)):
                is_needed = any(each.state is not DROPPED for each in view.deliveries)
                assert view.has_body == is_needed
                if is_needed:
                    assert sum(map(len, queue.read_body(view.seq))) == view.size_bytes
                    needed += view.size_bytes > INLINE_BODY_BYTES
            assert len(list(queue.bodies.directory.iterdir())) == needed
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert step >= 2


def test_a_stop_at_any_step_of_telling_of_held_mail_leaves_one_report_and_one_mail(tmp_path: Path) -> None:
    """The sender and the operator hear of held mail once each, whenever the program ends."""
    for step in range(STEP_LIMIT):
        directory, clock = tmp_path / str(step), SetClock()
        with Queue(directory, Disk(is_syncing=False), clock=clock.make, limits=LIMITS) as queue:
            body = b"Subject: x\r\n\r\n" + b"x" * 1000
            queue.put(new_message(sender="a@here.test", node=NODE_C, body=body)).result()

        def report(disk: Disk, directory: Path = directory, clock: SetClock = clock) -> None:
            with Queue(directory, disk, clock=clock.make, limits=LIMITS) as queue:
                new_reporter(queue, ReportSettings("mail.test", operator="root@here.test")).run_once()

        was_stopped, steps = run_until_step(step, report)
        report(Disk(is_syncing=False))
        with Queue(directory, Disk(is_syncing=False), clock=clock.make) as queue:
            told = [list(recipients_of(report)) for _, report in reports_in(queue)]
            views = list_messages(queue, Role.INBOX)
            (held,) = list_messages(queue, Role.OUTBOX)
        ends = [view.message_id.partition("@")[0].partition(".")[2] for view in views]
        assert told == [["bob@b.test"]], f"stopped before step {step}, after {steps[-1:]}"
        assert sorted(ends) == ["held", "report"], f"stopped before step {step}, after {steps[-1:]}"
        assert held.deliveries[0].operator_told == held.deliveries[0].delay_told == "reported"
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert step >= 4
