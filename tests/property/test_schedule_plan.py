"""Calls are planned well whatever the clock of the machine does."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.ids import NodeId
from gateway.schedule.call import Call
from gateway.schedule.cron import parse_cron
from gateway.schedule.local_time import next_instant
from gateway.schedule.plan import REDIAL_SECONDS, REPEAT_SECONDS, Entry, Plan, _Phase

START = 1_780_000_000.0
NODES = [NodeId(bytes([number]) * 32) for number in range(3)]
CRONS = st.sampled_from(
    ["* * * * * * *", "*/20 * * * * * *", "* * * * *", "*/7 * * * *", "@hourly", "30 4 * * *", "0 0 1 1 * *"]
)
ENTRIES = st.lists(st.tuples(st.sampled_from(NODES), CRONS), min_size=1, max_size=6).map(
    lambda found: [Entry(node, index, Call(parse_cron(cron))) for index, (node, cron) in enumerate(found)]
)
LEAPS = st.one_of(st.just(0.0), st.floats(-20.0, 20.0), st.floats(-1e6, 1e6), st.sampled_from([-1e8, 1e8]))
ENDS = st.lists(st.booleans(), max_size=3)
STEPS = st.lists(st.tuples(st.floats(0.1, 5000.0), st.just(0.0) | LEAPS, ENDS), max_size=60)
"""Seconds that pass, seconds that the clock is set by, and for each call that ends whether it was refused."""


@dataclass
class Clock:
    """Two clocks, of which one can be set."""

    wall: float = START
    steady: float = 0.0


@dataclass
class Caller:
    """Calls what a plan says, and looks whether it was right to."""

    plan: Plan
    clock: Clock
    running: dict[NodeId, Entry] = field(default_factory=dict)
    ended_at: dict[NodeId, float] = field(default_factory=dict)
    began: dict[Entry, list[float]] = field(default_factory=dict)
    put_off_count: int = 0

    def look(self) -> None:
        for entry in self.plan.take_due(self.clock.wall, self.clock.steady):
            assert entry.node not in self.running
            assert self.clock.steady >= self.ended_at.get(entry.node, -1e9) + REDIAL_SECONDS
            self.running[entry.node] = entry
            self.began.setdefault(entry, []).append(self.clock.wall)

    def end_oldest(self, *, is_refused: bool) -> None:
        if self.running:
            node, entry = next(iter(self.running.items()))
            del self.running[node]
            self.ended_at[node] = self.clock.steady
            if is_refused and self.plan.put_off(entry, self.clock.steady, REDIAL_SECONDS):
                self.put_off_count += 1
            else:
                self.plan.end(entry, self.clock.wall, self.clock.steady)


@given(ENTRIES, STEPS)
def test_no_entry_is_skipped_and_none_floods(
    entries: list[Entry], steps: list[tuple[float, float, list[bool]]]
) -> None:
    clock = Clock()
    caller = Caller(Plan(entries, clock.wall), clock)
    back_count = 0
    for seconds, leap_seconds, ends in steps:
        clock.steady += seconds
        clock.wall += seconds + leap_seconds
        back_count += leap_seconds < 0
        caller.look()
        for is_refused in ends:
            caller.end_oldest(is_refused=is_refused)
        assert_next_times_are_near(caller, entries)
    for entry, walls in caller.began.items():
        assert len(walls) <= 1 + passed_times(entry, walls) + back_count + caller.put_off_count


def assert_next_times_are_near(caller: Caller, entries: list[Entry]) -> None:
    """Whoever waits does so for the next time that there is, but for small steps back of the clock."""
    for entry in entries:
        if caller.plan._states[entry].phase is _Phase.WAITING:
            planned = caller.plan.next_time(entry)
            later = next_instant(entry.call.cron, caller.clock.wall + REPEAT_SECONDS)
            assert planned is not None
            assert later is not None
            assert caller.clock.wall < planned <= later


def passed_times(entry: Entry, walls: list[float]) -> int:
    """How many of an entry's times lie between two of its calls, at most one for each pair of calls."""
    count = 0
    for before, after in pairwise(walls):
        following = next_instant(entry.call.cron, before)
        count += following is not None and following <= after
    return count


@given(ENTRIES, st.integers(0, 3000))
def test_with_a_good_clock_every_time_of_a_lonely_entry_has_its_call(
    entries: list[Entry], offset_seconds: int
) -> None:
    entry = entries[0]
    wall = START + offset_seconds
    plan = Plan([entry], wall)
    steady, began = 0.0, []
    for _ in range(50):
        wait_seconds = plan.wait_seconds(wall, steady)
        wall, steady = wall + wait_seconds, steady + wait_seconds
        for taken in plan.take_due(wall, steady):
            began.append(wall)
            plan.end(taken, wall, steady, was_called=False)
    expected, moment = [], START + offset_seconds
    while (following := next_instant(entry.call.cron, moment)) is not None and following <= wall:
        expected.append(following)
        moment = following
    assert began == expected
