"""The flushers of all queues as one: before a carrier leaves, mail and news become packets alike."""

from collections.abc import Sequence

from gateway.batch.batcher import BatchResult
from gateway.batch.flusher import Flusher
from gateway.ids import NICE_MAX, NodeId
from gateway.msgqueue.entry import LaneFigures


class Flushers:
    """Closes lanes for carriers; as ``Flusher``, which says what each method does.

    Args:
        flushers: one for each queue, the more urgent first.
    """

    def __init__(self, flushers: Sequence[Flusher]) -> None:
        self._flushers = tuple(flushers)

    def flush(self, hop: NodeId | None) -> None:
        """See ``Flusher.flush``."""
        for flusher in self._flushers:
            flusher.flush(hop)

    def flush_now(self, hop: NodeId | None, patience_seconds: float = 0.0) -> BatchResult:
        """See ``Flusher.flush_now``."""
        results = [flusher.flush_now(hop, patience_seconds) for flusher in self._flushers]
        return sum(results, BatchResult())

    def has_open_lane(self, hop: NodeId, nice: int = NICE_MAX) -> bool:
        """See ``Flusher.has_open_lane``."""
        return any(flusher.has_open_lane(hop, nice) for flusher in self._flushers)

    def lanes_by_hop(self) -> dict[NodeId, list[LaneFigures]]:
        """See ``Flusher.lanes_by_hop``."""
        by_hop: dict[NodeId, list[LaneFigures]] = {}
        for flusher in self._flushers:
            for hop, figures in flusher.lanes_by_hop().items():
                by_hop.setdefault(hop, []).extend(figures)
        return by_hop
