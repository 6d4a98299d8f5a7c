"""The store that newsreaders read.

Contract: any thread may call any method at any time. What ``add`` has taken survives a power cut when it
returns. Nothing here is needed for mail or for feeds: the database may be deleted while nothing runs, and
what comes from then on is there again, with numbers that go on.

Spec: RFC 3977 sections 6 to 8; RFC 5536 section 3.2.14.
"""

import math
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from gateway.durable import Disk
from gateway.errors import StoreCorrupt
from gateway.msgqueue.bodies import Bodies, StagedBody
from gateway.msgqueue.clock import Mark, QueueClock
from gateway.msgqueue.database import Database
from gateway.msgqueue.room import Room
from gateway.msgqueue.store import BODIES_NAME, DIRECTORY_MODE
from gateway.nntp.events import GroupFigures, Part, Range, Retrieved
from gateway.nntp.overview import overview_line
from gateway.nntp.wildmat import Wildmat
from gateway.reader.expiry import remove_oldest
from gateway.reader.fields import field_reader
from gateway.reader.filing import Candidate, Filer, read_candidate
from gateway.reader.marks import Marks
from gateway.reader.schema import MIGRATIONS
from gateway.reader.values import NO_DESCRIPTION, Added, Filing, GroupLine, ReaderRules, Status, StoreFigures

DATABASE_NAME = "reader.sqlite"

_EVERY_NUMBER = 1 << 62
_ARTICLE = "FROM article a JOIN content c ON c.article = a.seq"


