import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import GatewayError
from gateway.ingest.nntp_intake import ArticleIntake
from gateway.msgqueue.history import Fate
from gateway.msgqueue.store import Queue
from gateway.newsdesk.desk import Accepted
from tests.support.news import article
from tests.support.newsroom import B_FEED, FROM_A, crlf, desk

COUNT = 20


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path / "queue", Disk(is_syncing=False)) as queue:
        yield queue


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def take_all(queue: Queue) -> list[Fate | GatewayError]:
    """Let articles come in a few groups, and wait for all of them."""
    newsdesk, told, is_done = desk(queue, (B_FEED,)), list[Fate | GatewayError](), asyncio.Event()

    def tell(outcome: Fate | GatewayError) -> None:
        told.append(outcome)
        if len(told) == COUNT:
            is_done.set()

    with ThreadPoolExecutor(1) as executor:
        intake = ArticleIntake(newsdesk, executor)
        for number in range(COUNT):
            intake.take(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A, tell)
            if number % 5 == 0:
                await asyncio.sleep(0)
        await is_done.wait()
    return told


@pytest.mark.usefixtures("without_collector")
def test_articles_that_are_on_disk_are_no_longer_in_memory(queue: Queue) -> None:
    assert asyncio.run(take_all(queue)) == [Fate.NEW] * COUNT
    # The writer is done with the last group once it has done something else.
    queue.write(lambda _: None)
    assert not any(isinstance(each, Accepted) for each in gc.get_objects())
