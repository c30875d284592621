//! The pipelines under test, and the tables they feed.

/// A table that a pipeline writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// `STORED AS`.
    pub(crate) connector: &'static str,
    /// Below the lake.
    pub(crate) path: &'static str,
    /// A column that is unique in it.
    pub(crate) key: &'static str,
}

/// A pipeline, small enough to be run hundreds of times, and large enough for several epochs and partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    /// File stem.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) text: &'static str,
    /// `run.epoch_rows`.
    pub(crate) epoch_rows: u64,
    /// `reddit.replay_posts`.
    pub(crate) replay_posts: u64,
    /// What it writes.
    pub(crate) tables: &'static [Table],
    /// Files that it reads, below the folder it runs in.
    pub(crate) inputs: &'static [(&'static str, &'static str)],
}

/// Posts of each subreddit: three pages, and an epoch ends with a page at the earliest.
const POSTS: u64 = 201;

/// The shipped pipeline: upsert and complete overwrite of DELTA, three sources.
pub(crate) const REDDIT: Subject = Subject {
    name: "reddit",
    text: include_str!("../../../queries/reddit.sql"),
    epoch_rows: 3,
    replay_posts: POSTS,
    tables: &[
        Table { connector: "DELTA", path: "reddit/posts", key: "id" },
        Table { connector: "DELTA", path: "reddit/days", key: "CAST(created_date AS VARCHAR) || subreddit" },
    ],
    inputs: &[],
};

const MIXED_TEXT: &str = "
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
CREATE VIEW banded AS SELECT id, title, score, CASE WHEN score > 20 THEN 'high' ELSE 'low' END AS band FROM posts;

CREATE EXTERNAL TABLE appended STORED AS DELTA   LOCATION 'lake://mixed/appended' PARTITIONED BY (band);
CREATE EXTERNAL TABLE files    STORED AS PARQUET LOCATION 'lake://mixed/files'    PARTITIONED BY (band);
CREATE EXTERNAL TABLE latest   STORED AS DELTA   LOCATION 'lake://mixed/latest'   OPTIONS ('key' 'band');
CREATE EXTERNAL TABLE totals   STORED AS PARQUET LOCATION 'lake://mixed/totals';

INSERT INTO appended SELECT * FROM banded;
INSERT INTO files    SELECT * FROM banded;
-- Every epoch has a row for a band that is there: the files of the epochs before are written anew.
REPLACE INTO latest  SELECT * FROM banded;
INSERT OVERWRITE totals SELECT band, count(*) AS posts, sum(score) AS score FROM appended GROUP BY band;
";

const MIXED_TABLES: &[Table] = &[
    Table { connector: "DELTA", path: "mixed/appended", key: "id" },
    Table { connector: "PARQUET", path: "mixed/files", key: "id" },
    Table { connector: "DELTA", path: "mixed/latest", key: "band" },
    Table { connector: "PARQUET", path: "mixed/totals", key: "band" },
];

/// Every verb on every sink that takes it.
pub(crate) const MIXED: Subject =
    Subject { name: "mixed", text: MIXED_TEXT, epoch_rows: 1, replay_posts: POSTS, tables: MIXED_TABLES, inputs: &[] };

/// [`MIXED`] with another last query: run after it, this overwrites a table that has rows.
pub(crate) const MIXED_EDITED_TEXT: &str = "
CREATE EXTERNAL TABLE appended STORED AS DELTA   LOCATION 'lake://mixed/appended' PARTITIONED BY (band);
CREATE EXTERNAL TABLE totals   STORED AS PARQUET LOCATION 'lake://mixed/totals';
CREATE EXTERNAL TABLE days     STORED AS DELTA   LOCATION 'lake://mixed/latest';
INSERT OVERWRITE totals SELECT band, 2 * count(*) AS posts, sum(score) AS score FROM appended GROUP BY band;
INSERT OVERWRITE days   SELECT id, title, score, 'edited' || id AS band FROM appended;
";