class ReaderStore:
    """The open store.

    Args:
        directory: where it is; made if missing.
        disk: how files are changed.
        rules: what is kept.
        reserve_bytes: free space that new articles may not touch.
        clock: makes the store's clock from the mark kept last.

    Raises:
        StoreError: it can't be opened.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        rules: ReaderRules,
        *,
        reserve_bytes: int = 0,
        clock: Callable[[Mark | None], QueueClock] = QueueClock,
    ) -> None:
        self.rules = rules
        self._reserve_bytes = reserve_bytes
        self._room = Room(directory)
        disk.make_directories(directory / BODIES_NAME, DIRECTORY_MODE)
        self._bodies = Bodies(directory / BODIES_NAME, disk)
        self._database = Database(directory / DATABASE_NAME, disk, clock, MIGRATIONS)
        try:
            self._filer = Filer(self._database.clock, rules, Marks(directory, disk))
            self._database.write(self._filer.begin)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Finish what was begun, and close."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def groups(self, pattern: Wildmat | None = None) -> list[GroupLine]:
        """All groups that a pattern matches, by name.

        An empty one that the rules do not want any more is not among them; its numbers go on all the same.
        """
        return self._group_lines(pattern, -math.inf)

    def new_groups(self, since_seconds: float) -> list[GroupLine]:
        """The groups that came to be since a moment, in unix seconds."""
        return self._group_lines(None, since_seconds)

    def figures(self) -> StoreFigures:
        """How much is kept."""
        with self._database.reading() as connection:
            count, size_bytes, oldest_at = connection.execute(
                "SELECT count(*), coalesce(sum(size_bytes), 0), min(arrived_at) FROM article"
            ).fetchone()
        age_seconds = None if oldest_at is None else max(0.0, self._database.clock.now() - oldest_at)
        return StoreFigures(len(self.groups()), count, size_bytes, age_seconds)

    def group(self, name: str) -> GroupFigures | None:
        """The figures of a group; None: it is not there."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT name, low, high, article_count FROM newsgroup WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else GroupFigures(*row)

    def is_group_known(self, name: str) -> bool:
        """Whether a group is there."""
        return self.group(name) is not None

    def is_moderated(self, name: str) -> bool:
        """Whether what is posted in a group goes to its moderator."""
        return self.rules.status(name) is Status.MODERATED

    def is_posting_allowed(self, name: str) -> bool:
        """Whether readers may post in a group at all."""
        return self.rules.status(name) is not Status.NO_POSTING

    def numbers(self, group: str, numbers: Range) -> list[int]:
        """The numbers of articles that are there, rising."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT p.number FROM newsgroup g JOIN place p ON p.newsgroup = g.id"
                " WHERE g.name = ? AND p.number BETWEEN ? AND ? ORDER BY p.number",
                (group, *_bounds(numbers)),
            ).fetchall()
        return [number for (number,) in rows]

    def neighbour(self, group: str, number: int, *, is_next: bool) -> tuple[int, str] | None:
        """Number and Message-ID of the article behind or in front of a number; None: there is none."""
        sign, order = (">", "ASC") if is_next else ("<", "DESC")
        with self._database.reading() as connection:
            row: tuple[int, str] | None = connection.execute(
                "SELECT p.number, a.message_id FROM newsgroup g JOIN place p ON p.newsgroup = g.id"  # noqa: S608
                " JOIN article a ON a.seq = p.article"
                f" WHERE g.name = ? AND p.number {sign} ? ORDER BY p.number {order} LIMIT 1",
                (group, number),
            ).fetchone()
        return row

    def retrieve(self, group: str, number: int, part: Part = Part.ARTICLE) -> Retrieved | None:
        """An article by its number.

        Args:
            group: name of its group.
            number: in the group.
            part: how much of it is needed; of STAT there is nothing in ``data``, of HEAD the header section.

        Raises:
            StoreCorrupt: its file is not what its row says.
        """
        where = (
            "JOIN place p ON p.article = a.seq JOIN newsgroup g ON g.id = p.newsgroup"
            " WHERE g.name = ? AND p.number = ?"
        )
        return self._retrieve(where, (group, number), number, part)

    def retrieve_id(self, message_id: str, part: Part = Part.ARTICLE) -> Retrieved | None:
        """An article by its Message-ID; as ``retrieve``."""
        return self._retrieve("WHERE a.message_id = ?", (message_id,), 0, part)

    def overview(self, group: str, numbers: Range) -> list[bytes]:
        """A line of overview for each article, by number."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _of_group("a.overview, a.places"), (group, *_bounds(numbers))
            ).fetchall()
        return [overview_line(number, fields, self._xref(places)) for number, fields, places in rows]

    def overview_id(self, message_id: str) -> bytes | None:
        """The line of overview of an article, with the number 0; None: it is not there."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT overview, places FROM article WHERE message_id = ?", (message_id,)
            ).fetchone()
        return None if row is None else overview_line(0, row[0], self._xref(row[1]))

    def header(self, field: str, group: str, numbers: Range, pattern: Wildmat | None = None) -> list[bytes]:
        """One field of articles: number, blank, value.

        Args:
            field: its name, or ``:bytes`` or ``:lines``.
            group: name of the group.
            numbers: in the group.
            pattern: only values that match; None: all, with nothing where the field is missing.
        """
        reader = field_reader(field, self.rules.host)
        query = _of_group(reader.column, is_content_needed=reader.is_in_content)
        with self._database.reading() as connection:
            rows = connection.execute(query, (group, *_bounds(numbers)))
            found = [(number, reader.read(column)) for number, column in rows]
        return [b"%d %b" % (number, value) for number, value in found if _matches(pattern, value)]

    def header_id(self, field: str, message_id: str, pattern: Wildmat | None = None) -> bytes | None:
        """One field of an article; None: it is not there, or does not match."""
        reader = field_reader(field, self.rules.host)
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {reader.column} {_ARTICLE} WHERE a.message_id = ?",
                (message_id,),
            ).fetchone()
        value = None if row is None else reader.read(row[0])
        return value if value is not None and _matches(pattern, value) else None

    def new_articles(self, wildmat: Wildmat, since_seconds: float) -> list[str]:
        """Message-IDs of what came since a moment, in unix seconds, in groups that match."""
        with self._database.reading() as connection:
            names = dict(connection.execute("SELECT id, name FROM newsgroup").fetchall())
            rows = connection.execute(
                "SELECT a.message_id, p.newsgroup FROM article a JOIN place p ON p.article = a.seq"
                " WHERE a.arrived_wall >= ? ORDER BY a.seq",
                (since_seconds,),
            ).fetchall()
        wanted = {group for group, name in names.items() if wildmat.matches(name)}
        return list(dict.fromkeys(message_id for message_id, group in rows if group in wanted))

    def add(self, articles: Sequence[bytes]) -> list[Added]:
        """File articles, all of them in one commit, or none.

        Args:
            articles: with CRLF line ends; together in memory while it lasts.

        Returns:
            What became of each, in their order.

        Raises:
            StoreError: nothing was filed.
        """
        self._room.check(sum(map(len, articles)), self._reserve_bytes)
        answers = [read_candidate(data, self.rules) for data in articles]
        candidates = [answer for answer in answers if isinstance(answer, Candidate)]
        bodies: list[StagedBody | None] = []
        try:
            for candidate in candidates:
                bodies.append(candidate.stage(self._bodies))  # noqa: PERF401 - some may be there
            filed, names = self._database.write(partial(self._file, candidates))
        except BaseException:
            for staged in filter(None, bodies):
                staged.discard()
            raise
        for body, added in zip(bodies, filed, strict=True):
            if body is not None:
                body.release() if added.filing is Filing.FILED else body.discard()
        self._remove_bodies(names)
        found = iter(filed)
        return [next(found) if isinstance(answer, Candidate) else answer for answer in answers]

    def expire(self) -> int:
        """Remove what has been kept long enough, and the oldest of what is too much; returns how many."""
        removed_count = 0
        while True:
            count, names = self._database.write(self._remove_page)
            self._remove_bodies(names)
            if not count:
                return removed_count
            removed_count += count

    def sweep(self) -> int:
        """Remove body files that a crash left without a row; returns how many."""
        return self._bodies.sweep(self._is_named)

    def _file(
        self, candidates: Sequence[Candidate], connection: sqlite3.Connection
    ) -> tuple[list[Added], list[str]]:
        added = self._filer.insert(connection, candidates)
        return added, self._remove_page(connection)[1]

    def _remove_page(self, connection: sqlite3.Connection) -> tuple[int, list[str]]:
        until = self._database.clock.now() - self.rules.keep_seconds
        return remove_oldest(connection, until=until, max_bytes=self.rules.max_bytes)

    def _remove_bodies(self, names: Sequence[str]) -> None:
        for name in names:
            self._bodies.remove(name)

    def _group_lines(self, pattern: Wildmat | None, since_seconds: float) -> list[GroupLine]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, low, high, article_count, created_wall FROM newsgroup"
                " WHERE created_wall >= ? ORDER BY name",
                (since_seconds,),
            ).fetchall()
        return [
            GroupLine(
                name, low, high, count, self.rules.status(name), self._description(name), created_seconds
            )
            for name, low, high, count, created_seconds in rows
            if (count or self.rules.is_wanted(name)) and (pattern is None or pattern.matches(name))
        ]

    def _description(self, name: str) -> str:
        return self.rules.configured.get(name) or NO_DESCRIPTION

    def _retrieve(self, where: str, values: tuple[object, ...], number: int, part: Part) -> Retrieved | None:
        columns = "a.message_id, a.places, c.head, a.body_file, a.body_bytes, c.body"
        if part is Part.STAT:
            columns = "a.message_id"
        elif part is Part.HEAD:
            columns = "a.message_id, a.places, c.head, NULL, 0, x''"
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {columns} {_ARTICLE} {where}", values).fetchone()
        if row is None:
            return None
        if part is Part.STAT:
            return Retrieved(number, row[0])
        message_id, places, head, name, size_bytes, body = row
        if name is not None:
            body = self._read_body(name, size_bytes)
            if body is None:
                return None
        return Retrieved(number, message_id, b"%bXref: %b\r\n%b" % (head, self._xref(places), body))

    def _read_body(self, name: str, size_bytes: int) -> bytes | None:
        """The body in a file, or None: the article went this moment."""
        try:
            return b"".join(self._bodies.read(name, size_bytes))
        except StoreCorrupt:
            if self._is_named(name):
                raise
            return None

    def _is_named(self, name: str) -> bool:
        with self._database.reading() as connection:
            row = connection.execute("SELECT 1 FROM article WHERE body_file = ?", (name,)).fetchone()
        return row is not None

    def _xref(self, places: str) -> bytes:
        return f"{self.rules.host} {places}".encode()


def _of_group(columns: str, *, is_content_needed: bool = False) -> str:
    """A query for numbers and columns of articles of a group, between two numbers."""
    content = "JOIN content c ON c.article = a.seq" if is_content_needed else ""
    return (
        f"SELECT p.number, {columns} FROM newsgroup g JOIN place p ON p.newsgroup = g.id"  # noqa: S608
        f" JOIN article a ON a.seq = p.article {content}"
        " WHERE g.name = ? AND p.number BETWEEN ? AND ? ORDER BY p.number"
    )


def _bounds(numbers: Range) -> tuple[int, int]:
    return numbers.first, _EVERY_NUMBER if numbers.last is None else numbers.last


def _matches(pattern: Wildmat | None, value: bytes) -> bool:
    return pattern is None or pattern.matches(value.decode("utf-8", "replace"))
