"""Where the body of a message is: its row in the database, which holds it or names the segment it stands in.

A body that has a file of its own is named by the message itself and has no row here.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence

BodyRow = tuple[int, bytes, str | None, int | None]
"""Number of the message, its body or b"", and the segment and the place in it where the body is, if it is."""

Place = Callable[[Sequence[tuple[int, bytes]]], Sequence[BodyRow]]
"""Puts bodies where they belong: of each the number of the message is given, and the body."""


def in_database(bodies: Sequence[tuple[int, bytes]]) -> list[BodyRow]:
    """The rows of bodies that are no part of a segment."""
    return [(seq, body, None, None) for seq, body in bodies]


def segments_of(connection: sqlite3.Connection, message_seqs: Sequence[int]) -> list[str]:
    """The segments in which the bodies of some messages are."""
    (names,) = connection.execute(
        # By the numbers of the messages: the index by file would have every segment looked at.
        "SELECT json_group_array(DISTINCT file) FROM body NOT INDEXED"
        " WHERE message IN (SELECT value FROM json_each(?)) AND file IS NOT NULL",
        (json.dumps(message_seqs),),
    ).fetchone()
    return [str(name) for name in json.loads(names)]


def unnamed(connection: sqlite3.Connection, names: Sequence[str]) -> list[str]:
    """Those of some segments that no row names any more: to be removed once the transaction is committed."""
    return [
        name
        for name in names
        if connection.execute("SELECT 1 FROM body WHERE file = ? LIMIT 1", (name,)).fetchone() is None
    ]
