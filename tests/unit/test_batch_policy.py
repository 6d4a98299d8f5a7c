"""Which lane a message waits in, and when a lane is closed."""

from datetime import datetime, timedelta

import pytest

from gateway.batch.policy import (
    WINDOW_END_SECONDS,
    LanePolicy,
    Niceness,
    is_closable,
    seconds_until_closable,
)
from gateway.msgqueue.entry import Form, Lane, LaneFigures
from gateway.routing.urgency import Urgency
from gateway.schedule.window import parse_window
from tests.support.messages import NODE_B

SMALL, LARGE = 1000, 1 << 20
NOON = datetime(2026, 11, 16, 12)  # noqa: DTZ001 - a Monday, on the wall
HOUR = 3600.0
NIGHT = LanePolicy(form=Form.BSMTP, windows=(parse_window("22:00-06:00"),), max_age_seconds=60.0)


def figures(
    *, age: float = 0.0, flush: float | None = None, largest: int = SMALL, count: int = 1
) -> LaneFigures:
    """What waits in a lane."""
    return LaneFigures(Lane(NODE_B, 96), count, largest, age, flush, largest)


@pytest.mark.parametrize(
    ("normal", "expected"),
    [
        (96, (64, 96, 160, 96, 192, 192)),
        (32, (32, 32, 160, 32, 192, 192)),
        (224, (64, 224, 224, 224, 224, 224)),
    ],
)
def test_niceness_follows_urgency_and_size_and_never_turns_their_order(
    normal: int, expected: tuple[int, ...]
) -> None:
    nice = Niceness(normal)
    found = [nice.of(urgency, size) for size in (SMALL, LARGE) for urgency in Urgency]
    assert tuple(found) == expected
    assert (
        tuple(Niceness().of(urgency, size, normal) for size in (SMALL, LARGE) for urgency in Urgency)
        == expected
    )


def test_a_message_is_large_from_the_limit_on() -> None:
    nice = Niceness(large_bytes=500)
    assert [nice.of(Urgency.NORMAL, size) for size in (499, 500)] == [96, 192]


def test_a_large_message_does_not_wait_for_company_it_will_not_have() -> None:
    policy = LanePolicy(form=Form.BSMTP)
    assert is_closable(figures(largest=LARGE - 1), LanePolicy(form=Form.BSMTP, max_bytes=1 << 30), NOON)
    assert not is_closable(figures(), policy, NOON)


@pytest.mark.parametrize("enough", [{"count": 1000}, {"largest": 5000}])
@pytest.mark.parametrize(("max_age", "burst"), [(60.0, 2.0), (3600.0, 2.0), (0.3, 0.01), (0.0, 0.0)])
def test_a_burst_is_taken_in_before_it_is_packed(
    enough: dict[str, int], max_age: float, burst: float
) -> None:
    policy = LanePolicy(form=Form.BSMTP, max_bytes=5000, max_age_seconds=max_age)
    assert is_closable(figures(age=burst, **enough), policy, NOON)
    early = figures(age=burst / 4, **enough)
    assert is_closable(early, policy, NOON) == (burst == 0)
    assert seconds_until_closable(early, policy, NOON) == pytest.approx(burst * 3 / 4)
    assert is_closable(figures(flush=0.0, **enough), policy, NOON)


@pytest.mark.parametrize("form", [Form.BSMTP, Form.SENDMAIL])
@pytest.mark.parametrize("wait", [{"age": 1e6}, {"largest": LARGE}, {"count": 5000}])
def test_outside_its_windows_a_lane_is_closed_by_flushes_alone(form: Form, wait: dict[str, int]) -> None:
    policy = LanePolicy(form=form, windows=NIGHT.windows)
    assert not is_closable(figures(**wait), policy, NOON)
    assert is_closable(figures(flush=0.0, **wait), policy, NOON)
    assert seconds_until_closable(figures(**wait), policy, NOON) == 10 * HOUR
    assert seconds_until_closable(figures(flush=7.0, **wait), policy, NOON) == 7.0


def test_what_waited_is_closed_when_a_window_opens_and_what_comes_then_as_ever() -> None:
    opening = NOON + timedelta(hours=10)
    patient = LanePolicy(form=Form.BSMTP, windows=NIGHT.windows, max_age_seconds=1e6)
    assert is_closable(figures(age=1.0), patient, opening)
    later = opening + timedelta(seconds=30)
    assert is_closable(figures(age=31.0), patient, later)
    assert not is_closable(figures(age=29.0), patient, later)
    assert not is_closable(figures(age=29.0), NIGHT, later)
    assert seconds_until_closable(figures(age=29.0), NIGHT, later) == 31.0
    assert is_closable(figures(age=60.0), NIGHT, later + timedelta(hours=1))


def test_a_wait_that_outlasts_the_window_ends_when_the_next_one_opens() -> None:
    early = NOON.replace(hour=5, minute=59, second=30)
    assert seconds_until_closable(figures(age=5.0), NIGHT, early) == 16 * HOUR + 30
    assert seconds_until_closable(figures(age=45.0), NIGHT, early) == 15.0


@pytest.mark.parametrize("left", [0.001, 1.0, 2.5, 12.5, 60.0])
@pytest.mark.parametrize("age", [0.0, 1.0, 1.999])
def test_no_burst_outlasts_a_window(age: float, left: float) -> None:
    moment = NOON.replace(hour=6) - timedelta(seconds=left)
    full = figures(age=age, count=1000)
    wait_seconds = seconds_until_closable(full, NIGHT, moment)
    assert wait_seconds == (0.0 if left <= WINDOW_END_SECONDS else NIGHT.burst_seconds - age)
    assert wait_seconds < left
    assert is_closable(full, NIGHT, moment) == (left <= WINDOW_END_SECONDS)
    assert not is_closable(figures(age=age, count=999), NIGHT, moment)


def test_nothing_is_closed_for_a_neighbour_out_of_service() -> None:
    policy = LanePolicy(is_in_service=False)
    assert not is_closable(figures(age=1e9, flush=0.0), policy, NOON)
    assert seconds_until_closable(figures(age=1e9, flush=0.0), policy, NOON) == float("inf")
