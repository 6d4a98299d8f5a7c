"""The outbox: what waits to travel, and the batches it travels in.

A batch is recorded in the same transaction that claims its messages, with the temporary name
its packet will be built under; its packet's name is recorded before that packet becomes visible
in the spool. ``docs/reference/queue.md`` has the table of what a crash leaves at each point.
"""

import json
import secrets
import sqlite3
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from gateway.ids import BATCH_ID_BYTES, BatchId, NodeId, PacketId
from gateway.msgqueue.copies import Gathering
from gateway.msgqueue.entry import (
    Batch,
    BatchState,
    Form,
    Lane,
    LaneFigures,
    Outcome,
    QueuedMessage,
    Role,
    Success,
)
from gateway.msgqueue.insertion import drop_finished_bodies
from gateway.msgqueue.rows import QUEUED_COLUMNS, group_messages
from gateway.msgqueue.store import Queue
from gateway.msgqueue.whole_answer import whole_answer

_ASK_FLUSH = """
    INSERT INTO flush (node, until_seq, ready_at)
    SELECT node, max(seq), :now FROM delivery
    WHERE state = 'queued' AND node != '' AND (:node = '' OR node = :node) AND next_try_at <= :now
    GROUP BY node
    ON CONFLICT (node) DO UPDATE SET until_seq = excluded.until_seq, ready_at = CASE
        WHEN :interval <= 0 THEN :now
        WHEN EXISTS (
            SELECT 1 FROM delivery
            WHERE state = 'queued' AND delivery.node = flush.node AND seq <= flush.until_seq
            AND next_try_at <= :now
        ) THEN flush.ready_at
        ELSE max(:now, flush.ready_at + :interval)
    END
"""

CountFitting = Callable[[Sequence[str]], int]
PAGE_COUNT = 256
"""Deliveries that are read at a time."""


