"""Takes in batches of news, in which every article has its own fate.

A batch of a neighbour's, or one that is packed, is taken whole: all of it is on disk or nothing. It is staged
in a file and read to its end, which proves that it is whole and its counts are right; a large one is read
again inside the transaction that puts its articles in, a small one is held. A plain batch of a program beside
us is taken as it comes: see ``gateway.newsdesk.stream``.

Spec: rnews(1) of INN; ``docs/reference/news.md``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.errors import BadBatch
from gateway.ids import NodeId, PacketId
from gateway.maillog import lines_together
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.history import Fate, NewArticle
from gateway.msgqueue.payload import Payload
from gateway.msgqueue.shelf import Shelf
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.newsdesk.desk import Judgement, NewsDesk, Note, Origin, Refused, log_articles, note_of
from gateway.nntp.rnews_batch import ArticleRead, RnewsEvent, RnewsLimits, read_batch

HELD_LIMIT_BYTES = 4 << 20
"""Of articles of one batch, so that they need not be read twice."""


@dataclass(frozen=True, slots=True)
class BatchTaken:
    """What became of a batch.

    Args:
        is_duplicate: its packet had been received before: nothing was changed.
        new_count: articles that are new here.
        known_count: articles that had come before.
        refused_count: articles that are not taken.
    """

    is_duplicate: bool = False
    new_count: int = 0
    known_count: int = 0
    refused_count: int = 0


@dataclass(frozen=True, slots=True)
class WholeBatch:
    """A batch that was read to its end: it is whole, and its counts are right.

    Args:
        payload: where it is staged.
        limits: it is read with.
        parts: what was read, if that is little; None: it is read again.
    """

    payload: Payload
    limits: RnewsLimits
    parts: Sequence[RnewsEvent] | None

    def __iter__(self) -> Iterator[RnewsEvent]:
        """Its parts."""
        return read_batch(self.payload.chunks(), self.limits) if self.parts is None else iter(self.parts)


class BatchDesk:
    """Takes batches in.

    Args:
        desk: decides about each article.
        limits: of a batch.
    """

    def __init__(self, desk: NewsDesk, limits: RnewsLimits) -> None:
        self.queue = desk.queue
        self.desk = desk
        self.limits = limits

    def examine(self, payload: Payload) -> WholeBatch:
        """Read a batch to its end.

        Raises:
            CutShortBatch: it ends too early.
            BadBatch: it can't be read, or holds nothing.
        """
        parts: list[RnewsEvent] | None = []
        size_bytes = count = 0
        for part in read_batch(payload.chunks(), self.limits):
            count += 1
            size_bytes += len(part.data) if isinstance(part, ArticleRead) else 0
            if parts is None or size_bytes > HELD_LIMIT_BYTES:
                parts = None
            else:
                parts.append(part)
        if count == 0:
            raise BadBatch("the batch holds no article")
        return WholeBatch(payload, self.limits, parts)

    def take(
        self, batch: WholeBatch, origin: Origin, *, node: NodeId | None = None, packet: PacketId | None = None
    ) -> BatchTaken:
        """Take a batch in; when this returns, it is on disk.

        Args:
            batch: what ``examine`` found.
            origin: who brings it.
            node: who sent it, if it came in a packet.
            packet: the packet, if our own tosser opened it.

        Raises:
            StoreError: nothing was changed.
        """
        self.queue.check_room(batch.payload.size_bytes)
        shelf, notes = Shelf(self.queue), list[Note]()
        articles = self._articles(batch, origin, shelf, notes)
        try:
            # What is decided before the transaction begins keeps no other from its own.
            judged = articles if batch.parts is None else list(articles)
            put = self.desk.history.put_batch(judged, node=node, packet=packet, shelf=shelf)
        except BaseException:
            shelf.abandon()
            raise
        if put.is_duplicate:
            shelf.abandon()
            return BatchTaken(is_duplicate=True)
        shelf.release()
        with lines_together():
            log_articles(zip(notes, put.fates, strict=True), origin)
        counts = {fate: put.fates.count(fate) for fate in Fate}
        return BatchTaken(False, counts[Fate.NEW], counts[Fate.KNOWN], counts[Fate.REFUSED])

    def _articles(
        self, batch: WholeBatch, origin: Origin, shelf: Shelf, notes: list[Note]
    ) -> Iterator[NewArticle]:
        def hold(queue_id: str, data: bytes) -> bytes | StagedBody:
            if len(data) <= INLINE_BODY_BYTES:
                return data
            body = shelf.new_body(queue_id)
            body.write(data)
            return body.finish()

        for part in batch:
            judgement = judge_read(self.desk, part, origin)
            notes.append(note_of(judgement))
            yield self.desk.new_article(judgement, origin, hold)


def judge_read(desk: NewsDesk, read: RnewsEvent, origin: Origin) -> Judgement:
    """Decide about a part of a batch, without taking it in."""
    if isinstance(read, ArticleRead):
        return desk.judge(read.data, origin, is_made_here=True)
    return Refused("", read.text, read.size_bytes)
