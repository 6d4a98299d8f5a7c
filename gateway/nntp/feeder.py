"""The feeding client's half of NNTP: articles offered, sent, and what the peer said of each.

States::

    GREETING --20x--> (USER --381--> PASS --281-->) MODE --203--> STREAMING
                                                     MODE --else--> LOCKSTEP
    any --400, 480, 502, end of file--> CLOSED

STREAMING: CHECK and TAKETHIS, many at a time. LOCKSTEP: IHAVE, one after the other.

Contract: for each ``offer`` there is one ``FeedOutcome``, whatever happens; LATER is what an article gets
of which the peer said nothing. What is refused is asked for first: the peer may have it. A peer that does not
speak as it must is a ``FeedClosed`` as any other end; nothing is raised for what it says. Streaming answers
are known by their Message-ID, in any order.

Spec: RFC 3977 section 6.3.2; RFC 4643 section 2.3; RFC 4644.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import ClassVar, NamedTuple

from gateway.errors import LocalProtocolError
from gateway.message.lines import dot_stuff
from gateway.nntp.article import is_message_id, shown
from gateway.nntp.check_habit import CheckHabit
from gateway.nntp.second_look import Refusal, SecondLook

WINDOW_COUNT = 100
REPLY_LIMIT_BYTES = 4096
"""RFC 3977 section 3.1 has 512; texts of real servers are longer at times."""

SHOWN_REPLY_BYTES = 512
"""Of a reply: its longest Message-ID and some words."""


class FeedResult(StrEnum):
    """What a peer did with an article."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How a peer is fed.

    Args:
        window_count: articles at a time, offered and not yet answered for, when streaming.
        is_streaming_wanted: MODE STREAM is tried.
        is_check_skipped: articles are always sent unasked; else once a peer is known to take nearly all.
        name: for AUTHINFO; "": none.
        password: for AUTHINFO.
    """

    window_count: int = WINDOW_COUNT
    is_streaming_wanted: bool = True
    is_check_skipped: bool = False
    name: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"FeedSettings({self.window_count}, {self.name!r})"


@dataclass(frozen=True, slots=True)
class FeedReady:
    """Articles may be offered from now on."""

    is_streaming: bool


class ArticleWanted(NamedTuple):
    """The peer wants an article: ``send_article`` or ``withdraw``."""

    message_id: str


class FeedOutcome(NamedTuple):
    """What became of an offer.

    Args:
        message_id: of the article.
        result: what the peer said, or LATER if it said nothing.
        code: of its answer, 0 if there was none.
        text: the answer without the Message-ID in front, printable.
    """

    message_id: str
    result: FeedResult
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class FeedClosed:
    """The peer takes no more on this connection.

    Args:
        code: of its answer, 0 if there was none.
        text: why, printable.
    """

    code: int
    text: str


FeedEvent = FeedReady | ArticleWanted | FeedOutcome | FeedClosed


class _Stage(Enum):
    GREETING = "greeting"
    USER = "user"
    PASSWORD = "password"  # noqa: S105 - a stage
    MODE = "mode"
    READY = "ready"
    CLOSED = "closed"


class _Step(NamedTuple):
    """What an answer is owed for.

    Args:
        name: of the command, or for people.
        results: what each answer means; None: the article is wanted.
    """

    name: str
    results: Mapping[int, FeedResult | None]


_CHECK = _Step("CHECK", {238: None, 438: FeedResult.DUPLICATE, 431: FeedResult.LATER})
_TAKETHIS = _Step("TAKETHIS", {239: FeedResult.ACCEPTED, 439: FeedResult.REJECTED})
_IHAVE = _Step(
    "IHAVE", {335: None, 435: FeedResult.DUPLICATE, 436: FeedResult.LATER, 437: FeedResult.REJECTED}
)
_TRANSFER = _Step(
    "the article behind IHAVE",
    {235: FeedResult.ACCEPTED, 436: FeedResult.LATER, 437: FeedResult.REJECTED},
)
_CLOSING_CODES = frozenset((400, 480, 483, 502, 503))
"""The peer will say so to every command: nothing more is to be asked on this connection."""
_REPLY = re.compile(rb"([1-5]\d\d)(?: (.*))?", re.DOTALL)


class FeedDialogue:
    """One connection to a peer.

    Args:
        settings: how the peer is fed.
        habit: what it did with articles before; None: that is not known.
    """

    __slots__ = (
        "_data",
        "_habit",
        "_is_quitting",
        "_is_streaming",
        "_look",
        "_open",
        "_output",
        "_settings",
        "_stage",
        "_steps",
        "_wanted",
    )

    def __init__(self, settings: FeedSettings | None = None, habit: CheckHabit | None = None) -> None:
        self._habit = habit or CheckHabit()
        self._settings = settings or FeedSettings()
        self._stage = _Stage.GREETING
        self._is_streaming = False
        self._is_quitting = False
        self._data = b""
        self._output: list[bytes] = []
        self._steps: dict[str, _Step] = {}
        self._open: set[str] = set()
        self._wanted: set[str] = set()
        self._look = SecondLook()

    @property
    def room_count(self) -> int:
        """How many articles may be offered now."""
        if self._stage is not _Stage.READY or self._is_quitting:
            return 0
        window_count = self._settings.window_count if self._is_streaming else 1
        return max(window_count - len(self._open), 0)

    @property
    def open_count(self) -> int:
        """Offers without outcome."""
        return len(self._open)

    @property
    def is_closing(self) -> bool:
        """Whether the connection is to be closed once all data is sent."""
        return self._stage is _Stage.CLOSED

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def offer(self, message_id: str) -> list[FeedEvent]:
        """Offer an article; there must be room.

        Returns:
            ``ArticleWanted``, if it is to be sent unasked.

        Raises:
            LocalProtocolError: it is offered already, is no Message-ID, or there is no room.
        """
        if message_id in self._open or not is_message_id(message_id) or not self.room_count:
            raise LocalProtocolError(f"{shown(message_id.encode())} can not be offered now")
        self._open.add(message_id)
        if self._is_streaming and (self._settings.is_check_skipped or not self._habit.is_asking):
            self._wanted.add(message_id)
            return [ArticleWanted(message_id)]
        step = _CHECK if self._is_streaming else _IHAVE
        self._ask(step, message_id)
        return []

    def send_article(self, message_id: str, article: bytes) -> None:
        """Send an article that is wanted.

        Args:
            message_id: of it.
            article: whole, CRLF line ends.

        Raises:
            LocalProtocolError: it is not wanted.
        """
        self._take_wanted(message_id)
        if self._is_streaming:
            self._ask(_TAKETHIS, message_id)
        else:
            self._steps[message_id] = _TRANSFER
        end = b"" if article.endswith(b"\r\n") else b"\r\n"
        self._output += (dot_stuff(article), end, b".\r\n")

    def withdraw(self, message_id: str, text: str) -> list[FeedEvent]:
        """Not send an article that is wanted: it can not be read just now, or no more.

        Args:
            message_id: of it.
            text: why.

        Raises:
            LocalProtocolError: it is not wanted.
        """
        self._take_wanted(message_id)
        outcome = self._outcome(message_id, FeedResult.LATER, 0, text)
        if self._is_streaming:
            return [outcome, *self._quit_when_done()]
        # The peer waits for an article: only the end of the connection tells it that none comes.
        return [outcome, *self._close(0, text)]

    def quit(self) -> list[FeedEvent]:
        """Offer nothing more, and say QUIT once all is answered."""
        self._is_quitting = True
        return self._quit_when_done()

    def connection_lost(self, text: str) -> list[FeedEvent]:
        """Say that the connection has ended, or is given up.

        Returns:
            LATER for all that had no outcome.
        """
        return self._close(0, text)

    def receive_data(self, data: bytes) -> list[FeedEvent]:
        """Take the next bytes."""
        *lines, self._data = (self._data + data).split(b"\n")
        events: list[FeedEvent] = []
        for line in lines:
            if self._stage is not _Stage.CLOSED:
                events += self._take(line.removesuffix(b"\r"))
        if len(self._data) > REPLY_LIMIT_BYTES:
            events += self._close(0, "a reply without end")
        return events

    def _take(self, line: bytes) -> Iterable[FeedEvent]:
        match = _REPLY.fullmatch(line)
        if match is None or len(line) > REPLY_LIMIT_BYTES:
            return self._close(0, f"not a reply: {shown(line)!r}")
        code, text = int(match[1]), shown(match[2] or b"", SHOWN_REPLY_BYTES)
        if self._stage is _Stage.READY:
            looked = self._look.take(code, text)
            return self._take_answer(code, text) if looked is None else self._refused(looked)
        return self._SETUP[self._stage](self, code, text)

    def _take_greeting(self, code: int, text: str) -> Iterable[FeedEvent]:
        if code not in {200, 201}:
            return self._close(code, text)
        if not self._settings.name:
            return self._begin()
        self._say(f"AUTHINFO USER {self._settings.name}")
        self._stage = _Stage.USER
        return ()

    def _take_user(self, code: int, text: str) -> Iterable[FeedEvent]:
        if code == 281:  # noqa: PLR2004 - RFC 4643 section 2.3.1
            return self._begin()
        if code != 381:  # noqa: PLR2004 - the same
            return self._close(code, text)
        self._say(f"AUTHINFO PASS {self._settings.password}")
        self._stage = _Stage.PASSWORD
        return ()

    def _take_password(self, code: int, text: str) -> Iterable[FeedEvent]:
        return self._begin() if code == 281 else self._close(code, text)  # noqa: PLR2004 - the same

    def _begin(self) -> Iterable[FeedEvent]:
        if self._settings.is_streaming_wanted:
            self._say("MODE STREAM")
            self._stage = _Stage.MODE
            return ()
        return self._ready(is_streaming=False)

    def _take_mode(self, code: int, text: str) -> Iterable[FeedEvent]:
        if code in {400, 480, 483}:
            return self._close(code, text)
        return self._ready(is_streaming=code == 203)  # noqa: PLR2004 - RFC 4644 section 2.3

    def _ready(self, *, is_streaming: bool) -> Iterable[FeedEvent]:
        self._stage = _Stage.READY
        self._is_streaming = is_streaming
        return (FeedReady(is_streaming), *self._quit_when_done())

    def _take_answer(self, code: int, text: str) -> Iterable[FeedEvent]:
        if code in _CLOSING_CODES:
            return self._close(code, text)
        if self._is_streaming:
            message_id, _, rest = text.partition(" ")
        else:
            # The answers to IHAVE name no article, but there is only one.
            message_id, rest = next(iter(self._steps), ""), text
        step = self._steps.pop(message_id, None)
        if step is None:
            return self._close(0, f"a reply to nothing: {code} {text}")
        if code not in step.results:
            return self._close(0, f"a reply that {step.name} has not: {code} {text}")
        result = step.results[code]
        if result is None:
            self._wanted.add(message_id)
            return (ArticleWanted(message_id),)
        if result is FeedResult.REJECTED:
            return self._doubt(Refusal(message_id, code, rest))
        outcome = self._outcome(message_id, result, code, rest)
        return (outcome, *self._quit_when_done()) if self._is_quitting else (outcome,)

    def _doubt(self, refusal: Refusal) -> Iterable[FeedEvent]:
        if (question := self._look.ask(refusal)) is None:
            return self._refused(refusal)
        self._say(question)
        return ()

    def _refused(self, refusal: Refusal) -> Iterable[FeedEvent]:
        result = FeedResult.DUPLICATE if refusal.is_there else FeedResult.REJECTED
        outcome = self._outcome(refusal.message_id, result, refusal.code, refusal.text)
        return (outcome, *self._quit_when_done())

    def _ask(self, step: _Step, message_id: str) -> None:
        self._steps[message_id] = step
        self._say(f"{step.name} {message_id}")

    def _say(self, line: str) -> None:
        self._output.append(f"{line}\r\n".encode())

    def _take_wanted(self, message_id: str) -> None:
        if message_id not in self._wanted:
            raise LocalProtocolError(f"{shown(message_id.encode())} is not wanted")
        self._wanted.discard(message_id)

    def _outcome(self, message_id: str, result: FeedResult, code: int, text: str) -> FeedOutcome:
        self._open.discard(message_id)
        if result is not FeedResult.LATER:
            self._habit.note(is_taken=result is FeedResult.ACCEPTED)
        return FeedOutcome(message_id, result, code, text)

    def _quit_when_done(self) -> list[FeedEvent]:
        if not self._is_quitting or self._open or self._stage is not _Stage.READY:
            return []
        self._say("QUIT")
        return self._close(0, "done")

    def _close(self, code: int, text: str) -> list[FeedEvent]:
        if self._stage is _Stage.CLOSED:
            return []
        self._stage = _Stage.CLOSED
        self._wanted.clear()
        events = [event for refusal in self._look.give_up() for event in self._refused(refusal)]
        events += [
            self._outcome(message_id, FeedResult.LATER, code, text) for message_id in sorted(self._open)
        ]
        return [*events, FeedClosed(code, text)]

    _SETUP: ClassVar[dict[_Stage, Callable[["FeedDialogue", int, str], Iterable[FeedEvent]]]] = {
        _Stage.GREETING: _take_greeting,
        _Stage.USER: _take_user,
        _Stage.PASSWORD: _take_password,
        _Stage.MODE: _take_mode,
    }