class Outbox:
    """The outbox of a queue.

    Args:
        queue: the open queue.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def lanes(self) -> list[LaneFigures]:
        """What waits in each lane that is not empty, most urgent first."""
        now = self.queue.clock.now()
        with self.queue.reading() as connection:
            rows = connection.execute(
                # Grouped in the order of an index, and joined to a line for each lane: for 100,000 messages
                # that is 80 ms and not 200.
                "SELECT node, nice, message_count, size_bytes, largest_bytes, oldest_at,"
                " CASE WHEN first_seq <= until_seq THEN ready_at END"
                " FROM (SELECT node, nice, count(*) AS message_count, sum(size_bytes) AS size_bytes,"
                "       max(size_bytes) AS largest_bytes, min(arrived_at) AS oldest_at,"
                "       min(first_seq) AS first_seq"
                "       FROM (SELECT d.node AS node, d.nice AS nice, m.size_bytes AS size_bytes,"
                "             m.arrived_at AS arrived_at, min(d.seq) AS first_seq"
                "             FROM delivery d JOIN message m ON m.seq = d.message"
                "             WHERE d.state = 'queued' AND d.node != '' AND d.next_try_at <= ?"
                "             GROUP BY d.node, d.nice, d.message)"
                "       GROUP BY node, nice)"
                " LEFT JOIN flush USING (node) ORDER BY nice, oldest_at",
                (now,),
            ).fetchall()
        return [
            LaneFigures(
                Lane(NodeId.parse(node), nice),
                count,
                size_bytes,
                max(0.0, now - oldest_at),
                None if ready_at is None else ready_at - now,
                largest_bytes=largest_bytes,
            )
            for node, nice, count, size_bytes, largest_bytes, oldest_at, ready_at in rows
        ]

    def ask_flush(self, nodes: Collection[NodeId] | None = None, *, interval_seconds: float = 0.0) -> None:
        """Ask that what waits now be batched: at the next chance, or so long after the last time.

        Args:
            nodes: destinations; None: all.
            interval_seconds: at least so long after the last flush of the same node that was asked for;
                one that is asked for already keeps its time, and takes in what came since. 0: at the
                next chance.
        """
        texts = [""] if nodes is None else [node.text for node in nodes]

        def job(connection: sqlite3.Connection) -> None:
            now = self.queue.clock.now()
            connection.executemany(
                _ASK_FLUSH, [{"node": text, "now": now, "interval": interval_seconds} for text in texts]
            )

        self.queue.write(job)

    def claim(
        self,
        lane: Lane,
        form: Form,
        *,
        max_count: int,
        max_bytes: int,
        first_hop: NodeId,
        large_bytes: int | None = None,
        count_fitting: CountFitting = len,
    ) -> Batch | None:
        """Take the oldest messages of a lane into a new batch. Copies count as one.

        Args:
            lane: which.
            form: how the body will be written.
            max_count: messages at most.
            max_bytes: stop before a message that would pass this; the first always goes.
            first_hop: whose tx directory the packet will go to.
            large_bytes: a message of this size or more goes alone, and after those that are smaller.
            count_fitting: how many of the given recipients of one message fit in this batch, at
                least one; the others stay queued.

        Returns:
            The batch, or None if nothing is queued there.
        """
        batch_id = BatchId(secrets.token_bytes(BATCH_ID_BYTES))
        temporary = f".{batch_id.text}.gateway"

        def job(connection: sqlite3.Connection) -> Batch | None:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            waiting = _Waiting(connection, lane, now, page_count=min(max_count + 1, PAGE_COUNT))
            chosen = _choose(waiting, max_count, max_bytes, large_bytes)
            if not chosen:
                return None
            seqs = [
                seq
                for deliveries in chosen
                for seq, _ in deliveries[: count_fitting([recipient for _, recipient in deliveries])]
            ]
            connection.execute(
                "UPDATE delivery SET state = 'claimed', batch = ?, changed_at = ?, changed_wall = ?"
                " WHERE seq IN (SELECT value FROM json_each(?))",
                (batch_id.text, now, wall, json.dumps(seqs)),
            )
            batch = Batch(batch_id, lane, form, BatchState.CLAIMED, temporary, first_hop, None, len(chosen))
            connection.execute(
                "INSERT INTO batch (id, node, nice, form, state, first_hop, temporary, packet,"
                " message_count, changed_at, changed_wall) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?)",
                (
                    batch_id.text,
                    lane.node.text,
                    lane.nice,
                    form,
                    BatchState.CLAIMED,
                    first_hop.text,
                    temporary,
                    len(chosen),
                    now,
                    wall,
                ),
            )
            return batch

        return self.queue.write(job, is_repeatable=True, concerns=Role.OUTBOX)

    def open_batches(self) -> list[Batch]:
        """The batches that are not done, for recovery."""
        with self.queue.reading() as connection:
            rows = connection.execute(
                "SELECT id, node, nice, form, state, temporary, first_hop, packet, message_count"
                " FROM batch WHERE state != 'done' ORDER BY changed_at"
            ).fetchall()
        return [
            Batch(
                BatchId.parse(batch_id),
                Lane(NodeId.parse(node), nice),
                Form(form),
                BatchState(state),
                temporary,
                NodeId.parse(first_hop),
                None if packet is None else PacketId.parse(packet),
                count,
            )
            for batch_id, node, nice, form, state, temporary, first_hop, packet, count in rows
        ]

    def messages_of(self, batch: BatchId) -> list[QueuedMessage]:
        """The messages of a batch, oldest first, each with the recipients that are in it."""
        with self.queue.reading() as connection:
            found = whole_answer(
                connection, "seq", "FROM delivery WHERE batch = ? ORDER BY message, seq", (batch.text,)
            )
            # A batch may hold 100,000.
            pages = (
                whole_answer(
                    connection,
                    QUEUED_COLUMNS,
                    "FROM delivery d JOIN message m ON m.seq = d.message"
                    " WHERE d.seq IN (SELECT value FROM json_each(?)) ORDER BY m.seq, d.seq",
                    (json.dumps([seq for (seq,) in found[start : start + PAGE_COUNT]]),),
                )
                for start in range(0, len(found), PAGE_COUNT)
            )
            return list(group_messages(chain.from_iterable(pages), self.queue.clock.now()))

    def name_packet(self, batch: BatchId, packet: PacketId) -> None:
        """Record the packet's name; from now on the batch is not sealed again."""
        self._change(
            batch, "UPDATE batch SET state = 'named', packet = ? WHERE id = ?", (packet.text, batch.text)
        )

    def finish(self, batch: BatchId) -> None:
        """Record that the packet is in the spool (or was taken from it): its deliveries are sent."""

        def job(connection: sqlite3.Connection) -> list[str]:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            connection.execute(
                "UPDATE batch SET state = 'done', changed_at = ?, changed_wall = ? WHERE id = ?",
                (now, wall, batch.text),
            )
            connection.execute(
                "UPDATE delivery SET state = 'sent', status = '2.0.0', text = 'in a packet',"
                # Stock nodes do not hear what the sender asked for, so nobody else will tell.
                " success = CASE WHEN notify LIKE '%SUCCESS%'"
                " AND (SELECT form FROM batch WHERE id = delivery.batch) != ? THEN ? END,"
                " changed_at = ?, changed_wall = ? WHERE batch = ? AND state = 'claimed'",
                (Form.GATEWAY, Success.RELAYED, now, wall, batch.text),
            )
            return drop_finished_bodies(connection, _messages_in(connection, batch))

        for name in self.queue.write(job, is_repeatable=True, concerns=Role.OUTBOX):
            self.queue.bodies.remove(name)

    def release(self, batch: BatchId) -> None:
        """Give the messages of a batch back to their lane: nothing of it is in the spool."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE delivery SET state = 'queued', batch = NULL WHERE batch = ? AND state = 'claimed'",
                (batch.text,),
            )
            connection.execute("DELETE FROM batch WHERE id = ?", (batch.text,))

        self.queue.write(job)

    def bury(self, delivery_seqs: Iterable[int], outcome: Outcome) -> None:
        """Record deliveries as dead: they can never be sent."""
        seqs = list(delivery_seqs)

        def job(connection: sqlite3.Connection) -> None:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            connection.executemany(
                "UPDATE delivery SET state = 'dead', batch = NULL, status = ?, text = ?, changed_at = ?,"
                " changed_wall = ? WHERE seq = ?",
                [(outcome.status, outcome.text, now, wall, seq) for seq in seqs],
            )

        self.queue.write(job)

    def _change(self, batch: BatchId, statement: str, values: tuple[str, ...]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            if connection.execute(statement, values).rowcount != 1:
                raise AssertionError(f"internal error: batch {batch} is not in the queue")

        self.queue.write(job, is_repeatable=True, concerns=Role.OUTBOX)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What waits in a lane and may go now.

    Args:
        connection: the writer's.
        lane: which.
        now: on the queue's clock.
        page_count: deliveries that are read at first, more each time then: few need much of a long lane.
    """

    connection: sqlite3.Connection
    lane: Lane
    now: float
    page_count: int

    def of(self, comparison: str, limit_bytes: int) -> Iterator[tuple[str, int, list[tuple[int, str]]]]:
        """As it came: kind (hex) and size of each message, and its deliveries."""
        rows = self._rows(comparison, limit_bytes)
        for (_, kind, size_bytes), group in groupby(rows, key=itemgetter(0, 1, 2)):
            yield kind, size_bytes, [(seq, sys.intern(recipient)) for *_, seq, recipient in group]

    def _rows(self, comparison: str, limit_bytes: int) -> Iterator[list[Any]]:
        message_seq = seq = 0
        page_count = self.page_count
        while True:
            page = whole_answer(
                self.connection,
                "d.message, hex(m.kind), m.size_bytes, d.seq, d.recipient",
                "FROM delivery d JOIN message m ON m.seq = d.message"
                " WHERE d.state = 'queued' AND d.node = ? AND d.nice = ? AND (d.message, d.seq) > (?, ?)"
                f" AND m.role = ? AND d.next_try_at <= ? AND m.size_bytes {comparison} ?"
                " ORDER BY d.message, d.seq LIMIT ?",
                (
                    *(self.lane.node.text, self.lane.nice, message_seq, seq),
                    *(Role.OUTBOX, self.now, limit_bytes, page_count),
                ),
            )
            yield from page
            if len(page) < page_count:
                return
            message_seq, _, _, seq, _ = page[-1]
            page_count = min(2 * page_count, PAGE_COUNT)


