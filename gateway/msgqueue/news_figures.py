"""How much news waits for each feed, is with it, and came from whom.

Contract: nothing is changed, and memory does not grow with the queue.
"""

from dataclasses import dataclass
from typing import Any

from gateway.msgqueue.store import Queue


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """What stands in the queue for one feed.

    Args:
        waiting_count: articles that wait to be sent or delivered.
        waiting_bytes: their sizes together.
        oldest_age_seconds: of the first of them; None: none waits.
        held_count: articles that wait for a person.
        dead_count: articles that were refused or given up, as long as they are kept.
        done_count: articles sent or delivered, as long as they are listed.
        done_age_seconds: since the last of them; None: there is none.
        next_try_seconds: until one is tried next; None: none waits, or none was tried yet.
        text: why one that was tried waits, or "".
    """

    waiting_count: int = 0
    waiting_bytes: int = 0
    oldest_age_seconds: float | None = None
    held_count: int = 0
    dead_count: int = 0
    done_count: int = 0
    done_age_seconds: float | None = None
    next_try_seconds: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """What came from one source, as far as it is still listed.

    Args:
        article_count: articles.
        last_age_seconds: since the last of them.
    """

    article_count: int
    last_age_seconds: float


def feed_figures(queue: Queue) -> dict[str, FeedFigures]:
    """What stands in the queue for each feed, by its name."""
    now = queue.clock.now()
    with queue.reading() as connection:
        rows = connection.execute(_FEEDS).fetchall()
        # Of a bare column beside max() SQLite takes the value of the row that has the maximum.
        reasons = connection.execute(
            "SELECT recipient, text, max(changed_at) FROM delivery WHERE state = 'queued' AND attempts > 0"
            " GROUP BY recipient"
        ).fetchall()
    texts = {name: text for name, text, _ in reasons}
    return {row[0]: _feed(row[1:], now, texts.get(row[0], "")) for row in rows}


def source_figures(queue: Queue) -> dict[str, SourceFigures]:
    """What came from each source, by the name of the feed that it is, or by what is known of it."""
    now = queue.clock.now()
    with queue.reading() as connection:
        rows = connection.execute(
            "SELECT origin, count(*), max(arrived_at) FROM message GROUP BY origin"
        ).fetchall()
    return {name: SourceFigures(count, max(0.0, now - last_at)) for name, count, last_at in rows}


def history_count(queue: Queue) -> int:
    """How many Message-IDs are known."""
    with queue.reading() as connection:
        (count,) = connection.execute("SELECT count(*) FROM history").fetchone()
    return int(count)


_FEEDS = (
    "SELECT d.recipient, sum(d.state IN ('queued', 'claimed')),"
    " coalesce(sum(m.size_bytes) FILTER (WHERE d.state IN ('queued', 'claimed')), 0),"
    " min(m.arrived_at) FILTER (WHERE d.state IN ('queued', 'claimed')),"
    " sum(d.state = 'held'), sum(d.state = 'dead'), sum(d.state IN ('sent', 'delivered')),"
    " max(d.changed_at) FILTER (WHERE d.state IN ('sent', 'delivered')),"
    " min(d.next_try_at) FILTER (WHERE d.state = 'queued' AND d.attempts > 0)"
    " FROM delivery d JOIN message m ON m.seq = d.message GROUP BY d.recipient"
)


def _feed(row: tuple[Any, ...], now: float, text: str) -> FeedFigures:
    waiting_count, waiting_bytes, oldest_at, held_count, dead_count, done_count, done_at, next_at = row
    return FeedFigures(
        waiting_count=waiting_count,
        waiting_bytes=waiting_bytes,
        oldest_age_seconds=None if oldest_at is None else max(0.0, now - oldest_at),
        held_count=held_count,
        dead_count=dead_count,
        done_count=done_count,
        done_age_seconds=None if done_at is None else max(0.0, now - done_at),
        next_try_seconds=None if next_at is None else max(0.0, next_at - now),
        text=text,
    )
