"""The deliverer of news: brings what is due in the news inbox to each target, a page at a time.

Contract: the outcomes of a page are recorded in one commit, while the next page is brought, and before the
one behind that. A crash before that commit makes the targets see these articles again, and they know them
by their Message-IDs. A fault of ours in one article stays with that article.

A target that is found to be down is left alone for as long as that took: a server that says nothing for
minutes takes no more than half of the time from the others. Those that come first among the targets are
served first.

One process at a time delivers news.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from gateway.deliver.news_target import Delivery, NewsTarget
from gateway.deliver.outcome import of_error, one_line
from gateway.deliver.result import DeliverResult
from gateway.deliver.retry import RetrySchedule
from gateway.errors import GatewayError
from gateway.maillog import lines_together, log_alike
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.read_ahead import ReadAhead
from gateway.msgqueue.store import Queue

LOCK = "deliver"
NO_TARGET = Outcome(Verdict.DEFERRED, "4.3.5", "there is no such target in gateway.toml (any more)")
_DECIDED = itemgetter(0)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewsDeliverSettings:
    """How news is delivered.

    Args:
        retry: when to try again and when to give up.
        page_count: articles read from the queue, brought and recorded together.
    """

    retry: RetrySchedule = field(
        default_factory=lambda: RetrySchedule(longest_wait_seconds=900.0, max_age_seconds=30 * 86_400.0)
    )
    page_count: int = 200


@dataclass(frozen=True, slots=True)
class _Part:
    """The articles of a page that one target gets, with their deliveries."""

    target: str
    articles: list[QueuedMessage] = field(default_factory=list)
    delivery_seqs: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Rest:
    """A target that is left alone.

    Args:
        until: on the queue's clock.
        outcome: of all that is for it meanwhile.
    """

    until: float
    outcome: Outcome


class NewsDeliverer:
    """Delivers what the news inbox holds.

    Args:
        queue: the open queue of news.
        targets: by the names that feeds have, the most patient last.
        settings: how.
    """

    def __init__(
        self, queue: Queue, targets: Mapping[str, NewsTarget], settings: NewsDeliverSettings | None = None
    ) -> None:
        self._queue = queue
        self._targets = targets
        self._settings = settings or NewsDeliverSettings()
        self._resting: dict[str, _Rest] = {}

    def run_once(self, *, is_early: bool = False, is_kept_open: bool = False) -> DeliverResult:
        """Try every delivery that is due, once.

        Args:
            is_early: also those whose next try is still to come.
            is_kept_open: connections are kept for the next run, until ``close``.

        Raises:
            StoreBusy: another process delivers news.
            StoreError: the queue refused; what was recorded stays.
        """
        try:
            with self._queue.lock(LOCK), ThreadPoolExecutor(1, "news-record") as recording:
                now = self._queue.clock.now()
                self._resting = {
                    name: rest for name, rest in self._resting.items() if now < rest.until and not is_early
                }
                run = _Run(self._queue, self._targets, self._settings, recording, self._resting)
                run.work(is_early=is_early)
        except BaseException:
            self.close()
            raise
        if not is_kept_open:
            self.close()
        return run.result

    def close(self) -> None:
        """Let go of all connections."""
        for target in self._targets.values():
            target.close()


class _Run:
    """One run; outcomes are recorded by another thread, those of one page at a time."""

    def __init__(
        self,
        queue: Queue,
        targets: Mapping[str, NewsTarget],
        settings: NewsDeliverSettings,
        recording: ThreadPoolExecutor,
        resting: dict[str, _Rest],
    ) -> None:
        self.result = DeliverResult()
        self._queue = queue
        self._inbox = Inbox(queue)
        self._targets = targets
        self._settings = settings
        self._recording = recording
        self._recorded: Future[None] | None = None
        self._resting = resting
        self._down = {name: rest.outcome for name, rest in resting.items()}

    def work(self, *, is_early: bool) -> None:
        """Bring all pages."""
        last_seq = 0
        while page := self._inbox.due(self._settings.page_count, is_early=is_early, after_seq=last_seq):
            for part in _parts(page, self._targets):
                self._deliver(part)
            last_seq = page[-1].seq
        self._wait_recorded()
        self.result.is_target_down = bool(self._down)

    def _deliver(self, part: _Part) -> None:
        target = self._targets.get(part.target)
        known = NO_TARGET if target is None else self._down.get(part.target)
        if target is None or known is not None:
            self._record(part, [known or NO_TARGET] * len(part.articles))
            return
        begun_at = self._queue.clock.now()
        try:
            delivery = self._try(target, part)
        except Exception as error:  # noqa: BLE001 - a bug of ours stays with its article
            target.close()
            if len(part.articles) == 1:
                self._record_crash(part, error)
                return
            # One of them is to blame: each is brought alone.
            for article, seq in zip(part.articles, part.delivery_seqs, strict=True):
                self._deliver(_Part(part.target, [article], [seq]))
            return
        if delivery.is_down:
            now, outcome = self._queue.clock.now(), delivery.outcomes[-1]
            self._down[part.target] = outcome
            self._resting[part.target] = _Rest(now + (now - begun_at), outcome)
        self._record(part, delivery.outcomes)

    def _try(self, target: NewsTarget, part: _Part) -> Delivery:
        try:
            delivery = target.deliver(part.articles, ReadAhead(self._queue, part.articles))
        except GatewayError as error:
            if len(part.articles) > 1:
                raise
            return Delivery([of_error(error)])
        if len(delivery.outcomes) != len(part.articles):
            raise AssertionError("internal error: a target must answer for each article")
        return delivery

    def _record_crash(self, part: _Part, error: Exception) -> None:
        article = part.articles[0]
        _LOG.error("article %s: a fault in the delivery", article.id, exc_info=error)
        text = one_line(f"{type(error).__name__}: {error}")
        wait_seconds = self._settings.retry.wait_seconds(article.attempts + 1)
        self._inbox.record_crash(part.delivery_seqs, text, wait_seconds)
        outcome = Outcome(Verdict.DEFERRED, "4.3.0", f"internal error: {text}")
        _log("deferred", [article], part.target, outcome, wait_seconds)
        self.result.crash_count += 1

    def _record(self, part: _Part, outcomes: Sequence[Outcome]) -> None:
        self._wait_recorded()
        self._recorded = self._recording.submit(self._write, part, outcomes)

    def _wait_recorded(self) -> None:
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            recorded.result()

    def _write(self, part: _Part, outcomes: Sequence[Outcome]) -> None:
        settled = [
            self._settings.retry.settle(outcome, article.attempts + 1, article.age_seconds)
            for article, outcome in zip(part.articles, outcomes, strict=True)
        ]
        self._inbox.record([(seq, *how) for seq, how in zip(part.delivery_seqs, settled, strict=True)])
        with lines_together():
            decided = zip(settled, part.articles, strict=True)
            for (outcome, wait_seconds), alike in groupby(decided, key=_DECIDED):
                articles = [article for _, article in alike]
                event = "dead" if outcome.verdict is Verdict.REFUSED else str(outcome.verdict)
                _log(event, articles, part.target, outcome, wait_seconds)
                self.result.count(outcome.verdict, len(articles))


def _parts(page: Sequence[QueuedMessage], order: Iterable[str]) -> list[_Part]:
    """The deliveries of a page by their targets, in the order of these."""
    parts: dict[str, _Part] = {}
    for article in page:
        for name, seq in zip(article.envelope.recipients, article.delivery_seqs, strict=True):
            part = parts.get(name)
            if part is None:
                part = parts[name] = _Part(name)
            part.articles.append(article)
            part.delivery_seqs.append(seq)
    known = [parts.pop(name) for name in order if name in parts]
    return [*known, *parts.values()]


def _log(
    event: str, articles: Sequence[QueuedMessage], target: str, outcome: Outcome, wait_seconds: float
) -> None:
    log_alike(
        event,
        ("id", "message_id", "node"),
        [(article.id, article.message_id, article.origin) for article in articles],
        to=target,
        status=outcome.status,
        text=outcome.text,
        next_try_seconds=round(wait_seconds) if outcome.verdict is Verdict.DEFERRED else None,
    )
