"""The NNTP server's half of a dialogue: bytes in, events out; answers in, bytes out.

States::

    COMMAND --CHECK, readers' commands--> COMMAND     (many may wait for their answers)
    COMMAND --TAKETHIS--> ARTICLE --final dot--> COMMAND
    COMMAND --IHAVE, POST--> HELD --answer: yes--> ARTICLE;  --answer: no--> COMMAND
    COMMAND --AUTHINFO, STARTTLS, GROUP ...--> HELD --answer--> COMMAND
    any --QUIT, 400, end of file--> CLOSING

HELD: what follows can't be understood before the answer is known; bytes are kept and not read.

Contract: whatever a client sends gets an answer, in the order of its commands, and never raises. Input
may be cut anywhere without another outcome. Articles end at CRLF.CRLF and at nothing else. After
answering and after sending, ``receive_data(b"")`` gives the events that were held back. While ``wants_data``
is False, nothing more is to be read from the client: that is what bounds memory.

Spec: RFC 3977; RFC 4642 (STARTTLS); RFC 4643 (AUTHINFO); RFC 4644 (streaming).
"""

import re
from collections.abc import Iterable

from gateway.nntp.answers import block_lines
from gateway.nntp.capabilities import SOFTWARE
from gateway.nntp.commands import STORED, Announced, Commands, ServerSettings
from gateway.nntp.dates import command_date
from gateway.nntp.events import (
    Access,
    ArticleReceived,
    AuthenticationRequested,
    CheckRequested,
    DateRequested,
    Event,
    GroupFigures,
    IhaveRequested,
    PostRequested,
    Retrieved,
    Stored,
    Transfer,
    Wanted,
)

__all__ = ["ServerDialogue", "ServerSettings"]

_CHECK = {Wanted.YES: "238", Wanted.NO: "438", Wanted.LATER: "431"}
_NOT_PRINTABLE = re.compile(r"[^ -~\u00a0-\U0010ffff]+")


def one_line(text: str) -> str:
    """A text that can not break an answer."""
    return _NOT_PRINTABLE.sub(" ", text).strip()


