"""Delivery of news to a server by NNTP: streaming through a sliding window, over TCP or a Unix socket.

What a server says of an article, as the dialogue tells it:

    accepted     239, 235             delivered
    duplicate    438, 435             delivered: it had it already
    rejected     439, 437             dead: never again
    later        431, 436, 400, and   deferred
                 a lost connection

A connection that is lost after an article was sent leaves open whether the server has it: it is brought
again, and known by its Message-ID.

Spec: RFC 3977; RFC 4644; RFC 4643.
"""

import contextlib
import functools
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.deliver.news_target import Delivery, ReadBody
from gateway.deliver.outcome import of_error, one_line
from gateway.errors import GatewayError
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.nntp.check_habit import CheckHabit
from gateway.nntp.feeder import (
    ArticleWanted,
    FeedClosed,
    FeedDialogue,
    FeedEvent,
    FeedOutcome,
    FeedReady,
    FeedResult,
    FeedSettings,
)

READ_BYTES = 1 << 16
AHEAD_BYTES = 256 << 10
"""Articles are read from the queue as long as less than this waits to be sent."""
GATHER_SECONDS = 0.002
"""For answers that come close behind each other."""
DOWN_STATUS = "4.4.1"
QUIT_SECONDS = 2.0
_VERDICTS = {
    FeedResult.ACCEPTED: (Verdict.DELIVERED, "2.0.0"),
    FeedResult.DUPLICATE: (Verdict.DELIVERED, "2.0.0"),
    FeedResult.REJECTED: (Verdict.REFUSED, "5.7.1"),
    FeedResult.LATER: (Verdict.DEFERRED, "4.3.2"),
}


@dataclass(frozen=True, slots=True)
class NntpTargetSettings:
    """Which server, and how patient to be with it.

    Args:
        host: name or address; or the path of a Unix socket, with a port of 0.
        port: TCP port.
        feed: of the dialogue.
        connect_seconds: for the connection.
        reply_seconds: for the server to say anything while it owes an answer, or to take more.
    """

    host: str
    port: int
    feed: FeedSettings
    connect_seconds: float = 30.0
    reply_seconds: float = 300.0

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}" if self.port else self.host


class NntpTarget:
    """Feeds one server over one connection, kept until it is closed.

    Args:
        settings: which.
    """

    def __init__(self, settings: NntpTargetSettings) -> None:
        self._settings = settings
        self._session: _Session | None = None
        self._habit = CheckHabit()

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        """See ``NewsTarget``."""
        try:
            if self._session is not None and self._session.is_stale():
                self._drop()
            if self._session is None:
                self._session = _Session(self._settings, self._habit)
        except OSError as error:
            said = one_line(f"cannot connect to {self._settings.name}: {error.strerror or error}")
            return Delivery([Outcome(Verdict.DEFERRED, DOWN_STATUS, said)] * len(articles), is_down=True)
        page = _Page(self._session, articles, read_body)
        try:
            page.run()
        except BaseException:
            self._drop()
            raise
        if page.down is not None:
            self._drop()
            return Delivery(page.outcomes(page.down), is_down=True)
        return Delivery(page.outcomes("no answer"))

    def close(self) -> None:
        """Leave the server in good order."""
        session, self._session = self._session, None
        if session is not None:
            session.quit()

    def _drop(self) -> None:
        session, self._session = self._session, None
        # It may have what is brought again.
        self._habit = CheckHabit()
        if session is not None:
            session.abort()


