"""The inbox: what was received and waits to be delivered here.

A batch is put in whole or not at all, together with the record that it was received; a second
copy of it changes nothing. Each recipient then has its own outcome.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from gateway.ids import BatchId, NodeId, PacketId
from gateway.msgqueue.entry import NewMessage, Outcome, QueuedMessage, Received, Role, State, Success, Verdict
from gateway.msgqueue.insertion import LARGE_MARK, drop_finished_bodies, insert_message, size_of
from gateway.msgqueue.pace import Account, Pace
from gateway.msgqueue.rows import QUEUED_COLUMNS, group_messages
from gateway.msgqueue.store import Queue

CRASH_LIMIT = 3
"""A delivery that ran into a bug of ours this often is set aside, so that it can't do so for ever."""

BEGUN_LIMIT = 10
"""Tries in a row that this program did not live to see the end of, after which a delivery is set aside. More
than for a bug, since a machine may be switched off at a bad moment several times."""
WORN_OUT_STATUS = "4.3.0"
WORN_OUT_TEXT = f"this program ended {BEGUN_LIMIT} times while it tried this delivery: see whether it arrived"

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
    SELECT message FROM {_DUE_BY_TURN} AND turn = :turn AND next_try_at <= :until
    ORDER BY next_try_at, message LIMIT :count OFFSET :offset
"""  # noqa: S608
_DUE = f"""
    SELECT DISTINCT message FROM delivery WHERE {_WAITS} AND next_try_at <= :until AND message > :after
    ORDER BY message LIMIT :count
"""  # noqa: S608
_EARLY = f"""
    SELECT DISTINCT message FROM delivery INDEXED BY delivery_message WHERE {_WAITS} AND begun = 0
    AND message > :after ORDER BY message LIMIT :count
"""  # noqa: S608
_BEGUN = f"""
    SELECT message FROM {_BEGUN_ONES} AND next_try_at <= :until
    AND message NOT IN (SELECT value FROM json_each(:without))
    GROUP BY message ORDER BY min(begun), message LIMIT 1
"""  # noqa: S608
_SOONEST = f"""
    SELECT min(at) FROM (
        SELECT (SELECT min(next_try_at) FROM {_DUE_BY_TURN} AND turn = name) AS at
        FROM ({_TURNS})
        UNION ALL SELECT min(next_try_at) FROM {_BEGUN_ONES}
    )
