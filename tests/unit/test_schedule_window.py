"""Windows of time, by what the clock on the wall says."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.schedule.window import parse_window, seconds_left, seconds_open, seconds_until_open

HOUR = 3600.0
MONDAY = datetime(2026, 11, 16)  # noqa: DTZ001 - what a clock on the wall says


def at(day: int, hours: float) -> datetime:
    """A time of the week; day 0 is Monday."""
    return MONDAY + timedelta(days=day, hours=hours)


@pytest.mark.parametrize(
    ("text", "moment", "open_hours", "left_hours", "until_hours"),
    [
        ("08:00-12:00", at(0, 9), 1, 3, 23),
        ("08:00-12:00", at(0, 8), 0, 4, 24),
        ("08:00-12:00", at(0, 12), None, 0, 20),
        ("08:00-12:00", at(0, 7.5), None, 0, 0.5),
        ("22:00-06:00", at(2, 1), 3, 5, 21),
        ("22:00-06:00", at(2, 23), 1, 7, 23),
        ("22:00-06:00", at(2, 6), None, 0, 16),
        ("Sat,Sun 00:00-24:00", at(4, 18), None, 0, 6),
        ("Sat,Sun 00:00-24:00", at(6, 12), 36, 12, 132),
        ("mon-FRI 22:00-06:00", at(5, 5), 7, 1, 65),
        ("Mon-Fri 22:00-06:00", at(6, 5), None, 0, 41),
        ("Sat-Mon 10:00-11:00", at(0, 10.5), 0.5, 0.5, 119.5),
    ],
)
def test_a_window_says_how_long_it_is_open_and_when_it_opens(
    text: str, moment: datetime, open_hours: float | None, left_hours: float, until_hours: float
) -> None:
    windows = [parse_window(text)]
    assert str(windows[0]) == text
    assert seconds_open(windows, moment) == (None if open_hours is None else open_hours * HOUR)
    assert seconds_left(windows, moment) == left_hours * HOUR
    assert seconds_until_open(windows, moment) == until_hours * HOUR


def test_windows_that_touch_are_one() -> None:
    windows = [parse_window("08:00-10:00"), parse_window("09:00-12:00"), parse_window("12:00-13:00")]
    assert seconds_open(windows, at(0, 12.5)) == 4.5 * HOUR
    assert seconds_left(windows, at(0, 8)) == 5 * HOUR


def test_what_is_always_open_was_open_for_days() -> None:
    seconds = seconds_open([parse_window("00:00-24:00")], at(3, 1))
    assert seconds is not None
    assert seconds > 7 * 24 * HOUR


def test_without_windows_none_ever_opens() -> None:
    assert seconds_open([], at(0, 0)) is None
    assert seconds_until_open([], at(0, 0)) == float("inf")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is no window"),
        ("8:00-9:00", "is no window"),
        ("08:00 - 09:00", "is no window"),
        ("08:00-08:00", "has no length"),
        ("24:00-08:00", "has no length"),
        ("08:60-09:00", "08:60 is no time"),
        ("08:00-24:01", "24:01 is no time"),
        ("Foo 08:00-09:00", "'foo' is no day"),
        ("Mon-Tue-Wed 08:00-09:00", "'mon-tue-wed' is no day"),
        ("Mon, 08:00-09:00", "'' is no day"),
        ("٠٨:00-09:00", "is no window"),
    ],
)
def test_what_is_no_window_is_named(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        parse_window(text)
    assert "allowed: windows such as" in str(caught.value)


MINUTES = st.integers(0, 24 * 60 - 1)


@given(st.lists(st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] != pair[1]), max_size=4), MINUTES)
def test_windows_agree_with_a_walk_minute_by_minute(pairs: list[tuple[int, int]], minute: int) -> None:
    windows = [
        parse_window(f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}") for begin, end in pairs
    ]

    def is_open(when: int) -> bool:
        return any((when - begin) % 1440 < (end - begin) % 1440 for begin, end in pairs)

    moment = at(3, minute / 60)
    assert (seconds_open(windows, moment) is not None) == is_open(minute % 1440)
    if is_open(minute) and not all(map(is_open, range(1440))):
        left = next(ahead for ahead in range(1, 1441) if not is_open(minute + ahead))
        assert seconds_left(windows, moment) == left * 60
