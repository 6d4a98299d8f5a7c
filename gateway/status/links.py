"""What is known of the link with each neighbour, what waits for it, and when it is called next.

Contract: nothing is changed, not even the copies of headers that a listing makes. Memory does not grow
with the number of packets or messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.ids import NodeId
from gateway.moment import Moment
from gateway.msgqueue.entry import LaneFigures
from gateway.msgqueue.held import HeldFigures
from gateway.nodes import Node
from gateway.schedule.call import Call
from gateway.schedule.local_time import next_instant
from gateway.spool.layout import Box
from gateway.spool.link_state import LinkState, LinkStates
from gateway.spool.store import Job, Spool


@dataclass(frozen=True, slots=True)
class Pile:
    """Packets that lie together.

    Args:
        packet_count: how many.
        size_bytes: of their files.
    """

    packet_count: int = 0
    size_bytes: int = 0

    def with_one(self, size_bytes: int) -> "Pile":
        """The same and one packet more."""
        return Pile(self.packet_count + 1, self.size_bytes + size_bytes)


@dataclass(frozen=True, slots=True)
class SpoolPiles:
    """What lies in the spool for, and from, one neighbour.

    Args:
        tx: packets that wait to be sent, by niceness.
        rx: received packets that are not tossed, by niceness.
        unchecked: received whole, and not verified.
        partial: received in part.
        bad_count: files with a packet's name that are none.
    """

    tx: Mapping[int, Pile]
    rx: Mapping[int, Pile]
    unchecked: Pile
    partial: Pile
    bad_count: int


@dataclass(frozen=True, slots=True)
class NextCall:
    """When a neighbour is called next.

    Args:
        wall_seconds: since 1970.
        is_tx_needed: only if something waits for it then.
    """

    wall_seconds: float
    is_tx_needed: bool


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Everything about the link with one neighbour.

    Args:
        node: the neighbour.
        state: of its sessions.
        piles: what lies in the spool.
        lanes: what waits in the outbox to leave through it; None: the outbox was not looked at.
        next_call: as the configuration has it; None: it is never called.
        now: when all this was so.
        held: what waits for a person, to this very node and from it; None: nobody looked.
    """

    node: Node
    state: LinkState
    piles: SpoolPiles
    lanes: Sequence[LaneFigures] | None
    next_call: NextCall | None
    now: Moment
    held: HeldFigures | None = None

    @property
    def silent_seconds(self) -> float | None:
        """How long ago the neighbour was met last; None: it never was."""
        contact = self.state.contact
        return None if contact is None else contact.at.age_seconds(self.now)

    def is_silent_for(self, seconds: float) -> bool:
        """Whether the neighbour was not met for longer than that, or never."""
        return self.silent_seconds is None or self.silent_seconds > seconds


def link_status(
    node: Node,
    spool: Spool,
    states: LinkStates,
    lanes_by_hop: Mapping[NodeId, Sequence[LaneFigures]] | None,
    now: Moment,
    held_by_node: Mapping[NodeId, HeldFigures] | None = None,
) -> LinkStatus:
    """Look at one link.

    Args:
        node: the neighbour.
        spool: that keeps no copies of headers, so that looking changes nothing.
        states: of the same spool.
        lanes_by_hop: what waits in the outbox; None: nobody looked.
        now: this moment.
        held_by_node: what is held; None: nobody looked.

    Raises:
        StoreError: a directory of the spool can't be read.
    """
    return LinkStatus(
        node=node,
        state=states.read(node.id),
        piles=_piles(node.id, spool),
        lanes=None if lanes_by_hop is None else lanes_by_hop.get(node.id, ()),
        next_call=_next_call(node.online.calls, now.wall_seconds),
        now=now,
        held=None if held_by_node is None else held_by_node.get(node.id, HeldFigures()),
    )


def _piles(node: NodeId, spool: Spool) -> SpoolPiles:
    bad_count = 0

    def count_bad(_path: object, _error: GatewayError) -> None:
        nonlocal bad_count
        bad_count += 1

    tx = _by_nice(spool.jobs(node, Box.TX, count_bad))
    rx = _by_nice(spool.jobs(node, Box.RX, count_bad))
    unchecked = _together(job.size_bytes for job in spool.nocks(node, count_bad))
    partial = _together(part.size_bytes for part in spool.parts(node))
    return SpoolPiles(tx, rx, unchecked, partial, bad_count)


def _by_nice(jobs: Iterable[Job]) -> dict[int, Pile]:
    piles: dict[int, Pile] = {}
    for job in jobs:
        piles[job.header.nice] = piles.get(job.header.nice, Pile()).with_one(job.size_bytes)
    return dict(sorted(piles.items()))


def _together(sizes_bytes: Iterable[int]) -> Pile:
    pile = Pile()
    for size_bytes in sizes_bytes:
        pile = pile.with_one(size_bytes)
    return pile


def _next_call(calls: Iterable[Call], wall_seconds: float) -> NextCall | None:
    found = [(next_instant(call.cron, wall_seconds), call.is_tx_needed) for call in calls]
    times = [NextCall(at, is_tx_needed) for at, is_tx_needed in found if at is not None]
    return min(times, key=lambda call: (call.wall_seconds, call.is_tx_needed), default=None)
