//! PostgreSQL from the command line: its tables crawled, registered, followed as they change, and read by pipelines.

use serde_json::Value;
use testkit::postgres::{PASSWORD, Postgres, USER};

use super::bench::Bench;

const SHOP: &str = "
CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    id bigint PRIMARY KEY, total numeric(10, 2) NOT NULL, updated_at timestamptz NOT NULL, tags text[], note interval
);
COMMENT ON TABLE sales.orders IS 'one row an order';
COMMENT ON COLUMN sales.orders.total IS 'with tax';
INSERT INTO sales.orders SELECT g, g * 1.5, timestamptz '2026-01-01' + g * interval '1 hour', ARRAY['a', 'b'], '1 day' FROM generate_series(1, 300) g;
CREATE VIEW sales.large_orders AS SELECT id, total FROM sales.orders WHERE total > 100;
CREATE TABLE public.codes (code char(2), name text, PRIMARY KEY (code));
INSERT INTO public.codes VALUES ('de', 'Germany'), ('fr', 'France');
CREATE TABLE sales.closed (id int);
CREATE ROLE reader LOGIN PASSWORD 'never-to-be-seen-either';
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON sales.orders TO reader;
ANALYZE;
";

/// A server, and a folder to run the engine in that knows the password.
fn shop() -> Option<(Postgres, Bench)> {
    let server = Postgres::start_or_skip()?;
    server.create_database("shop").unwrap();
    server.sql("shop", SHOP).unwrap();
    let mut bench = Bench::new();
    bench.set("PGPASSWORD", PASSWORD).secret(PASSWORD);
    bench.set("URL", format!("postgres://{USER}@127.0.0.1:{}/shop", server.port()));
    Some((server, bench))
}

fn location(server: &Postgres, path: &str) -> String {
    format!("postgres://{USER}@127.0.0.1:{}/shop{path}", server.port())
}

