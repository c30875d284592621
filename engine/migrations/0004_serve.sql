-- What `engine serve` needs: why runs were begun, requests of runs, cursors of who makes these, pauses, and dates that are done.
ALTER TABLE runs ADD COLUMN reason       TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN attempt      INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN logical_date INTEGER;
ALTER TABLE runs ADD COLUMN due_at       INTEGER;
ALTER TABLE runs ADD COLUMN canceled     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN again_at     INTEGER;
ALTER TABLE epochs ADD COLUMN logical_date INTEGER;
ALTER TABLE epoch_flows ADD COLUMN bytes     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE epoch_flows ADD COLUMN bad_rows  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE epoch_flows ADD COLUMN landed_at INTEGER;
-- The location of the sink in lower case, which loads are looked for by.
ALTER TABLE sinks ADD COLUMN location TEXT NOT NULL DEFAULT '';
UPDATE sinks SET location = lower(json_extract(sink, '$.location'));
CREATE INDEX sinks_by_location ON sinks (location);
CREATE INDEX loads_of_a_sink ON epoch_flows (sink);
-- `run` is the generation of the lease under which it was begun; NULL while it waits.
CREATE TABLE requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline     TEXT NOT NULL,
    request_key  TEXT NOT NULL,
    reason       TEXT NOT NULL,
    due_at       INTEGER NOT NULL,
    logical_date INTEGER,
    attempt      INTEGER NOT NULL,
    requested_at INTEGER NOT NULL,
    run          INTEGER
);
CREATE UNIQUE INDEX one_waiting_request ON requests (pipeline, request_key) WHERE run IS NULL;
CREATE TABLE cursors (
    pipeline TEXT NOT NULL,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (pipeline, name)
);
CREATE TABLE pauses (
    pipeline  TEXT PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    paused_by TEXT NOT NULL
);
CREATE TABLE dates_done (
    pipeline     TEXT NOT NULL,
    incarnation  TEXT NOT NULL,
    logical_date INTEGER NOT NULL,
    PRIMARY KEY (pipeline, incarnation, logical_date)
);
-- What the store says of itself: where it was moved to.
CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    note TEXT NOT NULL
);
