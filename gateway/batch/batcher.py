"""The doer of this stage: claims messages, seals them into a packet, commits it to the spool.

A batch passes these states; each line says what is on disk when the step is done::

    CLAIMED     the batch and its claims are in the database; maybe a temporary file in tx/
    (sealed)    the temporary is whole, synced, and its name is synced in the directory
    NAMED       the packet's name is in the database as well
    (in tx)     the temporary was renamed to the packet's name, the directory is synced
    DONE        its deliveries are *sent*, bodies nobody needs are gone

``recover`` finishes what a crash left. A CLAIMED batch is undone: nothing of it was visible to
any carrier, since NNCP ignores the temporary's name. For a NAMED batch the temporary is renamed
if it is still there; if it is not, the rename had happened, and the packet is in tx/ or a carrier
took it: both mean done. So every message is in exactly one packet that anybody can see.

Contract: one process at a time runs this stage (``StoreBusy`` otherwise).
"""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.batch.content import HANDLES, Unsendable, arguments_of, body_of, count_fitting
from gateway.batch.filling import Fillings
from gateway.batch.joining import join_copies
from gateway.batch.policy import BatchSettings, LanePolicy, is_closable, seconds_until_closable
from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.maillog import log_alike, log_mail
from gateway.msgqueue.entry import (
    Batch,
    BatchState,
    Form,
    LaneFigures,
    Outcome,
    QueuedMessage,
    Verdict,
)
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.read_ahead import ReadAhead
from gateway.msgqueue.store import Queue
from gateway.nodes import Book, Node
from gateway.packet.keys import Random
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from gateway.tx.area_packet import AREA_PREFIX, Target
from gateway.tx.exec_packet import ExecRequest, SealedPacket, resolve_via, seal_exec

_LOG = logging.getLogger(__name__)

LOCK_NAME = "batch"
REPLY_NICE = 224
SINGLES_AT_ONCE_COUNT = 20
"""Of a lane that has a packet for each message, before a more urgent one may overtake."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one run did.

    Args:
        packet_count: packets that are new in the spool.
        message_count: messages in them (one that goes in several packets counts in each).
        bad_count: messages that were set aside, and lanes whose node is unknown.
        lanes: what waited when nothing more was to be done.
    """

    packet_count: int = 0
    message_count: int = 0
    bad_count: int = 0
    lanes: tuple[LaneFigures, ...] = ()

    def __add__(self, other: "BatchResult") -> "BatchResult":
        return BatchResult(
            self.packet_count + other.packet_count,
            self.message_count + other.message_count,
            self.bad_count + other.bad_count,
            other.lanes,
        )


