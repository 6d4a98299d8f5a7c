"""The commands of readers: which group and article a client is at, and what it asks for.

Contract: ``take`` gives an event for the driver, or says what is wrong. What the driver answers is what
moves the client: a group that is not there, or an article that is not, changes nothing.

Spec: RFC 3977 sections 6, 7.3 to 7.6 and 8; RFC 2980 for XOVER, XHDR and XPAT; RFC 6048 for LIST COUNTS.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from gateway.errors import LocalProtocolError
from gateway.nntp.answers import Answers, block_lines, block_text
from gateway.nntp.article import header_end, is_message_id
from gateway.nntp.dates import parse_command_date
from gateway.nntp.events import (
    ArticleRequested,
    GroupFigures,
    GroupRequested,
    HdrRequested,
    ListKeyword,
    ListRequested,
    NeighbourRequested,
    NewgroupsRequested,
    NewnewsRequested,
    OverRequested,
    Part,
    Range,
    ReaderEvent,
    Retrieved,
    Selection,
)
from gateway.nntp.overview import METADATA, OVERVIEW_FORMAT
from gateway.nntp.wildmat import BadWildmat, Wildmat

NUMBER_LIMIT = 2_147_483_647
"""RFC 3977 section 6."""

_RANGE = re.compile(r"(\d{1,10})(?:(-)(\d{1,10})?)?", re.ASCII)
_FIELD_NAME = re.compile(r":?[!-9;-~]+")
_NOT_HELD = frozenset(("MOTD", "DISTRIBUTIONS", "DISTRIB.PATS", "MODERATORS", "SUBSCRIPTIONS"))
_SELECTIONS: tuple[type[OverRequested | HdrRequested], ...] = (OverRequested, HdrRequested)
_LISTS = (OverRequested, HdrRequested, ListRequested, NewgroupsRequested, NewnewsRequested)
_PART_STATUS = {Part.ARTICLE: 220, Part.HEAD: 221, Part.BODY: 222, Part.STAT: 223}
_LIST_STATUS = {
    ListKeyword.ACTIVE: "215 list of newsgroups follows",
    ListKeyword.ACTIVE_TIMES: "215 information follows",
    ListKeyword.COUNTS: "215 list of newsgroups and counts follows",
    ListKeyword.NEWSGROUPS: "215 descriptions follow",
}
_NO_GROUP = "412 no newsgroup selected"
_NO_CURRENT = "420 the current article number is not valid"
_NO_NUMBER = "423 no such article in this newsgroup"
_NO_MESSAGE_ID = "430 no such article"
_SYNTAX = "501 syntax error"


class _Bad(LocalProtocolError):
    """Ends a command with an answer; never leaves this module."""


def parse_range(text: str) -> Range | None:
    """Read ``5``, ``5-`` or ``5-9``; None if it is none of them."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first = int(match[1])
    last = (None if match[3] is None else int(match[3])) if match[2] else first
    return Range(first, last) if max(first, last or 0) <= NUMBER_LIMIT else None


@dataclass(frozen=True, slots=True)
class _Command:
    take: Callable[["Reading", str, list[str]], ReaderEvent | None]
    least: int
    most: int


