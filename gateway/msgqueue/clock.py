"""A clock for ages that a jump of the wall clock can't fool.

It counts seconds the machine was up (CLOCK_BOOTTIME, sleep included) and carries on after a
restart: the time between is credited from the wall clock, but never less than zero and never
more than ``CREDIT_LIMIT_SECONDS``. So a machine that wakes in 1970, or has its clock set forty
years ahead, makes nothing expire; a long time switched off counts as one day.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.moment import read_boot_id, read_uptime_seconds

CREDIT_LIMIT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on all three clocks, as kept in the database.

    Args:
        queue_seconds: the queue's own clock.
        boot_id: which boot ``uptime_seconds`` belongs to.
        uptime_seconds: seconds since that boot.
        wall_seconds: seconds since 1970, as far as the machine knew.
    """

    queue_seconds: float
    boot_id: str
    uptime_seconds: float
    wall_seconds: float


class QueueClock:
    """The queue's own clock.

    Args:
        last: the mark kept last, or None for a new queue.
        boot_id: the id of this boot.
        uptime: reads seconds since boot.
        wall: reads seconds since 1970.
    """

    def __init__(
        self,
        last: Mark | None,
        *,
        boot_id: str | None = None,
        uptime: Callable[[], float] = read_uptime_seconds,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        self._uptime = uptime
        self._wall = wall
        now_up, now_wall = uptime(), wall()
        if last is None:
            base = 0.0
        elif last.boot_id == self._boot_id and now_up >= last.uptime_seconds:
            base = last.queue_seconds + (now_up - last.uptime_seconds)
        else:
            credit = min(max(now_wall - last.wall_seconds, 0.0), CREDIT_LIMIT_SECONDS)
            base = last.queue_seconds + credit
        self._offset = base - now_up

    def now(self) -> float:
        """Seconds on the queue's clock; never goes back."""
        return self._uptime() + self._offset

    def wall(self) -> float:
        """Seconds since 1970 as the machine believes, for people only."""
        return self._wall()

    def mark(self) -> Mark:
        """This moment, to be kept in the database."""
        now_up = self._uptime()
        return Mark(now_up + self._offset, self._boot_id, now_up, self._wall())
