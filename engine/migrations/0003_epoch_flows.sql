-- What an epoch brought to each sink, for `engine verify`. Epochs that an earlier version of engine recorded have no rows here.
CREATE TABLE sinks (
    id   INTEGER PRIMARY KEY,
    sink TEXT NOT NULL UNIQUE
);
CREATE TABLE epoch_flows (
    pipeline    TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    flow        TEXT NOT NULL,
    sink        INTEGER NOT NULL REFERENCES sinks (id),
    place       TEXT,
    mode        TEXT NOT NULL,
    rows_in     INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    files       INTEGER NOT NULL,
    PRIMARY KEY (pipeline, incarnation, epoch, flow)
);
