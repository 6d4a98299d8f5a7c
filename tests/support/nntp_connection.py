"""Our dialogues of NNTP at real sockets, for tests with real servers and clients."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from gateway.nntp.article import Article, ArticleLimits, read_article
from gateway.nntp.events import (
    ArticleReceived,
    CheckRequested,
    DialogueLimits,
    Event,
    IhaveRequested,
    Stored,
    Wanted,
)
from gateway.nntp.feeder import ArticleWanted, FeedDialogue, FeedEvent, FeedOutcome, FeedSettings
from gateway.nntp.server import ServerDialogue, ServerSettings
from tests.support.newsstand import Newsstand
from tests.support.nntp_driver import ALL, answer

SOCKET_SECONDS = 60.0
READ_BYTES = 65536
ARTICLE_BYTES = 20_000_000


def feed(
    port: int, articles: Mapping[str, bytes], settings: FeedSettings | None = None
) -> dict[str, FeedOutcome]:
    """Feed articles to a server, and tell what it said of each."""
    dialogue = FeedDialogue(settings)
    left = list(articles)
    outcomes: dict[str, FeedOutcome] = {}

    def take(events: list[FeedEvent]) -> None:
        for event in events:
            if isinstance(event, ArticleWanted):
                dialogue.send_article(event.message_id, articles[event.message_id])
            elif isinstance(event, FeedOutcome):
                outcomes[event.message_id] = event
        while left and dialogue.room_count:
            take(dialogue.offer(left.pop(0)))

    with socket.create_connection(("127.0.0.1", port), timeout=SOCKET_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not dialogue.is_closing:
            data = connection.recv(READ_BYTES)
            take(dialogue.receive_data(data) if data else dialogue.connection_lost("closed"))
            if not left and dialogue.room_count:
                take(dialogue.quit())
            connection.sendall(dialogue.data_to_send())
    return outcomes


class ArticleServer:
    """Our server's dialogue at a port; it keeps in memory what it takes.

    Args:
        newsstand: what can be read; None: nothing.

    Attributes:
        port: where.
        articles: what was stored, by Message-ID.
        transcript: what clients sent.
    """

    def __init__(self, newsstand: Newsstand | None = None) -> None:
        self._newsstand = newsstand
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.articles: dict[str, bytes] = {}
        self.transcript = b""
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A blocked accept ends by this, and not by close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SOCKET_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that goes without a word, or is killed, ends its connection alone.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(SOCKET_SECONDS)
            self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        limits = DialogueLimits(article_bytes=ARTICLE_BYTES)
        server = ServerDialogue(ServerSettings("ours.news.test", limits), ALL)
        server.greet()
        connection.sendall(server.data_to_send())
        while not server.is_closing and (data := connection.recv(READ_BYTES)):
            self.transcript += data
            events = server.receive_data(data)
            while events:
                for event in events:
                    self._answer(server, event)
                events = server.receive_data(b"")
            connection.sendall(server.data_to_send())

    def _answer(self, server: ServerDialogue, event: Event) -> None:
        if isinstance(event, CheckRequested):
            server.answer_check(event.ticket, self._wanted(event.message_id))
        elif isinstance(event, IhaveRequested):
            server.answer_ihave(event.ticket, self._wanted(event.message_id))
        elif isinstance(event, ArticleReceived):
            found = read_article(event.data, ArticleLimits(article_bytes=ARTICLE_BYTES))
            if isinstance(found, Article):
                self.articles[found.message_id] = event.data
                server.answer_article(event.ticket, Stored.YES)
            else:
                server.answer_article(event.ticket, Stored.NO, found.text)
        elif self._newsstand is not None and self._newsstand.can_answer(event):
            self._newsstand.answer(server, event)
        else:
            answer(server, event)

    def _wanted(self, message_id: str) -> Wanted:
        return Wanted.NO if message_id in self.articles else Wanted.YES
