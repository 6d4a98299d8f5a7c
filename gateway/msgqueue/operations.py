"""What a person does with messages of the queue: hold, release, retry, expire, drop, move, replay.

Contract: each operation is one transaction over everything selected, so a crash leaves all of it done or
nothing; done again it changes nothing more. States are looked at in that transaction: what a batch has
claimed, or what has left or was delivered meanwhile, is left alone, and its result says so. What is done to
which state is in ``decisions``.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.ids import NodeId
from gateway.msgqueue import decisions
from gateway.msgqueue.decisions import MAIL, Admit, Decide, Decision, Ending, Standing, Terms
from gateway.msgqueue.entry import HeldBy, Role, State
from gateway.msgqueue.insertion import drop_finished_bodies
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import Queue

_STANDING = (
    "SELECT d.seq, m.seq, m.id, m.role, m.sender, d.recipient, d.node, d.nice, d.state, d.held_by, d.text,"
    " coalesce(d.batch, ''), coalesce(b.packet, ''), coalesce(b.first_hop, ''), m.size_bytes,"
    " m.body_file IS NOT NULL OR EXISTS (SELECT 1 FROM body WHERE body.message = m.seq), m.origin_node"
    " FROM delivery d JOIN message m ON m.seq = d.message LEFT JOIN batch b ON b.id = d.batch"
)


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation did to one delivery.

    Args:
        before: as it stood.
        decision: what was done, or why nothing was.
    """

    before: Standing
    decision: Decision


class Operations:
    """Does what a person asks for.

    Args:
        queue: the open queue.
        is_dry: only say what would be done.
        terms: of this queue.
    """

    def __init__(self, queue: Queue, *, is_dry: bool = False, terms: Terms = MAIL) -> None:
        self._queue = queue
        self._terms = terms
        self._is_dry = is_dry

    def hold(self, selection: Selection, reason: str = "") -> list[Result]:
        """Keep deliveries from going on until they are released; they expire like any other.

        Args:
            selection: which.
            reason: for the sender, if one is told of the delay, and for people who look.
        """
        return self._do(selection, decisions.hold(reason))

    def release(self, selection: Selection) -> list[Result]:
        """Let held deliveries go on, whatever their size."""
        return self._do(selection, decisions.release)

    def retry(self, selection: Selection) -> list[Result]:
        """Let waiting deliveries be tried now; what goes to a neighbour: close its lanes now."""
        results = self._do(selection, decisions.retry)
        nodes = {result.before.node for result in results if result.decision.ending is Ending.DONE} - {""}
        if nodes and not self._is_dry:
            Outbox(self._queue).ask_flush([NodeId.parse(node) for node in sorted(nodes)])
        return results

    def expire(self, selection: Selection) -> list[Result]:
        """Give deliveries up as if their time were over: dead letters, and senders of mail are told."""
        return self._do(selection, decisions.expire(self._terms))

    def drop(self, selection: Selection) -> list[Result]:
        """Forget deliveries, dead letters too; nobody is told. The rows stay for a while as a record."""
        return self._do(selection, decisions.drop)

    def move(
        self, selection: Selection, node: NodeId | None, nice: int | None, recipient: str | None = None
    ) -> list[Result]:
        """Let deliveries go to another node, or in another lane; a dead letter begins anew there.

        Args:
            selection: which.
            node: None: each stays with its own.
            nice: of the lane; None: each keeps its own.
            recipient: what they are for from now on; None: each keeps its own.
        """
        text = None if node is None else node.text
        return self._do(selection, decisions.move(text, nice, self._queue.limits, self._terms, recipient))

    def replay(self, selection: Selection, admit: Admit) -> list[Result]:
        """Let dead letters be tried again, as if they had just come.

        Args:
            selection: which.
            admit: what would become of a delivery for here if it came now.
        """
        return self._do(selection, decisions.replay(admit, self._queue.limits, self._terms))

    def _do(self, selection: Selection, decide: Decide) -> list[Result]:
        if self._is_dry:
            with self._queue.reading() as connection:
                return self._judge(connection, selection, decide)

        def job(connection: sqlite3.Connection) -> tuple[list[Result], list[str]]:
            results = self._judge(connection, selection, decide)
            done = [result for result in results if result.decision.ending is Ending.DONE]
            self._change(connection, done)
            dropped = {result.before.message_seq for result in done if _is_dropped(result)}
            return results, drop_finished_bodies(connection, sorted(dropped))

        results, files = self._queue.write(job)
        for name in files:
            self._queue.bodies.remove(name)
        return results

    def _judge(self, connection: sqlite3.Connection, selection: Selection, decide: Decide) -> list[Result]:
        condition, values = selection.condition(self._queue.clock.now())
        rows = connection.execute(f"{_STANDING} WHERE {condition} ORDER BY d.seq", values)
        return [Result(standing, decide(standing)) for standing in map(_standing, rows)]

    def _change(self, connection: sqlite3.Connection, done: Sequence[Result]) -> None:
        now, wall = self._queue.clock.now(), self._queue.clock.wall()
        for result in done:
            columns = {
                **result.decision.columns,
                "state": result.decision.state,
                "next_try_at": now,
                "changed_at": now,
                "changed_wall": wall,
            }
            settings = ", ".join(f"{name} = :{name}" for name in columns)
            connection.execute(
                f"UPDATE delivery SET {settings} WHERE seq = :seq",  # noqa: S608 - names of ours
                {**columns, "seq": result.before.seq},
            )
        leaving = {result.before.message_seq for result in done if _is_leaving(result)}
        connection.executemany(
            "UPDATE message SET role = ? WHERE seq = ?", [(Role.OUTBOX, seq) for seq in sorted(leaving)]
        )
        anew = {result.before.message_seq for result in done if result.decision.is_begun_anew}
        connection.executemany(
            # A time for a return that has passed would end it at once.
            "UPDATE message SET arrived_at = :now, deliver_by_at = iif(deliver_by_at <= :now, NULL,"
            " deliver_by_at), deliver_by_mode = iif(deliver_by_at <= :now, NULL, deliver_by_mode)"
            " WHERE seq = :seq",
            [{"now": now, "seq": seq} for seq in sorted(anew)],
        )


def _is_leaving(result: Result) -> bool:
    """Whether a delivery goes to a neighbour that did not before."""
    return not result.before.node and bool(result.decision.columns.get("node"))


def _is_dropped(result: Result) -> bool:
    return result.decision.state is State.DROPPED


def _standing(row: tuple[object, ...]) -> Standing:
    seq, message_seq, message_id, role, sender, recipient, node, nice, state, held_by, text, *rest = row
    batch, packet, first_hop, size_bytes, has_body, origin_node = rest
    return Standing(
        seq=int(str(seq)),
        message_seq=int(str(message_seq)),
        message_id=str(message_id),
        role=Role(str(role)),
        sender=str(sender),
        recipient=str(recipient),
        node=str(node),
        nice=int(str(nice)),
        state=State(str(state)),
        held_by=None if held_by is None else HeldBy(str(held_by)),
        text=str(text),
        batch=str(batch),
        packet=str(packet),
        first_hop=str(first_hop),
        size_bytes=int(str(size_bytes)),
        has_body=bool(has_body),
        origin_node=str(origin_node),
    )