class Reading:
    """What one client reads.

    Args:
        answers: where answers go.
        is_newnews_on: NEWNEWS is served.
    """

    __slots__ = ("_answers", "_group", "_is_newnews_on", "_number")

    def __init__(self, answers: Answers, *, is_newnews_on: bool) -> None:
        self._answers = answers
        self._is_newnews_on = is_newnews_on
        self._group: str | None = None
        self._number: int | None = None

    def forget(self) -> None:
        """Be in no group, as at the beginning."""
        self._group = self._number = None

    def take(self, verb: str, words: list[str]) -> ReaderEvent | None:
        """Take a command.

        Args:
            verb: one of ``READER_VERBS``.
            words: its arguments.

        Returns:
            What the driver must find out, or None: it is answered.
        """
        try:
            command = self.COMMANDS[verb]
            if not command.least <= len(words) <= command.most:
                raise _Bad(_SYNTAX)
            return command.take(self, verb, words)
        except _Bad as bad:
            self._answers.say(str(bad))
        except BadWildmat as bad:
            self._answers.say(f"501 {bad}")
        return None

    def answer_group(self, ticket: int, figures: GroupFigures | None, numbers: Iterable[int]) -> None:
        """See ``ServerDialogue.answer_group``."""
        request = self._answers.asked(ticket, GroupRequested)
        if figures is None:
            self._answers.finish(ticket, "411 no such newsgroup")
            return
        self._group = figures.name
        self._number = figures.low if figures.count else None
        line = f"211 {figures.count} {figures.low} {figures.high} {figures.name}"
        if request.numbers is None:
            self._answers.finish(ticket, line)
            return
        self._answers.write(ticket, f"{line} list follows\r\n".encode())
        self._answers.write(ticket, block_lines(b"%d" % number for number in numbers))
        self._answers.finish(ticket, ".")

    def answer_retrieval(self, ticket: int, retrieved: Retrieved | None) -> None:
        """See ``ServerDialogue.answer_retrieval``."""
        request = self._answers.asked(ticket, ArticleRequested)
        if retrieved is None:
            self._answers.finish(ticket, _absent(request.selection))
            return
        if request.selection.message_id is None:
            self._number = retrieved.number
        part = request.part
        line = f"{_PART_STATUS[part]} {retrieved.number} {retrieved.message_id}"
        if part is not Part.STAT:
            self._answers.write(ticket, f"{line}\r\n".encode() + block_text(_part_of(retrieved.data, part)))
            self._answers.finish(ticket)
        else:
            self._answers.finish(ticket, line)

    def answer_neighbour(self, ticket: int, found: tuple[int, str] | None) -> None:
        """See ``ServerDialogue.answer_neighbour``."""
        request = self._answers.asked(ticket, NeighbourRequested)
        if found is None:
            text = "421 no next article" if request.is_next else "422 no previous article"
            self._answers.finish(ticket, text)
            return
        self._number = found[0]
        self._answers.finish(ticket, f"223 {found[0]} {found[1]}")

    def begin_lines(self, ticket: int) -> None:
        """See ``ServerDialogue.begin_lines``."""
        request = self._answers.asked(ticket, *_LISTS)
        self._answers.write(ticket, f"{_status_of(request)}\r\n".encode())

    def answer_none(self, ticket: int) -> None:
        """Say that there is no such article."""
        request = self._answers.asked(ticket, *_SELECTIONS)
        selection = request.selection
        if request.is_old and selection.message_id is None and not selection.is_current:
            # As INN does: a range of the old commands may well be empty.
            self.begin_lines(ticket)
            self._answers.finish(ticket, ".")
        else:
            self._answers.finish(ticket, _absent(selection))

    def select(self, words: list[str], *, is_range: bool) -> Selection:
        """Which articles are meant by an argument, or by none.

        Raises:
            _Bad: that can not be told.
        """
        if words and words[0].startswith("<"):
            if not is_message_id(words[0]):
                raise _Bad(_SYNTAX)
            return Selection(message_id=words[0])
        if self._group is None and (not words or _RANGE.fullmatch(words[0])):
            raise _Bad(_NO_GROUP)
        if not words:
            if self._number is None:
                raise _Bad(_NO_CURRENT)
            return Selection(group=self._group, numbers=Range(self._number, self._number), is_current=True)
        numbers = parse_range(words[0])
        if numbers is None or not (is_range or numbers.first == numbers.last):
            raise _Bad(_SYNTAX)
        return Selection(group=self._group, numbers=numbers)

    def _group_command(self, verb: str, words: list[str]) -> ReaderEvent:
        group = words[0] if words else self._group
        if group is None:
            raise _Bad(_NO_GROUP)
        numbers = None
        if verb == "LISTGROUP":
            numbers = parse_range(words[1]) if len(words) > 1 else Range(1, None)
            if numbers is None:
                raise _Bad(_SYNTAX)
        return self._answers.ask(lambda ticket: GroupRequested(ticket, group, numbers))

    def _retrieval(self, verb: str, words: list[str]) -> ReaderEvent:
        selection = self.select(words, is_range=False)
        return self._answers.ask(lambda ticket: ArticleRequested(ticket, Part(verb), selection))

    def _neighbour(self, verb: str, _: list[str]) -> ReaderEvent:
        group, number = self._group, self._number
        if group is None:
            raise _Bad(_NO_GROUP)
        if number is None:
            raise _Bad(_NO_CURRENT)
        is_next = verb == "NEXT"
        return self._answers.ask(lambda ticket: NeighbourRequested(ticket, group, number, is_next))

    def _over(self, verb: str, words: list[str]) -> ReaderEvent:
        selection = self.select(words, is_range=True)
        return self._answers.ask(lambda ticket: OverRequested(ticket, selection, verb == "XOVER"))

    def _hdr(self, verb: str, words: list[str]) -> ReaderEvent:
        field = words[0]
        is_metadata = field.startswith(":")
        if not _FIELD_NAME.fullmatch(field) or (is_metadata and field.lower() not in _METADATA):
            raise _Bad(_SYNTAX if not is_metadata else "503 there is no such metadata")
        selection = self.select(words[1:2], is_range=True)
        pattern = Wildmat.parse(",".join(words[2:])) if verb == "XPAT" else None
        is_id_shown = verb != "HDR" and selection.message_id is not None
        return self._answers.ask(
            lambda ticket: HdrRequested(ticket, field, selection, pattern, is_id_shown, verb != "HDR")
        )

    def _list(self, _: str, words: list[str]) -> ReaderEvent | None:
        word = words[0].upper() if words else ListKeyword.ACTIVE.value
        if word == "OVERVIEW.FMT":
            self._say_block("215 order of fields in overview", OVERVIEW_FORMAT)
            return None
        if word == "HEADERS":
            self._say_block("215 headers and metadata follow", (b":", *METADATA))
            return None
        if word in _NOT_HELD:
            raise _Bad("503 there is none here")
        if word not in _KEYWORDS or len(words) > 2:  # noqa: PLR2004 - keyword and pattern
            raise _Bad(_SYNTAX)
        pattern = Wildmat.parse(words[1]) if len(words) > 1 else None
        return self._answers.ask(lambda ticket: ListRequested(ticket, ListKeyword(word), pattern))

    def _newgroups(self, _: str, words: list[str]) -> ReaderEvent:
        _check_moment(words)
        return self._answers.ask(lambda ticket: NewgroupsRequested(ticket, words[0], words[1]))

    def _newnews(self, _: str, words: list[str]) -> ReaderEvent:
        if not self._is_newnews_on:
            raise _Bad("503 NEWNEWS is not served here")
        _check_moment(words[1:])
        pattern = Wildmat.parse(words[0])
        return self._answers.ask(lambda ticket: NewnewsRequested(ticket, pattern, words[1], words[2]))

    def _say_block(self, line: str, lines: Iterable[bytes]) -> None:
        self._answers.say(line, *(text.decode("ascii") for text in lines), ".")

    COMMANDS: ClassVar[dict[str, _Command]] = {
        "GROUP": _Command(_group_command, 1, 1),
        "LISTGROUP": _Command(_group_command, 0, 2),
        "ARTICLE": _Command(_retrieval, 0, 1),
        "HEAD": _Command(_retrieval, 0, 1),
        "BODY": _Command(_retrieval, 0, 1),
        "STAT": _Command(_retrieval, 0, 1),
        "NEXT": _Command(_neighbour, 0, 0),
        "LAST": _Command(_neighbour, 0, 0),
        "OVER": _Command(_over, 0, 1),
        "XOVER": _Command(_over, 0, 1),
        "HDR": _Command(_hdr, 1, 2),
        "XHDR": _Command(_hdr, 1, 2),
        "XPAT": _Command(_hdr, 3, 50),
        "LIST": _Command(_list, 0, 50),
        "NEWGROUPS": _Command(_newgroups, 2, 3),
        "NEWNEWS": _Command(_newnews, 3, 4),
    }


