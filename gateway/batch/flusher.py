"""Before a carrier leaves: what waits in open lanes becomes packets, so that it travels along.

Contract: a flush never keeps the carrier from leaving: what fails is logged, and what is not made in
time is made later. What waits for an area is closed for a carrier to any of its subscribers, and passed on
to all of them at once. The lanes of one neighbour are closed for carriers once in an interval at most,
counted in the queue, over all processes; a flush within it is not dropped but put off to its end, when
whoever runs the batcher does it.
"""

import logging
import time
from collections.abc import Callable, Collection
from itertools import chain

from gateway.batch.batcher import Batcher, BatchResult
from gateway.errors import GatewayError, StoreBusy
from gateway.ids import NICE_MAX, NodeId
from gateway.msgqueue.entry import LaneFigures
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import Queue
from gateway.nodes import Book, Node
from gateway.tx.exec_packet import resolve_via

_LOG = logging.getLogger(__name__)

WAIT_LIMIT_SECONDS = 10.0
"""For a batcher of another thread or process that is just at work."""
_POLL_SECONDS = 0.05


class Flusher:
    """Closes lanes for carriers; safe to use from several threads.

    Args:
        queue: the open queue.
        book: our neighbours: mail for one may travel through another.
        batcher: makes the packets.
        interval_seconds: the least time between two flushes of one neighbour's lanes.
        pause: waits for so many seconds.
        pass_on: brings what was just sealed for areas to their subscribers.
    """

    def __init__(
        self,
        queue: Queue,
        book: Book,
        batcher: Batcher,
        interval_seconds: float,
        pause: Callable[[float], None] = time.sleep,
        pass_on: Callable[[], object] = lambda: None,
    ) -> None:
        self._outbox = Outbox(queue)
        self._book = book
        self._batcher = batcher
        self._interval_seconds = interval_seconds
        self._pause = pause
        self._pass_on = pass_on

    def flush(self, hop: NodeId | None) -> None:
        """Make packets of what leaves through a neighbour, before a carrier to it leaves.

        Waits for the disk, and for a batcher that is just at work. Faults are logged.

        Args:
            hop: the neighbour; None: every one.
        """
        try:
            self.flush_now(hop)
        except StoreBusy as error:
            _LOG.info("what waits in the outbox follows later: %s", error)
        except GatewayError as error:
            _LOG.error("what waits in the outbox stays there: %s", error)

    def flush_now(self, hop: NodeId | None, patience_seconds: float = 0.0) -> BatchResult:
        """The same, for whoever wants to know what came of it.

        Args:
            hop: the neighbour; None: every one.
            patience_seconds: a flush that is put off for no longer than this is waited for.

        Raises:
            StoreBusy: another batcher did not come to its end.
            StoreError: the disk refused; what was not sealed is still queued.
            UnknownNode: the way to a node leads through one that is not known.
        """
        if self._outbox.open_batches():
            # Another batcher is at work, or a crash ended one: then its messages wait again.
            self._run(())
        nodes = {figures.lane.node for figures in self.lanes_through(hop)}
        if not nodes:
            return BatchResult()
        self._outbox.ask_flush(nodes, interval_seconds=self._interval_seconds)
        result = self._run(nodes)
        waits = [figures.flush_seconds or 0.0 for figures in self.lanes_through(hop)]
        waits = [seconds for seconds in waits if 0 < seconds <= patience_seconds]
        if not waits:
            return result
        self._pause(max(waits))
        return result + self._run(nodes)

    def has_open_lane(self, hop: NodeId, nice: int = NICE_MAX) -> bool:
        """Whether mail waits that leaves through a neighbour, and may leave.

        Args:
            hop: the neighbour.
            nice: mail whose niceness is above it does not count.

        Raises:
            StoreError: the queue can't be read.
            UnknownNode: the way to a node leads through one that is not known.
        """
        return any(
            figures.lane.nice <= nice and self._batcher.is_in_service(figures.lane.node)
            for figures in self.lanes_through(hop)
        )

    def lanes_through(self, hop: NodeId | None) -> list[LaneFigures]:
        """What waits for packets to a neighbour, mail for others that travels through it included.

        Args:
            hop: the neighbour; None: every one. Lanes of nodes that nobody knows any more count for none.

        Raises:
            StoreError: the queue can't be read.
            UnknownNode: the way to a node leads through one that is not known.
        """
        by_hop = self.lanes_by_hop()
        return list(chain.from_iterable(by_hop.values())) if hop is None else by_hop.get(hop, [])

    def lanes_by_hop(self) -> dict[NodeId, list[LaneFigures]]:
        """What waits, by the neighbour through which it leaves; as ``lanes_through``."""
        by_hop: dict[NodeId, list[LaneFigures]] = {}
        for figures in self._outbox.lanes():
            for hop in self._first_hops(figures.lane.node):
                by_hop.setdefault(hop, []).append(figures)
        return by_hop

    def _run(self, nodes: Collection[NodeId]) -> BatchResult:
        deadline = time.monotonic() + WAIT_LIMIT_SECONDS
        while True:
            try:
                result = self._batcher.run_once(only=nodes)
            except StoreBusy:
                if time.monotonic() >= deadline:
                    raise
                self._pause(_POLL_SECONDS)
                continue
            if result.packet_count and any(map(self._book.find_area_id, nodes)):
                self._pass_on()
            return result

    def _first_hops(self, lane_id: NodeId) -> set[NodeId]:
        """The neighbours through which a lane leaves: one, or those of all who subscribe to an area."""
        node = self._book.find_id(lane_id)
        if node is not None:
            return {self._first_hop(node)}
        area = self._book.find_area_id(lane_id)
        members = () if area is None else map(self._book.find_id, area.subs)
        own = self._book.self_node
        return {self._first_hop(member) for member in members if member is not None and member.id != own.id}

    def _first_hop(self, node: Node) -> NodeId:
        via = resolve_via(self._book, node, None)
        return (via[0] if via else node).id
