CREATE TABLE databases (
    name       TEXT PRIMARY KEY,
    comment    TEXT,
    created_at INTEGER NOT NULL
);
-- Times are milliseconds since 1970. `version` is the current one of schema_versions.
CREATE TABLE tables (
    database      TEXT NOT NULL REFERENCES databases (name),
    name          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    connector     TEXT NOT NULL,
    location      TEXT NOT NULL,
    options       TEXT NOT NULL,
    partitioning  TEXT NOT NULL,
    key_columns   TEXT NOT NULL,
    policy        TEXT NOT NULL,
    comment       TEXT,
    registered_by TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (database, name)
);
-- Every schema that a table has had, as Arrow fields in JSON, and the changes that led to it.
CREATE TABLE schema_versions (
    database TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    why      TEXT NOT NULL,
    fields   TEXT NOT NULL,
    changes  TEXT NOT NULL,
    PRIMARY KEY (database, name, version),
    FOREIGN KEY (database, name) REFERENCES tables (database, name) ON DELETE CASCADE
);
-- Comments outlive the version of the schema in which they were made.
CREATE TABLE column_comments (
    database TEXT NOT NULL,
    name     TEXT NOT NULL,
    column   TEXT NOT NULL,
    comment  TEXT NOT NULL,
    PRIMARY KEY (database, name, column),
    FOREIGN KEY (database, name) REFERENCES tables (database, name) ON DELETE CASCADE
);
CREATE TABLE statistics (
    database    TEXT NOT NULL,
    name        TEXT NOT NULL,
    rows        INTEGER,
    bytes       INTEGER,
    files       INTEGER,
    measured_at INTEGER NOT NULL,
    PRIMARY KEY (database, name),
    FOREIGN KEY (database, name) REFERENCES tables (database, name) ON DELETE CASCADE
);
-- What a crawl goes on from: the evidence so far, and where its ledger of objects is.
CREATE TABLE crawls (
    database   TEXT NOT NULL,
    name       TEXT NOT NULL,
    crawled_at INTEGER NOT NULL,
    ledger     TEXT NOT NULL,
    observed   TEXT NOT NULL,
    PRIMARY KEY (database, name),
    FOREIGN KEY (database, name) REFERENCES tables (database, name) ON DELETE CASCADE
);
