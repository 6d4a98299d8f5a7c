"""The inbox: what was received and waits to be delivered here.

A batch is put in whole or not at all, together with the record that it was received; a second
copy of it changes nothing. Each recipient then has its own outcome.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from gateway.ids import BatchId, NodeId, PacketId
from gateway.msgqueue.entry import NewMessage, Outcome, QueuedMessage, Received, Role, State, Success, Verdict
from gateway.msgqueue.insertion import drop_finished_bodies, insert_message
from gateway.msgqueue.rows import QUEUED_COLUMNS, group_messages
from gateway.msgqueue.store import Queue

CRASH_LIMIT = 3
"""A delivery that ran into a bug of ours this often is set aside, so that it can't do so for ever."""


class Inbox:
    """The inbox of a queue.

    Args:
        queue: the open queue.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def put_batch(
        self, node: NodeId, messages: Iterable[NewMessage], *, batch: BatchId | None, packet: PacketId | None
    ) -> Received:
        """Take in all messages of a received batch, unless it was received before.

        Args:
            node: who sent it.
            messages: consumed inside the transaction, so that a batch of any size takes little
                memory; staged bodies are synced already, and released or discarded by the caller.
            batch: its id, if it is a batch of ours.
            packet: the packet it came in, if known; the key when there is no batch id.

        Raises:
            StoreError: nothing was changed.
        """
        key = batch.text if batch is not None else f"packet:{packet.text}" if packet is not None else None
        came_by = (node.text, "" if batch is None else batch.text, "" if packet is None else packet.text)

        def job(connection: sqlite3.Connection) -> Received:
            first_packet = None if key is None else _packet_of(connection, node, key)
            if first_packet is not None:
                return Received(is_duplicate=True, message_count=0, first_packet=first_packet)
            count = 0
            for message in messages:
                insert_message(
                    connection, self.queue.clock, message, Role.INBOX, came_by, limits=self.queue.limits
                )
                count += 1
            if key is not None:
                connection.execute(
                    "INSERT INTO received_batch (node, batch, packet, message_count, received_at,"
                    " received_wall) VALUES (?, ?, ?, ?, ?, ?)",
                    (node.text, key, came_by[2], count, self.queue.clock.now(), self.queue.clock.wall()),
                )
            return Received(is_duplicate=False, message_count=count)

        return self.queue.write(job)

    def due(self, max_count: int, *, is_early: bool = False, after_seq: int = 0) -> list[QueuedMessage]:
        """The messages with recipients that may be tried now, oldest first.

        Args:
            max_count: messages at most.
            is_early: also those whose next try is still to come.
            after_seq: only messages behind this one, to go through them page by page.
        """
        now = self.queue.clock.now()
        with self.queue.reading() as connection:
            rows = connection.execute(
                f"SELECT {QUEUED_COLUMNS} FROM delivery d JOIN message m ON m.seq = d.message"  # noqa: S608
                " WHERE m.seq IN (SELECT DISTINCT message FROM delivery WHERE state = 'queued' AND node = ''"
                " AND next_try_at <= :until AND message > :after ORDER BY message LIMIT :count)"
                " AND d.state = 'queued' AND d.node = '' AND d.next_try_at <= :until ORDER BY m.seq, d.seq",
                {"until": float("inf") if is_early else now, "after": after_seq, "count": max_count},
            ).fetchall()
        return group_messages(rows, now)

    def next_try_seconds(self) -> float | None:
        """Seconds until the next delivery is due (0 or less: now), or None if nothing waits."""
        with self.queue.reading() as connection:
            (soonest,) = connection.execute(
                "SELECT min(next_try_at) FROM delivery WHERE state = 'queued' AND node = ''"
            ).fetchone()
        return None if soonest is None else float(soonest) - self.queue.clock.now()

    def record(self, outcomes: Sequence[tuple[int, Outcome, float]]) -> None:
        """Record what became of deliveries.

        Args:
            outcomes: delivery, its outcome, and for a deferred one the seconds until the next try.
        """

        def job(connection: sqlite3.Connection) -> list[str]:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            messages = set()
            for seq, outcome, wait_seconds in outcomes:
                state = _STATES[outcome.verdict]
                row = connection.execute(
                    "UPDATE delivery SET state = ?, status = ?, text = ?, attempts = attempts + 1,"
                    " success = CASE WHEN notify LIKE '%SUCCESS%' THEN ? END,"
                    " next_try_at = ?, changed_at = ?, changed_wall = ?"
                    # A person may have held, dropped or given it up while it was tried: only a delivery
                    # that took place is stronger.
                    " WHERE seq = ? AND (state = 'queued' OR ? = 'delivered') RETURNING message",
                    (
                        state,
                        outcome.status,
                        outcome.text,
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
            return drop_finished_bodies(connection, sorted(messages))

        for name in self.queue.write(job):
            self.queue.bodies.remove(name)

    def record_crash(self, delivery_seqs: Sequence[int], text: str, wait_seconds: float) -> None:
        """Count that a bug of ours broke an attempt; too many set the delivery aside as dead.

        Args:
            delivery_seqs: the deliveries concerned.
            text: the bug, in one line.
            wait_seconds: until the next try.
        """

        def job(connection: sqlite3.Connection) -> None:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            for seq in delivery_seqs:
                connection.execute(
                    "UPDATE delivery SET crashes = crashes + 1, attempts = attempts + 1, next_try_at = ?,"
                    " state = CASE WHEN crashes + 1 >= ? THEN 'dead' ELSE state END,"
                    " status = '4.3.0', text = ?, changed_at = ?, changed_wall = ?"
                    " WHERE seq = ? AND state = 'queued'",
                    (now + wait_seconds, CRASH_LIMIT, f"internal error: {text}", now, wall, seq),
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


def _packet_of(connection: sqlite3.Connection, node: NodeId, key: str) -> str | None:
    """The packet a batch came in first ("" if unknown), or None if it never came."""
    row = connection.execute(
        "SELECT packet FROM received_batch WHERE node = ? AND batch = ?", (node.text, key)
    ).fetchone()
    return None if row is None else str(row[0])
