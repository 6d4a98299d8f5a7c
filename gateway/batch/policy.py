"""When a batch closes. Pure: figures in, decision out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.ids import NodeId
from gateway.msgqueue.entry import Form, LaneFigures

DEFAULT_LEVEL = 9
"""Mail compresses at 60 MB/s with it: far above any link, and 5 to 10 % smaller than the quickest."""


FLUSH_INTERVAL_SECONDS = 5.0
"""A link that breaks and is called again all the time must not make a packet of each single mail."""


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """How the mail for one neighbour travels.

    Args:
        form: what the neighbour understands; a stock NNCP node has a ``sendmail`` handle.
        max_count: messages that close a batch, and the most it holds.
        max_bytes: message bytes before compression that close a batch, and the most it holds
            unless a single message is larger.
        max_age_seconds: how long the first message of a batch waits at most.
        level: zstd level, 1 to 22.
        window_log: zstd window as a power of two, 10 to 29, or None: as the level has it.
        minsize_bytes: pad packets to this size.
    """

    form: Form = Form.SENDMAIL
    max_count: int = 1000
    max_bytes: int = 1 << 20
    max_age_seconds: float = 60.0
    level: int = DEFAULT_LEVEL
    window_log: int | None = None
    minsize_bytes: int = 0


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


def is_closable(figures: LaneFigures, policy: LanePolicy) -> bool:
    """Whether a batch of this lane is made now.

    A neighbour that takes one message a packet gains nothing from waiting.
    """
    return (
        figures.is_flush_due
        or policy.form is Form.SENDMAIL
        or figures.message_count >= policy.max_count
        or figures.size_bytes >= policy.max_bytes
        or figures.oldest_age_seconds >= policy.max_age_seconds
    )


def seconds_until_closable(figures: LaneFigures, policy: LanePolicy) -> float:
    """How long until the lane's age, or a flush, closes a batch; 0 when it is closable."""
    if is_closable(figures, policy):
        return 0.0
    wait_seconds = max(0.0, policy.max_age_seconds - figures.oldest_age_seconds)
    return wait_seconds if figures.flush_seconds is None else min(wait_seconds, figures.flush_seconds)
