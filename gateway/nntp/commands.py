"""The commands of an NNTP client: what each asks of the driver, or what it is answered at once.

Contract: a command that needs the driver gives one event with a ticket; any other is answered here. After
some events nothing more can be understood before their answer is known: ``held_by`` is their ticket.

Spec: RFC 3977 sections 5, 6.3 and 7; RFC 4642; RFC 4643; RFC 4644 section 2.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol, TypeVar

from gateway.nntp.answers import Answers
from gateway.nntp.article import is_message_id, shown
from gateway.nntp.authentication import CANCEL, Authentication
from gateway.nntp.capabilities import HELP, capability_lines
from gateway.nntp.events import (
    SASL_COMMAND_LIMIT_BYTES,
    Access,
    ArticleReceived,
    ArticleRefused,
    CheckRequested,
    DateRequested,
    DialogueLimits,
    Event,
    IhaveRequested,
    PostRequested,
    Stored,
    TlsRequested,
    Transfer,
)
from gateway.nntp.incoming import Content, Incoming, Line
from gateway.nntp.reading import READER_VERBS, Reading

SAID_LIMIT_BYTES = 256 * 1024
"""What is answered at once is not more than this before it is sent: a client may ask for help only."""
_SYNTAX = "501 syntax error"
STORED = {
    (Transfer.TAKETHIS, Stored.YES): "239",
    (Transfer.TAKETHIS, Stored.NO): "439",
    (Transfer.IHAVE, Stored.YES): "235",
    (Transfer.IHAVE, Stored.NO): "437",
    (Transfer.IHAVE, Stored.LATER): "436",
    (Transfer.POST, Stored.YES): "240",
    (Transfer.POST, Stored.NO): "441",
    (Transfer.POST, Stored.LATER): "441",
}
"""RFC 3977 sections 6.3.1 and 6.3.2; RFC 4644 section 2.5: TAKETHIS knows no later, so the link is closed."""


class _Ticketed(Protocol):
    @property
    def ticket(self) -> int: ...


Held = TypeVar("Held", bound=_Ticketed)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What is the same for all connections.

    Args:
        hostname: for the greeting.
        limits: what is taken of a client.
        is_tls_offered: STARTTLS is.
        is_auth_offered: AUTHINFO is.
        is_clear_auth_allowed: also without TLS.
        is_newnews_on: NEWNEWS is served.
    """

    hostname: str
    limits: DialogueLimits = field(default_factory=DialogueLimits)
    is_tls_offered: bool = False
    is_auth_offered: bool = False
    is_clear_auth_allowed: bool = False
    is_newnews_on: bool = False


class Announced(NamedTuple):
    """What is known of the article that is on its way.

    Args:
        transfer: the command.
        message_id: what the client said it is.
        refusal: what will be answered, whatever it is; None: the driver decides.
    """

    transfer: Transfer
    message_id: str
    refusal: str | None = None


