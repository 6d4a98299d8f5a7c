"""The program is stopped before every single step of telling senders."""

from dataclasses import replace
from pathlib import Path

from gateway.durable import Disk
from gateway.message.envelope import Notify, RecipientOptions
from gateway.msgqueue.entry import Outcome, Role, Success, Target, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.reports import Reports
from gateway.msgqueue.store import Queue
from tests.support.crash import run_until_step
from tests.support.messages import new_message
from tests.support.queue_clock import SetClock
from tests.support.reporting import DAY_SECONDS, new_reporter, recipients_of, reports_in

STEP_LIMIT = 100
REFUSED = Outcome(Verdict.REFUSED, "5.1.1", "user unknown")
DONE = Outcome(Verdict.DELIVERED, "2.0.0", "in its mailbox", Success.DELIVERED)
MESSAGE_COUNT = 3


def make_queue(directory: Path, clock: SetClock) -> None:
    """Dead letters, and one message that expires, one that is late, one whose success is to be told."""
    with Queue(directory, Disk(is_syncing=False), clock=clock.make) as queue:
        queue.put(new_message(recipients=("late@b.test",))).result()
        clock.go_on(25 * DAY_SECONDS)
        queue.put(new_message(recipients=("waiting@b.test",))).result()
        clock.go_on(3 * DAY_SECONDS)
        wish = {"done@b.test": RecipientOptions(frozenset({Notify.SUCCESS}))}
        done = new_message(recipients=("done@b.test",), node=None)
        queue.put(done._replace(envelope=replace(done.envelope, recipient_options=wish)), Role.INBOX).result()
        (due,) = Inbox(queue).due(10)
        Inbox(queue).record([(due.delivery_seqs[0], DONE, 0.0)])
        for number in range(MESSAGE_COUNT):
            names = (f"x{number}@b.test", f"y{number}@b.test")
            targets = tuple(Target(name, refusal=REFUSED) for name in names)
            queue.put(new_message(sender=f"alice{number}@here.test", targets=targets)).result()


def test_a_stop_at_any_step_leaves_exactly_one_report_of_each_event(tmp_path: Path) -> None:
    """No step at which the program ends makes a sender hear twice of anything, or never."""
    for step in range(STEP_LIMIT):
        clock = SetClock()
        directory = tmp_path / str(step)
        make_queue(directory, clock)

        def report(disk: Disk, directory: Path = directory, clock: SetClock = clock) -> None:
            with Queue(directory, disk, clock=clock.make) as queue:
                new_reporter(queue).run_once()

        was_stopped, steps = run_until_step(step, report)
        report(Disk(is_syncing=False))
        with Queue(directory, Disk(is_syncing=False), clock=clock.make) as queue:
            told = sorted(sorted(recipients_of(report)) for _, report in reports_in(queue))
            left = Reports(queue).failed(100)
        expected = [[f"x{number}@b.test", f"y{number}@b.test"] for number in range(MESSAGE_COUNT)]
        others = [["done@b.test"], ["late@b.test"], ["waiting@b.test"]]
        assert told == [*others, *expected], f"stopped before step {step}, after {steps[-1:]}"
        assert left == []
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert step >= 2 * (MESSAGE_COUNT + 4)
