"""Rows arrive in their order, however many statements they take."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.msgqueue.many_rows import ROWS_LIMIT_COUNT, execute_rows


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute("CREATE TABLE word (seq INTEGER PRIMARY KEY, text TEXT UNIQUE, data BLOB)")
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 200])
@pytest.mark.parametrize("limit_count", [1, 16, ROWS_LIMIT_COUNT])
def test_all_rows_are_put_in_in_their_order(
    connection: sqlite3.Connection, count: int, limit_count: int
) -> None:
    rows = [(f"word {number}", bytes(number)) for number in range(count)]
    execute_rows(connection, "INSERT INTO word (text, data)", rows, limit_count=limit_count)
    assert connection.execute("SELECT text, data FROM word ORDER BY seq").fetchall() == rows


@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 2), st.sampled_from(["", "a", "b"]))] * 3)),
    st.sampled_from([2, 8, 256]),
)
def test_what_rows_have_in_common_stands_in_each_of_them(
    rows: list[tuple[int | str | None, ...]], limit_count: int
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.execute("CREATE TABLE plain (seq INTEGER PRIMARY KEY, a, b, c)")
        execute_rows(opened, "INSERT INTO plain (a, b, c)", rows, limit_count=limit_count)
        assert opened.execute("SELECT a, b, c FROM plain ORDER BY seq").fetchall() == rows


def test_what_stands_behind_the_values_holds_for_each_statement(connection: sqlite3.Connection) -> None:
    first = [(f"{number}", b"first") for number in range(0, 300, 2)]
    both = [(f"{number}", b"second") for number in range(300)]
    for rows in (first, both):
        execute_rows(connection, "INSERT INTO word (text, data)", rows, "ON CONFLICT DO NOTHING")
    found = connection.execute("SELECT text FROM word WHERE data = ? ORDER BY seq", (b"second",)).fetchall()
    assert found == [(text,) for text, _ in both[1::2]]


def test_statements_have_few_sizes_so_that_they_stay_prepared(connection: sqlite3.Connection) -> None:
    seen: set[int] = set()
    connection.set_trace_callback(lambda statement: seen.add(statement.count("(")))
    for count in (*range(1, 40), *range(240, 280), 511, 700):
        connection.execute("DELETE FROM word")
        execute_rows(connection, "INSERT INTO word (text)", [(f"{number}",) for number in range(count)])
    assert seen == {0, *(1 + 2**power for power in range(9))}