class ServerDialogue:
    """One client.

    Args:
        settings: of the server.
        access: what the client may do before it says who it is.
        is_tls: the connection has TLS from its beginning.
    """

    def __init__(self, settings: ServerSettings, access: Access, *, is_tls: bool = False) -> None:
        self._hostname = settings.hostname
        self._commands = Commands(settings, access, is_tls=is_tls)

    @property
    def wants_data(self) -> bool:
        """Whether the client is to be read from."""
        return self._commands.can_go_on

    @property
    def unanswered_count(self) -> int:
        """Commands that wait for their answers."""
        return self._commands.answers.open_count

    @property
    def is_midway(self) -> bool:
        """Whether the client has begun a command or an article that is not whole yet."""
        return self._commands.incoming.is_midway

    @property
    def held_bytes(self) -> int:
        """What is held of the client: what is not whole yet, and articles that wait for their answers."""
        return self._commands.incoming.held_bytes + self._commands.answers.open_bytes

    @property
    def is_closing(self) -> bool:
        """Whether the connection is to be closed once all data is sent."""
        return self._commands.answers.is_closed

    def greet(self) -> None:
        """Say the first line."""
        is_silent = self._commands.access.may_read and not (
            self._commands.access.may_post or self._commands.access.may_feed
        )
        status = "201" if is_silent else "200"
        self._commands.answers.say(f"{status} {self._hostname} {SOFTWARE} ready")

    def close(self, line: str | None) -> None:
        """Say a last line, such as ``400 shutting down``, behind all answers, and read no more.

        Args:
            line: with its status; None: nothing is said, since the client has gone.
        """
        self._commands.answers.close(line)

    def data_to_send(self) -> bytes:
        """What may be sent now."""
        return self._commands.answers.take()

    def receive_data(self, data: bytes) -> list[Event]:
        """Take the next bytes.

        Args:
            data: b"" after an answer, to get what it held back.
        """
        self._commands.incoming.feed(data)
        events: list[Event] = []
        while self.wants_data:
            piece = self._commands.incoming.next()
            if piece is None:
                break
            event = self._commands.take(piece)
            if event is not None:
                events.append(event)
        if self._commands.answers.is_ended:
            self._commands.incoming.discard()
        return events

    def answer_check(self, ticket: int, wanted: Wanted) -> None:
        """Answer CHECK: 238, 438 or 431."""
        request = self._commands.answers.asked(ticket, CheckRequested)
        self._commands.answers.finish(ticket, f"{_CHECK[wanted]} {request.message_id}")

    def answer_ihave(self, ticket: int, wanted: Wanted) -> None:
        """Answer IHAVE: 335 and the article comes, 435 or 436."""
        request = self._commands.answers.asked(ticket, IhaveRequested)
        if wanted is Wanted.YES:
            self._commands.answers.finish(ticket, f"335 {request.message_id} send it")
            self._commands.expect(Announced(Transfer.IHAVE, request.message_id))
        else:
            text = "435 {} not wanted" if wanted is Wanted.NO else "436 {} try again later"
            self._commands.answers.finish(ticket, text.format(request.message_id))
        self._commands.held_by = None

    def answer_post(self, ticket: int, refusal: str | None) -> None:
        """Answer POST: None for 340 and the article comes, else 440 with a text."""
        self._commands.answers.asked(ticket, PostRequested)
        if refusal is None:
            self._commands.answers.finish(ticket, "340 send it")
            self._commands.expect(Announced(Transfer.POST, ""))
        else:
            self._commands.answers.finish(ticket, f"440 {one_line(refusal)}")
        self._commands.held_by = None

    def answer_article(self, ticket: int, stored: Stored, text: str = "") -> None:
        """Answer for an article that came; to TAKETHIS, LATER is 400 and the end of the connection.

        Args:
            ticket: of the ``ArticleReceived``.
            stored: what became of it.
            text: why, for the one who sent it.
        """
        request = self._commands.answers.asked(ticket, ArticleReceived)
        status = STORED.get((request.transfer, stored))
        if status is None:
            self._commands.answers.close_with(ticket, f"400 {one_line(text) or 'try again later'}")
            return
        words = (status, request.message_id, one_line(text) if text else "")
        line = " ".join([word for word in words if word])
        self._commands.answers.finish(ticket, line)

    def answer_authentication(self, ticket: int, access: Access | None) -> None:
        """Answer who said their password: 281 and what they may do, or None for 481."""
        self._commands.answers.asked(ticket, AuthenticationRequested)
        self._commands.held_by = None
        if access is None:
            self._commands.answers.finish(ticket, "481 wrong name or password")
            self._commands.count_error()
            return
        self._commands.access = access
        self._commands.authentication.is_done = True
        self._commands.answers.finish(ticket, "281 welcome")

    def tls_started(self) -> None:
        """Say that the connection has TLS now; what came in clear behind STARTTLS is dropped.

        Spec: RFC 4642 section 2.2.2.
        """
        self._commands.incoming.discard()
        self._commands.authentication.is_tls = True
        self._commands.reading.forget()
        self._commands.held_by = None

    def answer_date(self, ticket: int, unix_seconds: float) -> None:
        """Answer DATE: 111."""
        self._commands.answers.asked(ticket, DateRequested)
        self._commands.answers.finish(ticket, f"111 {command_date(unix_seconds)}")

    def answer_group(self, ticket: int, figures: GroupFigures | None, numbers: Iterable[int] = ()) -> None:
        """Answer GROUP or LISTGROUP: 211, with the numbers for LISTGROUP; None for 411."""
        self._commands.reading.answer_group(ticket, figures, numbers)
        self._commands.held_by = None

    def answer_retrieval(self, ticket: int, retrieved: Retrieved | None) -> None:
        """Answer ARTICLE, HEAD, BODY or STAT: 220 to 223; None for 420, 423 or 430."""
        self._commands.reading.answer_retrieval(ticket, retrieved)
        self._commands.held_by = None

    def answer_neighbour(self, ticket: int, found: tuple[int, str] | None) -> None:
        """Answer NEXT or LAST: 223 with number and Message-ID; None for 421 or 422."""
        self._commands.reading.answer_neighbour(ticket, found)
        self._commands.held_by = None

    def answer_lines(self, ticket: int, lines: Iterable[bytes] | None) -> None:
        """Answer a list in one go.

        Args:
            ticket: of OVER, HDR, LIST, NEWGROUPS or NEWNEWS.
            lines: without line ends, none of which may be in them; None: OVER or HDR of no article.
        """
        if lines is None:
            self._commands.reading.answer_none(ticket)
            self._commands.held_by = None
            return
        self.begin_lines(ticket)
        self.more_lines(ticket, lines)
        self.end_lines(ticket)

    def begin_lines(self, ticket: int) -> None:
        """Begin the answer of a list that is too long for one go."""
        self._commands.reading.begin_lines(ticket)

    def more_lines(self, ticket: int, lines: Iterable[bytes]) -> None:
        """Go on with the answer; what ``data_to_send`` gives in between is forgotten here."""
        self._commands.answers.write(ticket, block_lines(lines))

    def end_lines(self, ticket: int) -> None:
        """End the answer."""
        self._commands.answers.finish(ticket, ".")
        self._commands.held_by = None

    def unavailable(self, ticket: int, text: str) -> None:
        """Answer any command with 403: something is broken here; RFC 3977 section 3.2.1."""
        self._commands.answers.finish(ticket, f"403 {one_line(text)}")
        self._commands.held_by = None if self._commands.held_by == ticket else self._commands.held_by
