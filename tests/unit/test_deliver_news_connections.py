"""One server is fed by several connections, by as many as it lets in, and each article once."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from gateway.deliver.news_connections import SHARE_COUNT, TRY_ALL_SECONDS, SeveralConnections
from gateway.deliver.news_deliverer import NewsDeliverer
from gateway.deliver.nntp import NntpTarget, NntpTargetSettings
from gateway.deliver.result import DeliverResult
from gateway.durable import Disk
from gateway.msgqueue.store import Queue
from gateway.nntp.feeder import FeedSettings
from tests.support.news import article
from tests.support.news_server import NewsServer
from tests.support.newsroom import FROM_A, INN_FEED, crlf, desk, waiting
from tests.support.ports import free_port

COUNT = 4 * SHARE_COUNT
CODES = {"CHECK": "238", "TAKETHIS": "239"}


class CrowdedServer(NewsServer):
    """Serves some connections at a time, and sends others away.

    Attributes:
        most: connections that were served at the same time.
        away: connections that were sent away.
    """

    def __init__(self, max_count: int) -> None:
        super().__init__(self._wait_for_all)
        self._max_count = max_count
        self._served = 0
        self._lock = threading.Condition()
        self.most = self.away = 0

    def _wait_for_all(self, command: str, message_id: str) -> str:
        # Nobody is answered before as many are there as are let in.
        with self._lock:
            assert self._lock.wait_for(lambda: self.most >= self._max_count, 60)
        return f"{CODES[command]} {message_id}"

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                if self._served == self._max_count:
                    self.away += 1
                    link.sendall(b"400 too many connections\r\n")
                    link.close()
                    continue
                self._served += 1
                self.most = max(self.most, self._served)
                self._lock.notify_all()
            file = cast(IO[bytes], link.makefile("rwb"))
            threading.Thread(target=self._attend, args=(file,), daemon=True).start()
            link.close()

    def _attend(self, file: IO[bytes]) -> None:
        with file, contextlib.suppress(OSError):
            self._talk(file)
        with self._lock:
            self._served -= 1


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def fill(queue: Queue, numbers: range) -> list[str]:
    newsdesk = desk(queue, [INN_FEED])
    for number in numbers:
        newsdesk.take(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A).result()
    return [f"<{number}@a.test>" for number in numbers]


class Clock:
    """Stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def connections(port: int, count: int, clock: Clock | None = None) -> SeveralConnections:
    settings = NntpTargetSettings("127.0.0.1", port, FeedSettings(), reply_seconds=60)
    return SeveralConnections([NntpTarget(settings) for _ in range(count)], clock or Clock())


def deliver(queue: Queue, target: SeveralConnections) -> DeliverResult:
    return NewsDeliverer(queue, {"inn": target}).run_once(is_early=True)


def test_articles_are_shared_out(queue: Queue) -> None:
    ids = fill(queue, range(COUNT))
    with CrowdedServer(4) as server:
        result = deliver(queue, connections(server.port, 4))
    assert (result.delivered_count, server.most) == (COUNT, 4)
    assert sorted(server.articles) == sorted(ids)
    assert server.commands.count("TAKETHIS") == COUNT


def test_a_few_articles_need_one_connection(queue: Queue) -> None:
    fill(queue, range(SHARE_COUNT))
    with CrowdedServer(1) as server:
        assert deliver(queue, connections(server.port, 4)).delivered_count == SHARE_COUNT
    assert server.away == 0


def test_a_server_that_lets_fewer_in_gets_everything_by_those(queue: Queue) -> None:
    ids = fill(queue, range(COUNT))
    clock = Clock()
    with CrowdedServer(2) as server:
        target = connections(server.port, 4, clock)
        assert deliver(queue, target).delivered_count == COUNT
        assert server.away == 2
        more = fill(queue, range(COUNT, 2 * COUNT))
        assert deliver(queue, target).delivered_count == COUNT
        assert server.away == 2
        clock.now += TRY_ALL_SECONDS
        more += fill(queue, range(2 * COUNT, 3 * COUNT))
        assert deliver(queue, target).delivered_count == COUNT
        assert server.away == 4
    assert sorted(server.articles) == sorted([*ids, *more])


def test_a_server_that_is_down_is_down(queue: Queue) -> None:
    ids = fill(queue, range(COUNT))
    result = deliver(queue, connections(free_port(), 3))
    assert (result.deferred_count, result.is_target_down) == (COUNT, True)
    assert [message_id for message_id, _ in waiting(queue)] == ids
