CREATE TABLE pipelines (
    name        TEXT PRIMARY KEY,
    incarnation TEXT NOT NULL,
    next_epoch  INTEGER NOT NULL
);
-- One row a pipeline: who may write for it.
CREATE TABLE leases (
    pipeline   TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    holder     TEXT,
    until      INTEGER NOT NULL
);
CREATE TABLE flows (
    pipeline TEXT NOT NULL,
    flow     TEXT NOT NULL,
    progress TEXT NOT NULL,
    PRIMARY KEY (pipeline, flow)
);
-- The checkpoint is kept while the epoch is pending; afterwards only the fact that it was committed.
CREATE TABLE epochs (
    pipeline     TEXT NOT NULL,
    incarnation  TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    recorded_at  INTEGER NOT NULL,
    committed_at INTEGER,
    checkpoint   TEXT,
    PRIMARY KEY (pipeline, incarnation, epoch)
);
CREATE UNIQUE INDEX one_pending_epoch ON epochs (pipeline) WHERE committed_at IS NULL;
