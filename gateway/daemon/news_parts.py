"""What a node works with for news, opened once: the queue of news, and the stages on it."""

import logging
import os
import threading
from collections.abc import Callable

from gateway.batch.batcher import Batcher
from gateway.batch.flusher import Flusher
from gateway.config.news import READER_NAME, RNEWS_NAME, NewsConfig
from gateway.deliver.news_connections import SeveralConnections
from gateway.deliver.news_deliverer import NewsDeliverer
from gateway.deliver.news_target import NewsTarget
from gateway.deliver.nntp import NntpTarget
from gateway.deliver.reader import ReaderTarget
from gateway.deliver.rnews_command import RnewsTarget
from gateway.durable import Disk
from gateway.errors import ConfigError, StoreError
from gateway.ingest.rnews import RnewsIntake
from gateway.msgqueue.decisions import Terms
from gateway.msgqueue.history import History
from gateway.msgqueue.remote import RemoteControl
from gateway.msgqueue.segments import move_sparse
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import forget_finished
from gateway.newsdesk.batches import BatchDesk
from gateway.newsdesk.desk import NewsDesk
from gateway.newsdesk.remote import RemoteDesk
from gateway.nodes import Book
from gateway.reader.store import DATABASE_NAME, ReaderStore
from gateway.receive.news import NewsReceiver
from gateway.receive.newsfix import NewsfixReceiver
from gateway.routing.feeds import Feed
from gateway.spool.store import Spool

_LOG = logging.getLogger(__name__)


class NewsParts:
    """What is opened for news; close it in the end.

    Args:
        config: everything about news.
        book: our keys and the neighbours.
        spool: where packets go.
        disk: how files are changed.
        reserve_bytes: free space that new articles may not touch.

    Raises:
        StoreError: the queue can't be opened.
    """

    def __init__(
        self, config: NewsConfig, book: Book, spool: Spool, disk: Disk, *, reserve_bytes: int
    ) -> None:
        self.config = config
        self._book = book
        self._spool = spool
        self.disk = disk
        self._reserve_bytes = reserve_bytes
        self.queue = Queue(config.queue_directory, disk, reserve_bytes=reserve_bytes)
        self._reader: ReaderStore | None = None
        self._reader_lock = threading.Lock()

    def close(self) -> None:
        """Finish what the queue and the store have begun, and close them."""
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        self.queue.close()

    @property
    def reader(self) -> ReaderStore | None:
        """What newsreaders read, opened when it is first asked for.

        Returns:
            None if there is none, or it can't be opened, which the log says: nothing else depends on it.
        """
        config = self.config
        with self._reader_lock:
            if self._reader is None and config.reader is not None:
                try:
                    self._reader = ReaderStore(
                        config.reader_directory, self.disk, config.reader, reserve_bytes=self._reserve_bytes
                    )
                except StoreError as error:
                    _LOG.error(
                        "no store for newsreaders: %s; if it is damaged, stop, delete %s/%s* and start",
                        error,
                        config.reader_directory,
                        DATABASE_NAME,
                    )
            return self._reader

    def desk(self) -> NewsDesk:
        """What decides about articles."""
        return NewsDesk(self.queue, self.config.rules)

    def batcher(self) -> Batcher:
        """The stage from the queue to packets."""
        return Batcher(self.queue, self._book, self._spool, self.config.batch, os.urandom)

    def flusher(self, interval_seconds: float, pass_on: Callable[[], object]) -> Flusher:
        """What closes lanes of news before a carrier leaves.

        Args:
            interval_seconds: the least time between two flushes of one neighbour's lanes.
            pass_on: brings what was just sealed for areas to their subscribers.
        """
        return Flusher(self.queue, self._book, self.batcher(), interval_seconds, pass_on=pass_on)

    def receiver(self) -> NewsReceiver:
        """The handler from a payload to the queue."""
        config = self.config
        return NewsReceiver(
            self._batches(),
            self.disk,
            config.origins,
            max_batch_bytes=config.max_batch_bytes,
            max_quarantine_bytes=config.max_quarantine_bytes,
        )

    def remote_desk(self) -> RemoteDesk:
        """What does what neighbours ask of their feeds."""
        return RemoteDesk(self.queue, self.config.remote, self.reader)

    def newsfix(self) -> NewsfixReceiver:
        """The handler from a request to what it asks for."""
        return NewsfixReceiver(self.remote_desk(), self.disk, self.config.max_quarantine_bytes)

    def intake(self) -> RnewsIntake:
        """The way in for batches of local programs."""
        return RnewsIntake(self._batches(), self.disk, self.config.max_batch_bytes, self.config.feed_of)

    def deliverer(self) -> NewsDeliverer:
        """The stage from the queue to the servers and programs beside us."""
        config = self.config
        targets: dict[str, NewsTarget] = {}
        if config.reader is not None:
            targets[READER_NAME] = ReaderTarget(lambda: self.reader)
        if config.rnews is not None:
            targets[RNEWS_NAME] = RnewsTarget(config.rnews, self.queue.directory, self.disk)
        targets |= {name: self._server(name) for name in config.peers}
        return NewsDeliverer(self.queue, targets, config.deliver)

    def terms(self) -> Terms:
        """What a person may do with articles, where it differs from mail."""
        return Terms(self._why_no_feed, "a dead letter now; of news nobody is told")

    def packet_feed(self, name: str) -> Feed:
        """The feed of a neighbour, or of an area.

        Raises:
            ConfigError: it gets no news.
        """
        feed = self.config.feed_of(name)
        if feed is None or feed.node is None:
            names = ", ".join(each.name for each in self.config.rules.feeds.feeds if each.node is not None)
            raise ConfigError(f"{name!r} gets no news in packets; allowed: {names or 'nobody, so far'}")
        return feed

    def keep_house(self) -> int:
        """Forget what is done and old; returns how many body files a crash had left."""
        config = self.config
        swept_count = self.queue.sweep_bodies()
        forget_finished(
            self.queue,
            keep_seconds=config.keep_finished_seconds,
            keep_batch_seconds=config.history_seconds,
        )
        history = History(self.queue)
        history.forget_dead(keep_seconds=config.keep_dead_seconds)
        history.forget(keep_seconds=config.history_seconds)
        RemoteControl(self.queue).forget(keep_seconds=config.history_seconds)
        move_sparse(self.queue)
        return swept_count + self._keep_reader()

    def _keep_reader(self) -> int:
        """Let articles go that newsreaders had long enough."""
        store = self.reader
        if store is None:
            return 0
        try:
            store.expire()
            return store.sweep()
        except StoreError as error:
            # What is kept for readers must not keep the queue from being looked after.
            _LOG.error("the store for newsreaders can't be cleared up: %s", error)
            return 0

    def _server(self, name: str) -> NewsTarget:
        settings, count = self.config.peers[name], self.config.connection_counts[name]
        connections = [NntpTarget(settings) for _ in range(count)]
        return connections[0] if count == 1 else SeveralConnections(connections)

    def _why_no_feed(self, name: str) -> str | None:
        known = self.config.feed_of(name)
        return None if known else f"there is no feed {name!r} in gateway.toml (any more)"

    def _batches(self) -> BatchDesk:
        return BatchDesk(self.desk(), self.config.batch_limits)
