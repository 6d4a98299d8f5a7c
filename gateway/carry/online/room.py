"""Space for what was asked for and has not come yet: sessions of one process do not promise it twice."""

import threading
import time

from gateway.spool.store import Spool

FRESH_SECONDS = 0.2
"""Thousands of packets are offered at a time; the space is not looked up for each."""


class Room:
    """The free space of a spool.

    Args:
        spool: whose file system it is.
        reserve_bytes: nobody may use.
    """

    def __init__(self, spool: Spool, reserve_bytes: int) -> None:
        self._spool = spool
        self._reserve_bytes = reserve_bytes
        self._promised_bytes = 0
        self._free_bytes = 0
        self._looked_at = -FRESH_SECONDS
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Promise space; False when there is not so much.

        Raises:
            StoreError: the spool is not there.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at >= FRESH_SECONDS or not self._has(size_bytes):
                self._free_bytes = self._spool.free_bytes()
                self._looked_at = now
            if not self._has(size_bytes):
                return False
            self._promised_bytes += size_bytes
            return True

    def _has(self, size_bytes: int) -> bool:
        return self._promised_bytes + size_bytes + self._reserve_bytes <= self._free_bytes

    def give_back(self, size_bytes: int) -> None:
        """A promise is fulfilled (the space is used) or void."""
        with self._lock:
            self._promised_bytes -= size_bytes
