"""What of the inbox may be tried now, in which order; a deliverer may ask for its own recipients alone."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from gateway.msgqueue.entry import QueuedMessage
from gateway.msgqueue.insertion import LARGE_MARK
from gateway.msgqueue.rows import QUEUED_COLUMNS, group_messages
from gateway.msgqueue.store import Queue
from gateway.msgqueue.whole_answer import whole_answer

_MINE = " AND is_mine(recipient)"
_WAITS = "state = 'queued' AND node = ''"
# SQLite would take a larger index, and go through all that waits.
_DUE_BY_TURN = f"delivery INDEXED BY delivery_due WHERE {_WAITS} AND begun = 0"
_BEGUN_ONES = f"delivery INDEXED BY delivery_begun WHERE {_WAITS} AND begun > 0"
_TURNS = f"""
    WITH RECURSIVE turns (name) AS (
        SELECT min(turn) FROM {_DUE_BY_TURN}
        UNION ALL
        SELECT (SELECT min(turn) FROM {_DUE_BY_TURN} AND turn > name)
        FROM turns WHERE name IS NOT NULL
    ) SELECT name FROM turns WHERE name IS NOT NULL
"""  # noqa: S608 - no value of anybody's
"""Goes from turn to turn by the index, however many deliveries each has."""
_ONE_TURN = f"""
    SELECT message FROM {_DUE_BY_TURN} AND turn = :turn AND next_try_at <= :until{{mine}}
    ORDER BY next_try_at, message LIMIT :count OFFSET :offset
"""  # noqa: S608
_DUE = f"""
    SELECT DISTINCT message FROM delivery INDEXED BY delivery_waiting WHERE {_WAITS} AND nice = 0
    AND message > :after AND next_try_at <= :until{{mine}} ORDER BY message LIMIT :count
"""  # noqa: S608
"""In the inbox all is of niceness 0; with it the index leads to the next ones, however many wait."""
_EARLY = f"""
    SELECT DISTINCT message FROM delivery INDEXED BY delivery_message WHERE {_WAITS} AND begun = 0
    AND message > :after{{mine}} ORDER BY message LIMIT :count
"""  # noqa: S608
_BEGUN = f"""
    SELECT message FROM {_BEGUN_ONES} AND next_try_at <= :until
    AND message NOT IN (SELECT value FROM json_each(:without)){{mine}}
    GROUP BY message ORDER BY min(begun), message LIMIT 1
"""  # noqa: S608
_SOONEST = f"""
    SELECT min(at) FROM (
        SELECT (SELECT min(next_try_at) FROM {_DUE_BY_TURN} AND turn = name{{mine}}) AS at
        FROM ({_TURNS})
        UNION ALL SELECT min(next_try_at) FROM {_BEGUN_ONES}{{mine}}
    )
