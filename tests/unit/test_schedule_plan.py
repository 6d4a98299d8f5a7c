import time
from collections.abc import Iterator

import pytest

from gateway.ids import NodeId
from gateway.schedule.call import Call
from gateway.schedule.cron import parse_cron
from gateway.schedule.plan import LINE_LIMIT_COUNT, LOOK_SECONDS, REDIAL_SECONDS, Entry, Plan

BOB, EVE = NodeId(b"b" * 32), NodeId(b"e" * 32)
NOON = 1_780_056_000.0
MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86_400.0, 365 * 86_400.0
EVERY_SECOND, EVERY_MINUTE, HOURLY = "* * * * * * *", "* * * * *", "@hourly"
NEVER = "0 0 30 2 *"


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def entry(cron: str, node: NodeId = BOB, index: int = 0) -> Entry:
    return Entry(node, index, Call(parse_cron(cron)))


def called(plan: Plan, *looks: tuple[float, float]) -> list[int]:
    """The indexes of the calls that begin at each look; each is over at once."""
    found = []
    for wall, steady in looks:
        for taken in plan.take_due(wall, steady):
            plan.end(taken, wall, steady)
            found.append(taken.index)
    return found


def test_entry_is_called_at_its_time_and_not_before() -> None:
    plan = Plan([entry(EVERY_MINUTE)], NOON + 1)
    assert plan.take_due(NOON + 59.9, 0.0) == []
    assert plan.take_due(NOON + 60, 0.1) == [entry(EVERY_MINUTE)]
    assert plan.take_due(NOON + 125, 65.1) == [], "it is being called"
    plan.end(entry(EVERY_MINUTE), NOON + 130, 70.1)
    assert plan.next_time(entry(EVERY_MINUTE)) == NOON + 180


def test_neighbour_is_not_called_twice_at_a_time_nor_right_after_a_call() -> None:
    first, second, other = entry(HOURLY, BOB, 0), entry(HOURLY, BOB, 1), entry(HOURLY, EVE, 0)
    plan = Plan([first, second, other], NOON - 1)
    assert plan.take_due(NOON, 0.0) == [first, other]
    assert plan.take_due(NOON + 30, 30.0) == []
    plan.end(first, NOON + 30, 30.0)
    assert plan.take_due(NOON + 31, 31.0) == []
    assert plan.wait_seconds(NOON + 31, 31.0) == REDIAL_SECONDS - 1
    assert plan.take_due(NOON + 32, 32.0) == [second]


def test_entry_that_was_not_needed_leaves_the_neighbour_free_at_once() -> None:
    first, second = entry(HOURLY, BOB, 0), entry(HOURLY, BOB, 1)
    plan = Plan([first, second], NOON - 1)
    assert plan.take_due(NOON, 0.0) == [first]
    plan.end(first, NOON, 0.0, was_called=False)
    assert plan.take_due(NOON, 0.0) == [second]


def test_times_that_pass_during_a_call_are_one() -> None:
    often, seldom = entry(EVERY_SECOND, BOB, 0), entry(HOURLY, BOB, 1)
    plan = Plan([often, seldom], NOON - 1)
    assert plan.take_due(NOON, 0.0) == [often]
    plan.end(often, NOON + 100, 100.0)
    assert plan.take_due(NOON + 102, 102.0) == [seldom], "who waits for longest comes first"
    plan.end(seldom, NOON + 110, 110.0)
    assert called(plan, (NOON + 112, 112.0), (NOON + 112.5, 112.5)) == [0]


def test_call_that_was_refused_has_two_more_tries() -> None:
    plan = Plan([entry(HOURLY)], NOON - 1)
    for now in (0.0, 5.0, 10.0):
        assert plan.take_due(NOON + now, now) == [entry(HOURLY)]
        assert plan.put_off(entry(HOURLY), now, 5.0) is (now < 10)
        assert plan.wait_seconds(NOON + now, now) == (5.0 if now < 10 else LOOK_SECONDS)
        assert plan.take_due(NOON + now + 4.9, now + 4.9) == []
    plan.end(entry(HOURLY), NOON + 10, 10.0)
    assert plan.next_time(entry(HOURLY)) == NOON + HOUR
    assert plan.take_due(NOON + HOUR, HOUR) == [entry(HOURLY)]
    assert plan.put_off(entry(HOURLY), HOUR, 5.0)