"""  # noqa: S608
_LARGE_SHARE = 8
"""One message of so many is a large one, while there are small ones."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What may be tried now.

    Args:
        messages: with the recipients that still wait: a person may have held some meanwhile.
        worn_out: set aside, because they end this program; they are dead letters now.
    """

    messages: tuple[QueuedMessage, ...]
    worn_out: tuple[QueuedMessage, ...]


class Inbox:
    """The inbox of a queue.

    Args:
        queue: the open queue.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._last_turn = ""

    def put_batch(
        self,
        node: NodeId,
        messages: Iterable[NewMessage],
        *,
        batch: BatchId | None,
        packet: PacketId | None,
        account: Account | None = None,
    ) -> Received:
        """Take in all messages of a received batch, unless it was received before.

        What a message is to be relayed by waits in the outbox, from the same moment on.

        Args:
            node: who sent it.
            messages: consumed inside the transaction, so that a batch of any size takes little
                memory; staged bodies are synced already, and released or discarded by the caller.
            batch: its id, if it is a batch of ours.
            packet: the packet it came in, if known; the key when there is no batch id.
            account: whose allowance they are taken from; what is over it waits. None: nobody's.

        Raises:
            StoreError: nothing was changed.
        """
        key = batch.text if batch is not None else f"packet:{packet.text}" if packet is not None else None
        came_by = (node.text, "" if batch is None else batch.text, "" if packet is None else packet.text)

        def job(connection: sqlite3.Connection) -> Received:
            first_packet = None if key is None else _packet_of(connection, node, key)
            if first_packet is not None:
                return Received(is_duplicate=True, message_count=0, first_packet=first_packet)
            pace = Pace(connection, account, self.queue.clock.now())
            count = 0
            for message in messages:
                insert_message(
                    connection,
                    self.queue.clock,
                    message,
                    _role_of(message),
                    came_by,
                    limits=self.queue.limits,
                    wait_seconds=pace.spend_seconds(size_of(message)),
                )
                count += 1
            pace.keep()
            if key is not None:
                connection.execute(
                    "INSERT INTO received_batch (node, batch, packet, message_count, received_at,"
                    " received_wall) VALUES (?, ?, ?, ?, ?, ?)",
                    (node.text, key, came_by[2], count, self.queue.clock.now(), self.queue.clock.wall()),
                )
            return Received(
                is_duplicate=False,
                message_count=count,
                late_count=pace.late_count,
                longest_wait_seconds=pace.longest_wait_seconds,
            )

        return self.queue.write(job)

    def due(self, max_count: int, *, is_early: bool = False, after_seq: int = 0) -> list[QueuedMessage]:
        """The messages with recipients that may be tried now, oldest first.

        Args:
            max_count: messages at most.
            is_early: also those whose next try is still to come.
            after_seq: only messages behind this one, to go through them page by page.
        """
        now = self.queue.clock.now()
        until = float("inf") if is_early else now
        with self.queue.reading() as connection:
            seqs = _numbers(connection, _DUE, after=after_seq, count=max_count, until=until)
            return _read(connection, seqs, "true", until, now)

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
        with self.queue.reading() as connection:
            if is_early:
                seqs = _numbers(connection, _EARLY, after=after_seq, count=max_count)
            else:
                seqs = self._turn_by_turn(connection, now, max_count)
            until = float("inf") if is_early else now
            return _read(connection, seqs, "d.begun = 0", until, now)

    def begun(self, *, is_early: bool = False, without: Collection[int] = ()) -> QueuedMessage | None:
        """A message whose last try was begun and has no known end, if one may be tried now.

        The one with the fewest such tries comes first: one that ends this program is behind all others.

        Args:
            is_early: also those whose next try is still to come.
            without: numbers of messages that are not meant.
        """
        now = self.queue.clock.now()
        until = float("inf") if is_early else now
        with self.queue.reading() as connection:
            seqs = _numbers(connection, _BEGUN, until=until, without=json.dumps(sorted(without)))
            return next(iter(_read(connection, seqs, "d.begun > 0", until, now)), None)

    def next_try_seconds(self) -> float | None:
        """Seconds until the next delivery is due (0 or less: now), or None if nothing waits."""
        with self.queue.reading() as connection:
            (soonest,) = connection.execute(_SOONEST).fetchone()
        return None if soonest is None else float(soonest) - self.queue.clock.now()

    def record(
        self, outcomes: Sequence[tuple[int, Outcome, float]], *, begin: Sequence[QueuedMessage] = ()
    ) -> Begun:
        """Record what became of deliveries, and that others are begun now, in one commit.

        Args:
            outcomes: delivery, its outcome, and for a deferred one the seconds until the next try.
            begin: to be tried once this returns. Should this program end before it records what became of
                them, they are known as begun, and tried one by one.

        Returns:
            Which of ``begin`` may be tried.
        """

        def job(connection: sqlite3.Connection) -> tuple[Begun, list[str]]:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            messages = set()
            for seq, outcome, wait_seconds in outcomes:
                state = _STATES[outcome.verdict]
                row = connection.execute(
                    "UPDATE delivery SET state = ?, status = ?, text = ?, attempts = attempts + 1, begun = ?,"
                    " success = CASE WHEN notify LIKE '%SUCCESS%' THEN ? END,"
                    " next_try_at = ?, changed_at = ?, changed_wall = ?"
                    # A person may have held, dropped or given it up while it was tried: only a delivery
                    # that took place is stronger.
                    " WHERE seq = ? AND (state = 'queued' OR ? = 'delivered') RETURNING message",
                    (
                        state,
                        outcome.status,
                        outcome.text,
                        outcome.is_cut,
                        _success_to_tell(outcome),
                        now + wait_seconds,
                        now,
                        wall,
                        seq,
                        state,
                    ),
                ).fetchone()
                if row is not None:
                    messages.add(row[0])
            begun = _begin(connection, begin, now, wall)
            return begun, drop_finished_bodies(connection, sorted(messages))

        begun, names = self.queue.write(job)
        for name in names:
            self.queue.bodies.remove(name)
        return begun

    def release(self, messages: Iterable[QueuedMessage]) -> None:
        """Record that messages that were begun were not tried after all."""
        seqs = [(seq,) for message in messages for seq in message.delivery_seqs]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany("UPDATE delivery SET begun = begun - 1 WHERE seq = ? AND begun > 0", seqs)

        if seqs:
            self.queue.write(job)

    def _turn_by_turn(self, connection: sqlite3.Connection, now: float, max_count: int) -> list[int]:
        names = [str(name) for (name,) in connection.execute(_TURNS)]
        behind = [name for name in names if name > self._last_turn]
        names = (behind + names[: len(names) - len(behind)])[:max_count]
        share_count = max(1, max_count // max(1, len(names)))

        def page(name: str, count: int, offset: int = 0) -> list[int]:
            return _numbers(connection, _ONE_TURN, turn=name, until=now, count=count, offset=offset)

        found = {name: page(name, _share(name, share_count)) for name in names}
        for name in names:
            left_count = max_count - sum(map(len, found.values()))
            if left_count > 0 and len(found[name]) == share_count and not name.endswith(LARGE_MARK):
                found[name] += page(name, left_count, share_count)
        if names:
            self._last_turn = names[-1]
        in_turn = chain.from_iterable(zip_longest(*found.values()))
        return list(dict.fromkeys(seq for seq in in_turn if seq is not None))

    def record_crash(
        self, delivery_seqs: Sequence[int], text: str, wait_seconds: float, *, is_begun: bool = False
    ) -> None:
        """Count that a bug of ours broke an attempt; too many set the delivery aside as dead.

        Args:
            delivery_seqs: the deliveries concerned.
            text: the bug, in one line.
            wait_seconds: until the next try.
            is_begun: whether that is made alone, with the others that were begun and have no known end.
        """

        def job(connection: sqlite3.Connection) -> None:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            for seq in delivery_seqs:
                connection.execute(
                    "UPDATE delivery SET crashes = crashes + 1, attempts = attempts + 1, begun = ?,"
                    " next_try_at = ?,"
                    " state = CASE WHEN crashes + 1 >= ? THEN 'dead' ELSE state END,"
                    " status = '4.3.0', text = ?, changed_at = ?, changed_wall = ?"
                    " WHERE seq = ? AND state = 'queued'",
                    (is_begun, now + wait_seconds, CRASH_LIMIT, f"internal error: {text}", now, wall, seq),
                )

        self.queue.write(job)


_STATES = {
    Verdict.DELIVERED: State.DELIVERED,
    Verdict.DEFERRED: State.QUEUED,
    Verdict.REFUSED: State.DEAD,
}


def _success_to_tell(outcome: Outcome) -> Success | None:
    """What a sender that wants to know of success is told by us, if anything."""
    is_ours = outcome.verdict is Verdict.DELIVERED and outcome.success is not Success.PASSED_ON
    return outcome.success if is_ours else None


def _share(turn: str, share_count: int) -> int:
    return max(1, share_count // _LARGE_SHARE) if turn.endswith(LARGE_MARK) else share_count


def _numbers(connection: sqlite3.Connection, query: str, **values: float | str) -> list[int]:
    return [int(seq) for (seq,) in connection.execute(query, values)]


def _read(
    connection: sqlite3.Connection, seqs: Sequence[int], which: str, until: float, now: float
) -> list[QueuedMessage]:
    """The messages with those numbers, in that order, with their recipients that wait."""
    marks = ", ".join("?" * len(seqs))
    rows = connection.execute(
        f"SELECT {QUEUED_COLUMNS} FROM delivery d INDEXED BY delivery_message"  # noqa: S608
        " JOIN message m ON m.seq = d.message"
        f" WHERE d.message IN ({marks}) AND d.state = 'queued' AND d.node = '' AND {which}"
        " AND d.next_try_at <= ? ORDER BY m.seq, d.seq",
        (*seqs, until),
    ).fetchall()
    place = {seq: number for number, seq in enumerate(seqs)}
    return sorted(group_messages(rows, now), key=lambda message: place[message.seq])


def _begin(
    connection: sqlite3.Connection, messages: Sequence[QueuedMessage], now: float, wall: float
) -> Begun:
    begun, worn_out = [], []
    for message in messages:
        counts = {seq: _begin_one(connection, seq, now, wall) for seq in message.delivery_seqs}
        begun.append(message.only([seq for seq, count in counts.items() if 0 < count <= BEGUN_LIMIT]))
        worn_out.append(message.only([seq for seq, count in counts.items() if count > BEGUN_LIMIT]))
    return Begun(
        tuple(message for message in begun if message.delivery_seqs),
        tuple(message for message in worn_out if message.delivery_seqs),
    )


def _begin_one(connection: sqlite3.Connection, seq: int, now: float, wall: float) -> int:
    """Count a try that is begun; returns how many had no end, or 0 for one that waits no more."""
    row = connection.execute(
        "UPDATE delivery SET begun = begun + 1 WHERE seq = ? AND state = 'queued' RETURNING begun", (seq,)
    ).fetchone()
    if row is None:
        return 0
    if row[0] > BEGUN_LIMIT:
        connection.execute(
            "UPDATE delivery SET state = 'dead', begun = 0, status = ?, text = ?, changed_at = ?,"
            " changed_wall = ? WHERE seq = ?",
            (WORN_OUT_STATUS, WORN_OUT_TEXT, now, wall, seq),
        )
    return int(row[0])


def _role_of(message: NewMessage) -> Role:
    """The outbox has all that a node is to get, whoever here gets it as well."""
    is_relayed = any(target.node is not None for target in message.targets)
    return Role.OUTBOX if is_relayed else Role.INBOX


def _packet_of(connection: sqlite3.Connection, node: NodeId, key: str) -> str | None:
    """The packet a batch came in first ("" if unknown), or None if it never came."""
    row = connection.execute(
        "SELECT packet FROM received_batch WHERE node = ? AND batch = ?", (node.text, key)
    ).fetchone()
    return None if row is None else str(row[0])
