"""Times of the day, on some days of the week, within which something may happen.

A window is ``22:00-06:00``, or with days in front ``Mon-Fri 22:00-06:00``, ``Sat,Sun 00:00-24:00``. One that
ends before it begins ends on the day after; its days are those on which it begins.

Contract: like ``cron``, it is told what the clock on the wall says and never looks at one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gateway.errors import ConfigError

ALLOWED = 'windows such as "22:00-06:00" or "Mon-Fri,Sun 12:30-14:00"'
DAY_MINUTES = 24 * 60
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As ``datetime.weekday`` counts them."""

_WINDOW = re.compile(r"(?:(?P<days>[A-Za-z,-]+) +)?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)", re.ASCII)
_WEEK = len(DAYS)


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the day, every week again.

    Args:
        days: on which it begins, 0 is Monday.
        begin_minutes: after midnight, below a day.
        length_minutes: 1 to a whole day.
        text: as it was written.
    """

    days: frozenset[int]
    begin_minutes: int
    length_minutes: int
    text: str

    def __str__(self) -> str:
        return self.text


def parse_window(text: str) -> Window:
    """Read a window.

    Args:
        text: as it stands in a configuration.

    Raises:
        ConfigError: it is none.
    """
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is no window; allowed: {ALLOWED}")
    begin, end = _minutes(found["begin"], text), _minutes(found["end"], text)
    if begin in (DAY_MINUTES, end):
        raise ConfigError(f"{text!r} has no length; allowed: {ALLOWED}")
    return Window(_days(found["days"], text), begin, (end - begin) % DAY_MINUTES or DAY_MINUTES, text)


def seconds_open(windows: Iterable[Window], moment: datetime) -> float | None:
    """How long at least one of some windows has been open without a break.

    Args:
        windows: any number.
        moment: what the clock on the wall says, without a time zone.

    Returns:
        None: none is open.
    """
    stretches = _stretches(windows, moment)
    return next(((moment - begin).total_seconds() for begin, end in stretches if begin <= moment < end), None)


def seconds_left(windows: Iterable[Window], moment: datetime) -> float:
    """How long they stay open without a break; 0: none is open."""
    stretches = _stretches(windows, moment)
    return next(((end - moment).total_seconds() for begin, end in stretches if begin <= moment < end), 0.0)


def seconds_until_open(windows: Iterable[Window], moment: datetime) -> float:
    """How long until one opens that is not open now; without windows for ever."""
    begins = (begin for begin, _ in _stretches(windows, moment) if begin > moment)
    return next(((begin - moment).total_seconds() for begin in begins), float("inf"))


def _stretches(windows: Iterable[Window], moment: datetime) -> Sequence[tuple[datetime, datetime]]:
    """When some window is open, from a week before to a week after, in order; what touches is joined."""
    midnight = datetime.combine(moment.date(), time.min)
    spans = sorted(
        (begin, begin + timedelta(minutes=window.length_minutes))
        for window in windows
        for day in (midnight + timedelta(days=number) for number in range(-_WEEK, _WEEK + 1))
        if day.weekday() in window.days
        for begin in (day + timedelta(minutes=window.begin_minutes),)
    )
    joined: list[tuple[datetime, datetime]] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _minutes(text: str, window: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    total = 60 * hours + minutes
    if minutes >= 60 or total > DAY_MINUTES:  # noqa: PLR2004 - of an hour
        raise ConfigError(f"{window!r}: {text} is no time of a day; allowed: {ALLOWED}")
    return total


def _days(text: str | None, window: str) -> frozenset[int]:
    if text is None:
        return frozenset(range(_WEEK))
    found: set[int] = set()
    for entry in text.lower().split(","):
        names = entry.split("-")
        if len(names) > 2 or not set(names) <= set(DAYS):  # noqa: PLR2004 - a day, or two with a dash
            raise ConfigError(f"{window!r}: {entry!r} is no day; allowed: {ALLOWED}")
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found.update(day % _WEEK for day in range(first, first + (last - first) % _WEEK + 1))
    return frozenset(found)
