"""A moment on two clocks, so that an age is not fooled by a clock that was set.

A machine without a battery wakes in 1970 and jumps forty years when it hears the time. Within one boot
the seconds since its start are exact; across boots only the time of day is left, and then nothing is
younger than now.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was.

    Args:
        wall_seconds: since 1970, as far as the machine knew; for people.
        boot_id: which boot ``uptime_seconds`` belongs to; "": not known.
        uptime_seconds: since that boot, sleep included.
    """

    wall_seconds: float
    boot_id: str
    uptime_seconds: float

    def age_seconds(self, now: "Moment") -> float:
        """How long ago this was; never less than 0."""
        if self.boot_id and self.boot_id == now.boot_id:
            return max(0.0, now.uptime_seconds - self.uptime_seconds)
        return max(0.0, now.wall_seconds - self.wall_seconds)


ReadMoment = Callable[[], Moment]


def read_moment() -> Moment:
    """This moment."""
    return Moment(time.time(), read_boot_id(), read_uptime_seconds())


def read_boot_id() -> str:
    """The kernel's id of this boot; "" where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_uptime_seconds() -> float:
    """Seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
