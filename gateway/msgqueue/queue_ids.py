"""Queue ids: 16 hexadecimal digits that no other message has, later messages behind earlier ones.

The second they were drawn in (32 bits), chance (25 bits), a count (7 bits). The database has an index of
them: ids all over it would let each message that is taken in change another page of it, and every page that
was changed is written and synced. Of a queue of 60,000 that was a quarter of the time an article takes.

Contract: ids of one process rise, however its clock is set. Two processes that draw in the same second have
one chance in 33 million to draw the same; the database refuses the second one then, for now.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable

COUNT_BITS = 7
CHANCE_BITS = 25
ID_CHARS = 16


class QueueIds:
    """Draws ids; safe to use from several threads.

    Args:
        wall: reads seconds since 1970.
        chance: gives so many random bits.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, chance: Callable[[int], int] = secrets.randbits
    ) -> None:
        self._wall = wall
        self._chance = chance
        self._block = 0
        self._drawing = threading.Lock()
        self._ids: list[str] = []

    def new_id(self) -> str:
        """An id that no other message has."""
        while True:
            try:
                return self._ids.pop()
            except IndexError:
                self._draw()

    def _draw(self) -> None:
        # Many at once: each call to the kernel lets another thread run, which costs more than the call.
        with self._drawing:
            if self._ids:
                return
            second = int(self._wall()) & 0xFFFFFFFF
            self._block = max(self._block + 1, second << CHANCE_BITS | self._chance(CHANCE_BITS))
            first = self._block << COUNT_BITS
            self._ids = [f"{first + count:0{ID_CHARS}x}" for count in reversed(range(1 << COUNT_BITS))]


_of_process = QueueIds()


def new_queue_id() -> str:
    """An id that no other message has."""
    return _of_process.new_id()


def _begin_anew() -> None:
    # What the parent has drawn is its own.
    global _of_process  # noqa: PLW0603 - of a process there is one
    _of_process = QueueIds()


os.register_at_fork(after_in_child=_begin_anew)
