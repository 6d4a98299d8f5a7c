"""Takes in whole batches of news: every article has its own fate, and all are on disk or none is.

A batch is read twice from the file it is staged in: to prove that it is whole and its counts are
right, and again inside the transaction that puts its articles in.

Spec: rnews(1) of INN; ``docs/reference/news.md``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import BadBatch
from gateway.ids import NodeId, PacketId
from gateway.maillog import lines_together
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.history import Fate, NewArticle
from gateway.msgqueue.payload import Payload
from gateway.msgqueue.shelf import Shelf
from gateway.newsdesk.desk import Judgement, NewsDesk, Note, Origin, Refused, log_article, note_of
from gateway.nntp.rnews_batch import ArticleRead, RnewsLimits, read_batch


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


class BatchDesk:
    """Takes batches in.

    Args:
        desk: decides about each article.
        limits: of a batch.
    """

    def __init__(self, desk: NewsDesk, limits: RnewsLimits) -> None:
        self.queue = desk.queue
        self._desk = desk
        self._limits = limits

    def examine(self, payload: Payload) -> int:
        """Read a batch to its end, keeping nothing; returns how many articles are in it.

        Raises:
            CutShortBatch: it ends too early.
            BadBatch: it can't be read, or holds nothing.
        """
        count = sum(1 for _ in read_batch(payload.chunks(), self._limits))
        if count == 0:
            raise BadBatch("the batch holds no article")
        return count

    def take(
        self, payload: Payload, origin: Origin, *, node: NodeId | None = None, packet: PacketId | None = None
    ) -> BatchTaken:
        """Take a batch in that was examined; when this returns, it is on disk.

        Args:
            payload: the batch.
            origin: who brings it.
            node: who sent it, if it came in a packet.
            packet: the packet, if our own tosser opened it.

        Raises:
            StoreError: nothing was changed.
        """
        self.queue.check_room(payload.size_bytes)
        shelf, notes = Shelf(self.queue), list[Note]()
        articles = self._articles(payload, origin, shelf, notes)
        try:
            put = self._desk.history.put_batch(articles, node=node, packet=packet, drop=shelf.unstage)
        except BaseException:
            shelf.abandon()
            raise
        shelf.release()
        with lines_together():
            for note, fate in zip(notes, put.fates, strict=True):
                log_article(note, fate, origin)
        counts = {fate: put.fates.count(fate) for fate in Fate}
        return BatchTaken(put.is_duplicate, counts[Fate.NEW], counts[Fate.KNOWN], counts[Fate.REFUSED])

    def _articles(
        self, payload: Payload, origin: Origin, shelf: Shelf, notes: list[Note]
    ) -> Iterator[NewArticle]:
        def hold(queue_id: str, data: bytes) -> bytes | StagedBody:
            body = shelf.new_body(queue_id)
            body.write(data)
            return body.finish()

        for judgement in self._judge_each(payload, origin):
            notes.append(note_of(judgement))
            yield self._desk.new_article(judgement, origin, hold)

    def _judge_each(self, payload: Payload, origin: Origin) -> Iterator[Judgement]:
        for read in read_batch(payload.chunks(), self._limits):
            if isinstance(read, ArticleRead):
                yield self._desk.judge(read.data, origin)
            else:
                yield Refused("", read.text, read.size_bytes)
