"""What has been kept long enough goes, the oldest first.

Contract: a group's low mark never goes back, and of a group that becomes empty it is one above the high mark.
Age is counted from when an article came, on the store's own clock: neither a Date nor a jump of the machine's
clock makes an article go.
"""

import sqlite3

PAGE_COUNT = 500
"""Articles in one transaction: others want to write as well."""


def remove_oldest(connection: sqlite3.Connection, *, until: float, max_bytes: int) -> tuple[int, list[str]]:
    """Remove up to a page of articles that have to go.

    Args:
        connection: in a transaction.
        until: what came by then, on the store's clock, goes.
        max_bytes: of what may stay.

    Returns:
        How many are gone, and the names of body files that no row names any more.
    """
    (total_bytes,) = connection.execute("SELECT size_bytes FROM total").fetchone()
    last, gone_count, names = 0, 0, list[str]()
    rows = connection.execute(
        "SELECT seq, size_bytes, arrived_at, body_file FROM article ORDER BY seq LIMIT ?", (PAGE_COUNT,)
    )
    for seq, size_bytes, arrived_at, name in rows:
        if arrived_at > until and total_bytes <= max_bytes:
            break
        last, gone_count = seq, gone_count + 1
        total_bytes -= size_bytes
        if name is not None:
            names.append(name)
    rows.close()
    if gone_count:
        _remove(connection, last)
        connection.execute("UPDATE total SET size_bytes = ?", (total_bytes,))
    return gone_count, names


def _remove(connection: sqlite3.Connection, last: int) -> None:
    """Remove the articles up to one."""
    groups = connection.execute(
        "SELECT newsgroup, count(*) FROM place WHERE article <= ? GROUP BY newsgroup", (last,)
    ).fetchall()
    connection.execute("DELETE FROM place WHERE article <= ?", (last,))
    connection.execute("DELETE FROM article WHERE seq <= ?", (last,))
    connection.executemany(
        "UPDATE newsgroup SET article_count = article_count - ?,"
        " low = coalesce((SELECT min(number) FROM place WHERE newsgroup = id), high + 1) WHERE id = ?",
        [(count, group) for group, count in groups],
    )
