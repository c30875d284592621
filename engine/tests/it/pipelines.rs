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

/// The shipped pipeline: upserts and a complete overwrite of DELTA, three sources, the warehouse in the lake.
pub(crate) const REDDIT: Subject = Subject {
    name: "reddit",
    text: include_str!("../../../queries/reddit.sql"),
    epoch_rows: 3,
    replay_posts: POSTS,
    tables: &[
        Table { connector: "DELTA", path: "reddit/posts", key: "id" },
        Table { connector: "DELTA", path: "warehouse/public/reddit_posts", key: "id" },
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

/// Tables that are read whole and have bad records: one that is looked up in, by every epoch, and one that two complete flows read, each
/// other columns of it.
pub(crate) const WHOLE: Subject = Subject {
    name: "whole",
    text: "
CREATE EXTERNAL TABLE events (id BIGINT, code VARCHAR) STORED AS JSON LOCATION 'in/events/'
OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1');
CREATE EXTERNAL TABLE codes (code VARCHAR, number BIGINT) STORED AS CSV LOCATION 'in/codes.csv'
OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1', 'ragged' 'true');
CREATE EXTERNAL TABLE prices (id BIGINT, price DOUBLE, day DATE) STORED AS CSV LOCATION 'in/prices/'
OPTIONS ('read' 'whole', 'on_error' 'null', 'max_bad_ratio' '1');

CREATE EXTERNAL TABLE named STORED AS DELTA   LOCATION 'lake://whole/named';
CREATE EXTERNAL TABLE spent STORED AS PARQUET LOCATION 'lake://whole/spent';
CREATE EXTERNAL TABLE days  STORED AS DELTA   LOCATION 'lake://whole/days';
INSERT INTO named SELECT e.id, c.number FROM events e JOIN codes c ON e.code = c.code;
INSERT OVERWRITE spent SELECT id, price FROM prices;
INSERT OVERWRITE days SELECT id, day FROM prices;
",
    epoch_rows: 2,
    replay_posts: 1,
    tables: &[
        Table { connector: "DELTA", path: "whole/named", key: "id" },
        Table { connector: "PARQUET", path: "whole/spent", key: "id" },
        Table { connector: "DELTA", path: "whole/days", key: "id" },
        Table { connector: "DELTA", path: "bad/whole/codes", key: "line" },
        Table { connector: "DELTA", path: "bad/whole/events", key: "line" },
        Table { connector: "DELTA", path: "bad/whole/prices", key: "file || CAST(line AS VARCHAR) || \"column\"" },
    ],
    inputs: &[
        ("in/events/a.json", "{\"id\":1,\"code\":\"a\"}\n{\"id\":2,\"code\":\"b\"}\n{\"id\":3,\"code\":\"a\"}\nbroken\n"),
        ("in/events/b.json", "{\"id\":4,\"code\":\"b\"}\n{\"id\":5,\"code\":\"a\"}\n{\"id\":6,\"code\":\"c\"}\n"),
        ("in/codes.csv", "code,number\na,1\nb,2\nc,three\nd,four\n"),
        ("in/prices/a.csv", "id,price,day\n1,1.5,2026-11-20\n2,x,2026-11-20\n3,2.5,soon\n"),
        ("in/prices/b.csv", "id,price,day\n4,y,never\n5,3.5,2026-11-21\n"),
    ],
};

/// What of [`WHOLE`] is repaired, and what is newly bad.
pub(crate) const WHOLE_REPAIRS: &[(&str, &str)] = &[
    ("in/codes.csv", "code,number\na,1\nb,2\nc,3\nd,four\n"),
    ("in/prices/a.csv", "id,price,day\n1,1.5,2026-11-20\n2,2,2026-11-20\n3,2.5,soon\n"),
    ("in/prices/c.csv", "id,price,day\n6,z,2026-11-22\n"),
    ("in/events/c.json", "{\"id\":7,\"code\":\"c\"}\n"),
];

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

/// Every verb on the warehouse, in a schema that the environment names. An overwrite reads the lake: the warehouse is only written.
pub(crate) const WAREHOUSE: Subject = Subject {
    name: "warehouse",
    text: "
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
CREATE VIEW banded AS SELECT id, title, score, CASE WHEN score > 20 THEN 'high' ELSE 'low' END AS band FROM posts;

CREATE EXTERNAL TABLE in_lake  STORED AS DELTA     LOCATION 'lake://warehouse_test/posts';
CREATE EXTERNAL TABLE appended STORED AS WAREHOUSE LOCATION '${SCHEMA}.appended';
CREATE EXTERNAL TABLE latest   STORED AS WAREHOUSE LOCATION '${SCHEMA}.latest' OPTIONS ('key' 'band');
CREATE EXTERNAL TABLE totals   STORED AS WAREHOUSE LOCATION '${SCHEMA}.totals';

INSERT INTO in_lake  SELECT id, score, band FROM banded;
INSERT INTO appended SELECT * FROM banded;
REPLACE INTO latest  SELECT * FROM banded;
INSERT OVERWRITE totals SELECT band, count(*) AS posts, sum(score) AS score FROM in_lake GROUP BY band;
",
    epoch_rows: 1,
    replay_posts: POSTS,
    tables: &[Table { connector: "DELTA", path: "warehouse_test/posts", key: "id" }],
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
