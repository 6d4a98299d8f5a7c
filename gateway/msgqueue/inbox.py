"""The inbox: what was received and waits to be delivered here.

A batch is put in whole or not at all, together with the record that it was received; a second
copy of it changes nothing. Each recipient then has its own outcome.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.ids import BatchId, NodeId, PacketId
from gateway.msgqueue.due import DueMail
from gateway.msgqueue.entry import NewMessage, Outcome, QueuedMessage, Received, Role, State, Success, Verdict
from gateway.msgqueue.insertion import drop_finished_bodies, insert_message, size_of
from gateway.msgqueue.many_rows import execute_rows
from gateway.msgqueue.pace import Account, Pace
from gateway.msgqueue.whole_answer import whole_answer

CRASH_LIMIT = 3
"""A delivery that ran into a bug of ours this often is set aside, so that it can't do so for ever."""

BEGUN_LIMIT = 10
"""Tries in a row that this program did not live to see the end of, after which a delivery is set aside. More
than for a bug, since a machine may be switched off at a bad moment several times."""
WORN_OUT_STATUS = "4.3.0"
WORN_OUT_TEXT = f"this program ended {BEGUN_LIMIT} times while it tried this delivery: see whether it arrived"


@dataclass(frozen=True, slots=True)
class Begun:
    """What may be tried now.

    Args:
        messages: with the recipients that still wait: a person may have held some meanwhile.
        worn_out: set aside, because they end this program; they are dead letters now.
    """

    messages: tuple[QueuedMessage, ...]
    worn_out: tuple[QueuedMessage, ...]


class Inbox(DueMail):
    """The inbox of a queue.

    Args:
        queue: the open queue.
        takes: which recipients are meant where mail that is due is asked for; None: all.
    """

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
            rows = [
                (
                    seq,
                    _STATES[outcome.verdict],
                    outcome.status,
                    outcome.text,
                    outcome.is_cut,
                    _success_to_tell(outcome),
                    now + wait_seconds,
                    now,
                    wall,
                )
                for seq, outcome, wait_seconds in outcomes
            ]
            execute_rows(connection, _TOLD, rows, _SETTLE)
            begun = _begin(connection, begin, now, wall)
            seqs = json.dumps([seq for seq, _, _ in outcomes])
            messages = whole_answer(
                connection,
                "message",
                "FROM (SELECT DISTINCT message FROM delivery WHERE seq IN (SELECT value FROM json_each(?)))",
                (seqs,),
            )
            return begun, drop_finished_bodies(connection, [message for (message,) in messages])

        begun, names = self.queue.write(job, is_repeatable=True, concerns=Role.INBOX)
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


_TOLD = "WITH told (seq, state, status, text, begun, success, next_try_at, now, wall) AS ("
_SETTLE = (
    ") UPDATE delivery SET state = told.state, status = told.status, text = told.text,"
    " attempts = attempts + 1, begun = told.begun,"
    " success = CASE WHEN notify LIKE '%SUCCESS%' THEN told.success END,"
    " next_try_at = told.next_try_at, changed_at = told.now, changed_wall = told.wall"
    # A person may have held, dropped or given it up while it was tried: only a delivery that took place
    # is stronger.
    " FROM told WHERE delivery.seq = told.seq AND (delivery.state = 'queued' OR told.state = 'delivered')"
)
_STATES = {
    Verdict.DELIVERED: State.DELIVERED,
    Verdict.DEFERRED: State.QUEUED,
    Verdict.REFUSED: State.DEAD,
}


def _success_to_tell(outcome: Outcome) -> Success | None:
    """What a sender that wants to know of success is told by us, if anything."""
    is_ours = outcome.verdict is Verdict.DELIVERED and outcome.success is not Success.PASSED_ON
    return outcome.success if is_ours else None


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
