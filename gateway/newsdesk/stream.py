"""Takes in a plain batch of news while it comes: its articles are committed in groups.

An article is taken once the header line behind it was read, or the end of the batch: that proves its count.
So of a batch that is cut short, or whose counts are wrong from some article on, nothing is taken but whole
groups in front of the fault. Who brings it again brings articles that are known.

Spec: rnews(1) of INN; ``docs/reference/news.md``.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from gateway.errors import GatewayError
from gateway.maillog import lines_together
from gateway.msgqueue.history import Fate
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.newsdesk.batches import BatchTaken, judge_read
from gateway.newsdesk.desk import Accepted, Judgement, NewsDesk, Origin, log_articles, note_of
from gateway.nntp.rnews_batch import RnewsEvent, RnewsLimits, RnewsReader

GROUP_COUNT = 256
GROUP_BYTES = 1 << 20
COMMITS_COUNT = 2
"""At a time: while one syncs, the next is gathered."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Articles that are committed together.

    Args:
        judgements: of them.
        fates: one for each, once they are on disk.
    """

    judgements: list[Judgement]
    fates: "Future[tuple[Fate, ...]]"


class ArticleStream:
    """A batch on its way in; each call may wait for the disk.

    Args:
        desk: decides about each article.
        limits: of an article; those of a batch mean nothing, since no more of it is held than some groups.
        origin: who brings it.
    """

    def __init__(self, desk: NewsDesk, limits: RnewsLimits, origin: Origin) -> None:
        self._desk = desk
        self._origin = origin
        self._reader = RnewsReader(replace(limits, article_count=sys.maxsize, total_bytes=sys.maxsize))
        self._unproved: RnewsEvent | None = None
        """The last article, whose count is not proved yet."""
        self._judgements: list[Judgement] = []
        self._judged_bytes = 0
        self._groups: deque[_Group] = deque()
        self._counts = dict.fromkeys(Fate, 0)

    def feed(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            BadBatch: it can not be told where articles begin or end.
            StoreError: the disk refused.
        """
        self._take(self._reader.feed(piece))

    def finish(self) -> BatchTaken:
        """Say that no more bytes come; when this returns, all articles are on disk.

        Raises:
            CutShortBatch: the batch is not whole.
            StoreError: the disk refused.
        """
        self._take(self._reader.finish())
        if self._unproved is not None:
            self._judge(self._unproved)
        self._commit()
        self._settle(0)
        counts = self._counts
        return BatchTaken(
            new_count=counts[Fate.NEW], known_count=counts[Fate.KNOWN], refused_count=counts[Fate.REFUSED]
        )

    def abandon(self) -> None:
        """Take nothing more, and wait for what is on its way to the disk, so that the log tells of it."""
        while self._groups:
            # The fault of an earlier group has been told.
            with contextlib.suppress(GatewayError):
                self._settle(0)

    def _take(self, events: Iterable[RnewsEvent]) -> None:
        for event in events:
            if self._unproved is not None:
                self._judge(self._unproved)
            self._unproved = event

    def _judge(self, event: RnewsEvent) -> None:
        judgement = judge_read(self._desk, event, self._origin)
        size_bytes = len(judgement.data) if isinstance(judgement, Accepted) else 0
        if size_bytes > INLINE_BODY_BYTES:
            self._commit()
            self._take_large(judgement)
            return
        self._judgements.append(judgement)
        self._judged_bytes += size_bytes
        if len(self._judgements) >= GROUP_COUNT or self._judged_bytes >= GROUP_BYTES:
            self._commit()

    def _commit(self) -> None:
        """Send off what was gathered, once there is room."""
        if not self._judgements:
            return
        self._settle(COMMITS_COUNT - 1)
        judgements, self._judgements, self._judged_bytes = self._judgements, [], 0
        committed = self._desk.take_group([(judgement, self._origin) for judgement in judgements])
        self._groups.append(_Group(judgements, committed))

    def _take_large(self, judgement: Judgement) -> None:
        self._settle(0)
        self._tell([judgement], (self._desk.take(judgement, self._origin).result(),))

    def _settle(self, left_count: int) -> None:
        """Wait until no more groups than this are on their way."""
        while len(self._groups) > left_count:
            group = self._groups.popleft()
            self._tell(group.judgements, group.fates.result())

    def _tell(self, judgements: list[Judgement], fates: Sequence[Fate]) -> None:
        with lines_together():
            log_articles(zip(map(note_of, judgements), fates, strict=True), self._origin)
        for fate in fates:
            self._counts[fate] += 1
