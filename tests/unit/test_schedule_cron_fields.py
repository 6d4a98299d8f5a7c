import pytest

from gateway.errors import ConfigError
from gateway.schedule.cron_fields import (
    HOUR,
    MINUTE,
    MONTH,
    YEAR,
    Field,
    read_month_days,
    read_values,
    read_week_days,
)


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (HOUR, "*", tuple(range(24))),
        (HOUR, "?", tuple(range(24))),
        (HOUR, "*/7", (0, 7, 14, 21)),
        (HOUR, "20/2", (20, 22)),
        (HOUR, "1-9/4", (1, 5, 9)),
        (HOUR, "3-3", (3,)),
        (HOUR, "07,3,,5,", (3, 5, 7)),
        (MINUTE, "1,*/30,1", (0, 1, 30)),
        (MONTH, "JAN-mar,December", (1, 2, 3, 12)),
        (MONTH, "november/1", (11, 12)),
        (YEAR, "2098/1,1970", (1970, 2098, 2099)),
    ],
)
def test_values_of_a_field(kind: Field, text: str, values: tuple[int, ...]) -> None:
    assert read_values(kind, text) == values


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        (MINUTE, "60", "minute field: '60' is not understood, allowed: 0 to 59"),
        (MINUTE, "001", "minute field: '001'"),
        (MINUTE, "-1", "minute field: '-1'"),
        (MINUTE, "\u0663", "minute field: "),
        (MINUTE, "1-2-3", "minute field: '1-2-3'"),
        (MINUTE, "?/5", "minute field: '\\?/5'"),
        (MINUTE, "*-5", "minute field: '\\*-5'"),
        (MINUTE, "*/5/2", "minute field"),
        (MINUTE, "*/0", "steps are 1 to 59 here"),
        (MINUTE, "1/60", "steps are 1 to 59 here"),
        (MINUTE, "5-3", "the range ends before it begins"),
        (MINUTE, "1,b", "minute field: 'b'"),
        (MINUTE, ",", "nothing in it"),
        (MONTH, "0", "month field: '0' .* allowed: 1 to 12 or JAN to DEC"),
        (MONTH, "sept", "month field: 'sept'"),
        (YEAR, "2100", "year field: '2100'"),
        (YEAR, "1969-1980", "year field: '1969-1980'"),
    ],
)
def test_entry_that_is_not_understood_is_told(kind: Field, text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        read_values(kind, text)


def test_special_forms_of_the_day_of_the_month() -> None:
    days = read_month_days("L,15w,LW,3-4")
    assert (days.is_any, days.is_last, days.is_last_workday) == (False, True, True)
    assert days.near_workdays == {15}
    assert days.days == {3, 4}
    assert read_month_days("5,*").is_any
    for text in ("l-3", "0w", "w", "32", "5l", "lww"):
        with pytest.raises(ConfigError, match="day-of-month field"):
            read_month_days(text)


def test_special_forms_of_the_day_of_the_week() -> None:
    days = read_week_days("friL,1#2,7#5,0l,3")
    assert not days.is_any
    assert days.days == {3}
    assert days.last == {5, 0}
    assert days.nth == {(1, 2), (0, 5)}
    assert read_week_days("?").is_any
    for text in ("l", "5#6", "5#0", "8", "8L", "#1", "1#", "6-1"):
        with pytest.raises(ConfigError, match="day-of-week field"):
            read_week_days(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("7", {0}),
        ("5-7", {5, 6, 0}),
        ("fri-sun", {5, 6, 0}),
        ("0-7", {0, 1, 2, 3, 4, 5, 6}),
        ("7-7", {0}),
        ("7-2", {0, 1, 2}),
        ("4/3", {4}),
        ("7/2", {0, 2, 4, 6}),
        ("*/6", {0, 6}),
    ],
)
def test_sunday_begins_and_ends_a_week(text: str, days: set[int]) -> None:
    assert read_week_days(text).days == days
