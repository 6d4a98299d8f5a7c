"""The free space of the queue's disk, without asking the kernel for each message.

Contract: the figure is at most FRESH_SECONDS old, and what was asked for since counts as taken. Near the
reserve the kernel is asked each time.
"""

import time
from pathlib import Path

from gateway.durable import free_bytes
from gateway.errors import StoreFull

FRESH_SECONDS = 0.2
NEAR_FACTOR = 2
"""Less than so many reserves free is near."""


class Room:
    """Free space below a directory; safe to use from several threads.

    Args:
        directory: on the disk in question.
    """

    __slots__ = ("_directory", "_left_bytes", "_until")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._left_bytes = 0
        self._until = 0.0

    def check(self, size_bytes: int, reserve_bytes: int) -> None:
        """Make sure that so much may be written.

        Args:
            size_bytes: what is to be written.
            reserve_bytes: what must stay free.

        Raises:
            StoreFull: the reserve would be touched.
            StoreError: the disk can't be asked.
        """
        left_bytes = self.left_bytes(size_bytes, reserve_bytes)
        if left_bytes - size_bytes < reserve_bytes:
            raise StoreFull(
                f"{self._directory} has {left_bytes} bytes free; {reserve_bytes} are kept in reserve"
                " ([queue] reserve_bytes)"
            )

    def left_bytes(self, size_bytes: int, reserve_bytes: int) -> int:
        """How much is free before so much is written.

        Args:
            size_bytes: what is to be written.
            reserve_bytes: what must stay free.

        Raises:
            StoreError: the disk can't be asked.
        """
        left_bytes = self._left_bytes
        if time.monotonic() >= self._until or left_bytes - size_bytes < NEAR_FACTOR * reserve_bytes:
            left_bytes = free_bytes(self._directory)
            self._until = time.monotonic() + FRESH_SECONDS
        self._left_bytes = left_bytes - size_bytes
        return left_bytes
