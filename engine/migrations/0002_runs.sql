-- One row a run, which is one lease. `ended_at` stays NULL when the process was killed.
CREATE TABLE runs (
    pipeline   TEXT NOT NULL,
    generation INTEGER NOT NULL,
    holder     TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    error      TEXT,
    PRIMARY KEY (pipeline, generation)
);
-- What an epoch brought, and which run recorded it. NULL of epochs that an earlier version of engine recorded.
ALTER TABLE epochs ADD COLUMN generation   INTEGER;
ALTER TABLE epochs ADD COLUMN rows_in      INTEGER;
ALTER TABLE epochs ADD COLUMN rows_written INTEGER;
ALTER TABLE epochs ADD COLUMN bad_rows     INTEGER;
ALTER TABLE epochs ADD COLUMN files        INTEGER;
ALTER TABLE epochs ADD COLUMN bytes        INTEGER;
CREATE INDEX epochs_of_a_run ON epochs (pipeline, generation);
