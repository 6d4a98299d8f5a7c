"""News in the queue: an article goes in once, on however many ways it comes.

The history of Message-IDs is written in the transaction that puts the article in, so no crash can
make it known and lost, or there and unknown. What is refused for good is remembered as well. An
article is one message, whether it is for neighbours, for this machine, or for both: its body is
there once, and goes when nobody needs it any more.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from gateway.ids import NodeId, PacketId
from gateway.msgqueue.bodies import StagedBody, resolved_after
from gateway.msgqueue.body_rows import Place, in_database, segments_of, unnamed
from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.insertion import concerned, insert_messages, size_of
from gateway.msgqueue.many_rows import ROWS_LIMIT_COUNT, execute_rows
from gateway.msgqueue.segments import Segments
from gateway.msgqueue.shelf import Shelf
from gateway.msgqueue.store import Queue

LOOKUP_COUNT = 500
"""Message-IDs in one question to the database."""
GROUP_LIMIT_BYTES = 4 << 20
"""Of articles of a batch that are put in together."""


class Fate(StrEnum):
    """What became of an article that came."""

    NEW = "new"
    KNOWN = "known"
    """It had come before, or had been refused before."""
    REFUSED = "refused"


class NewArticle(NamedTuple):
    """An article that came.

    Args:
        message: it; without targets nobody here wants it, and only its Message-ID is kept. An empty
            Message-ID is not remembered.
        refusal: why it is not taken; None: it is.
        is_forced: it goes to its targets even if it has come before: somebody else decides who gets it.
    """

    message: NewMessage
    refusal: str | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class PutBatch:
    """What became of a batch.

    Args:
        is_duplicate: the packet had been received before: nothing was changed.
        fates: of its articles, in their order.
        first_packet: of a duplicate: text of the packet, or "".
    """

    is_duplicate: bool
    fates: tuple[Fate, ...] = ()


class History:
    """The articles of a queue, by Message-ID.

    Args:
        queue: the open queue of news.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def known(self, message_ids: Sequence[str]) -> frozenset[str]:
        """Those of some Message-IDs that have come before, refused ones among them."""
        found: set[str] = set()
        with self.queue.reading() as connection:
            for start in range(0, len(message_ids), LOOKUP_COUNT):
                some = message_ids[start : start + LOOKUP_COUNT]
                marks = ", ".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT message_id FROM history WHERE message_id IN ({marks})",  # noqa: S608
                    tuple(some),
                )
                found.update(message_id for (message_id,) in rows)
        return frozenset(found)

    def put(self, article: NewArticle) -> "Future[Fate]":
        """Take one article in.

        Args:
            article: a staged body is synced here (it blocks), and released or discarded with the outcome.

        Returns:
            A future: resolved when what became of it is on disk, or with the ``GatewayError``.

        Raises:
            StoreFull: the reserve of free space is touched.
        """
        body = article.message.body
        self.queue.check_room(size_of(article.message))
        if isinstance(body, StagedBody):
            body.sync()
        future = self.queue.submit(lambda connection: self._insert(connection, [article], ("", "", ""))[0])
        return (
            resolved_after(future, partial(_put_away_one, body)) if isinstance(body, StagedBody) else future
        )

    def put_group(self, articles: Sequence[NewArticle]) -> "Future[tuple[Fate, ...]]":
        """Take in articles that came by themselves, about the same time: all of them, or none.

        Args:
            articles: no body of theirs is in a file.

        Returns:
            A future: resolved when what became of each is on disk, or with the ``GatewayError``.

        Raises:
            StoreFull: the reserve of free space is touched.
        """
        self.queue.check_room(sum(size_of(article.message) for article in articles))
        shelf = Shelf(self.queue)

        def job(connection: sqlite3.Connection) -> tuple[Fate, ...]:
            # Of a first run that was undone.
            shelf.clear()
            segments = Segments(shelf)
            fates = self._insert(connection, articles, ("", "", ""), segments.place)
            segments.sync()
            return tuple(fates)

        committed = self.queue.submit(job, is_repeatable=True, concerns=_concerned(articles))
        return resolved_after(committed, partial(_put_away, shelf))

    def put_batch(
        self,
        articles: Iterable[NewArticle],
        *,
        node: NodeId | None,
        packet: PacketId | None,
        shelf: Shelf,
    ) -> PutBatch:
        """Take in all articles of a batch, or none of them.

        Args:
            articles: consumed inside the transaction; staged bodies are synced already. An error of theirs
                undoes all.
            node: the neighbour who sent it; None: a program of this machine.
            packet: the packet it came in, if known: a second copy of it changes nothing.
            shelf: has their staged bodies, and gets their other files; released or abandoned by the caller.

        Raises:
            StoreError: nothing was changed.
        """
        came_by = ("" if node is None else node.text, "", "" if packet is None else packet.text)

        def job(connection: sqlite3.Connection) -> PutBatch:
            if packet is not None and not self._note_packet(connection, came_by):
                return PutBatch(is_duplicate=True)
            segments = Segments(shelf)
            fates = tuple(self._put_each(connection, articles, came_by, segments.place, shelf))
            segments.sync()
            if packet is not None:
                connection.execute(
                    "UPDATE received_batch SET message_count = ? WHERE node = ? AND batch = ?",
                    (len(fates), came_by[0], _key(came_by)),
                )
            return PutBatch(is_duplicate=False, fates=fates)

        return self.queue.write(job, concerns=_concerned(articles))

    def forget(self, *, keep_seconds: float) -> int:
        """Forget Message-IDs that were seen long ago, on the queue's clock; returns how many."""

        def job(connection: sqlite3.Connection) -> int:
            until = self.queue.clock.now() - keep_seconds
            return connection.execute("DELETE FROM history WHERE seen_at <= ?", (until,)).rowcount

        return self.queue.write(job)

    def forget_dead(self, *, keep_seconds: float) -> list[str]:
        """Remove articles that nobody took, a while after they were given up.

        A person decides about a mail; an article that a server refused is of no more use.

        Returns:
            The queue ids of those that are gone.
        """

        def job(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
            dead = connection.execute(
                "SELECT message FROM delivery GROUP BY message"
                " HAVING sum(state NOT IN ('sent', 'delivered', 'dead', 'dropped')) = 0"
                " AND max(changed_at) <= ?",
                (self.queue.clock.now() - keep_seconds,),
            ).fetchall()
            seqs = [seq for (seq,) in dead]
            segments = segments_of(connection, seqs)
            removed = connection.execute(
                "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?)) RETURNING id, body_file",
                (json.dumps(seqs),),
            ).fetchall()
            names = [name for _, name in removed if name is not None]
            return [message_id for message_id, _ in removed], names + unnamed(connection, segments)

        message_ids, names = self.queue.write(job)
        for name in names:
            self.queue.bodies.remove(name)
        return message_ids

    def _put_each(
        self,
        connection: sqlite3.Connection,
        articles: Iterable[NewArticle],
        came_by: tuple[str, str, str],
        place: Place,
        shelf: Shelf,
    ) -> Iterator[Fate]:
        for some in _groups(articles):
            fates = self._insert(connection, some, came_by, place)
            for article, fate in zip(some, fates, strict=True):
                body = article.message.body
                if isinstance(body, StagedBody) and not _is_kept(article, fate):
                    shelf.unstage(body)
                yield fate

    def _insert(
        self,
        connection: sqlite3.Connection,
        articles: Sequence[NewArticle],
        came_by: tuple[str, str, str],
        place: Place = in_database,
    ) -> list[Fate]:
        new = self._note(connection, articles)
        fates: list[Fate] = []
        for article in articles:
            message_id = article.message.message_id
            is_known = bool(message_id) and message_id not in new
            # What comes twice within the group is known the second time.
            new.discard(message_id)
            if is_known and not article.is_forced:
                fates.append(Fate.KNOWN)
            else:
                fates.append(Fate.NEW if article.refusal is None else Fate.REFUSED)
        taken = [
            (article.message, _role_of(article.message))
            for article, fate in zip(articles, fates, strict=True)
            if _is_kept(article, fate)
        ]
        if taken:
            insert_messages(connection, self.queue.clock, taken, came_by, place)
        return fates

    def _note(self, connection: sqlite3.Connection, articles: Sequence[NewArticle]) -> set[str]:
        """Remember the Message-IDs; returns those that are new."""
        now, wall = self.queue.clock.now(), self.queue.clock.wall()
        # What comes twice within the group is remembered as it came first.
        refusals = {
            article.message.message_id: article.refusal
            for article in reversed(articles)
            if article.message.message_id
        }
        # In one row, not by RETURNING: Python waits for its turn after each row.
        (known,) = connection.execute(
            "SELECT json_group_array(message_id) FROM history"
            " WHERE message_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(refusals)),),
        ).fetchone()
        new = refusals.keys() - set(json.loads(known))
        execute_rows(
            connection,
            "INSERT INTO history (message_id, seen_at, seen_wall, refusal)",
            [(message_id, now, wall, refusals[message_id]) for message_id in new],
        )
        return new

    def _note_packet(self, connection: sqlite3.Connection, came_by: tuple[str, str, str]) -> bool:
        """Record that a packet was received; False: it had been before."""
        added = connection.execute(
            "INSERT INTO received_batch (node, batch, packet, message_count, received_at, received_wall)"
            " VALUES (?, ?, ?, 0, ?, ?) ON CONFLICT DO NOTHING",
            (came_by[0], _key(came_by), came_by[2], self.queue.clock.now(), self.queue.clock.wall()),
        ).rowcount
        return added == 1


def _concerned(articles: Iterable[NewArticle]) -> Role | None:
    """See ``concerned``; of articles that are read one by one it is not known yet."""
    return concerned(article.message for article in articles) if isinstance(articles, Sequence) else None


def _groups(articles: Iterable[NewArticle]) -> Iterator[list[NewArticle]]:
    """As many at a time as are worth it, and memory has room for."""
    some: list[NewArticle] = []
    size_bytes = 0
    for article in articles:
        some.append(article)
        size_bytes += size_of(article.message)
        if len(some) >= ROWS_LIMIT_COUNT or size_bytes >= GROUP_LIMIT_BYTES:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some


def _role_of(message: NewMessage) -> Role:
    return Role.OUTBOX if any(target.node is not None for target in message.targets) else Role.INBOX


def _key(came_by: tuple[str, str, str]) -> str:
    return f"packet:{came_by[2]}"


def _is_kept(article: NewArticle, fate: Fate) -> bool:
    return fate is Fate.NEW and bool(article.message.targets)


def _put_away(shelf: Shelf, inserted: "Future[tuple[Fate, ...]]") -> None:
    shelf.release() if inserted.exception() is None else shelf.abandon()


def _put_away_one(body: StagedBody, inserted: "Future[Fate]") -> None:
    is_new = inserted.exception() is None and inserted.result() is Fate.NEW
    body.release() if is_new else body.discard()
