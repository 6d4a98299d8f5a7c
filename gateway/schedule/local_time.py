"""The next time of a cron expression as an instant, in the local time zone of the process.

Contract: the result always lies after the given instant, so that a loop that waits for it makes
progress. A wall-clock time that a change to summer time leaves out comes right behind the gap; one
that a change to winter time brings twice comes once.
"""

from datetime import datetime

from gateway.schedule.cron import Cron


def next_instant(cron: Cron, now_seconds: float) -> float | None:
    """The first time after now.

    Args:
        cron: the expression.
        now_seconds: since the epoch.

    Returns:
        Seconds since the epoch; None: it never comes again.
    """
    wall = datetime.fromtimestamp(now_seconds)  # noqa: DTZ006 - the local time zone is what is asked for
    found = cron.next_after(wall.replace(fold=0))
    if found is None:
        return None
    first = found.timestamp()
    return first if first > now_seconds else found.replace(fold=1).timestamp()
