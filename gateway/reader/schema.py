"""The tables of the store that newsreaders read.

A group keeps its marks when it is empty. ``seq`` of articles is the order they came in, and they go in the
same order, so the numbers of a group have no holes but in front. ``places`` is Xref without our name. The
row of ``total`` is there once the groups of the database before were taken over.
"""

MIGRATIONS = (
    """
    CREATE TABLE newsgroup (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        low INTEGER NOT NULL DEFAULT 1,
        high INTEGER NOT NULL DEFAULT 0,
        article_count INTEGER NOT NULL DEFAULT 0,
        created_wall REAL NOT NULL
    ) STRICT;
    CREATE TABLE article (
        seq INTEGER PRIMARY KEY,
        message_id TEXT NOT NULL UNIQUE,
        size_bytes INTEGER NOT NULL,
        arrived_at REAL NOT NULL,
        arrived_wall REAL NOT NULL,
        places TEXT NOT NULL,
        overview BLOB NOT NULL,
        body_file TEXT,
        body_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX article_file ON article (body_file) WHERE body_file IS NOT NULL;
    CREATE TABLE content (
        article INTEGER PRIMARY KEY REFERENCES article (seq) ON DELETE CASCADE,
        head BLOB NOT NULL,
        body BLOB
    ) STRICT;
    CREATE TABLE place (
        newsgroup INTEGER NOT NULL REFERENCES newsgroup (id),
        number INTEGER NOT NULL,
        article INTEGER NOT NULL REFERENCES article (seq),
        PRIMARY KEY (newsgroup, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX place_article ON place (article);
    CREATE TABLE total (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        size_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE clock (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        queue_seconds REAL NOT NULL,
        boot_id TEXT NOT NULL,
        uptime_seconds REAL NOT NULL,
        wall_seconds REAL NOT NULL
    ) STRICT;
    """,
)
"""Number N of these leads from version N to version N + 1; never change one that was released."""
