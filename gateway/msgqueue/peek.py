"""A look at a queue from outside, for whoever must not change anything: no directory, no migration, no clock.

A connection to a database in WAL mode makes the file ``-shm`` if it is missing, and one that root makes keeps
the daemon out. So while nobody has the queue open, the database file alone is read, which is all of it then.
"""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.store import DATABASE_NAME
from gateway.msgqueue.writer import as_store_error

PATIENCE_SECONDS = 5.0

Counts = dict[tuple[Role, State], int]


def peek_counts(directory: Path) -> Counts:
    """How many deliveries of each role are in each state; nothing if there is no queue.

    Args:
        directory: of the queue.

    Raises:
        StoreError: it can't be read.
    """
    path = directory / DATABASE_NAME
    if not path.exists():
        return {}
    is_open = path.with_name(f"{path.name}-shm").exists()
    address = f"file:{quote(str(path))}?{'mode=ro' if is_open else 'immutable=1'}"
    try:
        connection = sqlite3.connect(address, timeout=PATIENCE_SECONDS, uri=True)
        try:
            rows = connection.execute(
                "SELECT m.role, d.state, count(*) FROM delivery d JOIN message m ON m.seq = d.message"
                " GROUP BY m.role, d.state"
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise as_store_error(error, path) from error
    return {(Role(role), State(state)): count for role, state, count in rows}