def test_other_entry_of_a_neighbour_waits_for_the_pause_too() -> None:
    first, second = entry(HOURLY, BOB, 0), entry("1 * * * *", BOB, 1)
    plan = Plan([first, second], NOON - 1)
    assert plan.take_due(NOON, 0.0) == [first]
    plan.put_off(first, 0.0, 90.0)
    assert plan.take_due(NOON + 60, 60.0) == []
    assert plan.take_due(NOON + 90, 90.0) == [first]


def test_times_that_never_come() -> None:
    plan = Plan([entry(NEVER)], NOON)
    assert plan.is_over
    assert plan.next_time(entry(NEVER)) is None
    assert plan.take_due(NOON + YEAR, YEAR) == []
    assert Plan([], NOON).is_over


def test_last_time_of_all_ends_the_plan_after_its_call() -> None:
    last = entry("0 0 1 1 * 2027")
    plan = Plan([last], NOON)
    wall = NOON + 2 * YEAR
    assert plan.take_due(wall, 0.0) == [last]
    assert not plan.is_over
    plan.end(last, wall, 1.0)
    assert plan.is_over


@pytest.mark.parametrize("leap_seconds", [2 * HOUR, 30 * DAY, 50 * YEAR])
def test_clock_that_leaps_forward_gives_one_call(leap_seconds: float) -> None:
    plan = Plan([entry(HOURLY)], NOON + 1)
    later = NOON + 1 + leap_seconds
    assert called(plan, (later, 1.0), (later + 5, 6.0), (later + 10, 11.0)) == [0]


def test_machine_that_wakes_in_1970_calls_at_the_next_time_of_the_true_clock() -> None:
    plan = Plan([entry(EVERY_MINUTE)], 100.0)
    assert called(plan, (NOON + 5, 5.0), (NOON + 59, 59.0), (NOON + 60, 60.0)) == [0, 0]


def test_clock_that_was_years_ahead_does_not_silence_an_entry() -> None:
    plan = Plan([entry(HOURLY)], NOON + 10 * YEAR)
    assert called(plan, (NOON + 1, 1.0)) == []
    assert plan.next_time(entry(HOURLY)) == NOON + HOUR
    assert called(plan, (NOON + HOUR, HOUR)) == [0]


def test_entry_that_is_due_stays_so_when_the_clock_goes_back() -> None:
    first, second = entry(HOURLY, BOB, 0), entry(HOURLY, BOB, 1)
    plan = Plan([first, second], NOON + YEAR - 1)
    assert plan.take_due(NOON + YEAR, 0.0) == [first]
    plan.end(first, NOON, 1.0)
    assert plan.take_due(NOON + 3, 4.0) == [second]


@pytest.mark.parametrize(("back_seconds", "calls"), [(1, [0]), (9, [0]), (60, [0, 0])])
def test_clock_that_is_set_back_a_little_repeats_no_call(back_seconds: float, calls: list[int]) -> None:
    plan = Plan([entry(HOURLY)], NOON - 100)
    looks = [(NOON, 100.0), (NOON - back_seconds, 100.5), (NOON + 1, 101.5 + back_seconds)]
    assert called(plan, *looks) == calls


def test_clock_is_looked_at_often_enough_to_notice_that_it_was_set() -> None:
    plan = Plan([entry("@yearly")], NOON)
    assert plan.wait_seconds(NOON, 0.0) == LOOK_SECONDS
    assert plan.take_due(NOON, 0.0) == []


def test_leap_of_the_clock_does_not_begin_more_calls_than_there_are_lines() -> None:
    entries = [entry(HOURLY, NodeId(number.to_bytes(32))) for number in range(LINE_LIMIT_COUNT + 40)]
    plan = Plan(entries, NOON + 1)
    taken = plan.take_due(NOON + DAY, 1.0)
    assert len(taken) == LINE_LIMIT_COUNT
    assert plan.take_due(NOON + DAY + 1, 2.0) == []
    assert plan.wait_seconds(NOON + DAY + 1, 2.0) == LOOK_SECONDS, "no line is free, so nothing can be done"
    for one in taken[:30]:
        plan.end(one, NOON + DAY + 2, 3.0)
    assert len(plan.take_due(NOON + DAY + 2, 3.0)) == 30
