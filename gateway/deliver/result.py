"""What a run of a deliverer did, in figures."""

from dataclasses import dataclass
from typing import Self

from gateway.msgqueue.entry import Verdict


@dataclass(slots=True)
class DeliverResult:
    """What one run did, by deliveries: recipients of mail, targets of articles.

    Args:
        delivered_count: taken by the target; an article also if it was there already.
        deferred_count: to be tried again.
        dead_count: refused or given up; dead letters now.
        crash_count: not decided, because of a fault of ours.
        is_target_down: of mail: the target took none at all; of news: a target took nothing.
    """

    delivered_count: int = 0
    deferred_count: int = 0
    dead_count: int = 0
    crash_count: int = 0
    is_target_down: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was due."""
        return not (self.delivered_count or self.deferred_count or self.dead_count or self.crash_count)

    def count(self, verdict: Verdict, count: int = 1) -> None:
        """Count deliveries that were decided."""
        match verdict:
            case Verdict.DELIVERED:
                self.delivered_count += count
            case Verdict.DEFERRED:
                self.deferred_count += count
            case Verdict.REFUSED:
                self.dead_count += count

    def __iadd__(self, other: "DeliverResult") -> Self:
        """Count what another deliverer did as well."""
        self.delivered_count += other.delivered_count
        self.deferred_count += other.deferred_count
        self.dead_count += other.dead_count
        self.crash_count += other.crash_count
        self.is_target_down |= other.is_target_down
        return self
