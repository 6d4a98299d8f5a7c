"""News from a local program: a batch or an article on its standard output, as INN's ``batcher`` writes it.

A plain batch is taken in as it comes, however large it is. One that is packed, a bare article, and what one
neighbour alone gets is staged in a file, read to its end, and then taken in whole.

Contract: when the future of ``RnewsTaking.close`` is resolved, every article of the batch is on disk or
refused for good. When there is an error, the program is to keep the batch and try again: what was taken
of it is known then. What one neighbour alone gets would go there again, so of that nothing is taken. A batch
that is not whole is an error; nothing of it is taken but what stands in front of the fault.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from gateway.durable import Disk
from gateway.errors import BadBatch, ConfigError
from gateway.msgqueue.payload import Payload, stage_payload
from gateway.newsdesk.batches import BatchDesk, BatchTaken
from gateway.newsdesk.desk import Origin
from gateway.newsdesk.stream import ArticleStream
from gateway.nntp.rnews_batch import is_plain_batch
from gateway.routing.feeds import Feed

NO_BATCH_STATUS = "4.6.0"
"""As for batches of mail: a fault of the program, so nothing is thrown away."""


class RnewsIntake:
    """Takes batches of news in.

    Args:
        batches: decides about them.
        disk: how they are staged.
        max_batch_bytes: of a batch that is packed.
        find_feed: the feed of a neighbour by its name, or None: it gets no news.
    """

    def __init__(
        self, batches: BatchDesk, disk: Disk, max_batch_bytes: int, find_feed: Callable[[str], Feed | None]
    ) -> None:
        self.batches = batches
        self.max_batch_bytes = max_batch_bytes
        self._disk = disk
        self._find_feed = find_feed

    def begin(self, client: str, *, name: str = "", node: str | None = None) -> "RnewsTaking":
        """Begin to take in a batch.

        Args:
            client: who hands it in, for people.
            name: the feed it comes from, if the program says so: nothing of it goes back there.
            node: the neighbour that gets it, whatever the feeds have; None: as they have it.

        Raises:
            ConfigError: that neighbour gets no news.
        """
        only = None if node is None else self._find_feed(node)
        if node is not None and only is None:
            allowed = f"a neighbour with a table [neighbour.{node}.news]"
            raise ConfigError(f"{node} gets no news from here, allowed: {allowed}")
        return RnewsTaking(self, Origin(name, client, path_names=None, only=only))

    def stream(self, origin: Origin) -> ArticleStream:
        """What takes a plain batch in as it comes."""
        return ArticleStream(self.batches.desk, self.batches.limits, origin)

    def stage(self) -> Payload:
        """Room for a batch to come.

        Raises:
            StoreError: the disk refused.
        """
        return stage_payload(self.batches.queue.directory, self._disk)


class RnewsTaking:
    """A batch on its way in; see ``Handover``. Make one with ``RnewsIntake.begin``."""

    def __init__(self, intake: RnewsIntake, origin: Origin) -> None:
        self._intake = intake
        self._origin = origin
        self._head = b""
        """What came, as long as it can't be told what it is."""
        self._stream: ArticleStream | None = None
        self._payload: Payload | None = None
        self._taken = BatchTaken()

    @staticmethod
    def may_block(size_bytes: int) -> bool:  # noqa: ARG004 - as ``Handover`` has it
        """See ``Handover``: all of it goes to the disk."""
        return True

    def write(self, piece: bytes) -> None:
        """See ``Handover``.

        Raises:
            BadBatch: it is no whole batch; temporary.
            TooLarge: a batch that is packed is larger than allowed.
            StoreError: the disk refused.
        """
        if self._stream is None and self._payload is None:
            piece, self._head = self._head + piece, b""
            is_plain = is_plain_batch(piece)
            if is_plain is None:
                self._head = piece
                return
            if is_plain and self._origin.only is None:
                self._stream = self._intake.stream(self._origin)
        if self._stream is not None:
            with _as_fault_of_the_program():
                self._stream.feed(piece)
        else:
            self._stage(piece)

    def close(self) -> "Future[None]":
        """See ``Handover``.

        Raises:
            BadBatch: it is no whole batch; temporary.
            StoreError: the disk refused.
        """
        if self._head:
            self._stage(self._head)
        with _as_fault_of_the_program():
            if self._stream is not None:
                self._taken = self._stream.finish()
            elif self._payload is not None:
                batch = self._intake.batches.examine(self._payload)
                self._taken = self._intake.batches.take(batch, self._origin)
        self.discard()
        taken: Future[None] = Future()
        taken.set_result(None)
        return taken

    def done(self) -> str:
        """See ``Handover``."""
        taken = self._taken
        return f"2.0.0 {taken.new_count} new, {taken.known_count} known, {taken.refused_count} refused"

    def discard(self) -> None:
        """See ``Handover``."""
        if self._stream is not None:
            self._stream.abandon()
        if self._payload is not None:
            self._payload.discard()

    def _stage(self, piece: bytes) -> None:
        if self._payload is None:
            self._payload = self._intake.stage()
        self._payload.write(piece, self._intake.max_batch_bytes, self._intake.batches.queue.check_room)


@contextmanager
def _as_fault_of_the_program() -> Iterator[None]:
    """A batch that is not whole was not made as it should be: it may be whole the next time."""
    try:
        yield
    except BadBatch as error:
        raise BadBatch(str(error), status=NO_BATCH_STATUS) from None
