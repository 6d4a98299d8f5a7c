"""What senders have to be told: dead deliveries, those that wait for long, successes that were asked for.

A delivery is marked as told in the transaction that puts the report in the queue, and only if it was not
told meanwhile. So whenever the program ends, each failure is reported once: never twice, never not at all.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.msgqueue.entry import NewMessage, QueuedMessage, Role, Success
from gateway.msgqueue.insertion import insert_message
from gateway.msgqueue.rows import QUEUED_COLUMNS, group_messages
from gateway.msgqueue.store import Queue

EXPIRED_STATUS = "5.4.7"
"""RFC 3463: delivery time expired."""
EXPIRED_TEXT = "it waited here for too long; no carrier took it"
NOT_RELEASED_TEXT = "it was held here for too long; nobody let it go"
TOO_LATE_TEXT = "the time its sender had set for it passed"

_OWN_COLUMNS = (
    "m.role, m.arrived_wall, d.node, d.status, d.text, d.attempts, d.changed_wall, d.success,"
    " d.state = 'held'"
)
_OWN_COUNT = 9


_OVERDUE = (
    "SELECT d.seq FROM delivery d JOIN message m ON m.seq = d.message"
    " WHERE (m.arrived_at <= iif(d.node = '', :inbox_until, :until)"
    " OR (m.deliver_by_at <= :now AND m.deliver_by_mode LIKE 'R%')) AND"
)


class Event(StrEnum):
    """What a sender may have to be told about a delivery."""

    FAILED = "failed"
    DELAYED = "delayed"
    SUCCEEDED = "succeeded"


class Told(StrEnum):
    """Whether a sender was told, and why not."""

    REPORTED = "reported"
    NULL_SENDER = "no sender to tell"
    IS_REPORT = "it is a report itself"
    UNWANTED = "the sender did not want to know"
    SENDER_REFUSED = "the sender was refused"
    NOT_ITS_SENDER = "the sender is not known as one of the neighbour that brought it"
    AREA = "it came by an area"
    NO_ROUTE = "no route back to the sender"
    FAULT = "a fault of this program"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one recipient of a message.

    Args:
        seq: the delivery.
        recipient: its address; of a dead letter it may be malformed or empty.
        node: text of the destination's id; "" in the inbox.
        status: RFC 3463 status of the last outcome, or "".
        text: of the last outcome, or "".
        attempts: tries made.
        changed_wall: seconds since 1970 of the last change.
        success: what its sender wants to hear of it, or None.
        is_held: it waits for a person.
    """

    seq: int
    recipient: str
    node: str
    status: str
    text: str
    attempts: int
    changed_wall: float
    success: Success | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Troubled:
    """A message with recipients whose sender was not told.

    Args:
        message: with those recipients alone.
        role: outbox or inbox.
        arrived_wall: seconds since 1970.
        troubles: in the order of the recipients.
    """

    message: QueuedMessage
    role: Role
    arrived_wall: float
    troubles: tuple[Trouble, ...]


