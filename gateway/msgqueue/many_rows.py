"""Many rows put into a table, or changed, by few statements.

For each statement Python lets other threads run and waits for its turn again, which costs more than a row. A
statement of many rows is one such wait; while it runs, others work. Statements have 256 rows, 128, 64 and so
on down to one, so that SQLite keeps each of them prepared. What all rows of a statement have in common, as
most of what is known of articles that come together, is bound once: to bind a value takes as long as to
store it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, count
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
    *,
    common: Row = (),
) -> None:
    """Execute a statement on rows.

    Args:
        connection: the writer's, in a transaction.
        front: of the statement, before the values, such as ``INSERT INTO table (columns)``.
        rows: with as many values each as there are columns, but for the last ones.
        rest: of the statement, behind the values.
        limit_count: rows of one statement at most, a power of two.
        common: values of the last columns, the same for all rows.
    """
    for some in _parts(rows, limit_count):
        marks, values = _values(some, common)
        connection.execute(f"{front} VALUES {marks} {rest}", values)


def _values(rows: Sequence[Row], known: Row) -> tuple[str, list[Value]]:
    """The marks of some rows, and the values for them: what all rows have in common is given once."""
    columns = list(zip(*rows, strict=True))
    is_common = tuple([column.count(column[0]) == len(rows) for column in columns])
    common = [column[0] for column, is_one in zip(columns, is_common, strict=True) if is_one]
    own = [column for column, is_one in zip(columns, is_common, strict=True) if not is_one]
    is_common += (True,) * len(known)
    return _marks(is_common, len(rows)), [*common, *known, *chain.from_iterable(zip(*own, strict=True))]


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    at = 0
    while at < len(items):
        while size > len(items) - at:
            size //= 2
        yield items[at : at + size]
        at += size


@lru_cache(maxsize=64)
def _marks(is_common: tuple[bool, ...], row_count: int) -> str:
    """Marks for rows: the values of the columns that are common come first, then those of each row."""
    common, own = count(1), count(1 + sum(is_common))
    places = [next(common) if is_one else None for is_one in is_common]
    rows = ([f"?{next(own) if place is None else place}" for place in places] for _ in range(row_count))
    return ", ".join(f"({', '.join(row)})" for row in rows)
