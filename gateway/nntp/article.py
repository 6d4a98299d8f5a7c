"""What the header section of an article says, and whether the article may be passed on.

Contract: ``read_article`` gives an ``Article``, or a ``Rejection`` that is for good: trying again with the
same bytes gives the same. An article is whole, with CRLF line ends; nothing here changes a byte of it.
Lines of any length are taken, as INN takes them; the limits are those of the header section.

Spec: RFC 5536 sections 2.2 and 3; RFC 5537 sections 3.6 and 3.7.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from gateway.errors import MessageError
from gateway.message.lines import find_stray
from gateway.nntp.dates import parse_date
from gateway.nntp.wildmat import is_newsgroup_name

ARTICLE_LIMIT_BYTES = 1_000_000
"""INN's own default (maxartsize)."""
HEADER_LIMIT_BYTES = 64 * 1024
FIELD_LIMIT_BYTES = 32 * 1024
"""A field with its lines; Path, References and Newsgroups are the long ones."""
NEWSGROUP_LIMIT_COUNT = 200
MESSAGE_ID_LIMIT_BYTES = 250
"""RFC 3977 section 3.6."""
FUTURE_LIMIT_SECONDS = 24 * 3600.0
"""RFC 5537 section 3.6."""
REMEMBERED_BYTES = 200
"""Of a Newsgroups field: most are one of a few short ones."""
SHOWN_BYTES = 80

MANDATORY_FIELDS = ("From", "Date", "Newsgroups", "Subject", "Message-ID", "Path")
"""RFC 5536 section 3.1."""
_MANDATORY_KEYS = {name.lower().encode("ascii"): name for name in MANDATORY_FIELDS}
_LONE_FIELDS = frozenset(
    name.lower().encode("ascii")
    for name in (
        *MANDATORY_FIELDS,
        *("Approved", "Control", "Distribution", "Expires", "Followup-To", "Injection-Date"),
        *("Injection-Info", "References", "Supersedes"),
    )
)
"""Two of them would mean two things; of the other fields real articles have two at times."""

_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@(?:[!-;=?A-Z^-~]+|\[[!-;=?-Z^-~]*\])>")
_BLANKS = b" \t\r\n"
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_FOLD = re.compile(rb"\r?\n([ \t])")
_FIELDS = re.compile(rb"(?:[!-9;-~]++:(?=[ \t\r])[^\r]*+(?:\r\n[ \t][^\r]*+)*+\r\n)*+")
_FIELD = re.compile(rb"([!-9;-~]++):(?=[ \t\r])([^\r]*+(?:\r\n[ \t][^\r]*+)*+)\r\n")


class Reason(StrEnum):
    """Why an article is not taken."""

    TOO_LARGE = "too large"
    NUL = "NUL"
    BARE_CR = "bare CR"
    BARE_LF = "bare LF"
    NO_BODY = "no body"
    BAD_HEADER = "bad header"
    HEADER_TOO_LARGE = "header too large"
    MISSING = "missing field"
    DUPLICATE_FIELD = "duplicate field"
    BAD_MESSAGE_ID = "bad Message-ID"
    WRONG_MESSAGE_ID = "wrong Message-ID"
    BAD_NEWSGROUPS = "bad Newsgroups"
    BAD_DATE = "bad Date"
    FUTURE = "date in the future"
    TOO_OLD = "too old"
    NOT_ALLOWED = "field not allowed"
    UNKNOWN_GROUP = "no such group"
    UNAPPROVED = "not approved"


_STRAYS = {"NUL": Reason.NUL, "bare CR": Reason.BARE_CR, "bare LF": Reason.BARE_LF}


@dataclass(frozen=True, slots=True)
class Rejection:
    """An article is not taken, now or later.

    Args:
        reason: for figures and decisions.
        text: one printable line, for the answer and the log.
    """

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class ArticleLimits:
    """What is taken before an article is refused.

    Args:
        article_bytes: the whole article.
        header_bytes: its header section.
        field_bytes: one field with the lines it goes on in.
        newsgroup_count: names in Newsgroups.
    """

    article_bytes: int = ARTICLE_LIMIT_BYTES
    header_bytes: int = HEADER_LIMIT_BYTES
    field_bytes: int = FIELD_LIMIT_BYTES
    newsgroup_count: int = NEWSGROUP_LIMIT_COUNT


class Article(NamedTuple):
    """What is read of an article.

    Args:
        message_id: with its angle brackets.
        newsgroups: the names, each once, as they stand.
        path: value of Path.
        date_seconds: Date, in unix seconds.
        injection_seconds: Injection-Date, or None if there is none.
        distributions: of Distribution; none: everywhere.
        control: value of Control: a control message; or None.
        is_approved: there is an Approved field.
        has_xref: there is an Xref field.
        size_bytes: of the whole article.
        header_bytes: of the header section without the empty line.
    """

    message_id: str
    newsgroups: tuple[str, ...]
    path: str
    date_seconds: float
    injection_seconds: float | None
    distributions: tuple[str, ...]
    control: str | None
    is_approved: bool
    has_xref: bool
    size_bytes: int
    header_bytes: int

    @property
    def posted_seconds(self) -> float:
        """The moment that counts for its age, in unix seconds: RFC 5537 section 3.6."""
        return self.date_seconds if self.injection_seconds is None else self.injection_seconds


