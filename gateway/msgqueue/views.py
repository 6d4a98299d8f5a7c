"""What people see of the queue, and the removal of what nobody needs to see any more."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import Queue

DEFAULT_LIST_COUNT = 1000
WAITING = (State.QUEUED, State.CLAIMED, State.HELD, State.DEAD)
"""What still needs somebody, or something, to go on."""


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One recipient of a message, for people.

    Args:
        recipient: the address.
        node: text of the destination node's id; "" in the inbox.
        nice: niceness of the lane; 0 in the inbox.
        state: where it stands.
        batch: id of its batch, or "".
        packet: name of the packet it left in, or "".
        attempts: tries made.
        next_try_seconds: until the next try; 0 or less when it is due or final.
        status: RFC 3463 status of the last outcome, or of what holds it, or "".
        text: of the last outcome, or why it is held, or "".
        changed_wall: seconds since 1970 of the last change.
        begun_count: tries in a row that were begun and have no known end; the last may be under way.
        told: of a dead one: ``reported``, or why the sender is not told; "" while that is undecided.
        told_by: queue id of that report, or "".
        delay_told: of one that waits for long: the same about its delay.
        delay_told_by: queue id of that report, or "".
        held_by: of a held one: ``size`` or ``person``; else "".
        operator_told: whether the operator of this node was told that it is held, as ``told``.
    """

    recipient: str
    node: str
    nice: int
    state: State
    batch: str
    packet: str
    attempts: int
    next_try_seconds: float
    status: str
    text: str
    changed_wall: float
    begun_count: int
    told: str = ""
    told_by: str = ""
    delay_told: str = ""
    delay_told_by: str = ""
    held_by: str = ""
    operator_told: str = ""


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message with all its recipients, for people.

    Args:
        seq: its place in the order of arrival; ``Queue.read_body`` takes it.
        id: queue id.
        role: outbox or inbox.
        sender: envelope sender, "" for the null sender.
        size_bytes: of the body.
        has_body: False once no delivery needs it any more.
        message_id: the Message-ID header's value.
        origin: who gave it to us.
        origin_node: text of the id of the node it came from; "" in the outbox.
        origin_batch: batch it came in, or "".
        origin_packet: packet it came in, or "".
        age_seconds: since arrival, on the queue's clock.
        arrived_wall: seconds since 1970.
        deliveries: one for each recipient.
    """

    seq: int
    id: str
    role: Role
    sender: str
    size_bytes: int
    has_body: bool
    message_id: str
    origin: str
    origin_node: str
    origin_batch: str
    origin_packet: str
    age_seconds: float
    arrived_wall: float
    deliveries: tuple[DeliveryView, ...]


def list_messages(
    queue: Queue,
    role: Role | None = None,
    *,
    states: Sequence[State] = WAITING,
    max_count: int = DEFAULT_LIST_COUNT,
) -> list[MessageView]:
    """The oldest messages that have a recipient in one of the given states.

    Args:
        queue: the open queue.
        role: outbox or inbox, None for both.
        states: what counts.
        max_count: messages at most.
    """
    return select_messages(queue, Selection(role=role, states=tuple(states)), max_count)


def select_messages(
    queue: Queue, selection: Selection, max_count: int = DEFAULT_LIST_COUNT
) -> list[MessageView]:
    """The oldest messages of which a recipient is selected, with all their recipients.

    Args:
        queue: the open queue.
        selection: which.
        max_count: messages at most.
    """
    condition, values = selection.condition(queue.clock.now())
    with queue.reading() as connection:
        rows = connection.execute(
            f"{_MESSAGE} WHERE EXISTS (SELECT 1 FROM delivery d WHERE"  # noqa: S608 - no value is in it
            f" d.message = m.seq AND {condition}) ORDER BY m.seq LIMIT :max_count",
            {**values, "max_count": max_count},
        ).fetchall()
        return [_view(queue, connection, row) for row in rows]


def show_message(queue: Queue, message_id: str) -> MessageView | None:
    """The message with a queue id, or the first with a Message-ID in angle brackets; or None."""
    column = "message_id" if message_id.startswith("<") else "id"
    with queue.reading() as connection:
        row = connection.execute(
            f"{_MESSAGE} WHERE m.{column} = ? ORDER BY m.seq LIMIT 1",
            (message_id,),
        ).fetchone()
        return None if row is None else _view(queue, connection, row)


def count_states(queue: Queue) -> dict[tuple[Role, State], int]:
    """How many deliveries of each role are in each state."""
    with queue.reading() as connection:
        rows = connection.execute(
            "SELECT m.role, d.state, count(*) FROM delivery d JOIN message m ON m.seq = d.message"
            " GROUP BY m.role, d.state"
        ).fetchall()
    return {(Role(role), State(state)): count for role, state, count in rows}


def is_mentioned(queue: Queue, text: str) -> bool:
    """Whether the outcome of a delivery has a text in it, such as the id of a payload in quarantine.

    Args:
        queue: the open queue.
        text: without wildcards of LIKE.
    """
    with queue.reading() as connection:
        row = connection.execute(
            "SELECT 1 FROM delivery WHERE text LIKE ? LIMIT 1", (f"%{text}%",)
        ).fetchone()
    return row is not None


def forget_finished(queue: Queue, *, keep_seconds: float, keep_batch_seconds: float) -> int:
    """Remove messages that were sent, delivered or dropped long ago, and old records of received batches.

    Dead letters stay until a person decides.

    Args:
        queue: the open queue.
        keep_seconds: age on the queue's clock from which finished messages go.
        keep_batch_seconds: age from which a batch id is forgotten: a copy that turns up later is
            delivered again.

    Returns:
        How many messages were removed.
    """

    def job(connection: sqlite3.Connection) -> int:
        now = queue.clock.now()
        removed = connection.execute(
            "DELETE FROM message WHERE seq IN (SELECT message FROM delivery GROUP BY message"
            " HAVING sum(state NOT IN ('sent', 'delivered', 'dropped')) = 0 AND max(changed_at) <= ?)",
            (now - keep_seconds,),
        ).rowcount
        connection.execute(
            "DELETE FROM batch WHERE state = 'done' AND changed_at <= ?", (now - keep_seconds,)
        )
        connection.execute("DELETE FROM received_batch WHERE received_at <= ?", (now - keep_batch_seconds,))
        return removed

    return queue.write(job)


_MESSAGE = (
    "SELECT m.seq, m.id, m.role, m.sender, m.size_bytes,"
    " m.body_file IS NOT NULL OR EXISTS (SELECT 1 FROM body b WHERE b.message = m.seq),"
    " m.message_id, m.origin, m.origin_node, m.origin_batch, m.origin_packet, m.arrived_at, m.arrived_wall"
    " FROM message m"
)


def _view(queue: Queue, connection: sqlite3.Connection, row: tuple[object, ...]) -> MessageView:
    now = queue.clock.now()
    deliveries = connection.execute(
        "SELECT d.recipient, d.node, d.nice, d.state, d.batch, b.packet, d.attempts, d.next_try_at,"
        " d.status, d.text, d.changed_wall, d.begun, d.told, d.told_by, d.delay_told, d.delay_told_by,"
        " d.held_by, d.operator_told,"
        " d.state IN ('sent', 'delivered', 'dead', 'dropped') FROM delivery d"
        " LEFT JOIN batch b ON b.id = d.batch WHERE d.message = ? ORDER BY d.seq",
        (row[0],),
    ).fetchall()
    return MessageView(
        seq=int(str(row[0])),
        id=str(row[1]),
        role=Role(str(row[2])),
        sender=str(row[3]),
        size_bytes=int(str(row[4])),
        has_body=bool(row[5]),
        message_id=str(row[6]),
        origin=str(row[7]),
        origin_node=str(row[8]),
        origin_batch=str(row[9]),
        origin_packet=str(row[10]),
        age_seconds=max(0.0, now - float(str(row[11]))),
        arrived_wall=float(str(row[12])),
        deliveries=tuple(
            DeliveryView(
                recipient,
                node,
                nice,
                State(state),
                batch or "",
                packet or "",
                attempts,
                0.0 if is_final else next_try_at - now,
                status,
                text,
                changed_wall,
                begun_count,
                *(word or "" for word in words),
            )
            for (
                recipient,
                node,
                nice,
                state,
                batch,
                packet,
                attempts,
                next_try_at,
                status,
                text,
                changed_wall,
                begun_count,
                *words,
                is_final,
            ) in deliveries
        ),
    )
