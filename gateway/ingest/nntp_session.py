"""What is done about what a client of the news endpoint asks, and what it is answered.

Contract: yes to an article (239, 235, 240) is said after it is on disk, synced. Whether an article is wanted
is looked up for all that were asked about at once; an article that another client is just bringing is
waited for, or asked about again (431, 436). A fault of ours is never a refusal.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from gateway.errors import GatewayError, StoreError
from gateway.ingest.nntp_access import Visitor
from gateway.ingest.nntp_services import NntpServices
from gateway.maillog import log_mail
from gateway.msgqueue.history import Fate
from gateway.newsdesk.desk import Judgement, Origin, Refused, log_articles, note_of
from gateway.nntp.events import (
    ArticleReceived,
    ArticleRefused,
    AuthenticationRequested,
    CheckRequested,
    DateRequested,
    Event,
    IhaveRequested,
    PostRequested,
    ReaderEvent,
    Stored,
    TlsRequested,
    Transfer,
    Wanted,
)
from gateway.nntp.server import ServerDialogue

GUESSED = "400 too many passwords that were wrong, try again later"
LATER_TEXT = "try again later"
KNOWN_TEXT = "Duplicate: it is here already"
"""Its first word is INN's: feeders tell by it that the article need not be kept."""

_LOG = logging.getLogger(__name__)

_Slow = ArticleReceived | AuthenticationRequested | TlsRequested | ReaderEvent


class Line(Protocol):
    """The connection, as the session needs it."""

    def wake(self) -> None:
        """Send what can be sent, and go on with what was held back, soon."""

    async def drain(self) -> None:
        """Send what can be sent, and wait until the client has read most of it."""

    async def start_tls(self) -> None:
        """Go on in TLS."""

    def hang_up(self, line: str) -> None:
        """Say a last line behind all answers, and close."""

    def abort(self) -> None:
        """End at once."""