def _choose(
    waiting: _Waiting, max_count: int, max_bytes: int, large_bytes: int | None
) -> list[list[tuple[int, str]]]:
    """The deliveries of a batch, those of copies together."""
    limit_bytes = sys.maxsize if large_bytes is None else large_bytes
    small = _gather(waiting.of("<", limit_bytes), max_count, max_bytes)
    return small or _gather(waiting.of(">=", limit_bytes), 1, 0)


def _gather(
    waiting: Iterable[tuple[str, int, list[tuple[int, str]]]], max_count: int, max_bytes: int
) -> list[list[tuple[int, str]]]:
    gathering = Gathering()
    chosen: list[list[tuple[int, str]]] = []
    total_bytes = 0
    for kind, size_bytes, deliveries in waiting:
        number = gathering.place(bytes.fromhex(kind) or None, [recipient for _, recipient in deliveries])
        if number == len(chosen):
            total_bytes += size_bytes
            if chosen and (total_bytes > max_bytes or len(chosen) >= max_count):
                break
            chosen.append([])
        chosen[number] += deliveries
    return chosen


def _messages_in(connection: sqlite3.Connection, batch: BatchId) -> list[int]:
    rest = "FROM (SELECT DISTINCT message FROM delivery WHERE batch = ?)"
    return [message for (message,) in whole_answer(connection, "message", rest, (batch.text,))]