def _absent(selection: Selection) -> str:
    if selection.message_id is not None:
        return _NO_MESSAGE_ID
    return _NO_CURRENT if selection.is_current else _NO_NUMBER


def _part_of(data: bytes, part: Part) -> bytes:
    end = header_end(data)
    if part is Part.HEAD:
        return data[:end]
    return data[end + 2 :] if part is Part.BODY else data


def _check_moment(words: list[str]) -> None:
    """Date and time, and GMT, which is what they are in anyhow."""
    is_sound = parse_command_date(words[0], words[1], 0.0) is not None
    if not is_sound or (len(words) > 2 and words[2].upper() != "GMT"):  # noqa: PLR2004
        raise _Bad(_SYNTAX)


def _status_of(request: object) -> str:
    if isinstance(request, HdrRequested):
        return "221 headers follow" if request.is_old else "225 headers follow"
    if isinstance(request, ListRequested):
        return _LIST_STATUS[request.keyword]
    return _BLOCK_STATUS[type(request)]


_BLOCK_STATUS: dict[type, str] = {
    OverRequested: "224 overview information follows",
    NewgroupsRequested: "231 list of new newsgroups follows",
    NewnewsRequested: "230 list of new articles follows",
}
_METADATA = frozenset(name.decode("ascii") for name in METADATA)
_KEYWORDS = frozenset(ListKeyword)
READER_VERBS = frozenset(Reading.COMMANDS)
