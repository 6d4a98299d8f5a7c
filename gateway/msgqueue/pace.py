"""How much a neighbour has sent lately, kept so that no restart forgets it.

For each neighbour there stand two times on the queue's own clock, one for messages and one for bytes: until
when its allowance is spent. Each message moves them on by what it costs. As long as they are no more than
``BURST_SECONDS`` ahead, mail goes on at once; further ahead, it waits for as long as they are too far.
So an hour's worth may come at once, and whatever comes over it goes on as fast as the rate allows. Nothing
is refused for its number, and nothing is lost.

Contract: the times are changed in the transaction that puts the messages in, or not at all.
"""

import sqlite3
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.ids import NodeId
from gateway.msgqueue.store import Queue
from gateway.routing.rights import HOUR_SECONDS, Rate

BURST_SECONDS = HOUR_SECONDS
BACKLOG_LIMIT_SECONDS = 86_400.0
"""What a neighbour may have waiting here; more stays in the spool, as packets, until some has gone on."""
ROUNDING_SECONDS = 1e-3
"""What sums of fractions of an hour may be off by, far below what a message costs of any use."""
LONGEST_WAIT_SECONDS = 7 * 86_400.0
"""One batch is taken whole, however much more it holds than it may; nothing of it waits for longer."""


class OverRate(GatewayError):
    """A neighbour has more waiting here than it may: its packet stays where it is for now."""

    status = "4.4.5"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose allowance a batch is taken from, and how large that is.

    Args:
        node: who is answerable for the messages.
        rate: what it may send.
    """

    node: NodeId
    rate: Rate


class Pace:
    """An account while a batch is put in, within a transaction.

    Args:
        connection: the writer's.
        account: whose; None: nobody's, then nothing waits.
        now: on the queue's clock.

    Attributes:
        late_count: messages that have to wait.
        longest_wait_seconds: the longest of them.
    """

    def __init__(self, connection: sqlite3.Connection, account: Account | None, now: float) -> None:
        self.late_count = 0
        self.longest_wait_seconds = 0.0
        self._connection = connection
        self._account = account if account is not None and account.rate.is_limited else None
        self._now = now
        self._spent_until = (now, now)
        if self._account is not None:
            messages_at, bytes_at = _read(connection, self._account.node)
            self._spent_until = (max(now, messages_at), max(now, bytes_at))

    def spend_seconds(self, size_bytes: int) -> float:
        """Take a message from the allowance; returns how long it has to wait.

        Args:
            size_bytes: of the message.
        """
        if self._account is None:
            return 0.0
        (messages_at, bytes_at), costs = self._spent_until, self._account.rate.costs_seconds(size_bytes)
        self._spent_until = (messages_at + costs[0], bytes_at + costs[1])
        over_seconds = max(self._spent_until) - self._now - BURST_SECONDS
        if over_seconds <= ROUNDING_SECONDS:
            return 0.0
        wait_seconds = min(over_seconds, LONGEST_WAIT_SECONDS)
        self.late_count += 1
        self.longest_wait_seconds = max(self.longest_wait_seconds, wait_seconds)
        return wait_seconds

    def keep(self) -> None:
        """Write down what was spent."""
        if self._account is None:
            return
        self._connection.execute(
            "INSERT INTO pace (node, messages_until, bytes_until) VALUES (?, ?, ?) ON CONFLICT (node)"
            " DO UPDATE SET messages_until = excluded.messages_until, bytes_until = excluded.bytes_until",
            (self._account.node.text, *self._spent_until),
        )


def check_backlog(queue: Queue, account: Account) -> None:
    """Make sure that not too much of a neighbour's mail waits already.

    Raises:
        OverRate: it does.
    """
    if not account.rate.is_limited:
        return
    with queue.reading() as connection:
        ahead_seconds = max(_read(connection, account.node)) - queue.clock.now() - BURST_SECONDS
    if ahead_seconds > BACKLOG_LIMIT_SECONDS:
        hours = ahead_seconds / HOUR_SECONDS
        raise OverRate(
            f"mail of this neighbour for {hours:.0f} hours at its rate waits here, "
            f"{BACKLOG_LIMIT_SECONDS / HOUR_SECONDS:.0f} are allowed: the packet stays until some has gone on"
        )


def _read(connection: sqlite3.Connection, node: NodeId) -> tuple[float, float]:
    row = connection.execute(
        "SELECT messages_until, bytes_until FROM pace WHERE node = ?", (node.text,)
    ).fetchone()
    return (0.0, 0.0) if row is None else (float(row[0]), float(row[1]))
