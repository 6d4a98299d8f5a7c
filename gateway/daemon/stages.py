"""The stages as the supervisor runs them: how each is built, and when it wants to run again."""

import logging
import os
import time
from collections.abc import Callable
from functools import partial

from gateway.daemon.news_parts import NewsParts
from gateway.daemon.parts import Parts
from gateway.daemon.supervisor import Run, Stage
from gateway.deliver.deliverer import Deliverer
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.views import forget_finished
from gateway.spool.layout import Box

_LOG = logging.getLogger(__name__)

BATCH = "batch"
TOSS = "toss"
DELIVER = "deliver"
REPORT = "report"
NEWS_BATCH = "news-batch"
NEWS_DELIVER = "news-deliver"
HOUSEKEEPING = "housekeeping"
SMTP = "smtp"
LMTP = "lmtp"
SUBMISSION = "submission"
PIPE = "pipe"
ONLINE = "online"
NNTP = "nntp"
NEWS = (NEWS_BATCH, NEWS_DELIVER)
"""As far as there is news."""
NAMES = (SMTP, LMTP, SUBMISSION, PIPE, BATCH, TOSS, DELIVER, REPORT, ONLINE, NNTP, *NEWS)
"""What ``serve --only`` takes; housekeeping always runs."""

RESCAN_SECONDS = 30.0
"""Other processes put mail in the queue too; if their wake is lost, it is found by then."""
HANDED_ON_PAUSE_SECONDS = 0.003
"""Between two runs of a stage that whole batches wake, and not each message."""
KEPT_OPEN_SECONDS = 2.0
"""Connections to news servers, behind the last articles: more may come at once."""
REPORT_SECONDS = 5.0
"""How often dead letters are looked for; that costs next to nothing."""
LATE_SECONDS = 600.0
"""How often all that waits is looked through for what waits too long."""
HOUSEKEEPING_SECONDS = 3600.0
FRESH_SECONDS = 2.0
"""A directory changed this lately may change again within the same tick of its clock."""


def make_stages(parts: Parts, is_stopping: Callable[[], bool]) -> list[Stage]:
    """Every stage that runs in a thread.

    Args:
        parts: what they work with.
        is_stopping: asked by long runs between two steps.
    """
    interval_seconds = parts.config.toss_interval_seconds
    news = [] if parts.news is None else make_news_stages(parts.news)
    return [
        Stage(BATCH, lambda: _batch(parts), RESCAN_SECONDS),
        Stage(
            TOSS, lambda: _toss(parts, is_stopping), interval_seconds, pause_seconds=HANDED_ON_PAUSE_SECONDS
        ),
        *(
            Stage(DELIVER, partial(_deliver, deliverer), RESCAN_SECONDS)
            for deliverer in parts.deliverers(is_stopping)
        ),
        Stage(REPORT, lambda: _report(parts), REPORT_SECONDS),
        Stage(HOUSEKEEPING, lambda: _keep_house(parts), HOUSEKEEPING_SECONDS),
        *news,
    ]


def make_news_stages(news: NewsParts) -> list[Stage]:
    """The stages of news: threads of their own, so that mail never waits for them."""
    return [
        # Articles come many at a time: few runs look at the lanes in vain.
        Stage(NEWS_BATCH, lambda: _batch(news), RESCAN_SECONDS, is_eager=True),
        Stage(
            NEWS_DELIVER,
            lambda: _deliver_news(news),
            RESCAN_SECONDS,
            pause_seconds=HANDED_ON_PAUSE_SECONDS,
        ),
    ]


def _batch(parts: Parts | NewsParts) -> Run:
    batcher = parts.batcher()

    def run() -> float | None:
        # To look what waits takes the longer the more waits: once a run.
        return batcher.next_run_seconds(batcher.run_once().lanes)

    return run


def _deliver(deliverer: Deliverer) -> Run:
    def run() -> float | None:
        deliverer.run_once()
        seconds = deliverer.next_try_seconds()
        return None if seconds is None else max(0.0, seconds)

    return run


def _deliver_news(news: NewsParts) -> Run:
    deliverer, inbox = news.deliverer(), Inbox(news.queue)
    used_at: float | None = None

    def run() -> float | None:
        nonlocal used_at
        # Most that wakes it, on the way to neighbours, is nothing for it: one look is less than a run.
        seconds = inbox.next_try_seconds()
        is_due = seconds is not None and seconds <= 0
        is_empty = not is_due or deliverer.run_once(is_kept_open=True).is_empty
        now = time.monotonic()
        if not is_empty:
            used_at = now
        elif used_at is not None and now >= used_at + KEPT_OPEN_SECONDS:
            deliverer.close()
            used_at = None
        waits = [inbox.next_try_seconds(), None if used_at is None else used_at + KEPT_OPEN_SECONDS - now]
        return min((max(0.0, seconds) for seconds in waits if seconds is not None), default=None)

    return run


def _report(parts: Parts) -> Run:
    reporter, answers, clock = parts.reporter(), parts.remote_answers(), parts.queue.clock
    late_at = clock.now()

    def run() -> float | None:
        nonlocal late_at
        is_late_looked_for = clock.now() >= late_at
        reporter.run_once(is_late_looked_for=is_late_looked_for)
        if is_late_looked_for:
            late_at = clock.now() + LATE_SECONDS
        if answers is not None:
            answers.run_once()
        return None

    return run


def _toss(parts: Parts, is_stopping: Callable[[], bool]) -> Run:
    tosser = parts.tosser(is_stopping)
    watch = RxWatch(parts, parts.config.toss_retry_seconds)

    def run() -> float | None:
        if watch.has_news():
            tosser.run_once()
        return None

    return run


def _keep_house(parts: Parts) -> Run:
    def run() -> float | None:
        swept_count = parts.queue.sweep_bodies()
        if parts.news is not None:
            swept_count += parts.news.keep_house()
        if swept_count:
            _LOG.info("removed %d body files that a crash had left", swept_count)
        config = parts.config
        forget_finished(
            parts.queue,
            keep_seconds=config.keep_finished_seconds,
            keep_batch_seconds=config.keep_batch_ids_seconds,
        )
        return None

    return run


class RxWatch:
    """Whether something came in since the last look, so that a bad packet is not tried all the time.

    Args:
        parts: the spool and the neighbours.
        retry_seconds: there is news after this time in any case: what failed is tried again.
        wall: the clock that file times are of.
        clock: for the retry.
    """

    def __init__(
        self,
        parts: Parts,
        retry_seconds: float,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        layout = parts.spool.layout
        self._directories = [layout.box(node.id, Box.RX) for node in parts.book]
        # What is for an area goes to ourselves, and our toss passes it on.
        self._directories.append(layout.box(parts.book.self_node.id, Box.TX))
        self._retry_seconds = retry_seconds
        self._wall = wall
        self._clock = clock
        self._seen: list[int] = []
        self._looked_at = -retry_seconds

    def has_news(self) -> bool:
        """Whether to toss now; asking counts as having tossed."""
        now, fresh_ns = self._clock(), int((self._wall() - FRESH_SECONDS) * 1e9)
        times = [_changed_ns(path) for path in self._directories]
        is_due = now - self._looked_at >= self._retry_seconds
        if times == self._seen and not is_due:
            return False
        self._seen = [0 if time_ns > fresh_ns else time_ns for time_ns in times]
        self._looked_at = now
        return True


def _changed_ns(path: "os.PathLike[str]") -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - thousands of neighbours, every few seconds
    except OSError:
        return 0
