"""News from a local program: a batch or an article on its standard output, as INN's ``batcher`` writes it.

Contract: when the future of ``RnewsTaking.close`` is resolved, every article of the batch is on disk or
refused for good; when there is an error, none is. A batch that is not whole is a fault of the program:
it is to keep it and try again.
"""

from collections.abc import Callable
from concurrent.futures import Future

from gateway.durable import Disk
from gateway.errors import BadBatch, ConfigError
from gateway.msgqueue.payload import Payload, stage_payload
from gateway.newsdesk.batches import BatchDesk, BatchTaken
from gateway.newsdesk.desk import Origin
from gateway.routing.feeds import Feed

NO_BATCH_STATUS = "4.6.0"
"""As for batches of mail: a fault of the program, so nothing is thrown away."""


class RnewsIntake:
    """Takes batches of news in.

    Args:
        batches: decides about them.
        disk: how they are staged.
        max_batch_bytes: of a batch.
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

    def stage(self) -> Payload:
        """A file for a batch to come.

        Raises:
            StoreError: the disk refused.
        """
        return stage_payload(self.batches.queue.directory, self._disk)


class RnewsTaking:
    """A batch on its way in; see ``Handover``. Make one with ``RnewsIntake.begin``."""

    def __init__(self, intake: RnewsIntake, origin: Origin) -> None:
        self._intake = intake
        self._origin = origin
        self._payload: Payload | None = None
        self._taken = BatchTaken()

    @staticmethod
    def may_block(size_bytes: int) -> bool:  # noqa: ARG004 - as ``Handover`` has it
        """See ``Handover``: all of it is written to a file."""
        return True

    def write(self, piece: bytes) -> None:
        """See ``Handover``.

        Raises:
            TooLarge: the batch is larger than allowed.
            StoreError: the disk refused.
        """
        self._staged().write(piece, self._intake.max_batch_bytes, self._intake.batches.queue.check_room)

    def close(self) -> "Future[None]":
        """See ``Handover``.

        Raises:
            BadBatch: it is no whole batch; temporary.
            StoreError: the disk refused.
        """
        payload = self._staged()
        taken: Future[None] = Future()
        if payload.size_bytes:
            try:
                self._intake.batches.examine(payload)
            except BadBatch as error:
                raise BadBatch(str(error), status=NO_BATCH_STATUS) from None
            self._taken = self._intake.batches.take(payload, self._origin)
        taken.set_result(None)
        self.discard()
        return taken

    def done(self) -> str:
        """See ``Handover``."""
        taken = self._taken
        return f"2.0.0 {taken.new_count} new, {taken.known_count} known, {taken.refused_count} refused"

    def discard(self) -> None:
        """See ``Handover``."""
        if self._payload is not None:
            self._payload.discard()

    def _staged(self) -> Payload:
        if self._payload is None:
            self._payload = self._intake.stage()
        return self._payload
