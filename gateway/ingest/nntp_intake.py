"""From judged articles to the queue of news: what comes at about the same time is committed together.

Contract: an outcome is told after the commit is on disk, in the event loop, and for each article once. An
article that breaks the commit of a group takes nothing of the others with it: each is tried by itself. What
is too large for the database is written by a thread.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from itertools import groupby

from gateway.errors import GatewayError
from gateway.maillog import lines_together
from gateway.msgqueue.history import Fate
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.newsdesk.desk import Accepted, Judgement, NewsDesk, Origin, log_articles, note_of

COMMITS_COUNT = 2
"""At a time: while one syncs, the next is gathered."""
GROUP_LIMIT_COUNT = 1000
GROUP_LIMIT_BYTES = 8 << 20

Tell = Callable[[Fate | GatewayError], None]
_One = tuple[Judgement, Origin, Tell]

_LOG = logging.getLogger(__name__)


class ArticleIntake:
    """Takes articles in; in one event loop.

    Args:
        desk: puts them in the queue.
        executor: writes large ones.
    """

    def __init__(self, desk: NewsDesk, executor: Executor) -> None:
        self._desk = desk
        self._executor = executor
        self._waiting: list[_One] = []
        self._commits_count = 0
        self._is_due = False

    def take(self, judgement: Judgement, origin: Origin, tell: Tell) -> None:
        """Put an article in the queue soon.

        Args:
            judgement: taken, or to be remembered as refused.
            origin: who brought it.
            tell: called with what became of it, or with why it can't be taken now.
        """
        one = (judgement, origin, tell)
        if _size_bytes(judgement) > INLINE_BODY_BYTES:
            self._take_large(one)
            return
        self._waiting.append(one)
        if not self._is_due and self._commits_count < COMMITS_COUNT:
            self._is_due = True
            # Behind all else that has arrived, so that it goes into this commit as well.
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        self._is_due = False
        while self._waiting and self._commits_count < COMMITS_COUNT:
            self._put(self._next_group())

    def _next_group(self) -> list[_One]:
        count, size_bytes = 0, 0
        for judgement, _, _ in self._waiting:
            size_bytes += _size_bytes(judgement)
            if count >= GROUP_LIMIT_COUNT or (count and size_bytes > GROUP_LIMIT_BYTES):
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _put(self, group: list[_One]) -> None:
        try:
            committed = self._desk.take_group([(judgement, origin) for judgement, origin, _ in group])
        except Exception as error:  # noqa: BLE001 - a bug must not leave those who wait without an answer
            _tell_all(group, _as_fault(error))
            return
        self._commits_count += 1
        committed.add_done_callback(partial(self._land, asyncio.get_running_loop(), group))

    # The future is an argument, not something that its own callback holds: a circle would keep the articles
    # of a group in memory until Python looks for circles.
    def _land(
        self, loop: asyncio.AbstractEventLoop, group: list[_One], committed: "Future[tuple[Fate, ...]]"
    ) -> None:
        # A loop that is closed has nobody who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._settle, group, committed)

    def _settle(self, group: list[_One], committed: "Future[tuple[Fate, ...]]") -> None:
        self._commits_count -= 1
        error = committed.exception()
        if error is None:
            fates = committed.result()
            _log(group, fates)
            for one, fate in zip(group, fates, strict=True):
                _, _, tell = one
                tell(fate)
        elif len(group) == 1 or isinstance(error, GatewayError):
            _tell_all(group, _as_fault(error))
        else:
            for one in group:
                self._put([one])
        self._commit()

    def _take_large(self, one: _One) -> None:
        judgement, origin, tell = one
        loop = asyncio.get_running_loop()
        taken = loop.run_in_executor(self._executor, lambda: self._desk.take(judgement, origin).result())

        def settle(done: "asyncio.Future[Fate]") -> None:
            if done.cancelled():
                return
            error = done.exception()
            if error is None:
                _log([one], [done.result()])
            tell(done.result() if error is None else _as_fault(error))

        taken.add_done_callback(settle)


def _size_bytes(judgement: Judgement) -> int:
    return len(judgement.data) if isinstance(judgement, Accepted) else 0


def _as_fault(error: BaseException) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    _LOG.error("an article can't be put in the queue: internal error", exc_info=error)
    return GatewayError("internal error")


def _tell_all(group: list[_One], error: GatewayError) -> None:
    for _, _, tell in group:
        tell(error)


def _log(group: list[_One], fates: Sequence[Fate]) -> None:
    with lines_together():
        for origin, alike in groupby(zip(group, fates, strict=True), key=_origin_of):
            log_articles([(note_of(judgement), fate) for (judgement, _, _), fate in alike], origin)


def _origin_of(taken: tuple[_One, Fate]) -> Origin:
    (_, origin, _), _ = taken
    return origin
