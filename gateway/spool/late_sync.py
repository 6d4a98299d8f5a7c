"""Removals of many packets, synced together."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.durable import Disk
from gateway.errors import StoreError

LATE_SYNC_SECONDS = 1.0
"""From one sync to the next, at least."""

PAUSE_FACTOR = 9
"""On a busy disk, where a sync takes seconds, syncing gets a tenth of the time and no more."""


class LateSync:
    """Syncs a directory after several changes rather than after each of them.

    Only for changes that a power cut may undo without a loss, such as the removal of what is done:
    it brings back what was removed since the last sync, to be done once more. Use it in a ``with`` block,
    which ends with all changes synced.

    Args:
        disk: what syncs.
        directory: where the changes are.
        now: a clock in seconds that a change of the time of day does not disturb.
    """

    def __init__(self, disk: Disk, directory: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._disk = disk
        self._directory = directory
        self._now = now
        self._due_time = now() + LATE_SYNC_SECONDS
        self._is_pending = False

    def changed(self) -> None:
        """Tell of a change.

        Raises:
            StoreError: the disk refused; the changes may come undone.
        """
        self._is_pending = True
        if self._now() >= self._due_time:
            self._sync()

    def _sync(self) -> None:
        self._is_pending = False
        begun_time = self._now()
        self._disk.sync_directory(self._directory)
        end_time = self._now()
        self._due_time = end_time + max(LATE_SYNC_SECONDS, PAUSE_FACTOR * (end_time - begun_time))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_pending:
            return
        try:
            self._sync()
        except StoreError:
            # What ended the block says more.
            if error is None:
                raise
