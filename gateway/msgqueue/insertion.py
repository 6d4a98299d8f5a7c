"""How a message becomes rows, and how its body leaves once nobody needs it any more.

A message that is too large for a link is put in as *held*: whatever way it comes in, no stage sees it
until a person lets it go.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.msgqueue.body_rows import Place, in_database, segments_of, unnamed
from gateway.msgqueue.clock import QueueClock
from gateway.msgqueue.copies import kind_of
from gateway.msgqueue.entry import HeldBy, NewMessage, Role, State, Target
from gateway.msgqueue.many_rows import Row, execute_rows
from gateway.msgqueue.rows import mail_columns, recipient_columns

_INTO_MESSAGE = (
    "INSERT INTO message (seq, id, size_bytes, message_id, body_file,"
    " role, sender, is_8bit, is_smtputf8, origin,"
    " origin_node, origin_batch, origin_packet, arrived_at, arrived_wall,"
    " envid, ret, priority, deliver_by_at, deliver_by_mode, trace_bytes, kind)"
)
_INTO_BODY = "INSERT INTO body (message, data, file, place)"
_INTO_DELIVERY = (
    "INSERT INTO delivery (message, recipient, node, nice, state, status, text, held_by, next_try_at,"
    " changed_at, changed_wall, turn, notify, orcpt)"
)
BODIES_LIMIT_BYTES = 1 << 20
"""In one statement, which keeps a copy of each."""
TOO_BIG_STATUS = "4.3.4"
"""RFC 3463: message too big for system, for now: a person may let it go."""
WAITING_STATUS = "4.4.5"
"""RFC 3463: congestion."""
WAITING_TEXT = "its neighbour sends more than it may: it goes on when the rate allows it"


_Numbered = tuple[int, tuple[NewMessage, Role]]


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Sizes above which a message waits for a person.

    Args:
        outgoing: bytes of a message to a node, by the text of its id.
        incoming: bytes of a message from a node, by the text of its id.
    """

    outgoing: Mapping[str, int] = field(default_factory=dict)
    incoming: Mapping[str, int] = field(default_factory=dict)

    def why_held(self, size_bytes: int, *, to: str = "", came_from: str = "") -> str | None:
        """Why a message is held, for people, or None: it is not.

        Args:
            size_bytes: of the message.
            to: text of the id of the node it goes to; "": it stays here.
            came_from: text of the id of the node it came from; "": from here.
        """
        limits = [self.outgoing.get(to) if to else None, self.incoming.get(came_from) if came_from else None]
        allowed_bytes = min((limit for limit in limits if limit is not None), default=size_bytes)
        if size_bytes <= allowed_bytes:
            return None
        return f"too large for this link: {size_bytes} bytes, {allowed_bytes} are let through unasked"


NO_LIMITS = SizeLimits()
LARGE_BYTES = 1 << 20
"""Past it a message waits with others of its kind, so that small ones need not wait for it."""
LARGE_MARK = "+"
"""Ends the name of a turn of large messages; no text of an id has one."""
_NUMBERS = "(SELECT value FROM json_each(?))"
NEEDS_BODY = (State.QUEUED, State.CLAIMED, State.HELD, State.DEAD)
"""States of a delivery in which its message's body is kept, whichever way it goes: an article of news may be
for this machine and for neighbours at once."""