class NntpSession:
    """One client's session.

    Args:
        services: of the endpoint.
        dialogue: with the client.
        visitor: who the client is.
        line: to it.
    """

    def __init__(
        self, services: NntpServices, dialogue: ServerDialogue, visitor: Visitor, line: Line
    ) -> None:
        self._services = services
        self._dialogue = dialogue
        self._line = line
        self._task: asyncio.Task[None] | None = None
        self._failures_count = 0
        self._is_gone = False
        self.visitor = visitor

    def take(self, events: Sequence[Event]) -> None:
        """Do what a client asks; what takes time is answered later."""
        known = self._known(events)
        for event in events:
            match event:
                case CheckRequested():
                    answer = partial(self._dialogue.answer_check, event.ticket)
                    self._answer_offer(event.message_id, known, answer)
                case ArticleReceived() if event.transfer is not Transfer.POST:
                    self._take_article(event)
                case IhaveRequested():
                    answer = partial(self._dialogue.answer_ihave, event.ticket)
                    self._answer_offer(event.message_id, known, answer)
                case ArticleRefused():
                    log_mail(
                        "refused",
                        message_id=event.message_id or None,
                        client=self.visitor.name,
                        node=self._origin.name or None,
                        text=event.text,
                    )
                case DateRequested():
                    self._dialogue.answer_date(event.ticket, time.time())
                case PostRequested():
                    self._dialogue.answer_post(event.ticket, self._why_no_post())
                case _:  # what takes time
                    self._begin(event)

    def gone(self) -> None:
        """Forget the client: it has gone."""
        self._is_gone = True
        self._services.offers.forget(self)
        if self._task is not None:
            self._task.cancel()

    @property
    def _origin(self) -> Origin:
        return self.visitor.origin or Origin("", self.visitor.name)

    def _known(self, events: Sequence[Event]) -> frozenset[str] | None:
        """Those that are asked about and have come before; None: that can't be looked up."""
        asked = [event.message_id for event in events if isinstance(event, CheckRequested | IhaveRequested)]
        if not asked:
            return frozenset()
        try:
            self._services.desk.queue.check_room(0)
            return self._services.desk.history.known(asked)
        except StoreError as error:
            _LOG.warning("no articles can be taken now: %s", error)
            return None

    def _answer_offer(
        self, message_id: str, known: frozenset[str] | None, answer: Callable[[Wanted], None]
    ) -> None:
        if known is None:
            answer(Wanted.LATER)
        elif message_id in known:
            answer(Wanted.NO)
        elif self._services.offers.wait(message_id, lambda: self._answer_settled(message_id, answer)):
            pass
        else:
            is_mine = self._services.offers.promise(message_id, self)
            answer(Wanted.YES if is_mine else Wanted.LATER)

    def _answer_settled(self, message_id: str, answer: Callable[[Wanted], None]) -> None:
        """Another client brought it meanwhile: it is on disk, or could not be taken."""
        if self._is_gone:
            return
        try:
            is_known = bool(self._services.desk.history.known([message_id]))
        except StoreError:
            is_known = False
        answer(Wanted.NO if is_known else Wanted.LATER)
        self._line.wake()

    def _take_article(self, event: ArticleReceived) -> None:
        origin, offers = self._origin, self._services.offers
        offers.withdraw(event.message_id, self)
        judgement = self._services.desk.judge(event.data, origin, event.message_id)
        if isinstance(judgement, Refused) and not judgement.is_remembered:
            log_articles([(note_of(judgement), Fate.REFUSED)], origin)
            self._dialogue.answer_article(event.ticket, Stored.NO, judgement.text)
            return
        offers.arrive(event.message_id)
        self._services.intake.take(judgement, origin, partial(self._told, event, judgement))

    def _told(self, event: ArticleReceived, judgement: Judgement, outcome: Fate | GatewayError) -> None:
        self._services.offers.settle(event.message_id)
        if self._is_gone:
            return
        if isinstance(outcome, GatewayError):
            _LOG.warning("%s can't be taken now: %s", event.message_id, outcome)
            self._dialogue.answer_article(event.ticket, Stored.LATER, LATER_TEXT)
        elif outcome is Fate.NEW:
            self._dialogue.answer_article(event.ticket, Stored.YES)
        else:
            text = judgement.text if isinstance(judgement, Refused) else KNOWN_TEXT
            self._dialogue.answer_article(event.ticket, Stored.NO, text)
        self._line.wake()

    def _why_no_post(self) -> str | None:
        try:
            self._services.desk.queue.check_room(0)
        except StoreError:
            return "no room for articles now"
        return None

    def _begin(self, event: _Slow) -> None:
        """Do what takes time; the dialogue asks for nothing more before it is answered."""
        self._task = asyncio.get_running_loop().create_task(self._guard(event))

    async def _guard(self, event: _Slow) -> None:
        try:
            await self._answer(event)
        except GatewayError as error:
            _LOG.error("%s can't be answered: %s", self.visitor.name, error)
            self._dialogue.unavailable(event.ticket, LATER_TEXT)
        except Exception:  # noqa: BLE001 - a bug: the client comes again, and the others go on
            _LOG.exception("%s: internal error", self.visitor.name)
            self._line.abort()
        self._line.wake()

    async def _answer(self, event: _Slow) -> None:
        match event:
            case ArticleReceived():
                await self._post(event)
            case AuthenticationRequested():
                await self._log_in(event)
            case TlsRequested():
                await self._line.start_tls()
            case _:
                await self._read(event)

    async def _read(self, event: ReaderEvent) -> None:
        if self._services.reading is None:
            raise AssertionError("internal error: a reader where nothing is kept")
        await self._services.reading.answer(self._dialogue, event, self._line.drain)

    async def _post(self, event: ArticleReceived) -> None:
        visitor = self.visitor
        loop = asyncio.get_running_loop()
        posted = await loop.run_in_executor(
            self._services.executor,
            self._services.posting.post,
            event.data,
            visitor.poster,
            visitor.posting_origin,
        )
        self._dialogue.answer_article(event.ticket, posted.stored, posted.text)

    async def _log_in(self, event: AuthenticationRequested) -> None:
        door, client = self._services.door, self.visitor.name
        if door.guard.is_barred(client):
            self._refuse_login(event, GUESSED)
            return
        is_right = await door.check(event.name, event.password)
        if is_right is None:
            self._dialogue.unavailable(event.ticket, "nobody can log in now")
        elif is_right:
            self._welcome(event)
        else:
            await self._send_off(event)

    def _welcome(self, event: AuthenticationRequested) -> None:
        before = self.visitor
        self.visitor = self._services.admittance.logged_in(before, event.name)
        peer = self.visitor.peer
        if peer is not None and peer is not before.peer:
            name = peer.origin.name
            if before.peer is not None:
                self._services.peers[before.peer.origin.name] -= 1
            self._services.peers[name] += 1
            if self._services.peers[name] > peer.max_connections:
                self._refuse_login(event, f"400 too many connections of {name}, try again later")
                return
        self._dialogue.answer_authentication(event.ticket, self.visitor.access)

    async def _send_off(self, event: AuthenticationRequested) -> None:
        door, client = self._services.door, self.visitor.name
        total = door.guard.failed(client)
        log_mail("auth-failed", user=event.name, client=client, failures=total, text="wrong name or password")
        await asyncio.sleep(door.failure_seconds * 2**self._failures_count)
        self._failures_count += 1
        if self._failures_count >= door.max_failures or door.guard.is_barred(client):
            self._refuse_login(event, GUESSED)
        else:
            self._dialogue.answer_authentication(event.ticket, None)

    def _refuse_login(self, event: AuthenticationRequested, last_line: str) -> None:
        self._dialogue.answer_authentication(event.ticket, None)
        self._line.hang_up(last_line)
