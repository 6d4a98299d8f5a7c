"""Cron expressions as NNCP's calls use them, and the times they name.

Contract: an expression is read once and then asked for the next time after a given one, in the
wall clock of wherever it runs. It never looks at a clock itself.

Five fields are minute, hour, day of month, month, day of week; a sixth is the year; with seven the
first is the second. If both kinds of day are restricted, a day that fits either is meant.

Spec: NNCP manual, Call configuration (cron).
"""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from gateway.errors import ConfigError
from gateway.schedule.cron_fields import (
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEK_DAYS,
    YEAR,
    MonthDays,
    WeekDays,
    read_month_days,
    read_values,
    read_week_days,
)

TEXT_LIMIT_CHARS = 1024
"""No sensible expression is longer; some fields unfold to many values."""

FIVE, SIX, SEVEN = 5, 6, 7
_NAMES: Mapping[str, str] = {
    "@yearly": "0 0 0 1 1 * *",
    "@annually": "0 0 0 1 1 * *",
    "@monthly": "0 0 0 1 * * *",
    "@weekly": "0 0 0 * * 0 *",
    "@daily": "0 0 0 * * * *",
    "@hourly": "0 0 * * * * *",
}
_MONDAY_OF_PYTHON = 1
"""Python's weeks begin with Monday as 0, cron's with Sunday."""
_SATURDAY = 6


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that was read.

    Args:
        seconds, minutes, hours: times of a day, each sorted.
        month_days: by the day of the month.
        months: 1 to 12, sorted.
        week_days: by the day of the week.
        years: 1970 to 2099, sorted.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_days: MonthDays
    months: tuple[int, ...]
    week_days: WeekDays
    years: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after a moment.

        Args:
            moment: without a time zone: what the clock on the wall says.

        Returns:
            A time of the same clock, in whole seconds; None: it never comes again.
        """
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start.date()):
            found = self._time_from(start.time() if day == start.date() else time.min)
            if found is not None:
                return datetime.combine(day, found)
        return None

    def _days_from(self, start: date) -> Iterator[date]:
        for year in self.years:
            for month in self.months:
                if (year, month) >= (start.year, start.month):
                    for number in self._days_of(year, month):
                        day = date(year, month, number)
                        if day >= start:
                            yield day

    def _days_of(self, year: int, month: int) -> list[int]:
        """The days of one month that are meant, sorted."""
        first, count = calendar.monthrange(year, month)
        first = (first + _MONDAY_OF_PYTHON) % WEEK_DAYS
        if self.month_days.is_any and self.week_days.is_any:
            return list(range(1, count + 1))
        found: set[int] = set()
        if not self.month_days.is_any:
            found |= _of_month(self.month_days, first, count)
        if not self.week_days.is_any:
            found |= _of_week(self.week_days, first, count)
        return sorted(found)

    def _time_from(self, start: time) -> time | None:
        """The first time of a day that is not before ``start``."""
        for hour in self.hours:
            if hour < start.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in self.seconds:
                    found = time(hour, minute, second)
                    if found >= start:
                        return found
        return None


def parse_cron(text: str) -> Cron:
    """Read an expression.

    Args:
        text: 5 to 7 fields, or a name such as ``@daily``; what follows is passed over.

    Raises:
        ConfigError: a field is missing or not understood.
    """
    if len(text) > TEXT_LIMIT_CHARS:
        raise ConfigError(f"{len(text)} characters, allowed: {TEXT_LIMIT_CHARS}")
    fields = text.split()
    if fields and fields[0].startswith("@"):
        if fields[0] not in _NAMES:
            raise ConfigError(f"{fields[0]!r} is not known, allowed: {', '.join(_NAMES)}")
        fields = _NAMES[fields[0]].split()
    if len(fields) < FIVE:
        raise ConfigError(
            "missing field(s), allowed: minute, hour, day of month, month, day of week, behind them the year,"
            " and with that the second in front"
        )
    second = fields.pop(0) if len(fields) >= SEVEN else "0"
    minute, hour, month_day, month, week_day = fields[:FIVE]
    return Cron(
        seconds=read_values(SECOND, second),
        minutes=read_values(MINUTE, minute),
        hours=read_values(HOUR, hour),
        month_days=read_month_days(month_day),
        months=read_values(MONTH, month),
        week_days=read_week_days(week_day),
        years=read_values(YEAR, fields[FIVE]) if len(fields) >= SIX else YEAR.values,
    )


def _of_month(wanted: MonthDays, first: int, count: int) -> set[int]:
    """Days by number; the month begins on weekday ``first`` and has ``count`` days."""
    found = {day for day in wanted.days if day <= count}
    found |= {_workday_near(day, first, count) for day in wanted.near_workdays if day <= count}
    if wanted.is_last:
        found.add(count)
    if wanted.is_last_workday:
        found.add(_workday_near(count, first, count))
    return found


def _workday_near(day: int, first: int, count: int) -> int:
    """The nearest day from Monday to Friday within the month."""
    weekday = (first + day - 1) % WEEK_DAYS
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < count else day - 2
    return day


def _of_week(wanted: WeekDays, first: int, count: int) -> set[int]:
    """Days by weekday; the month begins on weekday ``first`` and has ``count`` days."""
    weekday_of = {day: (first + day - 1) % WEEK_DAYS for day in range(1, count + 1)}
    return {
        day
        for day, weekday in weekday_of.items()
        if weekday in wanted.days
        or (weekday in wanted.last and day + WEEK_DAYS > count)
        or (weekday, (day + WEEK_DAYS - 1) // WEEK_DAYS) in wanted.nth
    }