def insert_message(
    connection: sqlite3.Connection,
    clock: QueueClock,
    message: NewMessage,
    role: Role,
    came_by: tuple[str, str, str] = ("", "", ""),
    *,
    limits: SizeLimits = NO_LIMITS,
    wait_seconds: float = 0.0,
) -> None:
    """Insert a message with its deliveries, in the caller's transaction.

    Args:
        connection: the writer's.
        clock: the queue's.
        message: what to insert; a staged body is synced already.
        role: outbox or inbox.
        came_by: node id, batch id and packet id it was received by, as text.
        limits: sizes above which it is held.
        wait_seconds: until it may go on, since its neighbour sends more than it may.
    """
    now, wall = clock.now(), clock.wall()
    row = (*_own_columns(None, message), *_shared_columns(message, role, came_by, (now, wall)))
    seq = connection.execute(f"{_INTO_MESSAGE} VALUES ({', '.join('?' * len(row))})", row).lastrowid
    if isinstance(message.body, bytes):
        connection.execute(f"{_INTO_BODY} VALUES (?, ?, NULL, NULL)", (seq, message.body))
    rows = _delivery_rows(seq, message, came_by[0], limits, (now, wall, wait_seconds))
    if rows:
        connection.executemany(f"{_INTO_DELIVERY} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def insert_messages(
    connection: sqlite3.Connection,
    clock: QueueClock,
    messages: Sequence[tuple[NewMessage, Role]],
    came_by: tuple[str, str, str] = ("", "", ""),
    place: Place = in_database,
) -> None:
    """Insert messages with their deliveries by few statements, in the caller's transaction.

    Args:
        connection: the writer's.
        clock: the queue's.
        messages: what to insert, and its roles; staged bodies are synced already. No size holds them.
        came_by: node id, batch id and packet id they were received by, as text.
        place: puts bodies where they belong.
    """
    moment = (clock.now(), clock.wall())
    (last_seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM message").fetchone()
    numbered = list(enumerate(messages, last_seq + 1))
    _insert_rows(connection, numbered, came_by, moment)
    for bodies in _portions(
        [(seq, message.body) for seq, (message, _) in numbered if isinstance(message.body, bytes)]
    ):
        execute_rows(connection, _INTO_BODY, place(bodies))
    _insert_deliveries(connection, numbered, came_by[0], moment)


def _insert_rows(
    connection: sqlite3.Connection,
    numbered: Sequence[_Numbered],
    came_by: tuple[str, str, str],
    moment: tuple[float, float],
) -> None:
    """Insert messages; articles of the same feeds share all that is not their own."""
    shared: dict[tuple[object, ...], Row] = {}
    keys = []
    for _, (message, role) in numbered:
        key = (id(message.envelope), role, message.origin, message.trace_bytes, message.content_hash)
        if key not in shared:
            shared[key] = _shared_columns(message, role, came_by, moment)
        keys.append(key)
    own = [_own_columns(seq, message) for seq, (message, _) in numbered]
    if len(shared) == 1:
        execute_rows(connection, _INTO_MESSAGE, own, common=shared[keys[0]])
    else:
        rows = [(*row, *shared[key]) for row, key in zip(own, keys, strict=True)]
        execute_rows(connection, _INTO_MESSAGE, rows)


def _insert_deliveries(
    connection: sqlite3.Connection,
    numbered: Sequence[_Numbered],
    came_from: str,
    moment: tuple[float, float],
) -> None:
    """Insert the deliveries of messages; articles of the same feeds share their targets."""
    shared: dict[tuple[int, int, bool], list[Row]] = {}
    rows: list[tuple[int, list[Row]]] = []
    for seq, (message, _) in numbered:
        key = (id(message.targets), id(message.envelope), size_of(message) > LARGE_BYTES)
        if key not in shared:
            made = _delivery_rows(seq, message, came_from, NO_LIMITS, (*moment, 0.0))
            shared[key] = [row[1:] for row in made]
        rows.append((seq, shared[key]))
    if len(shared) == 1 and len(rows[0][1]) == 1:
        (rest,) = rows[0][1]
        execute_rows(connection, _INTO_DELIVERY, [(seq,) for seq, _ in rows], common=rest)
    else:
        execute_rows(connection, _INTO_DELIVERY, [(seq, *rest) for seq, some in rows for rest in some])


def _portions(bodies: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """As many bodies at a time as a statement may hold, but one at least."""
    some: list[tuple[int, bytes]] = []
    size_bytes = 0
    for body in bodies:
        size_bytes += len(body[1])
        if some and size_bytes > BODIES_LIMIT_BYTES:
            yield some
            some, size_bytes = [], len(body[1])
        some.append(body)
    if some:
        yield some


def _own_columns(seq: int | None, message: NewMessage) -> Row:
    """The first values for ``_INTO_MESSAGE``: each message has its own.

    Args:
        seq: its number; None: the next one.
        message: which.
    """
    body = message.body
    if isinstance(body, bytes):
        return (seq, message.id, len(body), message.message_id, None)
    return (seq, message.id, body.size_bytes, message.message_id, body.path.name)


def _shared_columns(
    message: NewMessage, role: Role, came_by: tuple[str, str, str], moment: tuple[float, float]
) -> Row:
    """The other values for ``_INTO_MESSAGE``.

    Args:
        message: which.
        role: outbox or inbox.
        came_by: node id, batch id and packet id.
        moment: now, on the queue's clock and on the wall.
    """
    envelope = message.envelope
    return (
        role,
        envelope.sender,
        envelope.is_8bit,
        envelope.is_smtputf8,
        message.origin,
        *came_by,
        *moment,
        *mail_columns(envelope.options, moment[0]),
        message.trace_bytes,
        kind_of(envelope, message.content_hash),
    )


def _delivery_rows(
    seq: int | None,
    message: NewMessage,
    came_from: str,
    limits: SizeLimits,
    moment: tuple[float, float, float],
) -> list[Row]:
    """Values for ``_INTO_DELIVERY``.

    Args:
        seq: number of the message.
        message: which.
        came_from: text of the id of the node it came from.
        limits: sizes above which it is held.
        moment: now, on the queue's clock and on the wall, and the seconds until it may go on.
    """
    now, wall, wait_seconds = moment
    envelope, size_bytes = message.envelope, size_of(message)
    return [
        (
            seq,
            target.recipient,
            "" if target.node is None else target.node.text,
            # The inbox is searched for what has none.
            target.nice if target.node is not None else 0,
            *(_first_state(target, limits, came_from, size_bytes) or _queued(wait_seconds)),
            now + wait_seconds,
            now,
            wall,
            turn_of(came_from, size_bytes) if target.node is None else "",
            *recipient_columns(envelope.options_of(target.recipient)),
        )
        for target in message.targets
    ]


def concerned(messages: Iterable[NewMessage]) -> Role | None:
    """Whether all of some messages is for the outbox, or for the inbox; None: there is something for each."""
    are_here = {target.node is None for message in messages for target in message.targets}
    if len(are_here) != 1:
        return None
    return Role.INBOX if are_here.pop() else Role.OUTBOX


def size_of(message: NewMessage) -> int:
    """Bytes of the body of a message."""
    return len(message.body) if isinstance(message.body, bytes) else message.body.size_bytes


def turn_of(origin_node: str, size_bytes: int) -> str:
    """What a delivery to here waits in: those from each node take turns, and so do small ones and large.

    Args:
        origin_node: text of the id of the node it came from; "": from here.
        size_bytes: of its message.
    """
    return origin_node + LARGE_MARK if size_bytes > LARGE_BYTES else origin_node


def drop_finished_bodies(connection: sqlite3.Connection, message_seqs: Iterable[int]) -> list[str]:
    """Forget the bodies of messages none of whose deliveries needs it any more.

    Args:
        connection: the writer's.
        message_seqs: the messages to look at.

    Returns:
        Names of body files, to be removed once the transaction is committed.
    """
    listed = list(message_seqs)
    seqs, segments = json.dumps(listed), segments_of(connection, listed)
    connection.execute(
        f"DELETE FROM body WHERE message IN {_NUMBERS} AND {_is_finished('body.message')}",  # noqa: S608
        (seqs,),
    )
    found = connection.execute(
        "SELECT seq, body_file FROM message WHERE body_file IS NOT NULL"  # noqa: S608 - names of our own
        f" AND seq IN {_NUMBERS} AND {_is_finished('message.seq')}",
        (seqs,),
    ).fetchall()
    connection.executemany("UPDATE message SET body_file = NULL WHERE seq = ?", [(seq,) for seq, _ in found])
    return [name for _, name in found] + unnamed(connection, segments)


def _is_finished(message: str) -> str:
    """SQL: whether no delivery of a message needs its body any more."""
    states = ", ".join(f"'{state}'" for state in NEEDS_BODY)
    return f"NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.message = {message} AND state IN ({states}))"  # noqa: S608


def _first_state(
    target: Target, limits: SizeLimits, came_from: str, size_bytes: int
) -> tuple[State, str, str, HeldBy | None] | None:
    """State, status and text a delivery begins with, and who holds it; None: it is queued."""
    if target.refusal is not None:
        return State.DEAD, target.refusal.status, target.refusal.text, None
    node = "" if target.node is None else target.node.text
    why = limits.why_held(size_bytes, to=node, came_from=came_from)
    return None if why is None else (State.HELD, TOO_BIG_STATUS, why, HeldBy.SIZE)


def _queued(wait_seconds: float) -> tuple[State, str, str, HeldBy | None]:
    if wait_seconds > 0:
        return State.QUEUED, WAITING_STATUS, WAITING_TEXT, None
    return State.QUEUED, "", "", None
