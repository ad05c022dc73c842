"""The tables of state.db, format 4.

    journal      one record per commit, model and stream, until folded; a large one lies in a file (records.py)
    keys         idempotency keys of requests, 24 h
    series       what panes have in common: model, epoch, segment, reference, replica
    deltas       encoded panes by fold, until the sequential detectors have consumed them
    panes        the sums of all deltas: as they came (span 0), by hour (3600) and by day (86400)
    runs         names of the receipt files that count
    samples      names of the sample files that count
    labels       the current label per (model, id hash, source)
    waiting      labels without a prediction, bounded; place: when the first of its source came, among all that wait
    documents    facts as JSON by (type name, key)
    meta         fold, cursor, consumed, horizon, now, secret

Hashes are unsigned 64-bit outside and signed inside: SQLite has no other integer. Tables with short rows are clustered
by their key (WITHOUT ROWID); those with bodies are not, because such rows would overflow interior pages.
The number of this format is PRAGMA user_version. A change adds a step to `STEPS`; none is ever edited. What looks at a
state from beside cannot move it up, so it reads formats back to `LOOKED_AT_FROM`: a step that changes series, panes,
documents or meta raises that.
"""

APPLICATION_ID = 0x546F6373  # "Tocs"
LOOKED_AT_FROM = 3

STEPS = (
    """
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, arrival REAL NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE keys (
        id INTEGER PRIMARY KEY, token TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL,
        answer BLOB NOT NULL, at REAL NOT NULL, UNIQUE (token, key)
    ) STRICT;
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, model TEXT NOT NULL, epoch INTEGER NOT NULL, segment TEXT NOT NULL,
        reference TEXT NOT NULL, replica TEXT NOT NULL, UNIQUE (model, epoch, segment, reference, replica)
    ) STRICT;
    CREATE TABLE deltas (
        fold INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series, start INTEGER NOT NULL,
        body BLOB NOT NULL, UNIQUE (fold, series, start)
    ) STRICT;
    CREATE TABLE panes (
        series INTEGER NOT NULL REFERENCES series, span INTEGER NOT NULL, start INTEGER NOT NULL,
        body BLOB NOT NULL, UNIQUE (series, span, start)
    ) STRICT;
    CREATE TABLE runs (
        name TEXT PRIMARY KEY, model TEXT NOT NULL, level INTEGER NOT NULL, born INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE labels (
        model TEXT NOT NULL, hash INTEGER NOT NULL, source TEXT NOT NULL, label INTEGER NOT NULL,
        weight INTEGER NOT NULL, labelled REAL NOT NULL, time REAL NOT NULL, PRIMARY KEY (model, hash, source)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX labels_by_time ON labels (time);
    CREATE TABLE waiting (
        model TEXT NOT NULL, hash INTEGER NOT NULL, source TEXT NOT NULL, label INTEGER NOT NULL,
        time REAL NOT NULL, arrival REAL NOT NULL, expires REAL NOT NULL, PRIMARY KEY (model, hash, source)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX waiting_by_expiry ON waiting (expires);
    CREATE TABLE documents (
        kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (kind, key)
    ) STRICT;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
    """,
    # Labels become numbers, exact as doubles, and lose the index by time; nothing was released with format 1, so there
    # are none to keep.
    """
    DROP TABLE labels;
    CREATE TABLE labels (
        model TEXT NOT NULL, hash INTEGER NOT NULL, source TEXT NOT NULL, label REAL NOT NULL,
        weight INTEGER NOT NULL, labelled REAL NOT NULL, time REAL NOT NULL, PRIMARY KEY (model, hash, source)
    ) STRICT, WITHOUT ROWID;
    DROP TABLE waiting;
    CREATE TABLE waiting (
        model TEXT NOT NULL, hash INTEGER NOT NULL, source TEXT NOT NULL, label REAL NOT NULL,
        time REAL NOT NULL, arrival REAL NOT NULL, expires REAL NOT NULL, trusted INTEGER NOT NULL,
        PRIMARY KEY (model, hash, source)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX waiting_by_expiry ON waiting (expires);
    CREATE TABLE samples (
        name TEXT PRIMARY KEY, model TEXT NOT NULL, level INTEGER NOT NULL, born INTEGER NOT NULL,
        schema TEXT NOT NULL, start REAL NOT NULL, "end" REAL NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # Where a large record lies: `file` names it and `body` is empty. The body comes last, or what is behind it could
    # only be read along with it. Nothing was released with format 2, so there are no records to keep.
    """
    DROP TABLE journal;
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, arrival REAL NOT NULL, file TEXT, at INTEGER, body BLOB NOT NULL
    ) STRICT;
    """,
    # Of labels that waited before, only the fold is known that took them in, by its time in `arrival`: it is asked
    # where places are alike.
    """
    ALTER TABLE waiting ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
    """,
)
