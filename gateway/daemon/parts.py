"""Everything a configured node works with, opened once: queue, spool, and the stages on them."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Self

from gateway.batch.batcher import Batcher
from gateway.batch.choices import Choices, make_find_choices
from gateway.batch.flusher import Flusher
from gateway.batch.flushers import Flushers
from gateway.config.delivering import TargetSettings
from gateway.config.gateway_place import DEFAULT_PATH
from gateway.config.gateway_toml import GatewayConfig
from gateway.config.nncp import is_syncing
from gateway.config.own_program import find_handle
from gateway.daemon.mail_ways import make_find_way, make_why_foreign
from gateway.daemon.news_parts import NewsParts
from gateway.deliver.batch_command import BatchTarget, BatchTargetSettings
from gateway.deliver.deliverer import LOCK, Deliverer, Robot, Share
from gateway.deliver.maildir import MaildirTarget, MaildirTargetSettings
from gateway.deliver.newsfix import NewsfixMail
from gateway.deliver.sendmail_command import SendmailTarget, SendmailTargetSettings
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.target import Target
from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.ids import NodeId, PacketId
from gateway.ingest.batch import MESSAGES_LIMIT_COUNT, BatchIntake
from gateway.ingest.pipe import PipeIntake
from gateway.ingest.pipe_commands import NO_NEWS_TEXT, PipeCommands
from gateway.ingest.routes import Routes
from gateway.ingest.stamp import Stamp
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.msgqueue.decisions import Admit
from gateway.msgqueue.entry import Lane
from gateway.msgqueue.entry import Target as QueueTarget
from gateway.msgqueue.lock import SharedLock
from gateway.msgqueue.reports import Reports
from gateway.msgqueue.store import Queue
from gateway.receive.admission import FindWay
from gateway.receive.again import make_refuse_again
from gateway.receive.news import RNEWS
from gateway.receive.newsfix import NEWSFIX
from gateway.receive.quarantine import Source
from gateway.receive.receiver import Receipt, Receiver, Reception
from gateway.report.remote_answers import RemoteAnswers
from gateway.report.reporter import Reporter
from gateway.routing.table import Route
from gateway.spool.link_state import LinkStates
from gateway.spool.log import Log
from gateway.spool.store import Spool
from gateway.toss.settings import InProcess
from gateway.toss.tosser import Tosser

_LOG = logging.getLogger(__name__)


class Parts:
    """What is opened from a configuration; close it in the end.

    Args:
        config: both configuration files.
        environ: NNCPNOSYNC counts.

    Raises:
        StoreError: the queue can't be opened.
    """

    def __init__(self, config: GatewayConfig, environ: Mapping[str, str]) -> None:
        config.nncp.apply_umask()
        self.config = config
        self.book = config.nncp.book
        self.disk = Disk(is_syncing=is_syncing(environ))
        self.spool = Spool(config.nncp.spool, self.disk, nohdr=config.nncp.nohdr)
        self.queue = Queue(
            config.queue_directory, self.disk, reserve_bytes=config.reserve_bytes, limits=config.limits
        )
        try:
            self.news = self._open_news()
        except BaseException:
            self.queue.close()
            raise
        self.find_choices = make_find_choices(
            lambda name: self.book.find(name).id, config.batch, config.limits
        )

    def close(self) -> None:
        """Finish what the queues have begun, and close them."""
        if self.news is not None:
            self.news.close()
        self.queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batcher(self) -> Batcher:
        """The stage from the outbox to packets."""
        return Batcher(self.queue, self.book, self.spool, self.config.batch, os.urandom)

    def flusher(self) -> Flushers:
        """What closes lanes before a carrier leaves: those of mail, then those of news."""
        interval_seconds = self.config.batch.flush_interval_seconds
        flushers = [Flusher(self.queue, self.book, self.batcher(), interval_seconds)]
        if self.news is not None:
            flushers.append(self.news.flusher(interval_seconds, self._pass_on))
        return Flushers(flushers)

    def links(self) -> LinkStates:
        """The state of the links with neighbours."""
        return LinkStates(self.spool.layout, self.disk)

    def nncp_log(self) -> Log:
        """NNCP's own log; a line for each packet goes to standard error as well."""
        return Log(self.config.nncp.log)

    def tosser(self, is_stopping: Callable[[], bool] = lambda: False) -> Tosser:
        """The stage from received packets to handlers; our own handler runs in this process."""
        return Tosser(
            self.book,
            self.spool,
            self.nncp_log(),
            self.config.toss,
            in_process=self.find_in_process,
            is_stopping=is_stopping,
        )

    def receiver(self) -> Receiver:
        """The handler from a payload to the inbox."""
        return Receiver(
            self.queue, self.disk, self.config.receive, find_way=self._find_way(), name_of=self._name_of
        )

    def deliverers(self, is_stopping: Callable[[], bool] = lambda: False) -> list[Deliverer]:
        """The stage from the inbox to where mail is kept, for each place: none waits for another."""
        delivery = self.config.delivery
        robots = self._robots()
        lock = SharedLock(self.queue.lock(LOCK))
        only = len(delivery.places) == 1
        return [
            Deliverer(
                self.queue,
                [self._target(place.target) for _ in range(place.connection_count)],
                self.config.deliver,
                is_stopping,
                robots,
                None if only else Share(partial(delivery.is_for, place), lock),
            )
            for place in delivery.places
        ]

    def reporter(self) -> Reporter:
        """The stage that tells senders what became of their mail."""
        return Reporter(
            self.queue,
            self.config.report,
            table=self.config.table,
            find_lane=lambda route: self.find_choices(route).of().lane,
            name_of=self._name_of,
            rng=os.urandom,
            why_foreign=make_why_foreign(self.config.receive, self._find_way()),
        )

    def pipe_intake(self) -> PipeIntake:
        """The way in for mail that a program of this machine hands in."""
        limits = self.config.pipe
        stamp = Stamp(limits.hostname, limits.max_hops)
        return PipeIntake(self.queue, self._routes(), stamp, limits.max_message_bytes)

    def remote_answers(self) -> RemoteAnswers | None:
        """The stage that answers what neighbours asked of their feeds of news; None: there is no news."""
        if self.news is None:
            return None
        return RemoteAnswers(
            self.news.queue,
            self.queue,
            hostname=self.config.hostname,
            sender=self.news.config.remote_address,
            nodes={feed.name: node for node, feed in self.news.config.remote.feeds.items()},
            find_way=self._way_to,
        )

    def pipe_commands(self) -> PipeCommands:
        """The way in for local programs."""
        limits = self.config.pipe
        batch_limits = BatchLimits(
            recipient_count=limits.max_recipients,
            message_bytes=limits.max_message_bytes,
            message_count=MESSAGES_LIMIT_COUNT,
        )
        max_batch_bytes = self.config.receive.max_batch_bytes
        return PipeCommands(
            self.pipe_intake(),
            BatchIntake(
                self.queue,
                self.disk,
                self._routes(),
                Stamp(limits.hostname, limits.max_hops),
                batch_limits,
                max_batch_bytes,
            ),
            lambda handle, args, sender, author: self.begin_receive(
                handle, args=args, sender=sender, author=author, packet=None
            ),
            self.queue.new_id,
            None if self.news is None else self.news.intake(),
        )

    def find_lane(self, name: str) -> Lane:
        """Destination and niceness of most mail for a neighbour.

        Raises:
            UnknownNode: it is not known.
        """
        return self.find_choices(Route(name)).of().lane

    def refuse_again(self) -> Admit:
        """What says why a dead letter of the inbox would be refused if it came now."""
        return make_refuse_again(self.config.receive, self._find_way())

    def begin_receive(
        self,
        handle: str,
        *,
        args: tuple[bytes, ...],
        sender: NodeId,
        author: NodeId | None,
        packet: PacketId | None,
    ) -> Reception:
        """Begin to take a payload in under one of our handles.

        Raises:
            StoreError: the disk refused.
        """
        if handle in {RNEWS, NEWSFIX}:
            if self.news is None:
                raise ConfigError(NO_NEWS_TEXT)
            receiver = self.news.receiver() if handle == RNEWS else self.news.newsfix()
            return receiver.begin(Source(sender, self._name_of(sender), packet, handle, args))
        return self.receiver().begin(Source(sender, self._name_of(sender), packet, handle, args, author))

    def receive(
        self,
        handle: str,
        payload: Iterator[bytes],
        *,
        args: tuple[bytes, ...],
        sender: NodeId,
        packet: PacketId | None,
        author: NodeId | None = None,
    ) -> Receipt:
        """Take a payload in under one of our handles.

        Raises:
            GatewayError: the packet must stay.
        """
        with self.begin_receive(handle, args=args, sender=sender, author=author, packet=packet) as reception:
            return reception.take_all(payload)

    def receive_again(self, source: Source, payload: Iterator[bytes]) -> Receipt:
        """Take a payload in that was kept in the quarantine.

        Raises:
            GatewayError: it must stay there.
        """
        return self.receive(
            source.handle,
            payload,
            args=source.args,
            sender=source.sender,
            packet=source.packet,
            author=source.author,
        )

    def find_in_process(self, words: Sequence[str]) -> InProcess | None:
        """The handler within this process for a configured command, or None: it is another program."""
        handle = find_handle(words, self.config.path, DEFAULT_PATH)
        return None if handle is None else partial(self._receive_tossed, handle)

    def _receive_tossed(
        self,
        handle: str,
        payload: Iterator[bytes | memoryview],
        *,
        args: tuple[bytes, ...],
        sender: NodeId,
        author: NodeId | None,
        nice: int,
        packet: PacketId,
    ) -> None:
        _LOG.debug("packet %s for our handle %s, niceness %d", packet, handle, nice)
        self.receive(
            handle,
            (bytes(piece) for piece in payload),
            args=args,
            sender=sender,
            author=author,
            packet=packet,
        )

    def _pass_on(self) -> None:
        """Bring what we sent to areas to their subscribers."""
        self.tosser().run_once(frozenset({self.book.self_node.id}))

    def _routes(self) -> Routes:
        return Routes(self.config.table, self.find_choices, self.config.pipe.max_recipients)

    def _find_way(self) -> FindWay:
        return make_find_way(self.config.table, self.find_choices)

    def _name_of(self, node_id: NodeId) -> str:
        node = self.book.find_id(node_id) or self.book.find_area_id(node_id)
        return node_id.text if node is None else node.name

    def _open_news(self) -> NewsParts | None:
        config = self.config
        if config.news is None:
            return None
        return NewsParts(config.news, self.book, self.spool, self.disk, reserve_bytes=config.reserve_bytes)

    def _robots(self) -> Mapping[str, Robot]:
        """What mail for some mailboxes here is given to, by mailbox."""
        if self.news is None or not self.news.config.remote_address:
            return {}
        mail = NewsfixMail(self.news.remote_desk(), Reports(self.queue).origin_of)
        return {self.news.config.remote_address: mail.deliver}

    def _way_to(self, mailbox: str, node: NodeId) -> QueueTarget | None:
        """Where an answer to a neighbour goes, if the routes lead to its mailbox by way of it."""
        way = self._find_way()(mailbox)
        if not isinstance(way, Choices) or all(choice.node != node for choice in way.ordered):
            return None
        return QueueTarget(mailbox, node, min(self.config.report.nice, way.of().lane.nice))

    def _target(self, settings: TargetSettings) -> Target:
        match settings:
            case MaildirTargetSettings():
                return MaildirTarget(settings, self.disk)
            case SendmailTargetSettings():
                return SendmailTarget(settings)
            case BatchTargetSettings():
                return BatchTarget(settings)
            case SmtpTargetSettings():
                return SmtpTarget(settings)