fn tables(crawl: &str) -> Vec<(String, String, String)> {
    let crawl: Value = serde_json::from_str(crawl).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |table: &Value| (text(&table["name"]), text(&table["status"]), text(&table["location"]));
    crawl["tables"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn the_tables_of_a_database_are_planned_as_statements_that_a_pipeline_takes() {
    let Some((server, bench)) = shop() else { return };
    let plan = bench.good(&["crawl", &location(&server, "/sales/%"), "--plan"]);
    for part in [
        "-- raw.orders: POSTGRES, ",
        "300 rows: new, 5 columns",
        "-- table sales.orders: one row an order",
        "-- `total` numeric(10,2) NOT NULL: with tax",
        "-- `id` bigint, primary key",
        "-- view sales.large_orders",
        "CREATE EXTERNAL TABLE orders (\n    id BIGINT,\n    total DECIMAL(10, 2),\n    updated_at TIMESTAMP(6) WITH TIME ZONE,\n    \
         tags ARRAY<VARCHAR>,\n    note VARCHAR,\n    PRIMARY KEY (id)\n)\nSTORED AS POSTGRES\nLOCATION 'sales.orders'\nOPTIONS (\n    \
         'password' '${PGPASSWORD}',\n",
    ] {
        assert!(plan.replace("--   ", "-- ").contains(part), "{part}:\n{plan}");
    }
    assert!(!plan.contains("codes"), "{plan}");
    assert!(!bench.path(".engine").exists(), "a plan leaves nothing behind");
    let pipeline =
        "CREATE EXTERNAL TABLE out STORED AS DELTA LOCATION 'lake://out';\nINSERT OVERWRITE out SELECT * FROM orders;\n";
    bench.write("plan.sql", format!("{plan}\n{pipeline}"));
    bench.good(&["check", "plan.sql"]);
    bench.good(&["run", "plan.sql"]);
    assert_eq!(bench.query("lake://out", "SELECT count(*), sum(total) FROM t"), "300      | 67725.00");
}

#[test]
fn a_database_that_was_crawled_is_followed_by_the_catalog() {
    let Some((server, bench)) = shop() else { return };
    let sales = location(&server, "/sales/%");
    let first = tables(&bench.good(&["crawl", &sales, "--json"]));
    let row = |name: &str, status: &str| (name.to_owned(), status.to_owned(), format!("sales.{name}"));
    assert_eq!(first, [row("closed", "new"), row("large_orders", "new"), row("orders", "new")]);
    let shown = bench.good(&["catalog", "show", "raw.orders"]);
    for part in ["one row an order", "with tax", "POSTGRES", "DECIMAL(10, 2)"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let counted = bench.good(&["shell", "--format", "csv", "-c", "SELECT count(*) AS n, max(total) AS m FROM lake.raw.orders"]);
    assert_eq!(counted.trim(), "n,m\n300,450.00");
    assert!(tables(&bench.good(&["crawl", &sales, "--json"])).iter().all(|(_, status, _)| status == "kept"));
    server
        .sql(
            "shop",
            "ALTER TABLE sales.orders ADD COLUMN channel text; COMMENT ON TABLE sales.orders IS 'anew'; DROP TABLE sales.closed",
        )
        .unwrap();
    let table = bench.good(&["crawl", &sales]);
    for part in ["schema version 2", "`channel` is new, VARCHAR", "it is no more in its database; --prune removes it"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(bench.good(&["catalog", "show", "raw.orders"]).contains("anew"));
    let pruned = tables(&bench.good(&["crawl", &sales, "--prune", "--json"]));
    assert_eq!(pruned[0], row("closed", "pruned"));
    server.sql("shop", "ALTER TABLE sales.orders DROP COLUMN note, ADD COLUMN more int").unwrap();
    let frozen = bench.engine(&["crawl", &sales, "--policy", "orders=freeze"]);
    assert_eq!(frozen.code, 1, "{frozen:?}");
    assert!(frozen.stderr.contains("`note` is gone; the policy 'freeze' lets go of no column"), "{frozen:?}");
    bench.good(&["crawl", &sales, "--anew", "orders"]);
    let history = bench.good(&["catalog", "ddl", "raw.orders"]);
    assert!(history.contains("more INT") && !history.contains("note"), "{history}");
    server.sql("shop", "ALTER TABLE sales.orders RENAME COLUMN more TO much").unwrap();
    let renamed = bench.good(&["crawl", &sales, "--policy", "orders=evolve"]);
    for part in ["schema version 2", "`more` is gone", "`much` is new, INT", "may have been renamed"] {
        assert!(renamed.contains(part) && !renamed.contains("reads as null"), "{part}: {renamed}");
    }
    let counted = bench.good(&["shell", "--format", "csv", "-c", "SELECT count(*) AS n FROM (SELECT * FROM raw.orders)"]);
    assert_eq!(counted.trim(), "n\n300");
}

#[test]
fn what_a_user_may_not_read_and_what_is_not_there_is_said() {
    let Some((server, mut bench)) = shop() else { return };
    bench.secret("never-to-be-seen-either");
    let reader = format!("postgres://reader:never-to-be-seen-either@127.0.0.1:{}/shop/%", server.port());
    let shown = bench.good(&["crawl", &reader]);
    assert!(shown.contains("sales.closed may not be read by this user") && shown.contains("raw.orders"), "{shown}");
    for (path, part) in [("/nothing/%", "its schemas: public, sales"), ("/sales/zzz%", "there is no table like")] {
        let ended = bench.engine(&["crawl", &location(&server, path)]);
        assert!(ended.code == 1 && ended.stderr.contains(part), "{part}: {ended:?}");
    }
    let redshift = bench.engine(&["crawl", "redshift://me@cluster/db/public/%"]);
    assert!(redshift.code == 1 && redshift.stderr.contains("redshift:// is not crawled yet"), "{redshift:?}");
    let why = bench.good(&["crawl", &location(&server, "/sales/%"), "--explain", "orders.total"]);
    assert_eq!(why.trim(), "`total` numeric(10,2) NOT NULL: with tax\nread as DECIMAL(10, 2)");
}

const PIPELINE: &str = "
CREATE EXTERNAL TABLE orders STORED AS POSTGRES LOCATION 'sales.orders'
OPTIONS ('url' '${URL}', 'password' '${PGPASSWORD}', 'cursor' 'updated_at', 'overlap' '1 hour');
CREATE EXTERNAL TABLE codes STORED AS POSTGRES LOCATION 'codes' OPTIONS ('url' '${URL}', 'password' '${PGPASSWORD}');

CREATE EXTERNAL TABLE appended STORED AS DELTA LOCATION 'lake://appended';
CREATE EXTERNAL TABLE latest   STORED AS DELTA LOCATION 'lake://latest' OPTIONS ('key' 'id');
CREATE EXTERNAL TABLE copied   STORED AS PARQUET LOCATION 'lake://copied';

INSERT INTO appended SELECT o.id, o.total, c.name FROM orders o JOIN codes c ON c.code = 'de';
REPLACE INTO latest SELECT id, total, updated_at FROM orders;
INSERT OVERWRITE copied SELECT * FROM codes;
";

#[test]
fn a_pipeline_moves_what_is_new_and_copies_what_is_whole() {
    let Some((server, bench)) = shop() else { return };
    bench.write("engine.toml", "[run]\nepoch_rows = 100\n");
    let first = bench.run(PIPELINE);
    assert_eq!(
        bench.query("lake://appended", "SELECT count(*), count(DISTINCT id), max(name) FROM t"),
        "300      | 300                  | Germany",
        "{first:#}"
    );
    bench.run(PIPELINE);
    assert_eq!(bench.query("lake://appended", "SELECT count(*) FROM t"), "300");
    server
        .sql(
            "shop",
            "UPDATE sales.orders SET total = 1000, updated_at = '2026-02-01' WHERE id = 7;
             INSERT INTO sales.orders VALUES (301, 5, '2026-02-01'); INSERT INTO codes VALUES ('it', 'Italy')",
        )
        .unwrap();
    bench.run(PIPELINE);
    assert_eq!(bench.query("lake://appended", "SELECT count(*) FROM t"), "302");
    assert_eq!(bench.query("lake://latest", "SELECT count(*), max(total) FROM t"), "301      | 1000.00");
    bench.write(
        "q.sql",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'lake://copied';\nSELECT count(*) AS codes FROM t;\n",
    );
    assert!(bench.good(&["run", "q.sql"]).contains("| 3"));
    let plan = bench.good(&["plan", "p.sql"]);
    assert!(plan.contains("302 rows, up to updated_at 2026-02-01"), "{plan}");
}

#[test]
fn appending_a_table_without_a_cursor_is_refused_with_what_would_work() {
    let Some((_server, bench)) = shop() else { return };
    bench.write("p.sql", PIPELINE.replace("INSERT OVERWRITE copied", "INSERT INTO copied"));
    let ended = bench.engine(&["check", "p.sql"]);
    assert!(ended.code == 1 && ended.stderr.contains("'cursor'"), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_warehouse_in_postgres_is_read_in_the_shell_and_its_sinks_are_listed() {
    let Some((server, mut bench)) = shop() else { return };
    bench.set("ENGINE_WAREHOUSE_URL", server.url("shop"));
    bench.run(
        "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
         CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'public.reddit_posts' OPTIONS ('key' 'id');
         REPLACE INTO w SELECT id, title, score FROM posts;\n",
    );
    let rows = |query: &str| bench.good(&["shell", "--format", "csv", "-c", query]);
    for name in ["warehouse.public.reddit_posts", "warehouse.reddit_posts", "reddit_posts"] {
        assert_eq!(rows(&format!("SELECT count(*) AS n FROM {name}")), "n\n40\n", "{name}");
    }
    // Also what no pipeline has written.
    assert_eq!(rows("SELECT name FROM warehouse.public.codes ORDER BY code LIMIT 1"), "name\nGermany\n");
    assert!(rows("SHOW TABLES").contains("warehouse,public,reddit_posts"), "{}", rows("SHOW TABLES"));
    let listed = bench.good(&["catalog", "list"]);
    assert!(listed.contains("reddit_posts") && listed.contains("WAREHOUSE"), "{listed}");
    let ended = bench.engine(&["shell", "-c", "SELECT 1 FROM warehouse.sales.order"]);
    assert!(ended.code == 1 && ended.stderr.contains("there is no table 'sales.order'"), "{}", ended.stderr);
}

const FILTERED: &str = "
CREATE EXTERNAL TABLE orders STORED AS POSTGRES LOCATION 'sales.orders'
OPTIONS ('url' '${URL}', 'password' '${PGPASSWORD}', 'cursor' 'updated_at');
CREATE EXTERNAL TABLE codes STORED AS POSTGRES LOCATION 'codes' OPTIONS ('url' '${URL}', 'password' '${PGPASSWORD}');

CREATE VIEW small AS SELECT o.id, o.total FROM orders o WHERE o.total < 30 AND o.updated_at >= '2026-01-01';
CREATE EXTERNAL TABLE low   STORED AS DELTA LOCATION 'lake://low';
CREATE EXTERNAL TABLE high  STORED AS DELTA LOCATION 'lake://high' OPTIONS ('key' 'id');
CREATE EXTERNAL TABLE german STORED AS DELTA LOCATION 'lake://german';

INSERT INTO low SELECT id FROM small;
REPLACE INTO high SELECT id, note FROM orders WHERE updated_at >= '2026-01-01' AND id IN (150, 290, 291);
INSERT OVERWRITE german SELECT name FROM codes WHERE name LIKE 'Ger%';
";

#[test]
fn what_flows_leave_out_is_left_out_by_the_server_and_the_plan_says_so() {
    let Some((server, bench)) = shop() else { return };
    bench.write("engine.toml", "[run]\nepoch_rows = 7\n");
    bench.write("p.sql", FILTERED);
    let plan = bench.good(&["plan", "p.sql"]);
    let shared = "    asks the server for 4 of 5 columns of the rows where (\"updated_at\" >= '2026-01-01 00:00:00.000000+00'::timestamptz AND \
                  (\"total\" < '30.00'::numeric OR ";
    // Both flows stand at the beginning, and share what is read.
    assert_eq!(plan.matches(shared).count(), 2, "{plan}");
    assert!(plan.contains("asks the server for 1 of 2 columns of the rows where (\"name\" LIKE 'Ger%')"), "{plan}");
    let first = bench.run(FILTERED);
    let counts = || {
        let count = |table: &str| bench.query(table, "SELECT count(*) FROM t");
        (count("lake://low"), count("lake://high"), count("lake://german"))
    };
    assert_eq!(counts(), ("19".into(), "3".into(), "1".into()), "{first:#}");
    // 19 + 3 of 300, and the newest.
    assert!(first["sinks"]["low"]["rows_in"].as_u64().unwrap() <= 23, "{first:#}");
    // An edited query applies to rows from now on, also of those that the server left out.
    let edited = FILTERED.replace("o.total < 30", "o.total > 400").replace("(150, 290, 291)", "(1, 2, 301)");
    bench.run(&edited);
    assert_eq!(counts(), ("19".into(), "3".into(), "1".into()));
    server.sql("shop", "INSERT INTO sales.orders VALUES (301, 500, '2026-02-01'), (302, 10, '2026-02-01')").unwrap();
    let last = bench.run(&edited);
    assert_eq!(counts(), ("20".into(), "4".into(), "1".into()), "{last:#}");
    let plan = bench.good(&["plan", "p.sql"]);
    assert_eq!(plan.matches("OR \"id\" = '301'::bigint").count(), 2, "they share what is read still: {plan}");
}

#[test]
fn a_query_in_the_shell_takes_no_more_of_a_table_than_it_shows() {
    let Some((server, mut bench)) = shop() else { return };
    bench.set("ENGINE_WAREHOUSE_URL", server.url("shop"));
    server
        .sql("shop", "CREATE TABLE big AS SELECT g AS id, repeat('x', 100) AS v FROM generate_series(1, 300000) g; ALTER TABLE big ADD PRIMARY KEY (id)")
        .unwrap();
    let rows = |query: &str| bench.good(&["shell", "--format", "csv", "-c", query]);
    let read = || -> u64 {
        let all =
            "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_user_tables WHERE relname = 'big'";
        server.sql("shop", all).unwrap().parse().unwrap()
    };
    // What building the index read is told first; the server tells of a session when it ends.
    let settled = || {
        let mut last = read();
        loop {
            std::thread::sleep(std::time::Duration::from_millis(1_200));
            let now = read();
            if now == last {
                return now;
            }
            last = now;
        }
    };
    let mut before = settled();
    for (query, expected) in [
        ("SELECT count(*) AS n FROM (SELECT id FROM warehouse.public.big LIMIT 10) AS some", "n\n10\n"),
        ("SELECT id FROM warehouse.public.big WHERE id = 299999", "id\n299999\n"),
    ] {
        assert_eq!(rows(query), expected);
        let now = settled();
        assert!(now > before && now < before + 20_000, "{query}: {} rows were read", now - before);
        before = now;
    }
}

#[test]
fn what_is_said_of_a_table_and_its_columns_goes_where_they_go() {
    let Some((server, mut bench)) = shop() else { return };
    bench.set("ENGINE_WAREHOUSE_URL", server.url("shop"));
    let said = "SELECT coalesce(col_description('copied'::regclass, a.attnum), '-') FROM pg_attribute a
                WHERE a.attrelid = 'copied'::regclass AND a.attnum > 0 ORDER BY a.attnum";
    let pipeline = |more: &str| {
        format!(
            "CREATE EXTERNAL TABLE orders STORED AS POSTGRES LOCATION 'sales.orders'
             OPTIONS ('url' '${{URL}}', 'password' '${{PGPASSWORD}}', 'cursor' 'updated_at');

CREATE EXTERNAL TABLE lake_orders STORED AS DELTA LOCATION 'lake://orders';
-- Orders, it's said.
CREATE EXTERNAL TABLE copied STORED AS WAREHOUSE LOCATION 'public.copied' OPTIONS ('key' 'id');
INSERT INTO lake_orders SELECT id, total, total AS amount, total * 2 AS double{more} FROM orders;
REPLACE INTO copied SELECT o.id, o.total AS amount, o.total * 2 AS double{more} FROM (SELECT * FROM orders WHERE id > 0) AS o;
"
        )
    };
    bench.run(&pipeline(""));
    assert_eq!(server.sql("shop", said).unwrap(), "-\nwith tax\n-");
    assert_eq!(server.sql("shop", "SELECT obj_description('copied'::regclass)").unwrap(), "Orders, it's said.");
    let log = std::fs::read_to_string(bench.path("lake/orders/_delta_log/00000000000000000000.json")).unwrap();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let metadata = &log.iter().find(|action| action.get("metaData").is_some()).unwrap()["metaData"];
    assert_eq!(metadata["description"], "one row an order");
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    let comments: Vec<&Value> = schema["fields"].as_array().unwrap().iter().map(|field| &field["metadata"]["comment"]).collect();
    assert_eq!(serde_json::json!(comments), serde_json::json!([null, "with tax", "with tax", null]));

    // Columns that come later bring theirs; what somebody said of the others meanwhile stays.
    server
        .sql(
            "shop",
            "COMMENT ON COLUMN copied.amount IS 'in EUR'; COMMENT ON COLUMN sales.orders.note IS 'by hand';
             INSERT INTO sales.orders VALUES (301, 5, '2026-02-01')",
        )
        .unwrap();
    bench.run(&pipeline(", note"));
    assert_eq!(server.sql("shop", said).unwrap(), "-\nin EUR\n-\nby hand");
    let columns = "SELECT \"column\", comment FROM system.columns WHERE \"table\" = 'orders' AND comment IS NOT NULL ORDER BY 1";
    let shown = bench.engine(&["shell", "--format", "csv", "-c", columns]);
    assert!(shown.stdout.contains("amount,with tax\nnote,by hand\ntotal,with tax"), "{}", bench.shown(&shown));
    assert_eq!(
        bench.query("lake://orders", "SELECT count(*), sum(amount), max(note) FROM t GROUP BY id > 0").split('|').count(),
        3
    );
}

#[test]
fn a_row_with_several_bad_values_is_one_bad_row() {
    let Some((server, bench)) = shop() else { return };
    server
        .sql(
            "shop",
            "CREATE TABLE odd (id bigint PRIMARY KEY, a date, b date, n numeric(5, 2));
             INSERT INTO odd VALUES (1, 'infinity', '-infinity', 'NaN'), (2, '2026-01-01', 'infinity', 2), (3, NULL, NULL, 3)",
        )
        .unwrap();
    let pipeline = |option: &str| {
        format!(
            "CREATE EXTERNAL TABLE odd STORED AS POSTGRES LOCATION 'odd' OPTIONS ('url' '${{URL}}', 'password' '${{PGPASSWORD}}', 'cursor' \
             'id', 'on_error' '{option}', 'max_bad_ratio' '0.7');
             CREATE EXTERNAL TABLE out STORED AS DELTA LOCATION 'lake://{option}';\nINSERT INTO out SELECT * FROM odd;\n"
        )
    };
    for (option, written, left_out) in [("quarantine", 1, 2), ("null", 3, 0)] {
        bench.write(&format!("{option}.sql"), pipeline(option));
        let summary: Value = serde_json::from_str(&bench.good(&["run", &format!("{option}.sql"), "--json"])).unwrap();
        let sink = &summary["sinks"]["out"];
        assert_eq!((&sink["rows_written"], &sink["bad_rows"]), (&written.into(), &left_out.into()), "{option}: {summary}");
        assert_eq!(summary["bad"]["odd$bad"]["rows"], 2, "{option}: {summary}");
        let bad = format!("lake://bad/{option}/odd");
        let reasons = bench.query(&bad, "SELECT \"column\", kept, reason FROM t ORDER BY length(reason) DESC LIMIT 1");
        for part in ["'infinity' is no DATE; beside it column 'b': '-infinity' is no DATE; beside it column 'n': 'NaN'", "| a"] {
            assert!(reasons.contains(part) || reasons.starts_with(part.trim_start_matches("| ")), "{part}: {reasons}");
        }
        let runs = format!("SELECT rows_written, bad_rows FROM system.runs WHERE pipeline = '{option}'");
        let runs = bench.good(&["shell", "--format", "csv", "-c", &runs]);
        assert_eq!(runs, format!("rows_written,bad_rows\n{written},{left_out}\n"), "{option}");
    }
}

#[test]
fn a_table_goes_from_postgres_into_one_that_is_like_it() {
    let Some((server, mut bench)) = shop() else { return };
    bench.set("ENGINE_WAREHOUSE_URL", server.url("shop"));
    server
        .sql(
            "shop",
            "CREATE DOMAIN money_of_ours AS numeric(12, 2); CREATE TYPE state AS ENUM ('new', 'paid');
             CREATE TABLE sales.things (id bigint PRIMARY KEY, tags text[], many int[], bare numeric, price money_of_ours, state state, ip inet,
                 took interval, data jsonb, at time);
             INSERT INTO sales.things SELECT g, ARRAY['a', NULL, g::text], ARRAY[g], g / 7.0, g, 'paid', '10.0.0.1', g * interval '1 hour',
                 jsonb_build_object('n', g), '10:00' FROM generate_series(1, 50) g;
             INSERT INTO sales.things (id) VALUES (51);
             CREATE TABLE appended (LIKE sales.things); CREATE TABLE latest (LIKE sales.things INCLUDING ALL)",
        )
        .unwrap();
    bench.run(
        "CREATE EXTERNAL TABLE things STORED AS POSTGRES LOCATION 'sales.things' OPTIONS ('url' '${URL}', 'password' '${PGPASSWORD}', \
         'cursor' 'id');
         CREATE EXTERNAL TABLE appended STORED AS WAREHOUSE LOCATION 'public.appended';
         CREATE EXTERNAL TABLE latest STORED AS WAREHOUSE LOCATION 'public.latest' OPTIONS ('key' 'id');
         INSERT INTO appended SELECT * FROM things; REPLACE INTO latest SELECT * FROM things;\n",
    );
    for copy in ["appended", "latest"] {
        let differences =
            format!("SELECT count(*) FROM (SELECT t::text FROM sales.things t EXCEPT SELECT c::text FROM {copy} c) AS other");
        assert_eq!(server.sql("shop", &differences).unwrap(), "0", "{copy}");
        assert_eq!(server.sql("shop", &format!("SELECT count(*) FROM {copy}")).unwrap(), "51");
    }
}
