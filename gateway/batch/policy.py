"""In which lane a message waits, and when a batch of it closes. Pure: figures in, decision out.

Outside the windows of a neighbour nothing closes its lanes but a carrier that leaves, or a person. When one
opens, what has waited until then is closed; within it count, bytes and age decide, as ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.ids import NICE_NORMAL, NICE_PRIORITY, NodeId
from gateway.msgqueue.entry import Form, LaneFigures
from gateway.routing.urgency import Urgency
from gateway.schedule.window import Window, seconds_left, seconds_open, seconds_until_open

NICE_URGENT = 64
"""As reports: before all other mail."""
NICE_LARGE = 192
"""Behind all other mail, before news."""
LARGE_BYTES = 256 << 10

DEFAULT_LEVEL = 9
"""Mail compresses at 60 MB/s with it: far above any link, and 5 to 10 % smaller than the quickest."""

BURST_LIMIT_SECONDS = 2.0
"""Longer would let large batches pile up where mail pours in all the time."""
BURST_PARTS = 30
"""Of the time a batch may wait anyway, one is for a burst."""
WINDOW_END_SECONDS = 10.0
"""So long before a window ends no burst is waited for: a batcher that comes late is still in time."""

FLUSH_INTERVAL_SECONDS = 5.0
"""A link that breaks and is called again all the time must not make a packet of each single mail."""


@dataclass(frozen=True, slots=True)
class Niceness:
    """NNCP's niceness of mail: which lane a message waits in.

    Args:
        normal: of most mail.
        urgent: of urgent mail; never above that of most.
        bulk: of what may wait; never below that of most.
        large: of large messages; never below that of small ones that are as urgent.
        large_bytes: from this size on a message is large, and alone in its packet.
    """

    normal: int = NICE_PRIORITY
    urgent: int = NICE_URGENT
    bulk: int = NICE_NORMAL
    large: int = NICE_LARGE
    large_bytes: int = LARGE_BYTES

    def of(self, urgency: Urgency, size_bytes: int, normal: int | None = None) -> int:
        """The niceness of one message.

        Args:
            urgency: as its sender says.
            size_bytes: of the message. A large one that is urgent travels as most mail does.
            normal: of most mail on its route, if that says otherwise.
        """
        base = self.normal if normal is None else normal
        is_large = size_bytes >= self.large_bytes
        match urgency:
            case Urgency.URGENT:
                return base if is_large else min(base, self.urgent)
            case Urgency.BULK:
                small = max(base, self.bulk)
            case Urgency.NORMAL:
                small = base
        return max(small, self.large) if is_large else small


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """How the mail for one neighbour travels.

    Args:
        form: what the neighbour understands; a stock NNCP node has a ``sendmail`` handle.
        niceness: by what a message is.
        windows: outside of them only carriers that leave close a batch; empty: there are none.
        is_in_service: new mail may be routed to it, and what waits for it makes packets.
        max_count: messages that close a batch, and the most it holds.
        max_bytes: message bytes before compression that close a batch, and the most it holds
            unless a single message is larger.
        max_age_seconds: how long the first message of a batch waits at most.
        level: zstd level, 1 to 22.
        window_log: zstd window as a power of two, 10 to 29, or None: as the level has it.
        minsize_bytes: pad packets to this size.
    """

    form: Form = Form.SENDMAIL
    niceness: Niceness = field(default_factory=Niceness)
    windows: tuple[Window, ...] = ()
    is_in_service: bool = True
    max_count: int = 1000
    max_bytes: int = 1 << 20
    max_age_seconds: float = 60.0
    level: int = DEFAULT_LEVEL
    window_log: int | None = None
    minsize_bytes: int = 0

    @property
    def burst_seconds(self) -> float:
        """How long mail gathers that has filled a batch already.

        Whoever hands mail in waits for an answer, a batch does not: a burst is taken in before it is packed.
        Where even the first message of a batch is not to wait, there is hardly any of it.
        """
        return min(self.max_age_seconds / BURST_PARTS, BURST_LIMIT_SECONDS)


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How mail travels.

    Args:
        default: for neighbours without an entry of their own.
        by_node: entries of single neighbours.
        flush_interval_seconds: carriers that leave close the lanes of a neighbour once in so long at most.
    """

    default: LanePolicy = field(default_factory=LanePolicy)
    by_node: Mapping[NodeId, LanePolicy] = field(default_factory=dict)
    flush_interval_seconds: float = FLUSH_INTERVAL_SECONDS

    def policy(self, node: NodeId) -> LanePolicy:
        """The policy for a neighbour."""
        return self.by_node.get(node, self.default)


def is_closable(figures: LaneFigures, policy: LanePolicy, moment: datetime) -> bool:
    """Whether a batch of this lane is made now.

    A neighbour that takes one message a packet gains nothing from waiting, nor does a large message.

    Args:
        figures: of the lane.
        policy: of its neighbour.
        moment: what the clock on the wall says.
    """
    if not policy.is_in_service:
        return False
    if figures.is_flush_due or not policy.windows:
        return figures.is_flush_due or _is_full(figures, policy)
    open_seconds = seconds_open(policy.windows, moment)
    if open_seconds is None:
        return False
    if _is_full(figures, policy) or figures.oldest_age_seconds >= open_seconds:
        return True
    return is_enough(figures, policy) and seconds_left(policy.windows, moment) <= WINDOW_END_SECONDS


def seconds_until_closable(figures: LaneFigures, policy: LanePolicy, moment: datetime) -> float:
    """How long until the lane's age, a window or a flush closes a batch; 0 when it is closable."""
    if is_closable(figures, policy, moment):
        return 0.0
    if not policy.is_in_service:
        return float("inf")
    wait_seconds = policy.max_age_seconds - figures.oldest_age_seconds
    if is_enough(figures, policy):
        wait_seconds = min(wait_seconds, policy.burst_seconds - _full_seconds(figures))
    wait_seconds = max(0.0, wait_seconds)
    if policy.windows and wait_seconds >= seconds_left(policy.windows, moment):
        wait_seconds = seconds_until_open(policy.windows, moment)
    return wait_seconds if figures.flush_seconds is None else min(wait_seconds, figures.flush_seconds)


def is_enough(figures: LaneFigures, policy: LanePolicy) -> bool:
    """Whether a lane holds a whole batch, by count or bytes."""
    return figures.message_count >= policy.max_count or figures.size_bytes >= policy.max_bytes


def _full_seconds(figures: LaneFigures) -> float:
    """How long it has held a whole batch; unless that was seen, as long as its first message waits."""
    return figures.oldest_age_seconds if figures.full_seconds is None else figures.full_seconds


def _is_full(figures: LaneFigures, policy: LanePolicy) -> bool:
    return (
        policy.form is Form.SENDMAIL
        or (is_enough(figures, policy) and _full_seconds(figures) >= policy.burst_seconds)
        or figures.largest_bytes >= policy.niceness.large_bytes
        or figures.oldest_age_seconds >= policy.max_age_seconds
    )