class Commands:
    """The commands of one connection.

    Args:
        settings: of the server.
        access: what the client may do before it says who it is.
        is_tls: the connection has TLS from its beginning.

    Attributes:
        answers: where answers go.
        incoming: what the client sent.
        authentication: who it is.
        reading: where it reads.
        access: what it may do.
        held_by: ticket of the command whose answer must be known before more is read.
    """

    __slots__ = (
        "_announced",
        "_error_count",
        "_settings",
        "access",
        "answers",
        "authentication",
        "held_by",
        "incoming",
        "reading",
    )

    def __init__(self, settings: ServerSettings, access: Access, *, is_tls: bool) -> None:
        self._settings = settings
        self.access = access
        self.answers = Answers()
        self.incoming = Incoming(SASL_COMMAND_LIMIT_BYTES, settings.limits.article_bytes)
        self.reading = Reading(self.answers, is_newnews_on=settings.is_newnews_on)
        self.authentication = Authentication(
            self.answers,
            is_offered=settings.is_auth_offered,
            is_clear_allowed=settings.is_clear_auth_allowed,
            is_tls=is_tls,
        )
        self.held_by: int | None = None
        self._announced: Announced | None = None
        self._error_count = 0

    @property
    def can_go_on(self) -> bool:
        """Whether the next piece of input may be looked at."""
        limits, answers = self._settings.limits, self.answers
        return (
            not answers.is_ended
            and self.held_by is None
            and answers.open_count < limits.unanswered_count
            and answers.open_bytes < limits.unanswered_bytes
            and answers.said_bytes < SAID_LIMIT_BYTES
        )

    def take(self, piece: Line | Content) -> Event | None:
        """Take the next line or article; returns what the driver must find out, or None: it is answered."""
        return self._take_line(piece) if isinstance(piece, Line) else self._take_article(piece)

    def _take_line(self, line: Line) -> Event | None:
        text = line.raw.decode("utf-8", "replace")
        if self.authentication.is_challenged:
            # Of a response that is too long only a part is here: no password.
            response = CANCEL if line.is_too_long else text.strip()
            return self._hold(self.authentication.take_response(response))
        words = text.split()
        verb = words[0].upper() if words else ""
        is_too_long = line.is_too_long or self._is_too_long(line.raw, verb)
        if verb == "TAKETHIS":
            self._takethis(words, is_too_long=is_too_long)
            return None
        if is_too_long:
            self._error("501 the line is too long")
            return None
        if verb in READER_VERBS:
            return self._read(verb, words[1:])
        if verb == "AUTHINFO":
            return self._hold(self.authentication.take(text))
        command = self._COMMANDS.get(verb, Commands._unknown)
        return command(self, words[1:])

    def _is_too_long(self, raw: bytes, verb: str) -> bool:
        return len(raw) + len("\r\n") > self._settings.limits.command_bytes and verb != "AUTHINFO"

    def _read(self, verb: str, words: list[str]) -> Event | None:
        if not self._is_permitted(is_allowed=self.access.may_read):
            return None
        event = self.reading.take(verb, words)
        self._hold(event)
        return event

    def _unknown(self, _: list[str]) -> None:
        self._error("500 what?")

    def _take_article(self, content: Content) -> Event | None:
        announced, self._announced = self._announced, None
        if announced is None:
            raise AssertionError("internal error: an article that nobody announced")
        transfer, message_id, refusal = announced.transfer, announced.message_id, announced.refusal
        if content.data is not None and refusal is None:
            data = content.data
            return self.answers.ask(
                lambda ticket: ArticleReceived(ticket, transfer, message_id, data), size_bytes=len(data)
            )
        if refusal is None:
            text = f"{content.size_bytes} bytes; allowed: {self._settings.limits.article_bytes}"
            words = (STORED[transfer, Stored.NO], message_id, text)
            refusal = " ".join(filter(None, words))
        self.answers.say(refusal)
        return ArticleRefused(transfer, message_id, refusal)

    def expect(self, announced: Announced) -> None:
        """Read an article next."""
        self._announced = announced
        self.incoming.expect_article()

    def _takethis(self, words: list[str], *, is_too_long: bool) -> None:
        """The article comes whatever we say, so it is read first: RFC 4644 section 2.5.2."""
        message_id = words[1] if len(words) > 1 else ""
        refusal = None
        if not self.access.may_feed:
            refusal = self._not_permitted()
        elif is_too_long or len(words) != 2:  # noqa: PLR2004 - command and Message-ID
            refusal = _SYNTAX
        elif not is_message_id(message_id):
            refusal = f"439 {shown(message_id.encode())} no Message-ID"
        if refusal is not None:
            message_id = shown(message_id.encode())
        self.expect(Announced(Transfer.TAKETHIS, message_id, refusal))

    def _check(self, words: list[str]) -> Event | None:
        message_id = self._offered(words, "438")
        if message_id is None:
            return None
        return self.answers.ask(lambda ticket: CheckRequested(ticket, message_id))

    def _ihave(self, words: list[str]) -> Event | None:
        message_id = self._offered(words, "435")
        if message_id is None:
            return None
        return self._hold(self.answers.ask(lambda ticket: IhaveRequested(ticket, message_id)))

    def _offered(self, words: list[str], refusal_status: str) -> str | None:
        if not self._is_permitted(is_allowed=self.access.may_feed):
            return None
        if len(words) != 1:
            self._error(_SYNTAX)
        elif not is_message_id(words[0]):
            self.answers.say(f"{refusal_status} {shown(words[0].encode())} no Message-ID")
        else:
            return words[0]
        return None

    def _post(self, _: list[str]) -> Event | None:
        if self.access.may_post:
            return self._hold(self.answers.ask(PostRequested))
        can_help = self.authentication.can_help
        self.answers.say("480 authentication required" if can_help else "440 posting is not allowed")
        return None

    def _mode(self, words: list[str]) -> None:
        kind = words[0].upper() if len(words) == 1 else ""
        if kind == "STREAM":
            if self._is_permitted(is_allowed=self.access.may_feed):
                self.answers.say("203 streaming permitted")
        elif kind == "READER":
            may_post = self.access.may_post
            # inews says so too, and wants nothing but to post.
            if self._is_permitted(is_allowed=self.access.may_read or may_post):
                self.answers.say("200 reader, posting allowed" if may_post else "201 reader, no posting")
        else:
            self._error(_SYNTAX)

    def _date(self, _: list[str]) -> Event:
        return self.answers.ask(DateRequested)

    def _help(self, _: list[str]) -> None:
        self.answers.say("100 help follows", *(f"  {line}" for line in HELP), ".")

    def _capabilities(self, _: list[str]) -> None:
        lines = capability_lines(
            self.access,
            is_tls_possible=self._is_tls_possible(),
            is_auth_possible=self.authentication.can_help,
            is_auth_open=self.authentication.is_open,
            is_newnews_on=self._settings.is_newnews_on,
        )
        self.answers.say("101 capabilities follow", *lines, ".")

    def _starttls(self, words: list[str]) -> Event | None:
        if words:
            self._error(_SYNTAX)
            return None
        if not self._is_tls_possible():
            self.answers.say("502 TLS is not for this connection, or begun")
            return None
        event = self._hold(self.answers.ask(TlsRequested))
        if event is not None:
            self.answers.finish(event.ticket, "382 begin TLS")
        return event

    def _quit(self, _: list[str]) -> None:
        self.answers.close("205 bye")

    def _is_tls_possible(self) -> bool:
        known = self.authentication.is_done or self.authentication.is_tls
        return self._settings.is_tls_offered and not known

    def _hold(self, event: Held | None) -> Held | None:
        """Read nothing more until this is answered: the rest depends on it."""
        if event is not None:
            self.held_by = event.ticket
        return event

    def _is_permitted(self, *, is_allowed: bool) -> bool:
        if not is_allowed:
            self.answers.say(self._not_permitted())
        return is_allowed

    def _not_permitted(self) -> str:
        return "480 authentication required" if self.authentication.can_help else "502 not permitted"

    def _error(self, line: str) -> None:
        self.answers.say(line)
        self.count_error()

    def count_error(self) -> None:
        """Count what was none; too many end the dialogue."""
        self._error_count += 1
        if self._error_count > self._settings.limits.error_count:
            self.answers.close("400 too many errors")

    _COMMANDS: ClassVar[dict[str, Callable[["Commands", list[str]], Event | None]]] = {
        "CAPABILITIES": _capabilities,
        "CHECK": _check,
        "DATE": _date,
        "HELP": _help,
        "IHAVE": _ihave,
        "MODE": _mode,
        "POST": _post,
        "QUIT": _quit,
        "STARTTLS": _starttls,
    }
