"""The database's tables, and how an older database becomes a newer one.

Each migration runs in one transaction with the version it leads to, with mail inside, so a
crash leaves the old version or the new one. Times that end in ``_at`` are on the queue's own
clock (see ``clock``), times that end in ``_wall`` are for people.
"""

import sqlite3
from collections.abc import Sequence

from gateway.errors import StoreError

MIGRATIONS = (
    """
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL,
        sender TEXT NOT NULL,
        is_8bit INTEGER NOT NULL,
        is_smtputf8 INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        origin TEXT NOT NULL,
        origin_node TEXT NOT NULL,
        origin_batch TEXT NOT NULL,
        origin_packet TEXT NOT NULL,
        arrived_at REAL NOT NULL,
        arrived_wall REAL NOT NULL,
        body_file TEXT
    ) STRICT;
    CREATE TABLE body (
        message INTEGER PRIMARY KEY REFERENCES message (seq) ON DELETE CASCADE,
        data BLOB NOT NULL
    ) STRICT;
    CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY,
        message INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
        recipient TEXT NOT NULL,
        node TEXT NOT NULL,
        nice INTEGER NOT NULL,
        state TEXT NOT NULL,
        batch TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        next_try_at REAL NOT NULL DEFAULT 0,
        status TEXT NOT NULL DEFAULT '',
        text TEXT NOT NULL DEFAULT '',
        changed_at REAL NOT NULL,
        changed_wall REAL NOT NULL
    ) STRICT;
    CREATE INDEX delivery_message ON delivery (message);
    CREATE INDEX delivery_batch ON delivery (batch) WHERE batch IS NOT NULL;
    CREATE INDEX delivery_queued ON delivery (node, nice, seq) WHERE state = 'queued';
    CREATE TABLE batch (
        id TEXT PRIMARY KEY,
        node TEXT NOT NULL,
        nice INTEGER NOT NULL,
        form TEXT NOT NULL,
        state TEXT NOT NULL,
        first_hop TEXT NOT NULL,
        temporary TEXT NOT NULL,
        packet TEXT,
        message_count INTEGER NOT NULL,
        changed_at REAL NOT NULL,
        changed_wall REAL NOT NULL
    ) STRICT;
    CREATE INDEX batch_open ON batch (state) WHERE state != 'done';
    CREATE TABLE flush (
        node TEXT PRIMARY KEY,
        until_seq INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE received_batch (
        node TEXT NOT NULL,
        batch TEXT NOT NULL,
        packet TEXT NOT NULL,
        message_count INTEGER NOT NULL,
        received_at REAL NOT NULL,
        received_wall REAL NOT NULL,
        PRIMARY KEY (node, batch)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE clock (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        queue_seconds REAL NOT NULL,
        boot_id TEXT NOT NULL,
        uptime_seconds REAL NOT NULL,
        wall_seconds REAL NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE flush ADD COLUMN ready_at REAL NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE message ADD COLUMN envid TEXT;
    ALTER TABLE message ADD COLUMN ret TEXT;
    ALTER TABLE message ADD COLUMN priority INTEGER;
    ALTER TABLE message ADD COLUMN deliver_by_at REAL;
    ALTER TABLE message ADD COLUMN deliver_by_mode TEXT;
    ALTER TABLE delivery ADD COLUMN notify TEXT;
    ALTER TABLE delivery ADD COLUMN orcpt TEXT;
    """,
    """
    ALTER TABLE delivery ADD COLUMN told TEXT;
    ALTER TABLE delivery ADD COLUMN told_by TEXT;
    ALTER TABLE delivery ADD COLUMN delay_told TEXT;
    ALTER TABLE delivery ADD COLUMN delay_told_by TEXT;
    UPDATE delivery SET told = 'before reports' WHERE state = 'dead';
    CREATE INDEX delivery_untold ON delivery (message) WHERE state = 'dead' AND told IS NULL;
    """,
    """
    ALTER TABLE delivery ADD COLUMN success TEXT;
    CREATE INDEX delivery_success ON delivery (message) WHERE success IS NOT NULL AND told IS NULL;
    """,
    """
    CREATE TABLE history (
        message_id TEXT PRIMARY KEY,
        seen_at REAL NOT NULL,
        seen_wall REAL NOT NULL,
        refusal TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX history_age ON history (seen_at);
    """,
    """
    ALTER TABLE delivery ADD COLUMN held_by TEXT;
    ALTER TABLE delivery ADD COLUMN operator_told TEXT;
    CREATE INDEX delivery_held ON delivery (message) WHERE state = 'held';
    """,
    """
    ALTER TABLE message ADD COLUMN trace_bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN kind BLOB;
    """,
    """
    ALTER TABLE delivery ADD COLUMN turn TEXT NOT NULL DEFAULT '';
    ALTER TABLE delivery ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
    UPDATE delivery SET turn = (SELECT origin_node || CASE WHEN size_bytes > 1048576 THEN '+' ELSE '' END
        FROM message WHERE message.seq = delivery.message)
        WHERE node = '' AND state IN ('queued', 'held', 'dead');
    CREATE INDEX delivery_due ON delivery (turn, next_try_at, message)
        WHERE state = 'queued' AND node = '' AND begun = 0;
    CREATE INDEX delivery_begun ON delivery (message) WHERE state = 'queued' AND node = '' AND begun > 0;
    """,
    """
    CREATE TABLE pace (
        node TEXT PRIMARY KEY,
        messages_until REAL NOT NULL,
        bytes_until REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    DROP INDEX delivery_queued;
    CREATE INDEX delivery_waiting ON delivery (node, nice, message, seq, next_try_at) WHERE state = 'queued';
    """,
    """
    CREATE TABLE wish (
        feed TEXT PRIMARY KEY,
        groups TEXT NOT NULL,
        is_paused INTEGER NOT NULL,
        changed_wall REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE remote_request (
        id TEXT PRIMARY KEY,
        feed TEXT NOT NULL,
        answer_to TEXT NOT NULL,
        answer TEXT,
        asked_at REAL NOT NULL,
        asked_wall REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX remote_unanswered ON remote_request (asked_at, id) WHERE answer IS NOT NULL;
    """,
    """
    ALTER TABLE body ADD COLUMN file TEXT;
    ALTER TABLE body ADD COLUMN place INTEGER;
    CREATE INDEX body_file ON body (file) WHERE file IS NOT NULL;
    """,
    """
    CREATE INDEX message_file ON message (body_file) WHERE body_file IS NOT NULL;
    """,
    """
    UPDATE delivery SET nice = 0 WHERE node = '' AND nice != 0;
    """,
)
"""Number N of these leads from version N to version N + 1."""

VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the database to this program's version.

    Args:
        connection: in autocommit mode, WAL.
        migrations: number N of them leads from version N to version N + 1.

    Raises:
        StoreError: the database was written by a newer program.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise StoreError(
                f"the queue has schema version {version}, this program knows up to {len(migrations)}: "
                "it was written by a newer nncp-gateway",
                status="4.3.5",
            )
        for number in range(version, len(migrations)):
            for statement in migrations[number].split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
