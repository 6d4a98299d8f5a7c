"""Which packet goes first when there may not be room or time for all of them."""

import heapq
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

ROUND_COUNT = 4096
"""How many packets are held in order at a time."""

Key = tuple[int, int, str]
"""Niceness, size in bytes, name."""


def most_urgent_first(
    listing: Callable[[], Iterator[T]], key: Callable[[T], Key], round_count: int = ROUND_COUNT
) -> Iterator[T]:
    """Go through a directory in order of urgency, with flat memory.

    The directory is listed again for each round. What disappears in between is not missed, and what
    comes in between is taken if its turn has not passed.

    Args:
        listing: lists all there is, in any order.
        key: niceness, then size, then name; no two have the same.
        round_count: how many are held at a time.
    """
    last: Key | None = None
    while True:
        batch = heapq.nsmallest(round_count, _after(listing(), key, last), key=key)
        yield from batch
        if len(batch) < round_count:
            return
        last = key(batch[-1])


def _after(items: Iterator[T], key: Callable[[T], Key], last: Key | None) -> Iterator[T]:
    return (item for item in items if last is None or key(item) > last)
