"""Each article has its own outcome, whatever the server does."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from gateway.deliver.news_deliverer import NewsDeliverer, NewsDeliverSettings
from gateway.deliver.nntp import NntpTarget, NntpTargetSettings
from gateway.deliver.retry import RetrySchedule
from gateway.durable import Disk
from gateway.msgqueue.store import Queue
from gateway.nntp.feeder import FeedSettings
from tests.support.news import article
from tests.support.news_server import NewsServer
from tests.support.newsroom import FROM_A, INN_FEED, crlf, desk, waiting
from tests.support.ports import free_port


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def fill(queue: Queue, count: int, body: str = "hello\n") -> list[str]:
    newsdesk = desk(queue, [INN_FEED])
    for number in range(count):
        newsdesk.take(newsdesk.judge(crlf(article(number, body)), FROM_A), FROM_A).result()
    return [f"<{number}@a.test>" for number in range(count)]


def deliver(
    queue: Queue, server: NewsServer | str, feed: FeedSettings | None = None, page_count: int = 200
) -> dict[str, tuple[str, str]]:
    """Run once; state and text of each article."""
    host, port = (server, 0) if isinstance(server, str) else ("127.0.0.1", server.port)
    target = NntpTarget(NntpTargetSettings(host, port, feed or FeedSettings(), reply_seconds=60))
    settings = NewsDeliverSettings(RetrySchedule(first_wait_seconds=60), page_count)
    NewsDeliverer(queue, {"inn": target}, settings).run_once(is_early=True)
    with queue.reading() as connection:
        rows = connection.execute(
            "SELECT m.message_id, d.state, d.text FROM delivery d JOIN message m ON m.seq = d.message"
        ).fetchall()
    return {message_id: (state, text) for message_id, state, text in rows}


CODES = {
    "<0@a.test>": ("438", "delivered"),
    "<1@a.test>": ("431", "queued"),
    "<2@a.test>": ("239", "delivered"),
    "<3@a.test>": ("439", "dead"),
}


def test_what_the_server_says_is_what_becomes_of_an_article(queue: Queue) -> None:
    fill(queue, 4)

    def answer(command: str, message_id: str) -> str:
        code = CODES[message_id][0]
        if command == "CHECK" and code.endswith("39"):
            code = "238"
        return f"{code} {message_id} because"

    with NewsServer(answer) as server:
        found = deliver(queue, server)
    assert {message_id: state for message_id, (state, _) in found.items()} == {
        message_id: state for message_id, (_, state) in CODES.items()
    }
    assert "439" in found["<3@a.test>"][1]
    assert list(server.articles) == ["<2@a.test>"]


@pytest.mark.parametrize("is_streaming", [True, False])
@pytest.mark.parametrize("is_check_skipped", [True, False])
def test_articles_arrive_byte_for_byte(queue: Queue, *, is_streaming: bool, is_check_skipped: bool) -> None:
    ids = fill(queue, 30, ".\n..\n.x\n" + "y" * 20_000 + "\n")
    codes = {"CHECK": "238", "TAKETHIS": "239", "IHAVE": "335", "ARTICLE": "235"}
    with NewsServer(lambda command, id_: f"{codes[command]} {id_}", is_streaming=is_streaming) as server:
        found = deliver(queue, server, FeedSettings(window_count=7, is_check_skipped=is_check_skipped), 10)
    assert {state for state, _ in found.values()} == {"delivered"}
    assert list(server.articles) == ids
    for number, content in enumerate(server.articles.values()):
        assert content.endswith(b"\r\n\r\n.\r\n..\r\n.x\r\n" + b"y" * 20_000 + b"\r\n")
        assert b"Subject: number %d\r\n" % number in content
    assert ("CHECK" in server.commands) is (is_streaming and not is_check_skipped)
    assert server.commands.count("QUIT") == 1


@pytest.mark.parametrize("code", ["400", None, "500"])
def test_a_server_that_stops_in_the_middle_gets_the_rest_later(queue: Queue, code: str | None) -> None:
    ids = fill(queue, 20)

    def answer(command: str, message_id: str) -> str | None:
        if command == "CHECK":
            return f"238 {message_id}"
        return f"239 {message_id}" if message_id in ids[:5] else None if code is None else f"{code} enough"

    with NewsServer(answer) as server:
        found = deliver(queue, server, page_count=10)
    assert [state for state, _ in found.values()] == ["delivered"] * 5 + ["queued"] * 15
    assert list(server.articles) == ids[:5]
    with NewsServer(lambda command, id_: f"{'238' if command == 'CHECK' else '239'} {id_}") as server:
        deliver(queue, server)
    assert list(server.articles) == ids[5:]
    assert waiting(queue) == []


def test_what_a_server_says_before_it_hangs_up_counts(queue: Queue) -> None:
    ids = fill(queue, 20, "x" * 9998 + "\n" + ("y" * 998 + "\n") * 500)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            link, _ = listening.accept()
            with link, link.makefile("rb") as file:
                link.sendall(b"200 hello\r\n")
                file.readline()
                link.sendall(b"203 ok\r\n")
                for _ in range(5):
                    while file.readline() != b".\r\n":
                        pass
                # What else has come is thrown away, so what is sent from now on breaks the connection.
                link.sendall(b"".join(f"239 {message_id}\r\n".encode() for message_id in ids[:5]))
                link.sendall(b"400 tired\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        target = NntpTarget(
            NntpTargetSettings("127.0.0.1", listening.getsockname()[1], FeedSettings(is_check_skipped=True))
        )
        result = NewsDeliverer(queue, {"inn": target}).run_once(is_early=True)
        thread.join(60)
    assert (result.delivered_count, result.deferred_count) == (5, 15)
    assert [message_id for message_id, _ in waiting(queue)] == ids[5:]


@pytest.mark.parametrize("greeting", ["400 paused", "502 go away", "nonsense"])
def test_a_server_that_lets_nobody_in_gets_everything_later(queue: Queue, greeting: str) -> None:
    ids = fill(queue, 3)
    with NewsServer(lambda _, id_: f"239 {id_}", greeting=greeting) as server:
        found = deliver(queue, server)
    assert [state for state, _ in found.values()] == ["queued"] * 3
    assert [message_id for message_id, _ in waiting(queue)] == ids


def test_a_server_that_is_not_there_is_tried_again(queue: Queue, tmp_path: Path) -> None:
    fill(queue, 3)
    for place in (str(tmp_path / "none"), None):
        target = NntpTarget(
            NntpTargetSettings(place or "127.0.0.1", 0 if place else free_port(), FeedSettings())
        )
        result = NewsDeliverer(queue, {"inn": target}).run_once(is_early=True)
        assert (result.deferred_count, result.is_target_down) == (3, True)


def test_a_unix_socket_is_a_way_too(queue: Queue, place: Path) -> None:
    ids = fill(queue, 3)
    path = place / "nntpin"
    with NewsServer(
        lambda command, id_: f"{'238' if command == 'CHECK' else '239'} {id_}", path=path
    ) as server:
        deliver(queue, str(path))
    assert list(server.articles) == ids


def taken(command: str, message_id: str) -> str:
    return f"{'238' if command == 'CHECK' else '239'} {message_id}"


def nntp_target(server: NewsServer) -> NntpTarget:
    return NntpTarget(NntpTargetSettings("127.0.0.1", server.port, FeedSettings(), reply_seconds=60))


def test_a_connection_that_is_kept_open_serves_the_next_run(queue: Queue) -> None:
    with NewsServer(taken) as server:
        deliverer = NewsDeliverer(queue, {"inn": nntp_target(server)})
        for count in (3, 6):
            fill(queue, count)
            assert deliverer.run_once(is_kept_open=True).delivered_count == 3
        assert deliverer.run_once(is_kept_open=True).is_empty
        assert (server.commands.count("MODE"), server.commands.count("QUIT")) == (1, 0)
        deliverer.close()
    assert server.commands.count("QUIT") == 1


class LeavingServer:
    """Takes one article over each connection, and leaves.

    Attributes:
        left: set when it has closed the first one.
    """

    def __init__(self) -> None:
        self.left = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, after two connections."""
        self._thread.join(60)
        self._listening.close()

    def _serve(self) -> None:
        for _ in range(2):
            link, _ = self._listening.accept()
            with link, link.makefile("rwb") as file:
                self._talk(cast("IO[bytes]", file))
            self.left.set()

    @staticmethod
    def _talk(file: IO[bytes]) -> None:
        words = ["", ""]
        for status in ("200", "203", "238", "239"):
            file.write(f"{status} {words[-1]}\r\n".encode())
            file.flush()
            if status != "239":
                words = file.readline().decode().split()
            while words[0] == "TAKETHIS" and status != "239" and file.readline() != b".\r\n":
                pass


def test_a_server_that_left_meanwhile_gets_articles_over_a_new_connection_at_once(queue: Queue) -> None:
    server = LeavingServer()
    target = NntpTarget(NntpTargetSettings("127.0.0.1", server.port, FeedSettings(), reply_seconds=60))
    deliverer = NewsDeliverer(queue, {"inn": target})
    fill(queue, 1)
    assert deliverer.run_once(is_kept_open=True).delivered_count == 1
    assert server.left.wait(60)
    fill(queue, 2)
    assert deliverer.run_once().delivered_count == 1
    server.close()
    assert waiting(queue) == []
