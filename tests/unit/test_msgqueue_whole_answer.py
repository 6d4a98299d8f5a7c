"""A whole answer is what SQLite would give row by row."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.msgqueue.whole_answer import whole_answer

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.integers(0, 10**15).map(lambda micro: micro / 1e6)
"""Times to a microsecond: more than 15 digits are not kept."""


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute(
        "CREATE TABLE found (seq INTEGER PRIMARY KEY, word TEXT, number INTEGER, real REAL, data BLOB)"
    )
    yield opened
    opened.close()


@given(st.lists(st.tuples(TEXTS | st.none(), NUMBERS | st.none(), REALS | st.none(), st.binary(max_size=9))))
def test_values_are_what_they_were(
    connection: sqlite3.Connection, rows: list[tuple[str | None, int | None, float | None, bytes]]
) -> None:
    connection.execute("DELETE FROM found")
    connection.executemany("INSERT INTO found (word, number, real, data) VALUES (?, ?, ?, ?)", rows)
    answer = whole_answer(connection, "word, number, real, hex(data)", "FROM found ORDER BY seq", ())
    assert answer == [[word, number, real, data.hex().upper()] for word, number, real, data in rows]


@given(st.lists(st.tuples(st.integers(0, 50), st.text("ab", max_size=2)), unique=True))
@pytest.mark.parametrize(
    "rest",
    [
        "FROM found ORDER BY word DESC, number",
        "FROM found ORDER BY word, number LIMIT 7 OFFSET 2",
        "FROM (SELECT word, number FROM found ORDER BY number DESC, word LIMIT 9)",
        "FROM found JOIN (SELECT DISTINCT word AS w FROM found) ON w = word ORDER BY number, word",
    ],
)
def test_the_order_is_that_of_the_question(
    connection: sqlite3.Connection, rest: str, rows: list[tuple[int, str]]
) -> None:
    connection.execute("DELETE FROM found")
    connection.executemany("INSERT INTO found (number, word) VALUES (?, ?)", rows)
    one_by_one = connection.execute(f"SELECT word, number {rest}").fetchall()
    assert whole_answer(connection, "word, number", rest, ()) == [list(row) for row in one_by_one]
