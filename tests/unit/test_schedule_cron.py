from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.schedule.cron import TEXT_LIMIT_CHARS, parse_cron

START = datetime.fromisoformat("2026-11-20T14:56:18.500")


def times(text: str, count: int = 3) -> list[str]:
    cron, moment = parse_cron(text), START
    found: list[str] = []
    for _ in range(count):
        following = cron.next_after(moment)
        if following is None:
            break
        moment = following
        found.append(f"{moment:%Y-%m-%d %H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("*/10 * * * *", ["2026-11-20 15:00:00", "2026-11-20 15:10:00", "2026-11-20 15:20:00"]),
        ("* * * * * * *", ["2026-11-20 14:56:19", "2026-11-20 14:56:20", "2026-11-20 14:56:21"]),
        ("0 0 1 1 * 2099", ["2099-01-01 00:00:00"]),
        ("0 0 30 2 *", []),
        ("0 0 1 1 * 1999", []),
        ("0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00", "2036-02-29 00:00:00"]),
        ("0 0 31W * *", ["2026-12-31 00:00:00", "2027-01-29 00:00:00", "2027-03-31 00:00:00"]),
        ("0 0 1W * *", ["2026-12-01 00:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
        ("0 0 1W 5,8 *", ["2027-05-03 00:00:00", "2027-08-02 00:00:00", "2028-05-01 00:00:00"]),
        ("0 0 LW * *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00", "2027-01-29 00:00:00"]),
        ("0 0 LW 2 *", ["2027-02-26 00:00:00", "2028-02-29 00:00:00", "2029-02-28 00:00:00"]),
        ("0 0 L * *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00", "2027-01-31 00:00:00"]),
        ("0 0 * * 5L", ["2026-11-27 00:00:00", "2026-12-25 00:00:00", "2027-01-29 00:00:00"]),
        ("0 0 * * 1#5", ["2026-11-30 00:00:00", "2027-03-29 00:00:00", "2027-05-31 00:00:00"]),
        ("0 0 25 * MON", ["2026-11-23 00:00:00", "2026-11-25 00:00:00", "2026-11-30 00:00:00"]),
        ("0 0 25 * ?", ["2026-11-25 00:00:00", "2026-12-25 00:00:00", "2027-01-25 00:00:00"]),
        ("30 15 14 20 11 * *", ["2027-11-20 14:15:30", "2028-11-20 14:15:30", "2029-11-20 14:15:30"]),
        ("@hourly", ["2026-11-20 15:00:00", "2026-11-20 16:00:00", "2026-11-20 17:00:00"]),
        (" @daily x", ["2026-11-21 00:00:00", "2026-11-22 00:00:00", "2026-11-23 00:00:00"]),
        ("@weekly", ["2026-11-22 00:00:00", "2026-11-29 00:00:00", "2026-12-06 00:00:00"]),
        ("@monthly", ["2026-12-01 00:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
        ("@yearly", ["2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00"]),
        ("@annually", ["2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00"]),
        ("0 1 2 3 4 THU 2027 more", ["2027-04-01 02:01:00", "2027-04-03 02:01:00", "2027-04-08 02:01:00"]),
    ],
)
def test_next_times(text: str, found: list[str]) -> None:
    assert times(text) == found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", r"missing field\(s\)"),
        ("* * * *", r"missing field\(s\)"),
        ("@reboot", "'@reboot' is not known, allowed: @yearly"),
        ("@Daily", "'@Daily' is not known"),
        ("* 24 * * *", "hour field: '24'"),
        ("60 * * * * * *", "second field: '60'"),
        ("*," * TEXT_LIMIT_CHARS, "characters, allowed: 1024"),
    ],
)
def test_fault_is_told(text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        parse_cron(text)


@given(st.text(alphabet="0123456789*/,-?#LWlwTUE @", max_size=40))
def test_garbage_is_refused_or_has_later_times(text: str) -> None:
    try:
        cron = parse_cron(text)
    except ConfigError:
        return
    found = cron.next_after(START)
    assert found is None or found > START


ENTRIES = st.sampled_from(["*", "*/7", "5", "1-4", "0,2"])
DAYS = st.sampled_from(["*", "L", "LW", "15W", "5", "29-31"])
WEEKDAYS = st.sampled_from(["*", "MON", "5L", "2#3", "6,0"])


@given(ENTRIES, DAYS, WEEKDAYS, st.integers(0, 200 * 24 * 60))
def test_no_time_lies_between_a_moment_and_the_next_one(
    hour: str, day: str, weekday: str, offset_minutes: int
) -> None:
    cron = parse_cron(f"0 {hour} {day} * {weekday}")
    moment = START + timedelta(minutes=offset_minutes)
    found = cron.next_after(moment)
    assert found is not None
    assert cron.next_after(found - timedelta(seconds=1)) == found
    between = moment + (found - moment) / 2
    assert cron.next_after(between) == found