class Batcher:
    """Turns what waits in the outbox into packets.

    Args:
        queue: the open queue.
        book: our keys and the neighbours.
        spool: where packets go.
        settings: how mail travels.
        rng: cryptographic randomness.
        wall: what the clock on the wall says, for the windows of neighbours.
    """

    def __init__(
        self,
        queue: Queue,
        book: Book,
        spool: Spool,
        settings: BatchSettings,
        rng: Random = os.urandom,
        *,
        wall: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._queue = queue
        self._outbox = Outbox(queue)
        self._book = book
        self._spool = spool
        self._settings = settings
        self._rng = rng
        self._wall = wall
        self._fillings = Fillings(settings, queue.clock.now)
        self._lanes: list[LaneFigures] = []
        """As they were looked at last."""

    def run_once(self, *, is_flush: bool = False, only: Collection[NodeId] | None = None) -> BatchResult:
        """Make packets of all lanes that are closable.

        Args:
            is_flush: also of lanes that could wait.
            only: lanes to these nodes; None: all.

        Raises:
            StoreBusy: another process runs this stage.
            StoreError: the disk refused; what was not sealed is still queued.
        """
        with self._queue.lock(LOCK_NAME):
            self._recover()
            if is_flush:
                self._outbox.ask_flush(only)
            packet_count = message_count = bad_count = 0
            skipped: set[NodeId] = set()
            for figures in self._due_lanes(only, skipped):
                try:
                    made = self._make_batch(figures)
                except UnknownNode as error:
                    _LOG.error("mail for node %s waits: %s", figures.lane.node, error)
                    skipped.add(figures.lane.node)
                    bad_count += 1
                    continue
                except Unsendable as unsendable:
                    self._bury(unsendable)
                    bad_count += 1
                    continue
                packet_count += made > 0
                message_count += made
            return BatchResult(packet_count, message_count, bad_count, tuple(self._lanes))

    def next_run_seconds(self, lanes: Iterable[LaneFigures] | None = None) -> float | None:
        """How long until a lane is closable by its age or a window, or None if nothing waits.

        Args:
            lanes: as a run has just seen them; None: it is looked what waits now.
        """
        moment = self._wall()
        waits = [
            seconds_until_closable(figures, self._settings.policy(figures.lane.node), moment)
            for figures in (self._fillings.look(self._outbox.lanes()) if lanes is None else lanes)
            if self._find_target(figures.lane.node) is not None
        ]
        return min(waits, default=None)

    def is_in_service(self, node: NodeId) -> bool:
        """Whether packets are made for a node at all."""
        return self._settings.policy(node).is_in_service

    def _due_lanes(self, only: Collection[NodeId] | None, skipped: set[NodeId]) -> Iterator[LaneFigures]:
        """The lanes to make a batch of, the most urgent one first, each time anew."""
        while figures := self._next_lane(only, skipped):
            is_single = self._settings.policy(figures.lane.node).form is Form.SENDMAIL
            # To look at all lanes takes longer the more waits: not for every single message.
            for _ in range(min(figures.message_count, SINGLES_AT_ONCE_COUNT) if is_single else 1):
                yield figures
                if figures.lane.node in skipped:
                    break

    def _next_lane(self, only: Collection[NodeId] | None, skipped: set[NodeId]) -> LaneFigures | None:
        moment = self._wall()
        self._lanes = self._fillings.look(self._outbox.lanes())
        for figures in self._lanes:
            node = figures.lane.node
            if node in skipped or (only is not None and node not in only):
                continue
            if is_closable(figures, self._settings.policy(node), moment):
                return figures
        return None

    def _make_batch(self, figures: LaneFigures) -> int:
        target = self._target(figures.lane.node)
        node = target.node
        policy = self._settings.policy(figures.lane.node)
        via = resolve_via(self._book, node, None)
        is_single = policy.form is Form.SENDMAIL
        batch = self._outbox.claim(
            figures.lane,
            policy.form,
            max_count=1 if is_single else policy.max_count,
            max_bytes=policy.max_bytes,
            large_bytes=policy.niceness.large_bytes,
            first_hop=(via[0] if via else node).id,
            count_fitting=count_fitting if is_single else len,
        )
        if batch is None:
            return 0
        try:
            messages = self._outbox.messages_of(batch.id)
            sealed = self._seal(batch, messages, target, via, policy)
        except BaseException:
            self._undo(batch)
            raise
        if (sent := sealed.message) is not None:
            # Before any toss can see it, so that ours does not bring it back here.
            self._spool.mark_area(sent.author, sent.area.id, sent.id)
        self._outbox.name_packet(batch.id, sealed.packet)
        self._spool.commit(
            sealed.temporary,
            sealed.first_hop.id,
            Box.TX,
            sealed.packet,
            sealed.header,
            alias=sealed.first_hop.name,
        )
        self._outbox.finish(batch.id)
        self._report(batch, messages, target, sealed)
        return len(messages)

    def _seal(
        self,
        batch: Batch,
        messages: list[QueuedMessage],
        target: Target,
        via: tuple[Node, ...],
        policy: LanePolicy,
    ) -> SealedPacket:
        joined = join_copies(messages, batch.form)
        request = ExecRequest(
            destination=target.node,
            area=target.area,
            via=via,
            handle=HANDLES[batch.form],
            args=arguments_of(batch, joined),
            nice=batch.lane.nice,
            reply_nice=REPLY_NICE,
            minsize_bytes=policy.minsize_bytes,
            level=policy.level,
            window_log=policy.window_log,
        )
        body = body_of(batch, joined, ReadAhead(self._queue, messages))
        with self._spool.new_tx_temporary(batch.first_hop, batch.temporary) as temporary:
            sealed = seal_exec(self._book.private_keys(), request, body, temporary, self._rng)
        # The name of the temporary must be durable before the database says NAMED: a power cut
        # that lost it would look like a packet that a carrier had taken.
        self._spool.disk.sync_directory(sealed.temporary.parent)
        return sealed

    def _recover(self) -> int:
        batches = self._outbox.open_batches()
        for batch in batches:
            if batch.state is BatchState.CLAIMED:
                self._undo(batch)
                _LOG.info("batch %s was not sealed when the program ended: its messages wait again", batch.id)
            else:
                self._complete(batch)
                _LOG.info("batch %s was sealed when the program ended: finished", batch.id)
        return len(batches)

    def _complete(self, batch: Batch) -> None:
        if batch.packet is None:
            raise AssertionError(f"internal error: batch {batch.id} is named but has no packet")
        temporary = self._spool.layout.tx_temporary(batch.first_hop, batch.temporary)
        if temporary.exists():
            with temporary.open("rb") as file:
                header = file.read(ENCRYPTED_HEADER_BYTES)
            hop = self._book.find_id(batch.first_hop)
            self._spool.commit(
                temporary,
                batch.first_hop,
                Box.TX,
                batch.packet,
                header,
                alias=None if hop is None else hop.name,
            )
        self._outbox.finish(batch.id)

    def _undo(self, batch: Batch) -> None:
        temporary = self._spool.layout.tx_temporary(batch.first_hop, batch.temporary)
        if temporary.exists():
            self._spool.disk.remove(temporary)
        self._outbox.release(batch.id)

    def _bury(self, unsendable: Unsendable) -> None:
        message, error = unsendable.message, unsendable.error
        outcome = Outcome(Verdict.REFUSED, error.status, str(error))
        self._outbox.bury(message.delivery_seqs, outcome)
        for recipient in message.envelope.recipients:
            log_mail(
                "dead",
                id=message.id,
                message_id=message.message_id,
                from_=message.envelope.sender,
                to=recipient,
                status=error.status,
                text=str(error),
            )

    def _target(self, lane_id: NodeId) -> Target:
        target = self._find_target(lane_id)
        if target is None:
            raise UnknownNode("it is not in the neigh section of the NNCP configuration (any more)")
        return target

    def _find_target(self, lane_id: NodeId) -> Target | None:
        """The neighbour or the area with an id; what is for an area goes to ourselves, to be passed on."""
        node = self._book.find_id(lane_id)
        if node is not None:
            return Target(node)
        area = self._book.find_area_id(lane_id)
        return None if area is None else Target(self._book.self_node, area)

    def _report(
        self, batch: Batch, messages: list[QueuedMessage], target: Target, sealed: SealedPacket
    ) -> None:
        name = target.node.name if target.area is None else f"{AREA_PREFIX}{target.area.name}"
        rows = (
            (message.id, message.message_id, message.envelope.sender, recipient, message.size_bytes)
            for message in messages
            for recipient in message.envelope.recipients
        )
        keys = ("id", "message_id", "from_", "to", "size")
        packet = sealed.packet.text
        log_alike("sent", keys, rows, node=name, batch=batch.id.text, packet=packet, status="2.0.0")
