"""A queue's clock that a test sets."""

from gateway.msgqueue.clock import Mark, QueueClock


class SetClock:
    """Time that passes when a test says so; ``make`` is what ``Queue`` takes as its ``clock``."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall_ahead_seconds = 0.0

    def make(self, last: Mark | None) -> QueueClock:
        """The clock of one opened queue."""
        return QueueClock(
            last,
            boot_id="boot",
            uptime=lambda: self.seconds,
            wall=lambda: self.seconds + self.wall_ahead_seconds,
        )

    def go_on(self, seconds: float) -> None:
        """Let so much time pass."""
        self.seconds += seconds
