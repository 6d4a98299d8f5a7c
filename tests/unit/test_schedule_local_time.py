import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.schedule.cron import parse_cron
from gateway.schedule.local_time import next_instant


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A rule instead of a name: a bare system has no table of zones.
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def instants(text: str, start: str, count: int) -> list[str]:
    cron, moment = parse_cron(text), datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    found: list[str] = []
    for _ in range(count):
        following = next_instant(cron, moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(f"{datetime.fromtimestamp(moment, UTC):%d %H:%M}")
    return found


def test_wall_clock_of_the_zone_counts(berlin: None) -> None:
    assert instants("0 6 * * *", "2027-01-10T05:00:00", 2) == ["11 05:00", "12 05:00"]


def test_time_in_the_gap_of_spring_comes_behind_it(berlin: None) -> None:
    assert instants("30 2 * * *", "2027-03-27T12:00:00", 2) == ["28 01:30", "29 00:30"]
    assert instants("*/30 1-3 * * *", "2027-03-27T23:59:00", 5) == [
        "28 00:00", "28 00:30", "28 01:00", "28 01:30", "28 23:00",
    ]  # fmt: skip


def test_time_that_autumn_brings_twice_comes_once(berlin: None) -> None:
    assert instants("30 2 * * *", "2027-10-30T12:00:00", 2) == ["31 00:30", "01 01:30"]


def test_within_the_second_hour_of_autumn_time_goes_on(berlin: None) -> None:
    assert instants("*/30 * * * *", "2027-10-31T01:10:00", 3) == ["31 01:30", "31 02:00", "31 02:30"]


def test_end_of_all_times() -> None:
    assert next_instant(parse_cron("0 0 1 1 * 1999"), 1e9) is None
