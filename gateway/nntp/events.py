"""What a client of ours asks, as values: what the NNTP dialogue tells its driver.

Contract: an event with a ``ticket`` is answered once, with the method of ``ServerDialogue`` that its
docstring names; the answers leave in the order of the tickets, whatever order they are given in.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple

from gateway.nntp.article import ARTICLE_LIMIT_BYTES
from gateway.nntp.wildmat import Wildmat

COMMAND_LIMIT_BYTES = 512
"""RFC 3977 section 3.1, the line end with it."""
SASL_COMMAND_LIMIT_BYTES = 12288
"""RFC 4643 section 2.4."""


class Wanted(Enum):
    """What is said to an article that is offered."""

    YES = "yes"
    NO = "no"
    LATER = "later"


class Stored(Enum):
    """What became of an article that was sent."""

    YES = "yes"
    NO = "no"
    LATER = "later"


class Transfer(StrEnum):
    """By which command an article came."""

    TAKETHIS = "TAKETHIS"
    IHAVE = "IHAVE"
    POST = "POST"


class Part(StrEnum):
    """How much of an article is asked for."""

    ARTICLE = "ARTICLE"
    HEAD = "HEAD"
    BODY = "BODY"
    STAT = "STAT"


class ListKeyword(StrEnum):
    """Lists of groups: RFC 3977 section 7.6, RFC 6048 section 2."""

    ACTIVE = "ACTIVE"
    ACTIVE_TIMES = "ACTIVE.TIMES"
    COUNTS = "COUNTS"
    NEWSGROUPS = "NEWSGROUPS"


@dataclass(frozen=True, slots=True)
class Access:
    """What a client may do.

    Args:
        may_feed: IHAVE, CHECK, TAKETHIS.
        may_read: all that shows groups and articles.
        may_post: POST.
    """

    may_feed: bool = False
    may_read: bool = False
    may_post: bool = False


@dataclass(frozen=True, slots=True)
class DialogueLimits:
    """What is taken of a client.

    Args:
        article_bytes: a larger article is refused when it is through.
        command_bytes: one command with its line end; RFC 4643's own limit is kept for AUTHINFO SASL.
        unanswered_count: commands that may wait for their answers; more are not read before some have one.
        unanswered_bytes: sizes of the articles among them, together.
        error_count: commands that are none, until the client is sent away.
    """

    article_bytes: int = ARTICLE_LIMIT_BYTES
    command_bytes: int = COMMAND_LIMIT_BYTES
    unanswered_count: int = 256
    unanswered_bytes: int = 16 * 1024 * 1024
    error_count: int = 50


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers of articles; ``last`` None: as many as there are."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which articles are meant: one by its Message-ID, or some of a group.

    Args:
        message_id: with angle brackets, or None.
        group: name, where no Message-ID is given.
        numbers: in the group.
        is_current: the client named no article, and means the one it is at.
    """

    message_id: str | None = None
    group: str | None = None
    numbers: Range | None = None
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """A group as GROUP shows it; of an empty one, ``low`` is ``high`` + 1 and never goes back."""

    name: str
    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True)
class Retrieved:
    """An article that was asked for.

    Args:
        number: in the group, 0 where it was asked for by its Message-ID.
        message_id: with angle brackets.
        data: the whole article with CRLF line ends; not needed for STAT.
    """

    number: int
    message_id: str
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class CheckRequested:
    """CHECK: ``answer_check``."""

    ticket: int
    message_id: str


@dataclass(frozen=True, slots=True)
class IhaveRequested:
    """IHAVE: ``answer_ihave``; nothing more is read before."""

    ticket: int
    message_id: str


@dataclass(frozen=True, slots=True)
class PostRequested:
    """POST: ``answer_post``; nothing more is read before."""

    ticket: int


class ArticleReceived(NamedTuple):
    """An article is here, whole: ``answer_article``.

    Args:
        ticket: for the answer.
        transfer: the command.
        message_id: what the client said it is; "" for POST.
        data: its bytes, dots undone; nothing is checked yet but the size.
    """

    ticket: int
    transfer: Transfer
    message_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ArticleRefused:
    """An article came and was refused by the dialogue: for the log; there is nothing to answer.

    Args:
        transfer: the command.
        message_id: what the client said it is, made printable.
        text: why.
    """

    transfer: Transfer
    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class AuthenticationRequested:
    """Somebody says who they are: ``answer_authentication``; nothing more is read before."""

    ticket: int
    name: str
    password: str

    def __repr__(self) -> str:
        return f"AuthenticationRequested({self.ticket}, {self.name!r})"


@dataclass(frozen=True, slots=True)
class TlsRequested:
    """STARTTLS, answered already: send what there is, begin TLS, then ``tls_started``."""

    ticket: int


@dataclass(frozen=True, slots=True)
class DateRequested:
    """DATE: ``answer_date``."""

    ticket: int


@dataclass(frozen=True, slots=True)
class GroupRequested:
    """GROUP or LISTGROUP: ``answer_group``, with numbers if ``numbers`` is not None."""

    ticket: int
    group: str
    numbers: Range | None


@dataclass(frozen=True, slots=True)
class ArticleRequested:
    """ARTICLE, HEAD, BODY or STAT: ``answer_retrieval``."""

    ticket: int
    part: Part
    selection: Selection


@dataclass(frozen=True, slots=True)
class NeighbourRequested:
    """NEXT or LAST: the article behind or in front of a number: ``answer_neighbour``."""

    ticket: int
    group: str
    number: int
    is_next: bool


@dataclass(frozen=True, slots=True)
class OverRequested:
    """OVER or XOVER: ``answer_lines`` with lines of overview, or None if there is no such article.

    Args:
        ticket: for the answer.
        selection: which articles.
        is_old: the command was XOVER.
    """

    ticket: int
    selection: Selection
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class HdrRequested:
    """HDR, XHDR or XPAT: ``answer_lines`` with number, blank, value; None if there is no such article.

    Args:
        ticket: for the answer.
        field: name of a field, or ``:bytes``, ``:lines``.
        selection: which articles.
        pattern: XPAT: only values that match.
        is_id_shown: the Message-ID stands in place of the number, since it was asked by.
        is_old: the command was XHDR or XPAT.
    """

    ticket: int
    field: str
    selection: Selection
    pattern: Wildmat | None = None
    is_id_shown: bool = False
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class ListRequested:
    """LIST of groups: ``answer_lines``; a pattern of None means all."""

    ticket: int
    keyword: ListKeyword
    pattern: Wildmat | None


@dataclass(frozen=True, slots=True)
class NewgroupsRequested:
    """NEWGROUPS: ``answer_lines`` as LIST ACTIVE; ``parse_command_date`` reads date and time."""

    ticket: int
    date: str
    time: str


@dataclass(frozen=True, slots=True)
class NewnewsRequested:
    """NEWNEWS: ``answer_lines`` with Message-IDs."""

    ticket: int
    pattern: Wildmat
    date: str
    time: str


ReaderEvent = (
    GroupRequested
    | ArticleRequested
    | NeighbourRequested
    | OverRequested
    | HdrRequested
    | ListRequested
    | NewgroupsRequested
    | NewnewsRequested
)
Event = (
    CheckRequested
    | IhaveRequested
    | PostRequested
    | ArticleReceived
    | ArticleRefused
    | AuthenticationRequested
    | TlsRequested
    | DateRequested
    | ReaderEvent
)