class _Session:
    """One connection and its dialogue; ``exchange`` moves bytes and returns what happened."""

    def __init__(self, settings: NntpTargetSettings, habit: CheckHabit) -> None:
        self.name = settings.name
        self.dialogue = FeedDialogue(settings.feed, habit)
        self.is_ready = False
        self.waiting = bytearray()
        self._is_tcp = bool(settings.port)
        self._busy_count = settings.feed.window_count // 2
        self._reply_seconds = settings.reply_seconds
        self._socket = _connect(settings)
        self._socket.setblocking(False)

    def is_stale(self) -> bool:
        """Whether the server has said or done something while nothing was asked: it leaves."""
        return bool(select.select([self._socket], [], [], 0.0)[0])

    def exchange(self) -> list[FeedEvent]:
        """Send what there is, and wait until something can be sent or was received."""
        self.waiting += self.dialogue.data_to_send()
        try:
            can_read, can_write, _ = select.select(
                [self._socket], [self._socket] if self.waiting else [], [], self._reply_seconds
            )
            if not can_read and not can_write:
                return self._lost(f"it said nothing for {self._reply_seconds:g} seconds")
            if can_write:
                try:
                    del self.waiting[: self._socket.send(self.waiting)]
                except OSError as error:
                    return [*self._last_words(), *self._lost(error.strerror or str(error))]
            if not can_read:
                return []
            if self.dialogue.open_count > self._busy_count:
                # It has enough to do: more answers come at once, and each waking costs both sides.
                time.sleep(GATHER_SECONDS)
            data = self._socket.recv(READ_BYTES)
            if self._is_tcp:
                # innd holds its next answer back until this one is acknowledged: else 40 ms at times.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except OSError as error:
            return self._lost(error.strerror or str(error))
        return self.dialogue.receive_data(data) if data else self._lost("it closed the connection")

    def quit(self) -> None:
        """Say good-bye; its answer is not waited for longer than a moment."""
        self.dialogue.quit()
        with contextlib.suppress(OSError):
            self._socket.settimeout(QUIT_SECONDS)
            self._socket.sendall(bytes(self.waiting) + self.dialogue.data_to_send())
            self._socket.recv(READ_BYTES)
        self.abort()

    def abort(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _last_words(self) -> list[FeedEvent]:
        """What the server said before it hung up."""
        events: list[FeedEvent] = []
        with contextlib.suppress(OSError):
            while not self.dialogue.is_closing and (data := self._socket.recv(READ_BYTES)):
                events += self.dialogue.receive_data(data)
        return events

    def _lost(self, why: str) -> list[FeedEvent]:
        return self.dialogue.connection_lost(why)


class _Page:
    """Some articles on their way through the window."""

    def __init__(self, session: _Session, articles: Sequence[QueuedMessage], read_body: ReadBody) -> None:
        self.down: str | None = None
        self._session = session
        self._read_body = read_body
        self._articles = articles
        self._by_id = {article.message_id: article for article in articles}
        self._to_offer = deque(self._by_id)
        self._wanted: deque[str] = deque()
        self._open_count = len(self._by_id)
        self._outcomes: dict[str, Outcome] = {}

    def run(self) -> None:
        """Bring them, until each has its outcome or the server takes no more."""
        while self._open_count and self.down is None:
            self._fill()
            for event in self._session.exchange():
                self._take(event)

    def outcomes(self, unsaid: str) -> list[Outcome]:
        """One for each article; those that nothing was said of are deferred, with this text."""
        text = one_line(f"{self._session.name}: {unsaid}")
        later = Outcome(Verdict.DEFERRED, DOWN_STATUS, text)
        return [self._outcomes.get(article.message_id, later) for article in self._articles]

    def _fill(self) -> None:
        session = self._session
        if not session.is_ready:
            return
        dialogue = session.dialogue
        for _ in range(min(dialogue.room_count, len(self._to_offer))):
            for event in dialogue.offer(self._to_offer.popleft()):
                self._take(event)
        ahead_bytes = len(session.waiting)
        while self._wanted and ahead_bytes < AHEAD_BYTES:
            message_id = self._wanted.popleft()
            article = self._by_id[message_id]
            try:
                data = b"".join(self._read_body(article.seq))
            except GatewayError as error:
                self._leave_out(message_id, error)
                continue
            dialogue.send_article(message_id, data)
            ahead_bytes += len(data)

    def _leave_out(self, message_id: str, error: GatewayError) -> None:
        """Give up an article that can't be read, whatever the server wants."""
        for event in self._session.dialogue.withdraw(message_id, str(error)):
            self._take(event)
        self._outcomes[message_id] = of_error(error)

    def _take(self, event: FeedEvent) -> None:
        match event:
            case FeedOutcome(message_id, result, code, text):
                self._outcomes[message_id] = _outcome_of(self._session.name, result, code, text)
                self._open_count -= 1
            case ArticleWanted(message_id):
                self._wanted.append(message_id)
            case FeedReady():
                self._session.is_ready = True
            case FeedClosed():
                self.down = event.text


@functools.lru_cache(maxsize=256)
def _outcome_of(server: str, result: FeedResult, code: int, text: str) -> Outcome:
    # Nearly all answers to TAKETHIS differ in their Message-ID alone.
    verdict, status = _VERDICTS[result]
    return Outcome(verdict, status, one_line(f"{server} said: {code} {text}"))


def _connect(settings: NntpTargetSettings) -> socket.socket:
    if settings.port:
        link = socket.create_connection((settings.host, settings.port), settings.connect_seconds)
        # An answer must not wait for the next command: 40 ms each.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(settings.connect_seconds)
        link.connect(settings.host)
    except BaseException:
        link.close()
        raise
    return link