"""  # noqa: S608
_NEWEST = "SELECT coalesce(max(seq), 0) FROM delivery"
_NEW = f"SELECT EXISTS (SELECT 1 FROM delivery WHERE seq > :after AND {_WAITS}{{mine}})"  # noqa: S608
QUIET_SECONDS = 5.0
"""How long it is believed that nothing is due that came before: a person may have changed it since."""
_LARGE_SHARE = 8
"""One message of so many is a large one, while there are small ones."""

Takes = Callable[[str], bool]
"""Whether a recipient is meant; it must not raise."""


@dataclass(frozen=True, slots=True)
class _Quiet:
    """What was found out about the deliveries up to one.

    Args:
        seq: the newest of them.
        soonest_at: when the first of ours is due; infinity: none waits.
        until: how long this is believed. Both on the queue's clock.
    """

    seq: int
    soonest_at: float
    until: float


class DueMail:
    """Deliveries of a queue that may be tried.

    Args:
        queue: the open queue.
        takes: which recipients are meant; None: all.
    """

    def __init__(self, queue: Queue, takes: Takes | None = None) -> None:
        self.queue = queue
        self._takes = takes
        self._mine = "" if takes is None else _MINE
        self._last_turn = ""
        self._quiet = _Quiet(0, 0.0, 0.0)

    def due(self, max_count: int, *, is_early: bool = False, after_seq: int = 0) -> list[QueuedMessage]:
        """The messages with recipients that may be tried now, oldest first.

        Args:
            max_count: messages at most.
            is_early: also those whose next try is still to come.
            after_seq: only messages behind this one, to go through them page by page.
        """
        now = self.queue.clock.now()
        until = float("inf") if is_early else now
        with self._reading() as connection:
            seqs = self._numbers(connection, _DUE, after=after_seq, count=max_count, until=until)
            return self._read(connection, seqs, "true", until, now)

    def in_turns(self, max_count: int, *, is_early: bool = False, after_seq: int = 0) -> list[QueuedMessage]:
        """The messages with recipients that may be tried now, but for those that were begun.

        The nodes they came from take turns, and so do small messages and large ones; within one turn the
        oldest comes first.

        Args:
            max_count: messages at most.
            is_early: also those whose next try is still to come; all in the order of arrival.
            after_seq: early only: those behind this one, to go through them page by page.
        """
        now = self.queue.clock.now()
        with self._reading() as connection:
            if is_early:
                seqs = self._numbers(connection, _EARLY, after=after_seq, count=max_count)
            else:
                seqs = self._turn_by_turn(connection, now, max_count)
            until = float("inf") if is_early else now
            return self._read(connection, seqs, "d.begun = 0", until, now)

    def begun(self, *, is_early: bool = False, without: Collection[int] = ()) -> QueuedMessage | None:
        """A message whose last try was begun and has no known end, if one may be tried now.

        The one with the fewest such tries comes first: one that ends this program is behind all others.

        Args:
            is_early: also those whose next try is still to come.
            without: numbers of messages that are not meant.
        """
        now = self.queue.clock.now()
        until = float("inf") if is_early else now
        with self._reading() as connection:
            seqs = self._numbers(connection, _BEGUN, until=until, without=json.dumps(sorted(without)))
            return next(iter(self._read(connection, seqs, "d.begun > 0", until, now)), None)

    def next_try_seconds(self) -> float | None:
        """Seconds until the next delivery is due (0 or less: now), or None if nothing waits.

        Where ``is_quiet``, the seconds until it is worth a look.
        """
        if self.is_quiet():
            return min(self._quiet.soonest_at, self._quiet.until) - self.queue.clock.now()
        with self._reading() as connection:
            (newest,) = connection.execute(_NEWEST).fetchone()
            (soonest,) = connection.execute(_SOONEST.format(mine=self._mine)).fetchone()
        now = self.queue.clock.now()
        self._quiet = _Quiet(newest, float("inf") if soonest is None else soonest, now + QUIET_SECONDS)
        return None if soonest is None else float(soonest) - now

    def is_quiet(self) -> bool:
        """Whether nothing is due for some of the recipients, as far as that is known without a search.

        All that waits for others would be gone through for it, each time one of them is done.
        """
        if self._takes is None or self.queue.clock.now() >= min(self._quiet.soonest_at, self._quiet.until):
            return False
        with self._reading() as connection:
            (newest,) = connection.execute(_NEWEST).fetchone()
            if newest > self._quiet.seq:
                (is_new,) = connection.execute(
                    _NEW.format(mine=self._mine), {"after": self._quiet.seq}
                ).fetchone()
                if is_new:
                    return False
                self._quiet = replace(self._quiet, seq=newest)
        return True

    def _turn_by_turn(self, connection: sqlite3.Connection, now: float, max_count: int) -> list[int]:
        names = [str(name) for (name,) in connection.execute(_TURNS)]
        behind = [name for name in names if name > self._last_turn]
        names = (behind + names[: len(names) - len(behind)])[:max_count]
        share_count = max(1, max_count // max(1, len(names)))

        def page(name: str, count: int, offset: int = 0) -> list[int]:
            return self._numbers(connection, _ONE_TURN, turn=name, until=now, count=count, offset=offset)

        found = {name: page(name, _share(name, share_count)) for name in names}
        for name in names:
            left_count = max_count - sum(map(len, found.values()))
            if left_count > 0 and len(found[name]) == share_count and not name.endswith(LARGE_MARK):
                found[name] += page(name, left_count, share_count)
        if names:
            self._last_turn = names[-1]
        in_turn = chain.from_iterable(zip_longest(*found.values()))
        return list(dict.fromkeys(seq for seq in in_turn if seq is not None))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self.queue.reading() as connection:
            if self._takes is not None:
                # One connection serves all that a thread asks, for different recipients perhaps.
                connection.create_function("is_mine", 1, self._takes)
            yield connection

    def _numbers(self, connection: sqlite3.Connection, query: str, **values: float | str) -> list[int]:
        inner = f"FROM ({query.format(mine=self._mine)})"
        return [int(seq) for (seq,) in whole_answer(connection, "message", inner, values)]

    def _read(
        self, connection: sqlite3.Connection, seqs: Sequence[int], which: str, until: float, now: float
    ) -> list[QueuedMessage]:
        """The messages with those numbers, in that order, with their recipients that wait."""
        rows = whole_answer(
            connection,
            QUEUED_COLUMNS,
            "FROM delivery d INDEXED BY delivery_message JOIN message m ON m.seq = d.message"  # noqa: S608
            " WHERE d.message IN (SELECT value FROM json_each(?)) AND d.state = 'queued' AND d.node = ''"
            f" AND {which}{self._mine} AND d.next_try_at <= ? ORDER BY m.seq, d.seq",
            (json.dumps(seqs), until),
        )
        place = {seq: number for number, seq in enumerate(seqs)}
        return sorted(group_messages(rows, now), key=lambda message: place[message.seq])


def _share(turn: str, share_count: int) -> int:
    return max(1, share_count // _LARGE_SHARE) if turn.endswith(LARGE_MARK) else share_count