/// Tables in another bucket than the lake: staged files are streamed to them, in multipart uploads.
pub(crate) const ELSEWHERE: Subject = Subject {
    name: "elsewhere",
    text: "
CREATE EXTERNAL TABLE posts    STORED AS REDDIT  LOCATION 'r/rust/new';
CREATE EXTERNAL TABLE appended STORED AS DELTA   LOCATION 's3://elsewhere/appended';
CREATE EXTERNAL TABLE files    STORED AS PARQUET LOCATION 's3://elsewhere/files';
INSERT INTO appended SELECT id, title, score FROM posts;
INSERT INTO files    SELECT id, title, score FROM posts;
",
    epoch_rows: 1,
    replay_posts: POSTS,
    tables: &[],
    inputs: &[],
};

/// Files of three formats, some in the middle of which an epoch ends, with bad records that are put aside.
pub(crate) const FILES: Subject = Subject {
    name: "files",
    text: "
CREATE EXTERNAL TABLE events (id BIGINT NOT NULL, name VARCHAR) STORED AS JSON LOCATION 'in/json/'
OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1', 'file_columns' 'true');
CREATE EXTERNAL TABLE prices (id BIGINT, price DOUBLE) STORED AS CSV LOCATION 'in/csv/*.csv' OPTIONS ('on_error' 'null', 'max_bad_ratio' '1');

CREATE EXTERNAL TABLE events_out STORED AS DELTA   LOCATION 'lake://files/events';
CREATE EXTERNAL TABLE prices_out STORED AS PARQUET LOCATION 'lake://files/prices';
INSERT INTO events_out SELECT id, name, _file_row FROM events;
INSERT INTO prices_out SELECT id, price FROM prices;
",
    epoch_rows: 6,
    replay_posts: 1,
    tables: &[
        Table { connector: "DELTA", path: "files/events", key: "id" },
        Table { connector: "PARQUET", path: "files/prices", key: "id" },
        Table { connector: "DELTA", path: "bad/files/events", key: "line" },
        Table { connector: "DELTA", path: "bad/files/prices", key: "line" },
    ],
    inputs: &[
        ("in/json/a.json", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\nbroken\n{\"id\":3}\n{\"id\":4}\n"),
        ("in/json/b.json", "[{\"id\":5},{\"id\":6},{\"id\":7},{\"id\":8}]"),
        ("in/json/c.json", "{\"id\":9}\n"),
        ("in/csv/a.csv", "id,price\n1,1.5\n2,x\n3,2.5\n4,3\n5,4\n"),
        ("in/csv/b.csv", "price;id\r\n6;6\r\n7;7\r\n"),
    ],
};

/// Tables of PostgreSQL, whose database is named by the environment: read by a cursor that most rows share, and as a whole.
#[cfg(feature = "failpoints")]
pub(crate) const DATABASE: Subject = Subject {
    name: "database",
    text: "
CREATE EXTERNAL TABLE orders STORED AS POSTGRES LOCATION 'orders'
OPTIONS ('url' '${URL}', 'cursor' 'at', 'overlap' '1 hour', 'on_error' 'quarantine', 'max_bad_ratio' '1');
CREATE EXTERNAL TABLE codes STORED AS POSTGRES LOCATION 'codes' OPTIONS ('url' '${URL}');
CREATE EXTERNAL TABLE orders_out STORED AS DELTA LOCATION 'lake://database/orders';
CREATE EXTERNAL TABLE codes_out STORED AS PARQUET LOCATION 'lake://database/codes';
INSERT INTO orders_out SELECT id, day FROM orders;
INSERT OVERWRITE codes_out SELECT * FROM codes;
",
    epoch_rows: 90,
    replay_posts: 1,
    tables: &[
        Table { connector: "DELTA", path: "database/orders", key: "id" },
        Table { connector: "PARQUET", path: "database/codes", key: "code" },
        Table { connector: "DELTA", path: "bad/database/orders", key: "raw" },
    ],
    inputs: &[],
};

/// What [`DATABASE`] reads.
#[cfg(feature = "failpoints")]
pub(crate) const DATABASE_TABLES: &str = "
CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz NOT NULL, day date);
INSERT INTO orders SELECT g, timestamptz '2026-01-01' + (g / 150) * interval '1 minute', date '2026-01-01' FROM generate_series(1, 200) g;
UPDATE orders SET day = 'infinity' WHERE id IN (5, 95);
CREATE TABLE codes AS SELECT g AS code, 'code ' || g AS name FROM generate_series(1, 20) g;
";