@dataclass(frozen=True, slots=True)
class Field:
    """A header field.

    Args:
        name: in lower case.
        raw: the whole field, its line ends with it.
    """

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What it says, unfolded, without the blanks around."""
        return unfolded(self.raw[len(self.name) + 1 :])


class _Unacceptable(MessageError):
    """Carries a rejection out of the steps of ``read_article``; never leaves this module."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.rejection = Rejection(reason, text)


def unfolded(raw: bytes) -> bytes:
    """A value as one line, without the blanks around."""
    value = raw.strip(_BLANKS)
    # Each fold keeps its blank; only the line end goes: RFC 5322 section 2.2.3.
    return _FOLD.sub(rb"\1", value) if b"\n" in value else value


def read_article(
    data: bytes,
    limits: ArticleLimits | None = None,
    *,
    message_id: str | None = None,
    is_made_here: bool = False,
) -> Article | Rejection:
    """Check an article and read what decides where it goes.

    Args:
        data: the whole article, CRLF line ends.
        limits: what is taken.
        message_id: what the peer said that it would send; None: it said nothing.
        is_made_here: its line ends were made by ``lf_to_crlf``, so that they need no look.

    Spec: RFC 5536 section 3.1; RFC 5537 section 3.6.
    """
    limits = limits or ArticleLimits()
    try:
        header = _header(data, limits, is_made_here=is_made_here)
        fields = _fields_of(header, limits)
        return _article(fields, len(data), len(header), limits, message_id)
    except _Unacceptable as fault:
        return fault.rejection


def age_rejection(article: Article, now_seconds: float, *, max_age_seconds: float | None) -> Rejection | None:
    """Refuse an article that history may have forgotten, or one from the future.

    Not to be asked while the clock may be wrong.

    Args:
        article: which.
        now_seconds: unix seconds.
        max_age_seconds: articles posted earlier are refused; None: none is.

    Spec: RFC 5537 section 3.6, steps 2 and 3.
    """
    age_seconds = now_seconds - article.posted_seconds
    if age_seconds < -FUTURE_LIMIT_SECONDS:
        return Rejection(Reason.FUTURE, "its date is more than a day in the future")
    if max_age_seconds is not None and age_seconds > max_age_seconds:
        days = f"{age_seconds / 86400:.0f} days old, more than {max_age_seconds / 86400:g}"
        return Rejection(Reason.TOO_OLD, days)
    return None


def is_message_id(text: str) -> bool:
    """Whether a text is a Message-ID with its angle brackets.

    As peers take them: two dots in a row and a dot in front of the ``@`` are in use.

    Spec: RFC 5536 section 3.1.3; RFC 3977 section 3.6.
    """
    return len(text) <= MESSAGE_ID_LIMIT_BYTES and _MESSAGE_ID.fullmatch(text) is not None


def header_end(data: bytes) -> int:
    """Where the empty line behind the header section is; the end, if there is none.

    Args:
        data: an article, or its header section; CRLF line ends.
    """
    if data.startswith(b"\r\n"):
        return 0
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 2


def header_fields(data: bytes) -> Iterator[Field]:
    """The fields of a header section, as far as it is one.

    Args:
        data: an article, or its header section; CRLF line ends.
    """
    for raw in _split(data[: header_end(data)]):
        name, colon, _ = raw.partition(b":")
        if colon and _FIELD_NAME.fullmatch(name):
            yield Field(name.lower(), raw)


def field_value(data: bytes, name: str) -> bytes | None:
    """What the first field of a name says, unfolded; None if there is none.

    Args:
        data: an article, or its header section.
        name: in any case.
    """
    wanted = name.lower().encode("ascii", "replace")
    return next((field.value for field in header_fields(data) if field.name == wanted), None)


def shown(value: bytes, limit_bytes: int = SHOWN_BYTES) -> str:
    """A value for a text of one printable line, cut."""
    text = value[:limit_bytes].decode("utf-8", "replace")
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def split_names(value: bytes) -> tuple[str, ...]:
    """The names of a list between commas, each once, in their order."""
    text = value.decode("utf-8", "replace")
    return tuple(dict.fromkeys(name for word in text.split(",") if (name := word.strip())))


def _header(data: bytes, limits: ArticleLimits, *, is_made_here: bool) -> bytes:
    if len(data) > limits.article_bytes:
        raise _Unacceptable(Reason.TOO_LARGE, f"{len(data)} bytes; allowed: {limits.article_bytes}")
    if not is_made_here and (stray := find_stray(data)) is not None:
        raise _Unacceptable(_STRAYS[stray[0]], f"{stray[0]} at offset {stray[1]}")
    end = header_end(data)
    if end == len(data):
        raise _Unacceptable(Reason.NO_BODY, "no empty line behind the header")
    if end > limits.header_bytes:
        text = f"a header of {end} bytes; allowed: {limits.header_bytes}"
        raise _Unacceptable(Reason.HEADER_TOO_LARGE, text)
    return data[:end]


