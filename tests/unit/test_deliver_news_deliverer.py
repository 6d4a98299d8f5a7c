"""Pages of articles go to their targets, and a fault in one article stays with it."""

import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from gateway.deliver.news_deliverer import NewsDeliverer, NewsDeliverSettings
from gateway.deliver.news_target import Delivery, NewsTarget, ReadBody
from gateway.deliver.retry import RetrySchedule
from gateway.deliver.rnews_command import RnewsTarget, RnewsTargetSettings
from gateway.durable import Disk
from gateway.errors import ConfigError, StoreCorrupt, StoreFull
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.inbox import CRASH_LIMIT
from gateway.msgqueue.store import Queue
from tests.support.news import article, batch, without_path
from tests.support.newsroom import FROM_A, crlf, desk, feed, waiting
from tests.support.queue_clock import SetClock

TAKEN = Outcome(Verdict.DELIVERED, "2.0.0", "ok")
LATER = Outcome(Verdict.DEFERRED, "4.3.2", "later")


class Fake:
    """A target that decides by a function of its own."""

    def __init__(self, decide: Callable[[QueuedMessage], Outcome], *, is_down: bool = False) -> None:
        self.pages: list[list[str]] = []
        self._decide = decide
        self._is_down = is_down

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        self.pages.append([each.message_id for each in articles])
        for each in articles:
            assert b"".join(read_body(each.seq)).startswith(b"Path: gw.test!")
        return Delivery([self._decide(each) for each in articles], self._is_down)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as opened:
        yield opened


def fill(queue: Queue, count: int, *names: str) -> None:
    newsdesk = desk(queue, [feed(name=name) for name in names or ("inn",)])
    for number in range(count):
        newsdesk.take(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A).result()


def deliverer(queue: Queue, targets: dict[str, NewsTarget]) -> NewsDeliverer:
    schedule = RetrySchedule(first_wait_seconds=60, longest_wait_seconds=120, max_age_seconds=1000)
    return NewsDeliverer(queue, targets, NewsDeliverSettings(schedule, page_count=4))


def test_each_target_has_its_own_pages_and_outcomes(queue: Queue) -> None:
    fill(queue, 6, "one", "two")
    one, two = Fake(lambda _: TAKEN), Fake(lambda each: LATER if "<2@" in each.message_id else TAKEN)
    result = deliverer(queue, {"one": one, "two": two}).run_once()
    assert (result.delivered_count, result.deferred_count, result.is_target_down) == (11, 1, False)
    assert one.pages == two.pages == [[f"<{n}@a.test>" for n in page] for page in (range(4), range(4, 6))]
    assert waiting(queue) == [("<2@a.test>", "two")]


class Slow(Fake):
    """A server that says nothing for a while, and then that it is down."""

    def __init__(self, clock: SetClock, seconds: float) -> None:
        super().__init__(lambda _: LATER, is_down=True)
        self._clock = clock
        self._seconds = seconds

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        self._clock.go_on(self._seconds)
        return super().deliver(articles, read_body)


def test_a_server_that_says_nothing_takes_half_of_the_time_at_most(queue: Queue, clock: SetClock) -> None:
    good, slow = Fake(lambda _: TAKEN), Slow(clock, 50)
    at_work = deliverer(queue, {"good": good, "slow": slow})
    newsdesk = desk(queue, [feed(name=name) for name in ("slow", "good")])
    began, number = clock.seconds, 0
    while clock.seconds < began + 1000:
        newsdesk.take(newsdesk.judge(crlf(article(number)), FROM_A), FROM_A).result()
        at_work.run_once()
        number += 1
        clock.go_on(1)
    assert len(good.pages) == number
    assert len(slow.pages) == 10
    at_work.run_once(is_early=True)
    assert len(slow.pages) == 11


def test_a_server_that_says_at_once_that_it_is_down_is_asked_again_at_once(queue: Queue) -> None:
    fill(queue, 1)
    quick = Fake(lambda _: LATER, is_down=True)
    at_work = deliverer(queue, {"inn": quick})
    for _ in range(3):
        at_work.run_once(is_early=True)
    assert len(quick.pages) == 3


def test_the_next_page_is_brought_while_the_outcomes_of_one_are_recorded(
    tmp_path: Path, clock: SetClock
) -> None:
    begun, is_armed = threading.Event(), threading.Event()

    def hook(step: str, _: Path) -> None:
        if step == "commit" and is_armed.is_set():
            assert begun.wait(60)

    def decide(each: QueuedMessage) -> Outcome:
        if "<4@" in each.message_id:
            begun.set()
        return TAKEN

    with Queue(tmp_path, Disk(is_syncing=False, hook=hook), clock=clock.make) as queue:
        fill(queue, 8)
        is_armed.set()
        assert deliverer(queue, {"inn": Fake(decide)}).run_once().delivered_count == 8
        assert waiting(queue) == []