/// Objects of a bucket, of which a queue tells. Both are named by the environment.
pub(crate) const NOTIFIED: Subject = Subject {
    name: "notified",
    text: "
CREATE EXTERNAL TABLE events (id BIGINT NOT NULL, name VARCHAR) STORED AS JSON LOCATION 's3://${BUCKET}/in/'
OPTIONS ('notifications' 'sqs:${QUEUE}', 'visibility' '1s', 'on_error' 'quarantine', 'max_bad_ratio' '1');
CREATE EXTERNAL TABLE events_out STORED AS DELTA   LOCATION 'lake://notified/events';
CREATE EXTERNAL TABLE names_out  STORED AS PARQUET LOCATION 'lake://notified/names';
INSERT INTO events_out SELECT id FROM events;
INSERT INTO names_out  SELECT id, name FROM events;
",
    epoch_rows: 1_000,
    replay_posts: 1,
    tables: &[
        Table { connector: "DELTA", path: "notified/events", key: "id" },
        Table { connector: "PARQUET", path: "notified/names", key: "id" },
        Table { connector: "DELTA", path: "bad/notified/events", key: "file" },
    ],
    inputs: &[],
};

/// A local folder, which is watched.
pub(crate) const WATCHED: Subject = Subject {
    name: "watched",
    text: "
CREATE EXTERNAL TABLE events (id BIGINT NOT NULL) STORED AS JSON LOCATION 'in/' OPTIONS ('poll' '1h');
CREATE EXTERNAL TABLE events_out STORED AS DELTA LOCATION 'lake://watched/events';
INSERT INTO events_out SELECT id FROM events;
",
    epoch_rows: 1_000,
    replay_posts: 1,
    tables: &[Table { connector: "DELTA", path: "watched/events", key: "id" }],
    inputs: &[("in/first.json", "{\"id\":1}\n")],
};

/// Files as Python prints them, read as if they were JSON: most records are bad, and wait for two flows.
pub(crate) const BAD: Subject = Subject {
    name: "bad",
    text: "
CREATE EXTERNAL TABLE events (id BIGINT NOT NULL, name VARCHAR) STORED AS JSON LOCATION 'in/'
OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1', 'file_columns' 'true');
CREATE EXTERNAL TABLE added  STORED AS PARQUET LOCATION 'lake://bad_files/added';
CREATE EXTERNAL TABLE latest STORED AS DELTA   LOCATION 'lake://bad_files/latest' OPTIONS ('key' 'id');
INSERT INTO added SELECT id, name, _file, _file_row FROM events;
REPLACE INTO latest SELECT id, name FROM events;
",
    epoch_rows: 3,
    replay_posts: 1,
    tables: &[
        Table { connector: "PARQUET", path: "bad_files/added", key: "id" },
        Table { connector: "DELTA", path: "bad_files/latest", key: "id" },
        Table { connector: "DELTA", path: "bad/bad/events", key: "file || CAST(line AS VARCHAR)" },
    ],
    inputs: &[
        ("in/a.json", "{\"id\":1,\"name\":\"a\"}\n{'id': 2}\n{'id': 'x'}\n{'id': 4, 'name': None}\n"),
        ("in/b.json", "{'id': 5}\n{'id': 6}\nbroken\n{'id': 8}\n{\"id\":9}\n"),
    ],
};

/// What repairs [`BAD`].
pub(crate) const BAD_REPAIRS: (&str, &str) = ("'file_columns' 'true'", "'file_columns' 'true', 'mode' 'lenient'");
