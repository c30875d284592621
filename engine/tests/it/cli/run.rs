//! `engine run`: what it prints, and what several statements of one file do together.

use super::bench::{Bench, POSTS, TABLES, snapshot};

const FLOW: &str = "INSERT INTO t SELECT id, title, score FROM posts;\n";

fn counter(text: &str, line: &str) -> u64 {
    let found = text.lines().find_map(|candidate| candidate.strip_prefix(line));
    found.unwrap_or_else(|| panic!("no {line} in\n{text}")).trim().parse().unwrap()
}

#[test]
fn the_first_run_shows_a_table_and_the_second_that_nothing_is_new() {
    let bench = Bench::new();
    bench.write("p.sql", format!("{TABLES}{FLOW}"));
    let first = bench.engine(&["run", "p.sql"]);
    let second = bench.engine(&["run", "p.sql"]);
    snapshot!("run_twice", format!("{}{}", bench.shown(&first), bench.shown(&second)));
    assert_eq!(bench.query("lake://t", "SELECT count(*) FROM t"), POSTS.to_string());
}

#[test]
fn json_goes_to_standard_output_and_holds_the_totals() {
    let bench = Bench::new();
    let summary = bench.run(&format!("{TABLES}{FLOW}SELECT 1 AS one;\n"));
    assert_eq!((&summary["pipeline"], &summary["last_epoch"]), (&"p".into(), &1.into()));
    let sink = &summary["sinks"]["t"];
    assert_eq!((&sink["rows_in"], &sink["rows_written"], &sink["bad_rows"]), (&POSTS.into(), &POSTS.into(), &0.into()));
    assert_eq!((&sink["files"], &sink["epochs"]), (&1.into(), &1.into()));
    assert!(sink["bytes"].as_u64().unwrap() > 0 && summary["peak_memory_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn metrics_are_written_in_the_form_of_prometheus() {
    let bench = Bench::new();
    bench.write("p.sql", format!("{TABLES}{FLOW}"));
    bench.good(&["run", "p.sql", "--metrics", "m.prom"]);
    let text = std::fs::read_to_string(bench.path("m.prom")).unwrap();
    for (line, count) in [
        ("engine_source_rows_total{pipeline=\"p\",source=\"posts\"}", POSTS),
        ("engine_flow_rows_total{flow=\"t\",pipeline=\"p\"}", POSTS),
        ("engine_sink_rows_total{pipeline=\"p\",sink=\"t\"}", POSTS),
        ("engine_epochs_total{flow=\"t\",pipeline=\"p\"}", 1),
        ("engine_commit_seconds_count{pipeline=\"p\",sink=\"t\"}", 1),
    ] {
        assert_eq!(counter(&text, line), count, "{line}");
    }
    assert!(counter(&text, "engine_source_bytes_total{pipeline=\"p\",source=\"posts\"}") > 10_000);
}

#[test]
fn with_json_logs_every_line_of_standard_error_is_an_object() {
    let bench = Bench::new();
    bench.write("p.sql", format!("{TABLES}{FLOW}")).write("bad.sql", "SELEC 1;\nSELECT nothing;");
    for (arguments, code) in [
        (&["run", "p.sql", "--log", "json"] as &[&str], 0),
        (&["run", "p.sql", "--log", "json", "-vv"], 0),
        (&["run", "bad.sql", "--log", "json"], 1),
        (&["check", "bad.sql", "nowhere.sql", "--log", "json"], 1),
        (&["run", "p.sql", "--from-scratch", "--log", "json"], 1),
    ] {
        let ended = bench.engine(arguments);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
        for line in ended.stderr.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(event["level"].is_string() && event["message"].is_string() && event["timestamp"].is_string(), "{line}");
        }
    }
}

#[test]
fn from_scratch_is_not_done_unasked() {
    let bench = Bench::new();
    bench.write("p.sql", format!("{TABLES}{FLOW}"));
    bench.good(&["run", "p.sql"]);
    let (lake, refused) = (bench.listing("lake"), bench.engine(&["run", "p.sql", "--from-scratch"]));
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    assert_eq!(bench.listing("lake"), lake);
    bench.good(&["run", "p.sql", "--from-scratch", "--yes"]);
    assert_eq!(bench.query("lake://t", "SELECT count(*) FROM t"), (2 * POSTS).to_string(), "INSERT INTO adds them again");
}

#[test]
fn statements_stand_in_any_order_and_queries_come_last() {
    let bench = Bench::new();
    let text = format!(
        "SELECT count(*) AS n FROM t;\nINSERT INTO t SELECT id FROM better;\nSHOW pipeline.retries;\n\
         CREATE VIEW better AS SELECT id FROM good;\nEXPLAIN SELECT id FROM t;\nCREATE VIEW good AS SELECT id FROM posts;\n\
         COPY (SELECT id FROM t) TO 'out.csv' STORED AS CSV;\nSET pipeline.retries = 2;\n{TABLES}"
    );
    bench.write("p.sql", text);
    let shown = bench.good(&["run", "p.sql"]);
    assert!(shown.contains("| 40 |") && shown.contains("logical_plan") && shown.contains("pipeline.retries"), "{shown}");
    assert_eq!(std::fs::read_to_string(bench.path("out.csv")).unwrap().lines().count(), 41);
}

#[test]
fn another_file_of_the_same_name_is_warned_of_and_a_copy_or_a_moved_one_is_not() {
    let bench = Bench::new();
    for folder in ["a", "b", "c"] {
        std::fs::create_dir(bench.path(folder)).unwrap();
    }
    let text = format!("{TABLES}INSERT INTO t SELECT id FROM posts;\n");
    bench.write("a/q.sql", &text).write("b/q.sql", format!("SELECT 1;\n{text}")).write("c/q.sql", &text);
    for (file, other) in
        [("a/q.sql", None), ("c/q.sql", None), ("b/q.sql", Some("c/q.sql")), ("b/q.sql", None), ("a/q.sql", Some("b/q.sql"))]
    {
        let ended = bench.engine(&["run", file]);
        assert_eq!(ended.code, 0, "{ended:?}");
        let warned = "WARN engine::run: pipeline 'q' was last run from ";
        match other {
            Some(other) => assert!(bench.shown(&ended).contains(&format!("{warned}[dir]/{other}: ")), "{file}: {ended:?}"),
            None => assert!(!ended.stderr.contains("was last run from"), "{file}: {ended:?}"),
        }
    }
    std::fs::rename(bench.path("a/q.sql"), bench.path("a/moved")).unwrap();
    assert!(!bench.engine(&["run", "b/q.sql"]).stderr.contains("was last run from"));
}
