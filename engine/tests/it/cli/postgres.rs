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
    for part in ["takes no new columns: add more INT yourself", "column `note` is gone from the database"] {
        assert!(frozen.stderr.contains(part), "{part}: {}", frozen.stderr);
    }
    bench.good(&["crawl", &sales, "--anew", "orders"]);
    let history = bench.good(&["catalog", "ddl", "raw.orders"]);
    assert!(history.contains("more INT") && !history.contains("note"), "{history}");
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
