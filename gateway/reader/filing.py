"""Files articles: each once, with a number in each of its groups.

Contract: numbers of a group rise and are never given twice, whatever is removed meanwhile. A Message-ID that
is there already changes nothing.
"""

import re
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.msgqueue.bodies import Bodies, StagedBody
from gateway.msgqueue.clock import QueueClock
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.nntp.article import Article, Rejection, header_end, read_article
from gateway.nntp.overview import overview_fields
from gateway.nntp.path import without_fields
from gateway.reader.marks import Marks
from gateway.reader.values import Added, Filing, ReaderRules

NAME_BYTES = 8
CONTROL_GROUP = "control"
_CONTROL_WORD = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(slots=True)
class Candidate:
    """An article that is to be filed.

    Args:
        message_id: of the article.
        groups: the names under which it may be filed.
        data: its bytes, without Xref.
        overview: what ``overview_fields`` gives.
        body_file: name of the file that its body is in, if it is large.
    """

    message_id: str
    groups: tuple[str, ...]
    data: bytes
    overview: bytes
    body_file: str | None = None

    def stage(self, bodies: Bodies) -> StagedBody | None:
        """Put the body in a file and on disk, if it is large; None: it goes into the database.

        Raises:
            StoreError: the disk refused.
        """
        if len(self.data) <= INLINE_BODY_BYTES:
            return None
        self.body_file = secrets.token_hex(NAME_BYTES)
        staged = bodies.stage(self.body_file)
        try:
            staged.write(memoryview(self.data)[header_end(self.data) :])
            staged.sync()
        except BaseException:
            staged.discard()
            raise
        return staged


def read_candidate(data: bytes, rules: ReaderRules) -> Candidate | Added:
    """What there is to file of an article, or why it is not filed.

    Args:
        data: with CRLF line ends.
        rules: which groups are kept.
    """
    article = read_article(data, rules.limits)
    if isinstance(article, Rejection):
        return Added(Filing.UNWANTED, article.text)
    groups = _groups(article, rules)
    if not groups:
        return Added(Filing.UNWANTED, "none of its newsgroups is kept for readers")
    data = without_fields(data, ("Xref",))
    return Candidate(article.message_id, groups, data, overview_fields(data))


@dataclass(frozen=True, slots=True)
class Filer:
    """Gives articles their places; all within a transaction that writes.

    Args:
        clock: the store's own.
        rules: which groups may come to be.
        marks: numbers that were given.
    """

    clock: QueueClock
    rules: ReaderRules
    marks: Marks

    def insert(self, connection: sqlite3.Connection, candidates: Sequence[Candidate]) -> list[Added]:
        """File articles, in their order; one answer for each.

        Raises:
            StoreError: their numbers can't be reserved.
        """
        highest: dict[str, int] = {}
        found = [self._insert(connection, candidate, highest) for candidate in candidates]
        self.marks.reserve(highest)
        return found

    def begin(self, connection: sqlite3.Connection) -> None:
        """Make the groups that are there from the beginning; a new database has those of the one before."""
        is_new = connection.execute("INSERT INTO total VALUES (1, 0) ON CONFLICT DO NOTHING").rowcount
        if is_new:
            for name, number in self.marks.read().items():
                self._make_group(connection, name, number)
        for name in self.rules.configured:
            self._make_group(connection, name, 0)

    def _make_group(self, connection: sqlite3.Connection, name: str, last: int) -> None:
        """Let a group be there, whose numbers go on behind one."""
        connection.execute(
            "INSERT INTO newsgroup (name, low, high, created_wall) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (name, last + 1, last, self.clock.wall()),
        )

    def _insert(self, connection: sqlite3.Connection, candidate: Candidate, highest: dict[str, int]) -> Added:
        known = connection.execute("SELECT 1 FROM article WHERE message_id = ?", (candidate.message_id,))
        if known.fetchone() is not None:
            return Added(Filing.KNOWN, "it is there already")
        places = self._take_numbers(connection, candidate)
        if not places:
            return Added(Filing.UNWANTED, "none of its newsgroups is known here")
        highest.update((name, number) for name, _, number in places)
        text = " ".join(f"{name}:{number}" for name, _, number in places)
        end = header_end(candidate.data)
        seq = connection.execute(
            "INSERT INTO article (message_id, size_bytes, arrived_at, arrived_wall, places, overview,"
            " body_file, body_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                candidate.message_id,
                len(candidate.data),
                self.clock.now(),
                self.clock.wall(),
                text,
                candidate.overview,
                candidate.body_file,
                len(candidate.data) - end,
            ),
        ).lastrowid
        connection.execute(
            "INSERT INTO content (article, head, body) VALUES (?, ?, ?)",
            (seq, candidate.data[:end], None if candidate.body_file else candidate.data[end:]),
        )
        connection.executemany(
            "INSERT INTO place (newsgroup, number, article) VALUES (?, ?, ?)",
            [(group, number, seq) for _, group, number in places],
        )
        connection.execute("UPDATE total SET size_bytes = size_bytes + ?", (len(candidate.data),))
        return Added(Filing.FILED, text)

    def _take_numbers(
        self, connection: sqlite3.Connection, candidate: Candidate
    ) -> list[tuple[str, int, int]]:
        """Name, row and new number for each group that is there, or that may come to be now."""
        places = []
        for name in candidate.groups:
            row = _take_number(connection, name)
            if row is None and self.rules.created.matches(name):
                self._make_group(connection, name, 0)
                row = _take_number(connection, name)
            if row is not None:
                places.append((name, *row))
        return places


def _take_number(connection: sqlite3.Connection, name: str) -> tuple[int, int] | None:
    row: tuple[int, int] | None = connection.execute(
        "UPDATE newsgroup SET high = high + 1, article_count = article_count + 1 WHERE name = ?"
        " RETURNING id, high",
        (name,),
    ).fetchone()
    return row


def _groups(article: Article, rules: ReaderRules) -> tuple[str, ...]:
    if article.control is not None:
        # As INN does: nobody wants to see these among the articles of a group.
        word = article.control.lower().partition(" ")[0]
        return (f"{CONTROL_GROUP}.{word}" if _CONTROL_WORD.fullmatch(word) else CONTROL_GROUP,)
    return tuple(
        name for name in article.newsgroups if name in rules.configured or rules.groups.matches(name)
    )
