"""Many rows put into a table, or changed, by few statements.

For each statement Python lets other threads run and waits for its turn again, which costs more than a row. A
statement of many rows is one such wait; while it runs, others work. Statements have 256 rows, 128, 64 and so
on down to one, so that SQLite keeps each of them prepared.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeVar

ROWS_LIMIT_COUNT = 256
"""In one statement; a row of 30 columns then stays far below the 32,766 values that SQLite takes."""

Value = str | bytes | int | float | None
Row = Sequence[Value]
Item = TypeVar("Item")


def execute_rows(
    connection: sqlite3.Connection,
    front: str,
    rows: Sequence[Row],
    rest: str = "",
    limit_count: int = ROWS_LIMIT_COUNT,
) -> list[tuple[object, ...]]:
    """Execute a statement on rows.

    Args:
        connection: the writer's, in a transaction.
        front: of the statement, before the values, such as ``INSERT INTO table (columns)``.
        rows: with as many values each as there are columns.
        rest: of the statement, behind the values.
        limit_count: rows of one statement at most, a power of two.

    Returns:
        What ``RETURNING`` gives, if that stands in the rest.
    """
    found: list[tuple[object, ...]] = []
    for some in _parts(rows, limit_count):
        statement = f"{front} VALUES {_marks(len(some[0]), len(some))} {rest}"
        found += connection.execute(statement, tuple(chain.from_iterable(some))).fetchall()
    return found


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    at = 0
    while at < len(items):
        while size > len(items) - at:
            size //= 2
        yield items[at : at + size]
        at += size


@lru_cache(maxsize=256)
def _marks(column_count: int, row_count: int) -> str:
    return ", ".join([f"({', '.join('?' * column_count)})"] * row_count)