def _split(header: bytes) -> Iterator[bytes]:
    """The fields with all their lines."""
    lines: list[bytes] = []
    for line in header.splitlines(keepends=True):
        if line[:1] not in {b" ", b"\t"} and lines:
            yield b"".join(lines)
            lines = []
        lines.append(line)
    if lines:
        yield b"".join(lines)


def _fields_of(header: bytes, limits: ArticleLimits) -> dict[bytes, bytes]:
    """The values by name in lower case, unfolded where the field may stand once; every field is looked at."""
    fields = _FIELD.findall(header)
    # Each has its colon and line end besides: what is more is no field.
    if len(b"".join(chain.from_iterable(fields))) + 3 * len(fields) < len(header):
        sound = _FIELDS.match(header)
        line = header[0 if sound is None else sound.end() :].partition(b"\r\n")[0]
        raise _Unacceptable(Reason.BAD_HEADER, f"not a header field: {shown(line)!r}")
    if len(header) > limits.field_bytes:
        _check_sizes(fields, limits.field_bytes)
    found = {name.lower(): value.strip(_BLANKS) for name, value in fields}
    if len(found) < len(fields):
        _check_lone(fields)
    if len(fields) < header.count(b"\n"):
        for name in _LONE_FIELDS & found.keys():
            found[name] = unfolded(found[name])
    return found


def _check_sizes(fields: Iterable[tuple[bytes, bytes]], limit_bytes: int) -> None:
    for name, value in fields:
        if len(value) > limit_bytes:
            text = f"a {shown(name)} field of {len(value)} bytes; allowed: {limit_bytes}"
            raise _Unacceptable(Reason.HEADER_TOO_LARGE, text)


def _check_lone(fields: Iterable[tuple[bytes, bytes]]) -> None:
    found: set[bytes] = set()
    for name, _ in fields:
        key = name.lower()
        if key in _LONE_FIELDS and key in found:
            raise _Unacceptable(Reason.DUPLICATE_FIELD, f"two {shown(name)} fields")
        found.add(key)


def _article(
    fields: dict[bytes, bytes],
    size_bytes: int,
    header_bytes: int,
    limits: ArticleLimits,
    announced: str | None,
) -> Article:
    if not all(map(fields.get, _MANDATORY_KEYS)):
        name = next(name for key, name in _MANDATORY_KEYS.items() if not fields.get(key))
        raise _Unacceptable(Reason.MISSING, f"no {name} field")
    control = fields.get(b"control")
    # By their order: one of each is made for every article, and names cost as much as the rest of it.
    return Article(
        _message_id(fields[b"message-id"], announced),
        _newsgroups(fields[b"newsgroups"], limits),
        fields[b"path"].decode("utf-8", "replace"),
        _date("Date", fields[b"date"]),
        _injection_date(fields),
        split_names(fields[b"distribution"]) if b"distribution" in fields else (),
        None if control is None else control.decode("utf-8", "replace"),
        bool(fields.get(b"approved")),
        b"xref" in fields,
        size_bytes,
        header_bytes,
    )


def _message_id(value: bytes, announced: str | None) -> str:
    text = value.decode("utf-8", "replace")
    if not is_message_id(text):
        raise _Unacceptable(Reason.BAD_MESSAGE_ID, f"bad Message-ID {shown(value)!r}")
    if announced is not None and announced != text:
        raise _Unacceptable(Reason.WRONG_MESSAGE_ID, f"its Message-ID is {shown(value)}")
    return text


def _newsgroups(value: bytes, limits: ArticleLimits) -> tuple[str, ...]:
    count, sound = _sound_names(value) if len(value) <= REMEMBERED_BYTES else _find_sound_names(value)
    if count > limits.newsgroup_count:
        text = f"{count} names in Newsgroups; allowed: {limits.newsgroup_count}"
        raise _Unacceptable(Reason.BAD_NEWSGROUPS, text)
    if not sound:
        raise _Unacceptable(Reason.BAD_NEWSGROUPS, f"no newsgroup in {shown(value)!r}")
    return sound


def _find_sound_names(value: bytes) -> tuple[int, tuple[str, ...]]:
    """How many names there are, and those that can be newsgroups."""
    names = split_names(value)
    return len(names), tuple(filter(is_newsgroup_name, names))


_sound_names = functools.lru_cache(maxsize=1024)(_find_sound_names)


def _date(name: str, value: bytes) -> float:
    seconds = parse_date(value.decode("utf-8", "replace"))
    if seconds is None:
        raise _Unacceptable(Reason.BAD_DATE, f"bad {name} {shown(value)!r}")
    return seconds


def _injection_date(fields: dict[bytes, bytes]) -> float | None:
    value = fields.get(b"injection-date")
    return None if value is None else _date("Injection-Date", value)
