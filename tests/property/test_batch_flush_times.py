"""Carriers that come whenever they like: flushes keep their distance, and no mail waits for ever."""

import itertools
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.durable import Disk
from gateway.msgqueue.entry import Form, Lane
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import Queue
from tests.support.messages import NODE_B, new_message
from tests.support.queue_clock import SetClock

INTERVAL_SECONDS = 10.0
STEPS = st.lists(st.tuples(st.sampled_from(["mail", "carrier"]), st.floats(0, 15)), max_size=30)


@given(STEPS)
@example(
    [
        ("mail", 1.652686089052462),
        ("mail", 12.446478489325473),
        ("carrier", 0.0),
        ("mail", 0.0),
        ("carrier", 11.0),
    ]
)
def test_flushes_are_an_interval_apart_and_each_is_done_within_one(steps: list[tuple[str, float]]) -> None:
    clock = SetClock()
    closed_at: list[float] = []
    asked_at: list[float] = []
    with (
        tempfile.TemporaryDirectory() as directory,
        Queue(Path(directory), Disk(is_syncing=False), clock=clock.make) as queue,
    ):
        outbox = Outbox(queue)

        def batch() -> None:
            """What the batcher does, as soon as it may."""
            if any(figures.is_flush_due for figures in outbox.lanes()):
                closed_at.append(clock.seconds)
                assert clock.seconds - min(asked_at) <= INTERVAL_SECONDS + 1e-6
                asked_at.clear()
                outbox.claim(Lane(NODE_B, 96), Form.BSMTP, max_count=99, max_bytes=1 << 20, first_hop=NODE_B)

        def pass_time(seconds: float) -> None:
            end = clock.seconds + seconds
            waits = [figures.flush_seconds for figures in outbox.lanes() if figures.flush_seconds is not None]
            if waits and clock.seconds + max(waits) <= end:
                # A sum of floats may end an instant too early; the batcher would look again.
                clock.seconds += max(waits) + 1e-7
                batch()
            clock.seconds = end

        for what, seconds in steps:
            if what == "mail":
                queue.put(new_message()).result()
            else:
                outbox.ask_flush({NODE_B}, interval_seconds=INTERVAL_SECONDS)
                if outbox.lanes():
                    asked_at.append(clock.seconds)
            batch()
            pass_time(seconds)
    apart = [later - earlier for earlier, later in itertools.pairwise(closed_at)]
    assert all(seconds >= INTERVAL_SECONDS - 1e-6 for seconds in apart)
