"""Since when lanes hold a whole batch: a burst of mail is waited for from then on.

What the queue tells is since when the first message of a lane waits. In a lane that is in use there is nearly
always one that does for a while: by its age a burst would never be waited for.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from gateway.batch.policy import BatchSettings, is_enough
from gateway.msgqueue.entry import Lane, LaneFigures


class Fillings:
    """What was seen of lanes; in memory: after a restart a lane counts as full since its first message waits.

    Args:
        settings: how mail travels.
        clock: the queue's.
    """

    def __init__(self, settings: BatchSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._since: dict[Lane, float | None] = {}

    def look(self, lanes: Iterable[LaneFigures]) -> list[LaneFigures]:
        """Note which lanes hold a whole batch; returns them with how long they have."""
        now, before = self._clock(), self._since
        self._since = {}
        found = []
        for figures in lanes:
            since: float | None = None
            if is_enough(figures, self._settings.policy(figures.lane.node)):
                since = before.get(figures.lane, now - figures.oldest_age_seconds)
                since = now if since is None else since
            self._since[figures.lane] = since
            found.append(figures if since is None else replace(figures, full_seconds=now - since))
        return found
