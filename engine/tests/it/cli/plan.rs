//! `engine plan` through the life of a pipeline.

use super::bench::{Bench, TABLES, snapshot};

#[test]
fn a_plan_says_what_a_run_would_do() {
    let bench = Bench::new();
    let mut all = String::new();
    let mut plan = |what: &str, text: &str| {
        bench.write("p.sql", text);
        let ended = bench.engine(&["plan", "p.sql"]);
        all.push_str(&format!("=== {what}\n{}", bench.shown(&ended)));
    };
    let text = format!("{TABLES}REPLACE INTO t SELECT id, score FROM posts;\nSELECT count(*) FROM t;\n");
    plan("before the first run", &text);
    assert!(bench.listing("lake").is_empty() && !bench.path(".engine").exists(), "a plan makes nothing");
    bench.run(&text);
    plan("after it", &text);
    plan("with another filter", &text.replace("FROM posts", "FROM posts WHERE score > 10"));
    plan("with one more column", &text.replace("score FROM posts", "score, title FROM posts"));
    plan("with other partitions", &text.replace("OPTIONS ('key' 'id')", "PARTITIONED BY (score) OPTIONS ('key' 'id')"));
    plan("reading something else", &text.replace("r/rust/new", "r/datascience/new"));
    plan(
        "with a flow more",
        &text.replace(
            "SELECT count",
            "INSERT INTO u SELECT id FROM posts;\nCREATE EXTERNAL TABLE u STORED AS PARQUET LOCATION 'lake://u';\nSELECT count",
        ),
    );
    snapshot!("plan", all);
}

#[test]
fn an_added_column_is_applied_to_new_rows_only_and_nothing_is_read_again() {
    let bench = Bench::new();
    let text = format!("{TABLES}REPLACE INTO t SELECT id, score FROM posts;\n");
    bench.run(&text);
    let summary = bench.run(&text.replace("score FROM", "score, title FROM"));
    assert_eq!(summary["sinks"]["t"]["epochs"], 0, "{summary}");
    let elsewhere = bench.run(&text.replace("score FROM", "score, title FROM").replace("r/rust", "r/datascience"));
    assert_eq!(elsewhere["sinks"]["t"]["rows_written"], super::bench::POSTS);
    let rows = bench.query("lake://t", "SELECT count(*), count(title) FROM t");
    assert_eq!(rows.split('|').map(str::trim).collect::<Vec<_>>(), ["80", "40"]);
}