class Reports:
    """What has to be told of a queue.

    Args:
        queue: the open queue.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def origin_of(self, message_seq: int) -> str:
        """Text of the id of the node or area that brought a message; "": it came from here."""
        with self.queue.reading() as connection:
            row = connection.execute(
                "SELECT origin_node FROM message WHERE seq = ?", (message_seq,)
            ).fetchone()
        return "" if row is None else str(row[0])

    def failed(self, max_count: int, *, after_seq: int = 0) -> list[Troubled]:
        """Messages with dead deliveries that nobody was told of, oldest first.

        Args:
            max_count: messages at most.
            after_seq: only messages behind this one.
        """
        return self._find(
            "SELECT DISTINCT message FROM delivery WHERE state = 'dead' AND told IS NULL"
            " AND message > :after ORDER BY message LIMIT :count",
            "d.state = 'dead' AND d.told IS NULL",
            {"after": after_seq, "count": max_count},
        )

    def succeeded(self, max_count: int, *, after_seq: int = 0) -> list[Troubled]:
        """Messages that left for good, whose sender wanted to know; as ``failed``."""
        return self._find(
            "SELECT DISTINCT message FROM delivery WHERE success IS NOT NULL AND told IS NULL"
            " AND message > :after ORDER BY message LIMIT :count",
            "d.success IS NOT NULL AND d.told IS NULL",
            {"after": after_seq, "count": max_count},
        )

    def held(self, max_count: int, *, after_seq: int = 0) -> list[Troubled]:
        """Messages that are held because of their size, and nobody was told; as ``failed``."""
        return self._find(
            "SELECT DISTINCT message FROM delivery WHERE state = 'held' AND held_by = 'size'"
            " AND delay_told IS NULL AND message > :after ORDER BY message LIMIT :count",
            "d.state = 'held' AND d.held_by = 'size' AND d.delay_told IS NULL",
            {"after": after_seq, "count": max_count},
        )

    def late(self, age_seconds: float | None, max_count: int, *, after_seq: int = 0) -> list[Troubled]:
        """Messages that wait for so long, or beyond the time their sender set, and nobody was told.

        Args:
            age_seconds: on the queue's clock; None: only what is beyond the sender's time.
            max_count: messages at most.
            after_seq: only messages behind this one.
        """
        now = self.queue.clock.now()
        return self._find(
            "SELECT DISTINCT d.message FROM delivery d JOIN message m ON m.seq = d.message"
            " WHERE d.state IN ('queued', 'held') AND d.delay_told IS NULL AND d.message > :after"
            " AND (m.arrived_at <= :until OR (m.deliver_by_at <= :now AND m.deliver_by_mode LIKE 'N%'))"
            " ORDER BY d.message LIMIT :count",
            "d.state IN ('queued', 'held') AND d.delay_told IS NULL",
            {
                "after": after_seq,
                "count": max_count,
                "now": now,
                "until": float("-inf") if age_seconds is None else now - age_seconds,
            },
        )

    def expire(self, max_age_seconds: float, inbox_max_age_seconds: float = float("inf")) -> int:
        """Make dead what waits in the outbox for too long, or beyond the time its sender set for a return.

        What is claimed by a batch goes on: it is nearly sent. Of the inbox only what is held is looked at;
        the rest has its last try when its time is over.

        Args:
            max_age_seconds: on the queue's clock.
            inbox_max_age_seconds: the same for what is held in the inbox.

        Returns:
            How many deliveries.
        """

        def job(connection: sqlite3.Connection) -> int:
            now, wall = self.queue.clock.now(), self.queue.clock.wall()
            return connection.execute(
                "UPDATE delivery SET state = 'dead', status = :status, text = CASE WHEN (SELECT"  # noqa: S608
                " arrived_at FROM message WHERE seq = delivery.message) >"
                " iif(node = '', :inbox_until, :until) THEN :too_late WHEN state = 'held' THEN :not_released"
                " ELSE :expired END, held_by = NULL,"
                " changed_at = :now, changed_wall = :wall"
                # Each half has its index, and so passes over all that left.
                f" WHERE seq IN ({_OVERDUE} d.state = 'held' UNION ALL"
                f" {_OVERDUE} d.state = 'queued' AND d.node != '')",
                {
                    "status": EXPIRED_STATUS,
                    "expired": EXPIRED_TEXT,
                    "too_late": TOO_LATE_TEXT,
                    "not_released": NOT_RELEASED_TEXT,
                    "until": now - max_age_seconds,
                    "inbox_until": now - inbox_max_age_seconds,
                    "now": now,
                    "wall": wall,
                },
            ).rowcount

        return self.queue.write(job)

    def mark(self, event: Event, troubles: Sequence[Trouble], told: Told) -> None:
        """Record that nobody will be told of deliveries, and why."""

        def job(connection: sqlite3.Connection) -> None:
            _mark(connection, event, troubles, told, None)

        self.queue.write(job)

    def report(self, event: Event, troubles: Sequence[Trouble], report: NewMessage, role: Role) -> bool:
        """Put a report in the queue and record that the sender was told of the deliveries by it.

        Args:
            event: what is told.
            troubles: the deliveries.
            report: the message; a staged body is synced already.
            role: outbox, or inbox for a sender who is here.

        Returns:
            False if somebody else told meanwhile; then nothing was changed.

        Raises:
            StoreFull: the reserve of free space is touched.
            StoreError: nothing was changed.
        """
        body = report.body
        self.queue.check_room(len(body) if isinstance(body, bytes) else body.size_bytes)

        def job(connection: sqlite3.Connection) -> bool:
            if _mark(connection, event, troubles, Told.REPORTED, report.id) != len(troubles):
                raise _ToldMeanwhile
            # No limit of size holds a report: nobody could be told of that.
            insert_message(connection, self.queue.clock, report, role)
            return True

        try:
            return self.queue.write(job)
        except _ToldMeanwhile:
            return False

    def _find(self, messages: str, deliveries: str, values: dict[str, float]) -> list[Troubled]:
        now = self.queue.clock.now()
        with self.queue.reading() as connection:
            rows = connection.execute(
                f"SELECT {_OWN_COLUMNS}, {QUEUED_COLUMNS} FROM delivery d"  # noqa: S608
                f" JOIN message m ON m.seq = d.message WHERE m.seq IN ({messages}) AND {deliveries}"
                " ORDER BY m.seq, d.seq",
                values,
            ).fetchall()
        found, first = [], 0
        for message in group_messages([row[_OWN_COUNT:] for row in rows], now):
            own = rows[first : first + len(message.delivery_seqs)]
            first += len(own)
            troubles = tuple(
                Trouble(
                    seq, recipient, node, status, text, attempts, changed, _success(success), bool(is_held)
                )
                for seq, recipient, (node, status, text, attempts, changed, success, is_held) in zip(
                    message.delivery_seqs,
                    message.envelope.recipients,
                    [row[2:_OWN_COUNT] for row in own],
                    strict=True,
                )
            )
            found.append(Troubled(message, Role(own[0][0]), own[0][1], troubles))
        return found


class _ToldMeanwhile(Exception):
    """Undoes the transaction of a report that is not needed any more."""


_STILL = {
    Event.FAILED: "state = 'dead'",
    Event.DELAYED: "state IN ('queued', 'claimed', 'held')",
    Event.SUCCEEDED: "success IS NOT NULL",
}
_COLUMN = {Event.FAILED: "told", Event.DELAYED: "delay_told", Event.SUCCEEDED: "told"}
"""Where it stands whether the sender was told."""


def _success(value: object) -> Success | None:
    return None if value is None else Success(str(value))


def _mark(
    connection: sqlite3.Connection,
    event: Event,
    troubles: Sequence[Trouble],
    told: Told,
    report_id: str | None,
) -> int:
    """Mark those of which it is still true and nobody was told; returns how many."""
    column = _COLUMN[event]
    return sum(
        connection.execute(
            f"UPDATE delivery SET {column} = ?, {column}_by = ?"  # noqa: S608
            f" WHERE seq = ? AND {column} IS NULL AND {_STILL[event]}",
            (told, report_id, trouble.seq),
        ).rowcount
        for trouble in troubles
    )
