"""The fields of a cron expression: which values one names, and how they are spelled.

Contract: a field is a list of entries with commas between them; what an entry names is a set of
numbers, and for days also the special forms ``L``, ``LW``, ``15W``, ``5L`` and ``1#2``. A fault is
a ``ConfigError`` that names the field, the entry and what is allowed.

Spec: NNCP manual, Call configuration (cron).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from gateway.errors import ConfigError

SUNDAY, SATURDAY = 0, 6
WEEK_DAYS = 7

_ENTRY = re.compile(
    r"(?P<first>\*|\?|[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?(?:/(?P<step>[0-9]{1,9}))?", re.ASCII
)
_NEAREST_WORKDAY = re.compile(r"([0-9a-z]+?)w", re.ASCII)
_LAST_OF_MONTH = re.compile(r"([0-9a-z]+?)l", re.ASCII)
_NTH_OF_MONTH = re.compile(r"([0-9a-z]+)#([1-5])", re.ASCII)
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def _names(words: tuple[str, ...], first: int) -> dict[str, int]:
    numbered = list(enumerate(words, first))
    return {word: number for number, word in numbered} | {word[:3]: number for number, word in numbered}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an expression.

    Args:
        name: for errors.
        low: least value.
        high: greatest value.
        allowed: what errors say about it.
        names: spelled values.
        digits_count: most digits of a number.
    """

    name: str
    low: int
    high: int
    allowed: str
    names: Mapping[str, int] = field(default_factory=dict)
    digits_count: int = 2

    @property
    def values(self) -> tuple[int, ...]:
        """All its values."""
        return tuple(range(self.low, self.high + 1))

    def refuse(self, entry: str, problem: str = "") -> NoReturn:
        """Tell what is wrong with an entry.

        Raises:
            ConfigError: always.
        """
        detail = f" ({problem})" if problem else ""
        raise ConfigError(f"{self.name} field: {entry!r} is not understood{detail}, allowed: {self.allowed}")

    def number(self, text: str, entry: str) -> int:
        """Read one value, a number or a name.

        Raises:
            ConfigError: out of range or not known.
        """
        if text in self.names:
            return self.names[text]
        if not text.isdigit() or len(text) > self.digits_count or not self.low <= int(text) <= self.high:
            self.refuse(entry)
        return int(text)


_LISTS = ", with * or ?, ranges (1-5), steps (*/5, 2/5, 1-9/2) and commas"
SECOND = Field("second", 0, 59, f"0 to 59{_LISTS}")
MINUTE = Field("minute", 0, 59, f"0 to 59{_LISTS}")
HOUR = Field("hour", 0, 23, f"0 to 23{_LISTS}")
DAY = Field(
    "day-of-month", 1, 31, f"1 to 31{_LISTS}, L (last day), 15W (workday next to it), LW (last workday)"
)
MONTH = Field("month", 1, 12, f"1 to 12 or JAN to DEC{_LISTS}", _names(_MONTHS, 1))
WEEKDAY = Field(
    "day-of-week",
    0,
    7,
    f"0 to 7 (0 and 7 are Sunday) or SUN to SAT{_LISTS}, 5L (last Friday), 1#2 (second Monday)",
    _names(_DAYS, SUNDAY),
)
YEAR = Field("year", 1970, 2099, f"1970 to 2099{_LISTS}", digits_count=4)


@dataclass(frozen=True, slots=True)
class MonthDays:
    """What the field of the day of the month names.

    Args:
        is_any: it does not restrict the days.
        days: days by number; those that a month does not have are passed over.
        near_workdays: days whose nearest workday of the same month is meant.
        is_last: the last day of the month.
        is_last_workday: the last day that is neither Saturday nor Sunday.
    """

    is_any: bool
    days: frozenset[int]
    near_workdays: frozenset[int]
    is_last: bool
    is_last_workday: bool


@dataclass(frozen=True, slots=True)
class WeekDays:
    """What the field of the day of the week names; Sunday is 0.

    Args:
        is_any: it does not restrict the days.
        days: every such day.
        last: the last such day of the month.
        nth: pairs of day and number within the month, from 1.
    """

    is_any: bool
    days: frozenset[int]
    last: frozenset[int]
    nth: frozenset[tuple[int, int]]


def read_values(kind: Field, text: str) -> tuple[int, ...]:
    """Read a field without special forms.

    Raises:
        ConfigError: an entry is not understood.
    """
    found: set[int] = set()
    for entry in _entries(kind, text):
        found.update(_spread(kind, entry))
    return tuple(sorted(found))


def read_month_days(text: str) -> MonthDays:
    """Read the field of the day of the month.

    Raises:
        ConfigError: an entry is not understood.
    """
    days: set[int] = set()
    near: set[int] = set()
    entries = _entries(DAY, text)
    for entry in entries:
        workday = _NEAREST_WORKDAY.fullmatch(entry)
        if entry in {"l", "lw"}:
            continue
        if workday:
            near.add(DAY.number(workday[1], entry))
        else:
            days.update(_spread(DAY, entry))
    return MonthDays(_is_any(entries), frozenset(days), frozenset(near), "l" in entries, "lw" in entries)


def read_week_days(text: str) -> WeekDays:
    """Read the field of the day of the week.

    Raises:
        ConfigError: an entry is not understood.
    """
    days: set[int] = set()
    last: set[int] = set()
    nth: set[tuple[int, int]] = set()
    entries = _entries(WEEKDAY, text)
    for entry in entries:
        if found := _LAST_OF_MONTH.fullmatch(entry):
            last.add(WEEKDAY.number(found[1], entry) % WEEK_DAYS)
        elif found := _NTH_OF_MONTH.fullmatch(entry):
            nth.add((WEEKDAY.number(found[1], entry) % WEEK_DAYS, int(found[2])))
        else:
            days.update(day % WEEK_DAYS for day in _spread(WEEKDAY, entry))
    return WeekDays(_is_any(entries), frozenset(days), frozenset(last), frozenset(nth))


def _entries(kind: Field, text: str) -> list[str]:
    entries = [entry for entry in text.lower().split(",") if entry]
    if not entries:
        kind.refuse(text, "nothing in it")
    return entries


def _is_any(entries: list[str]) -> bool:
    return not {"*", "?"}.isdisjoint(entries)


def _spread(kind: Field, entry: str) -> range:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        kind.refuse(entry)
    first_text, last_text, step_text = found["first"], found["last"], found["step"]
    if first_text not in {"*", "?"}:
        last_text = last_text or (None if step_text is None else str(_last_of(kind)))
        first, last = _bounds(kind, entry, first_text, last_text or first_text)
    elif last_text is not None or (first_text == "?" and step_text is not None):
        kind.refuse(entry)
    else:
        first, last = kind.low, kind.high
    return range(first, last + 1, 1 if step_text is None else _step(kind, entry, step_text))


def _bounds(kind: Field, entry: str, first_text: str, last_text: str) -> tuple[int, int]:
    first, last = kind.number(first_text, entry), kind.number(last_text, entry)
    if kind is WEEKDAY and first_text != last_text:
        # Sunday begins a week as 0 and ends it as 7, whichever is written.
        first, last = first % WEEK_DAYS, last or WEEK_DAYS
    if first > last:
        kind.refuse(entry, "the range ends before it begins")
    return first, last


def _last_of(kind: Field) -> int:
    # 7 is only another name of 0.
    return SATURDAY if kind is WEEKDAY else kind.high


def _step(kind: Field, entry: str, text: str) -> int:
    step, most = int(text), _last_of(kind)
    if not 1 <= step <= most:
        kind.refuse(entry, f"steps are 1 to {most} here")
    return step
