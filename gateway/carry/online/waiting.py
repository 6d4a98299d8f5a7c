"""Whether packets wait for a neighbour: asked often, so that what has not changed is not read again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.ids import NodeId
from gateway.spool.layout import Box
from gateway.spool.store import Spool

FRESH_SECONDS = 2.0
"""A directory changed this lately may change again within the same tick of its clock."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Args: changed_ns: when the directory was changed; least_nice: of its packets, None: it has none."""

    changed_ns: int
    least_nice: int | None


class Waiting:
    """Remembers what was found in tx.

    Args:
        spool: where packets wait.
        wall: the clock that file times are of.
    """

    def __init__(self, spool: Spool, wall: Callable[[], float] = time.time) -> None:
        self._spool = spool
        self._wall = wall
        self._looks: dict[NodeId, _Look] = {}

    def has_packet(self, node: NodeId, nice: int) -> bool:
        """Whether a packet of at most this niceness waits.

        Raises:
            StoreError: the directory cannot be read.
        """
        try:
            changed_ns = self._spool.layout.box(node, Box.TX).stat().st_mtime_ns
        except OSError:
            return False
        known = self._looks.get(node)
        if known is None or known.changed_ns != changed_ns:
            least_nice = min((job.header.nice for job in self._spool.jobs(node, Box.TX)), default=None)
            is_settled = changed_ns < (self._wall() - FRESH_SECONDS) * 1e9
            known = self._looks[node] = _Look(changed_ns if is_settled else 0, least_nice)
        return known.least_nice is not None and known.least_nice <= nice
