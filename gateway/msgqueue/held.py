"""What the operator of this node has to be told: mail that a limit of size holds.

As with reports to senders, the mail that tells is put in the queue in the transaction that marks what it
tells of.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.ids import NodeId
from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.insertion import insert_message
from gateway.msgqueue.store import Queue


class OperatorTold(StrEnum):
    """Whether the operator was told, and why not."""

    REPORTED = "reported"
    NO_ROUTE = "no route to the operator"
    NOBODY = "no operator is named"


@dataclass(frozen=True, slots=True)
class HeldDelivery:
    """A recipient of a message that is held.

    Args:
        seq: the delivery.
        message_id: queue id of the message.
        role: outbox or inbox.
        sender: envelope sender.
        recipient: its address.
        node: text of the id of the node it goes to; of the inbox: of the node it came from.
        size_bytes: of the message.
        text: why it is held.
    """

    seq: int
    message_id: str
    role: Role
    sender: str
    recipient: str
    node: str
    size_bytes: int
    text: str


@dataclass(frozen=True, slots=True)
class HeldFigures:
    """How much is held on the link with one node, whoever holds it.

    Args:
        to_count: messages to it.
        to_bytes: their sizes together.
        from_count: messages from it.
        from_bytes: their sizes together.
    """

    to_count: int = 0
    to_bytes: int = 0
    from_count: int = 0
    from_bytes: int = 0


class HeldMail:
    """What is held in a queue.

    Args:
        queue: the open queue.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def untold(self, max_count: int) -> list[HeldDelivery]:
        """What a limit holds and the operator was not told of, oldest first.

        Args:
            max_count: deliveries at most.
        """
        with self._queue.reading() as connection:
            rows = connection.execute(
                "SELECT d.seq, m.id, m.role, m.sender, d.recipient,"
                " CASE d.node WHEN '' THEN m.origin_node ELSE d.node END, m.size_bytes, d.text"
                " FROM delivery d JOIN message m ON m.seq = d.message WHERE d.state = 'held'"
                " AND d.held_by = 'size' AND d.operator_told IS NULL ORDER BY d.message, d.seq LIMIT ?",
                (max_count,),
            ).fetchall()
        return [
            HeldDelivery(seq, message_id, Role(role), sender, recipient, node, size_bytes, text)
            for seq, message_id, role, sender, recipient, node, size_bytes, text in rows
        ]

    def figures(self) -> dict[NodeId, HeldFigures]:
        """How much is held on the link with each node, where anything is."""
        with self._queue.reading() as connection:
            rows = connection.execute(
                "SELECT node, sum(is_out), sum(is_out * size_bytes), sum(NOT is_out),"
                " sum((NOT is_out) * size_bytes) FROM (SELECT DISTINCT d.message, m.size_bytes,"
                " CASE d.node WHEN '' THEN m.origin_node ELSE d.node END AS node, d.node != '' AS is_out"
                " FROM delivery d JOIN message m ON m.seq = d.message WHERE d.state = 'held')"
                " WHERE node != '' GROUP BY node"
            ).fetchall()
        return {NodeId.parse(node): HeldFigures(*figures) for node, *figures in rows}

    def tell(self, held: Sequence[HeldDelivery], mail: NewMessage, role: Role) -> bool:
        """Put the operator's mail in the queue and record that these were told of.

        No limit of size holds such a mail, so that none is told of by another one.

        Args:
            held: the deliveries.
            mail: what tells of them.
            role: outbox, or inbox for an operator who is here.

        Returns:
            False if all of them went on, or were told of, meanwhile; then nothing was changed.

        Raises:
            StoreFull: the reserve of free space is touched.
            StoreError: nothing was changed.
        """
        self._queue.check_room(len(mail.body) if isinstance(mail.body, bytes) else mail.body.size_bytes)

        def job(connection: sqlite3.Connection) -> bool:
            if not _mark(connection, held, OperatorTold.REPORTED):
                return False
            insert_message(connection, self._queue.clock, mail, role)
            return True

        return self._queue.write(job)

    def mark(self, held: Sequence[HeldDelivery], told: OperatorTold) -> None:
        """Record that the operator is not told by mail, and why."""
        self._queue.write(lambda connection: _mark(connection, held, told))


def _mark(connection: sqlite3.Connection, held: Sequence[HeldDelivery], told: OperatorTold) -> int:
    return sum(
        connection.execute(
            "UPDATE delivery SET operator_told = ?"
            " WHERE seq = ? AND state = 'held' AND operator_told IS NULL",
            (told, each.seq),
        ).rowcount
        for each in held
    )
