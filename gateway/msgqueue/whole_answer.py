"""Answers of many rows, given as one value.

At each row Python lets other threads run, and waits for its turn again: beside a busy thread 200 rows take
100 ms, and 10 ms as one value. So the rows come as a JSON array.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

Values = Sequence[str | int | float] | Mapping[str, str | int | float]


def whole_answer(connection: sqlite3.Connection, columns: str, rest: str, values: Values) -> list[list[Any]]:
    """The rows of a ``SELECT``, in their order.

    Args:
        connection: a reader's, or the writer's.
        columns: of texts and numbers; a BLOB, which JSON has not, as ``hex``.
        rest: what stands behind the columns.
        values: for its marks.
    """
    # For an aggregate like this one SQLite keeps the order of what is inside.
    (lines,) = connection.execute(
        f"SELECT group_concat(line) FROM (SELECT json_array({columns}) AS line {rest})",  # noqa: S608
        values,
    ).fetchone()
    rows: list[list[Any]] = json.loads(f"[{lines or ''}]")
    return rows