def test_a_page_that_can_not_be_recorded_ends_the_run(tmp_path: Path, clock: SetClock) -> None:
    is_armed = threading.Event()

    def hook(step: str, path: Path) -> None:
        if step == "commit" and is_armed.is_set():
            raise StoreFull(f"{path} is full")

    with Queue(tmp_path, Disk(is_syncing=False, hook=hook), clock=clock.make) as queue:
        fill(queue, 12)
        is_armed.set()
        target = Fake(lambda _: TAKEN)
        with pytest.raises(StoreFull):
            deliverer(queue, {"inn": target}).run_once()
        is_armed.clear()
        assert len(target.pages) == 2
        assert deliverer(queue, {"inn": target}).run_once().delivered_count == 12


def test_a_target_that_is_down_is_left_alone_for_the_rest_of_the_run(queue: Queue, clock: SetClock) -> None:
    fill(queue, 10)
    down = Fake(lambda _: LATER, is_down=True)
    result = deliverer(queue, {"inn": down}).run_once()
    assert (len(down.pages), result.deferred_count, result.is_target_down) == (1, 10, True)
    again = Fake(lambda _: TAKEN)
    assert deliverer(queue, {"inn": again}).run_once().delivered_count == 0
    clock.go_on(61)
    assert deliverer(queue, {"inn": again}).run_once().delivered_count == 10


def test_what_is_too_old_is_given_up(queue: Queue, clock: SetClock) -> None:
    fill(queue, 1)
    clock.go_on(1001)
    assert deliverer(queue, {"inn": Fake(lambda _: LATER)}).run_once().dead_count == 1


def test_a_target_that_was_taken_out_of_the_configuration_keeps_its_articles(queue: Queue) -> None:
    fill(queue, 2)
    assert deliverer(queue, {}).run_once().deferred_count == 2
    assert len(waiting(queue)) == 2


def test_a_bug_in_one_article_stops_no_other_and_sets_it_aside_at_last(queue: Queue) -> None:
    fill(queue, 3)

    def decide(each: QueuedMessage) -> Outcome:
        if "<1@" in each.message_id:
            raise ZeroDivisionError
        return TAKEN

    results = [deliverer(queue, {"inn": Fake(decide)}).run_once(is_early=True) for _ in range(CRASH_LIMIT)]
    assert results[0].delivered_count == 2
    assert [result.crash_count for result in results] == [1] * CRASH_LIMIT
    assert waiting(queue) == []


def test_an_article_that_can_not_be_read_is_refused_alone(queue: Queue) -> None:
    fill(queue, 3)

    def decide(each: QueuedMessage) -> Outcome:
        if "<1@" in each.message_id:
            raise StoreCorrupt("gone")
        return TAKEN

    result = deliverer(queue, {"inn": Fake(decide)}).run_once()
    assert (result.delivered_count, result.dead_count) == (2, 1)


def program(place: Path, *lines: str) -> RnewsTarget:
    path = place / "program"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return RnewsTarget(RnewsTargetSettings((str(path),), 20.0), place, Disk(is_syncing=False))


def test_a_program_reads_a_batch_on_its_standard_input(queue: Queue, tmp_path: Path) -> None:
    fill(queue, 3)
    got = tmp_path / "got"
    target = program(tmp_path, f"exec /bin/cat > {got}")
    assert deliverer(queue, {"inn": target}).run_once().delivered_count == 3
    parts = got.read_bytes().split(b"#! rnews ")[1:]
    assert all(int(part.partition(b"\n")[0]) == len(part.partition(b"\n")[2]) for part in parts)
    assert [without_path(part.partition(b"\n")[2]) for part in parts] == [
        without_path(article(number)) for number in range(3)
    ]
    assert batch([parts[0].partition(b"\n")[2]]) == b"#! rnews " + parts[0]
    assert not list((tmp_path / "incoming").iterdir())


@pytest.mark.parametrize("lines", [("exit 65",), ("exit 75",), ("kill -9 $$",), ("exec sleep 600",)])
def test_a_program_that_fails_gets_it_all_again(queue: Queue, tmp_path: Path, lines: tuple[str, ...]) -> None:
    fill(queue, 3)
    target = program(tmp_path, *lines)
    if "sleep" in lines[0]:
        settings = RnewsTargetSettings((str(tmp_path / "program"),), 0.2)
        target = RnewsTarget(settings, tmp_path, Disk(is_syncing=False))
    result = deliverer(queue, {"inn": target}).run_once()
    assert (result.deferred_count, result.is_target_down) == (3, True)


def test_a_program_needs_a_path_and_must_be_there(queue: Queue, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        RnewsTarget(RnewsTargetSettings(("rnews",)), tmp_path, Disk())
    fill(queue, 1)
    target = RnewsTarget(RnewsTargetSettings(("/nonexistent/rnews",)), tmp_path, Disk(is_syncing=False))
    assert deliverer(queue, {"inn": target}).run_once().deferred_count == 1
