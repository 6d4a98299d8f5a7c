"""The dates of articles, and those of commands.

Contract: a text gives unix seconds or None, whatever the locale, and None for a day that no calendar has.

Spec: RFC 5322 sections 3.3 and 4.3; RFC 5536 section 3.1.1; RFC 3977 section 7.3.2.
"""

import functools
import re
from datetime import UTC, datetime

TEXT_LIMIT_CHARS = 300
"""A date is some 40 characters; comments may stand in it."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_ZONE_HOURS = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
"""Every other name of a zone counts as UTC: RFC 5322 section 4.3."""
_COMMENT = re.compile(r"\([^()]*\)")
_DATE = re.compile(
    r"(?:[a-z]{3,9}\s*,\s*|[a-z]{3}\s+)?(\d{1,2})\s+([a-z]{3})[a-z]{0,6}\s+(\d{2,4})\s+"
    r"(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s*([+-]\d{4}|[a-z]{1,5}(?:[+-]\d{1,4})?)?",
    re.ASCII,
)
_NNTP_DATE = re.compile(r"(\d{2}|\d{4})(\d{2})(\d{2})", re.ASCII)
_NNTP_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})", re.ASCII)
_CENTURY_YEARS = 100
_PIVOT_YEAR = 50
_LAST_HOUR, _LAST_MINUTE, _LAST_LEAP_SECOND = 23, 59, 60
_MAX_NESTED_COMMENTS = 4


def parse_date(text: str) -> float | None:
    """Read the date of a header field.

    Args:
        text: as RFC 5322 has it, with the old forms; a zone that is not known counts as UTC.

    Returns:
        Unix seconds, or None for no date.
    """
    if len(text) > TEXT_LIMIT_CHARS:
        return None
    for _ in range(_MAX_NESTED_COMMENTS):
        if "(" not in text:
            break
        text = _COMMENT.sub(" ", text)
    match = _DATE.fullmatch(text.strip().lower())
    if match is None:
        return None
    day, month, year, hour, minute, second, zone = match.groups("")
    midnight = _midnight(day, month, year)
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if midnight is None or hours > _LAST_HOUR or minutes > _LAST_MINUTE or seconds > _LAST_LEAP_SECOND:
        return None
    return midnight + 3600 * hours + 60 * minutes + seconds - _offset_seconds(zone)


def parse_command_date(date: str, time: str, now_seconds: float) -> float | None:
    """Read date and time of NEWGROUPS and NEWNEWS, in UTC.

    Args:
        date: ``yyyymmdd`` or ``yymmdd``.
        time: ``hhmmss``.
        now_seconds: unix seconds; the century of a short year is the one that makes it no later.

    Spec: RFC 3977 section 7.3.2.
    """
    day, moment = _NNTP_DATE.fullmatch(date), _NNTP_TIME.fullmatch(time)
    if day is None or moment is None:
        return None
    year = int(day[1])
    if len(day[1]) == 2:  # noqa: PLR2004 - digits of a short year
        this_year = datetime.fromtimestamp(now_seconds, UTC).year
        year += this_year - this_year % _CENTURY_YEARS
        year -= _CENTURY_YEARS if year > this_year else 0
    return _unix_seconds(year, int(day[2]), int(day[3]), *map(int, moment.groups()))


def command_date(unix_seconds: float) -> str:
    """What DATE answers: ``yyyymmddhhmmss`` in UTC."""
    moment = datetime.fromtimestamp(int(unix_seconds), UTC)
    return f"{moment.year:04}{moment:%m%d%H%M%S}"


@functools.lru_cache(maxsize=256)
def _midnight(day: str, month: str, year: str) -> float | None:
    # Articles that come together are of the same few days.
    if month not in _MONTHS:
        return None
    return _unix_seconds(_full_year(year), _MONTHS[month], int(day), 0, 0, 0)


def _full_year(digits: str) -> int:
    """RFC 5322 section 4.3."""
    year = int(digits)
    if len(digits) == 2:  # noqa: PLR2004 - digits of a short year
        return year + (2000 if year < _PIVOT_YEAR else 1900)
    return year + 1900 if len(digits) == 3 else year  # noqa: PLR2004 - years since 1900


def _unix_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    leap_second = second == _LAST_LEAP_SECOND
    try:
        moment = datetime(year, month, day, hour, minute, second - leap_second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() + leap_second


@functools.lru_cache(maxsize=256)
def _offset_seconds(zone: str) -> int:
    if zone[:1] in {"+", "-"}:
        minutes = int(zone[1:3]) * 60 + int(zone[3:])
        return -60 * minutes if zone[0] == "-" else 60 * minutes
    return _ZONE_HOURS.get(zone, 0) * 3600
