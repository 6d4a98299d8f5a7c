"""Small bodies of one transaction that stand in a file together, one behind the other: a segment.

In the database a body is copied into a page, with the page and a checksum into SQLite's log, and from there
into the database: half of what it costs to take an article in. A segment is written once.

Contract: as for a body file of one message: it is synced before the rows that name it are committed, locked
until then, and removed after the last of them is gone. What few messages still need of a segment is moved
into the database, so that they do not keep all of it on disk.
"""

import logging
import sqlite3
from collections.abc import Sequence

from gateway.errors import StoreError
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.body_rows import BodyRow, in_database, unnamed
from gateway.msgqueue.shelf import Shelf
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue

LEAST_BYTES = INLINE_BODY_BYTES
"""Of bodies that come together: fewer are not worth the syncs of a file."""
SEGMENT_LIMIT_BYTES = 8 << 20
"""Past it another segment begins."""
SPARSE_SHARE = 4
"""Of a segment of which less than a quarter is needed, that is moved into the database."""

_LOG = logging.getLogger(__name__)


class Segments:
    """Where the bodies of a transaction go.

    Args:
        shelf: of the transaction; it releases the segments, or removes them.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._staged: list[StagedBody] = []

    def place(self, bodies: Sequence[tuple[int, bytes]]) -> list[BodyRow]:
        """Write bodies to the segment; see ``Place``.

        Returns:
            The rows that tell where they are: in the database, if they are few or too many files are open.

        Raises:
            StoreError: the disk refused.
        """
        is_worth_it = bool(self._staged) or sum(len(body) for _, body in bodies) > LEAST_BYTES
        segment = self._open() if is_worth_it else None
        if segment is None:
            return in_database(bodies)
        rows: list[BodyRow] = []
        place = segment.size_bytes
        for seq, body in bodies:
            rows.append((seq, b"", segment.path.name, place))
            place += len(body)
        segment.write(b"".join([body for _, body in bodies]))
        return rows

    def sync(self) -> None:
        """Make all that was written durable; call it before the rows are committed."""
        for segment in self._staged:
            segment.sync()

    def _open(self) -> StagedBody | None:
        if self._staged and self._staged[-1].size_bytes < SEGMENT_LIMIT_BYTES:
            return self._staged[-1]
        segment = self._shelf.stage(Queue.new_id())
        if segment is not None:
            self._staged.append(segment)
        return segment


def move_sparse(queue: Queue) -> int:
    """Move what is still needed of segments into the database, where that is little of them.

    Faults of one segment are logged, and the others looked at all the same.

    Returns:
        How many segments are gone.

    Raises:
        StoreError: the queue can't be read.
    """
    with queue.reading() as connection:
        needed = connection.execute(
            "SELECT b.file, sum(m.size_bytes) FROM body b JOIN message m ON m.seq = b.message"
            " WHERE b.file IS NOT NULL GROUP BY b.file"
        ).fetchall()
    moved_count = 0
    for name, needed_bytes in needed:
        try:
            if needed_bytes * SPARSE_SHARE < queue.bodies.size_bytes(name):
                _move(queue, name)
                moved_count += 1
        except StoreError as error:
            _LOG.error("what is still needed of %s stays there: %s", queue.bodies.directory / name, error)
    return moved_count


def _move(queue: Queue, name: str) -> None:
    """Move the bodies that are still needed of a segment into the database, and remove it."""
    with queue.reading() as connection:
        rows = connection.execute(
            "SELECT b.message, b.place, m.size_bytes FROM body b JOIN message m ON m.seq = b.message"
            " WHERE b.file = ?",
            (name,),
        ).fetchall()
    data = queue.bodies.read_parts(name, [(place, size_bytes) for _, place, size_bytes in rows])
    values = [(body, seq, name) for (seq, _, _), body in zip(rows, data, strict=True)]

    def job(connection: sqlite3.Connection) -> list[str]:
        # Rows that went meanwhile are not there to be changed, and none is ever added to a segment.
        connection.executemany(
            "UPDATE body SET data = ?, file = NULL, place = NULL WHERE message = ? AND file = ?", values
        )
        return unnamed(connection, [name])

    for left in queue.write(job, is_repeatable=True):
        queue.bodies.remove(left)
