"""One figure of a benchmark, and how it is taken: alternating runs, the best of each side."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Best = Callable[[Iterable[float]], float]


class BenchError(Exception):
    """A part can't be run here, such as for want of the peer."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Ours beside the peer's.

    Args:
        name: part, dot, what is measured with its unit.
        ours: our figure.
        peer: the peer's in the same run.
        target: the ratio to reach.
        is_less_better: the ratio is peer / ours, as for times and sizes.
        is_share: the ratio is ours / peer, and may be the target at most.
    """

    name: str
    ours: float
    peer: float
    target: float
    is_less_better: bool = False
    is_share: bool = False

    @property
    def ratio(self) -> float:
        """How many times better than the peer, or our share of what it needs."""
        if self.is_share:
            return self.ours / self.peer
        return self.peer / self.ours if self.is_less_better else self.ours / self.peer

    def __str__(self) -> str:
        is_met = self.ratio <= self.target if self.is_share else self.ratio >= self.target
        verdict = "ok" if is_met else "short"
        return (
            f"{self.name} ours={self.ours:.4g} peer={self.peer:.4g} ratio={self.ratio:.2f}"
            f" target={self.target:g} {verdict}"
        )


def rate_of(amount: float, work: Callable[[], None]) -> float:
    """Amount per second of one run."""
    start = time.perf_counter()
    work()
    return amount / (time.perf_counter() - start)


def side_by_side(
    ours: Callable[[int], float], peer: Callable[[int], float], best: Best = max, repeats: int = 3
) -> tuple[float, float]:
    """Run both in turn; the best of each.

    Whatever else the machine does makes a run worse and never better, so the best is nearest to the
    truth. Who comes second finds the memory warm that the first has freed: they begin in turn.

    Args:
        ours: takes the number of the run, returns its figure.
        peer: the same.
        best: max or min.
        repeats: runs of each.
    """
    figures: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats):
        for side in (0, 1) if number % 2 else (1, 0):
            figures[side].append((ours, peer)[side](number))
    return best(figures[0]), best(figures[1])
