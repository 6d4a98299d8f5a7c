"""What neighbours asked of their feeds: durable, in the database of news.

A request passes these states; each is one transaction::

    settled      its wishes, the articles it gets once more and its answer are on disk together, or none is
    answered     the answer is in the queue of mail, and is forgotten here; the request's name is kept

Contract: a request that comes again by the same name changes nothing. An answer that was put in the queue of
mail when the program died may be sent twice.
"""

import functools
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.ids import NodeId
from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.insertion import insert_message, size_of
from gateway.msgqueue.store import Queue
from gateway.nntp.wildmat import Wildmat
from gateway.routing.feeds import Wishes


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """A request that came.

    Args:
        id: the same however often it comes.
        feed: name of the neighbour's feed.
        node: the neighbour.
        answer_to: mailbox for the answer, or "": nobody.
    """

    id: str
    feed: str
    node: NodeId
    answer_to: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request.

    Args:
        wishes: of the neighbour from now on.
        answer: lines for the neighbour.
        again: articles that it gets once more, in this order; consumed within the transaction.
    """

    wishes: Wishes
    answer: str
    again: Iterable[NewMessage] = ()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request whose answer is still here.

    Args:
        id: of the request.
        feed: name of the neighbour's feed.
        answer_to: mailbox, or "".
        answer: lines.
    """

    id: str
    feed: str
    answer_to: str
    answer: str


Decide = Callable[[Wishes, int], Decision]
"""Decides about a request, from the neighbour's wishes and how many articles wait for it."""


class RemoteControl:
    """The wishes of all neighbours.

    Args:
        queue: the open queue of news.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def wishes(self) -> Mapping[str, Wishes]:
        """Of each neighbour that has any, by the name of its feed."""
        with self.queue.reading() as connection:
            rows = connection.execute("SELECT feed, groups, is_paused FROM wish").fetchall()
        return {feed: Wishes(_parsed(groups), bool(is_paused)) for feed, groups, is_paused in rows}

    def settle(self, request: RemoteRequest, decide: Decide) -> Decision | None:
        """Do what a request asks for; when this returns, it is on disk.

        Returns:
            What was decided, or None: the request had come before.

        Raises:
            StoreError: nothing was changed.
        """

        def job(connection: sqlite3.Connection) -> Decision | None:
            clock = self.queue.clock
            if connection.execute("SELECT 1 FROM remote_request WHERE id = ?", (request.id,)).fetchone():
                return None
            before = self._wishes_of(connection, request.feed)
            decision = decide(before, _waiting_count(connection, request.node))
            for message in decision.again:
                self.queue.check_room(size_of(message))
                insert_message(connection, clock, message, Role.OUTBOX)
            if decision.wishes != before:
                connection.execute(
                    "INSERT OR REPLACE INTO wish VALUES (?, ?, ?, ?)",
                    (
                        request.feed,
                        decision.wishes.groups.text,
                        decision.wishes.is_paused,
                        clock.wall(),
                    ),
                )
            connection.execute(
                "INSERT INTO remote_request VALUES (?, ?, ?, ?, ?, ?)",
                (request.id, request.feed, request.answer_to, decision.answer, clock.now(), clock.wall()),
            )
            return decision

        return self.queue.write(job)

    def unanswered(self, max_count: int) -> list[Unanswered]:
        """Requests whose answers are still here, oldest first."""
        with self.queue.reading() as connection:
            rows = connection.execute(
                "SELECT id, feed, answer_to, answer FROM remote_request WHERE answer IS NOT NULL"
                " ORDER BY asked_at, id LIMIT ?",
                (max_count,),
            ).fetchall()
        return [Unanswered(*row) for row in rows]

    def mark_answered(self, request_id: str) -> None:
        """Forget the answer to a request, but not that it came."""
        self.queue.write(
            lambda connection: connection.execute(
                "UPDATE remote_request SET answer = NULL WHERE id = ?", (request_id,)
            )
        )

    def forget(self, *, keep_seconds: float) -> int:
        """Forget the names of requests that were answered long ago; returns how many."""

        def job(connection: sqlite3.Connection) -> int:
            until = self.queue.clock.now() - keep_seconds
            return connection.execute(
                "DELETE FROM remote_request WHERE answer IS NULL AND asked_at <= ?", (until,)
            ).rowcount

        return self.queue.write(job)

    @staticmethod
    def _wishes_of(connection: sqlite3.Connection, feed: str) -> Wishes:
        row = connection.execute("SELECT groups, is_paused FROM wish WHERE feed = ?", (feed,)).fetchone()
        return Wishes() if row is None else Wishes(_parsed(row[0]), bool(row[1]))


def _waiting_count(connection: sqlite3.Connection, node: NodeId) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM delivery WHERE state = 'queued' AND node = ?", (node.text,)
    ).fetchone()
    return int(count)


@functools.lru_cache(maxsize=256)
def _parsed(groups: str) -> Wildmat:
    # Asked for each article that comes.
    return Wildmat.parse(groups)
