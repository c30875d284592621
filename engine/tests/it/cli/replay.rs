//! Bad records fed through again: what becomes of them, of the table they are in, and of the sinks.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bench::{Bench, Ended};
use crate::signals::send;

/// A bench with files below `in`.
fn bench(files: &[(&str, &str)]) -> Bench {
    let bench = Bench::new();
    for (name, text) in files {
        let path = bench.path(&format!("in/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    bench
}

fn replayed(bench: &Bench, table: &str) -> Value {
    serde_json::from_str(&bench.good(&["replay", "p.sql", table, "--json"])).unwrap()
}

/// What a query returns: cells as they are, rows on one line.
fn rows(bench: &Bench, location: &str, query: &str) -> String {
    let rows = bench.query(location, query);
    let rows = rows.lines().map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().join("|"));
    rows.collect::<Vec<_>>().join(" ")
}

/// Some members of an object.
fn members(object: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), object[name].clone())).collect()
}

/// Whether standard output of a command that went well has all `parts`.
fn says(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in parts {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

const PYTHON: (&str, &str) = (
    "day=2026-11-20/a.json",
    "{\"id\":1,\"name\":\"a\"}\n{'id': 2, 'name': None}\n{'id': 'x'}\n{\"id\":3}\nnonsense\n{'id': 4, 'name': 'it''s'}\n",
);

/// Appends to one table and upserts into another.
fn events(options: &str) -> String {
    format!(
        "CREATE EXTERNAL TABLE events (id BIGINT NOT NULL, name VARCHAR, day DATE) STORED AS JSON LOCATION 'in/'
         PARTITIONED BY (day) OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1', 'file_columns' 'true'{options});
         CREATE EXTERNAL TABLE added STORED AS PARQUET LOCATION 'lake://added';
         CREATE EXTERNAL TABLE latest STORED AS DELTA LOCATION 'lake://latest' OPTIONS ('key' 'id');
         CREATE EXTERNAL TABLE days STORED AS DELTA LOCATION 'lake://days';
         INSERT INTO added SELECT id, name, day, _file_row FROM events;
         REPLACE INTO latest SELECT id, name, _file_row AS number FROM events WHERE id < 4;
         INSERT OVERWRITE days SELECT day, count(*) AS events FROM added GROUP BY day;\n"
    )
}

#[test]
fn repaired_records_get_into_every_sink_once_and_leave_the_bad_ones() {
    let bench = bench(&[PYTHON]);
    let summary = bench.run(&events(""));
    assert_eq!(summary["bad"]["events$bad"]["rows"], 4, "{summary}");
    let before = bench.listing("lake");
    bench.write("p.sql", events(", 'mode' 'lenient'"));

    // What would be done, and does nothing.
    let plan = bench.engine(&["replay", "p.sql", "events$bad", "--plan"]);
    says(
        &plan,
        &[
            "4 bad records of 1 file would be replayed:",
            "would make 1 row:",
            "1  through the query of latest",
            "3 records would still be bad",
        ],
    );
    assert_eq!(bench.listing("lake"), before);

    // The file is not needed any more.
    std::fs::remove_dir_all(bench.path("in")).unwrap();
    let done = bench.engine(&["replay", "p.sql", "events"]);
    says(
        &done,
        &["events: 4 bad records of 1 file replayed:", "/in/day=2026-11-20/a.json", "made 1 row:", "1  written to added"],
    );
    says(
        &done,
        &["3 records still bad, in lake://bad/p/events:", "column 'id': '…' is not a BIGINT, as in", "a.json row 3 (line 3)"],
    );
    let latest = rows(&bench, "lake://latest", "SELECT id, coalesce(name, '-'), number FROM t ORDER BY id");
    assert_eq!(latest, "1|a|1 2|-|2 3|-|4");
    assert_eq!(rows(&bench, "lake://days", "SELECT day, events FROM t"), "2026-11-20|3", "computed anew, as by a run");
    let bad = bench.query("lake://bad/p/events", "SELECT epoch, line, \"column\", flows, reason FROM t ORDER BY line");
    let bad: Vec<Vec<&str>> = bad.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    assert_eq!(
        bad.iter().map(|row| row[..4].to_vec()).collect::<Vec<_>>(),
        [["1", "3", "id", "added, latest"], ["1", "5", "", "added, latest"], ["1", "6", "", "added, latest"]]
    );
    assert_eq!(bad[0][4], "'x' is not a BIGINT", "with what is wrong now");

    // Again, nothing is loaded, nothing is written.
    let before = bench.listing("lake");
    let again = replayed(&bench, "events");
    let counts = members(&again, &["records", "rows", "still_bad", "epochs", "sinks"]);
    assert_eq!(counts, json!({"records": 3, "rows": 0, "still_bad": 3, "epochs": 0, "sinks": {}}));
    assert_eq!(bench.listing("lake"), before);
    assert!(bench.good(&["run", "p.sql"]).contains("nothing new since epoch"));
}

#[test]
fn a_csv_record_is_a_row_when_its_column_is_widened() {
    let bench = bench(&[("a.csv", "price;id\n1;1\n2,5;2\n2.5;3\n"), ("b.csv", "id,price\n4,4\n5,5.25\n6\n")]);
    let prices = |data_type: &str, ragged: bool| {
        format!(
            "CREATE EXTERNAL TABLE prices (id BIGINT, price {data_type}) STORED AS CSV LOCATION 'in/'
             OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1', 'ragged' '{ragged}');
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';
             INSERT INTO t SELECT id, CAST(price AS DOUBLE) AS price FROM prices;\n"
        )
    };
    bench.run(&prices("INT", false));
    bench.write("p.sql", prices("DOUBLE", true));
    let summary = replayed(&bench, "prices");
    let counts = members(&summary, &["records", "rows", "still_bad", "files", "sinks", "done"]);
    assert_eq!(counts, json!({"records": 4, "rows": 3, "still_bad": 1, "files": 2, "sinks": {"t": 3}, "done": true}));
    assert_eq!(summary["reasons"][0]["name"], "column 'price': '…' is not a DOUBLE", "{summary}");
    let prices = rows(&bench, "lake://t", "SELECT id, coalesce(CAST(price AS VARCHAR), '-') FROM t ORDER BY id");
    assert_eq!(prices, "1|1.0 3|2.5 4|4.0 5|5.25 6|-");
    assert_eq!(rows(&bench, "lake://bad/p/prices", "SELECT line, CAST(raw AS VARCHAR) FROM t"), "3|2,5;2");
}

#[test]
fn a_record_before_the_header_of_its_file_is_no_row_by_the_order_of_its_cells() {
    // More cells than a record may have; the next record is taken for the header.
    let first = vec!["id"; 70_000].join(",");
    let bench = bench(&[("a.csv", format!("{first}\nid,n\n1,2\n3,x\n").as_str())]);
    let text = |data_type: &str| {
        format!(
            "CREATE EXTERNAL TABLE c (id BIGINT, n {data_type}) STORED AS CSV LOCATION 'in/'
             OPTIONS ('header' 'true', 'delimiter' ',', 'on_error' 'quarantine', 'max_bad_ratio' '1');
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t'; INSERT INTO t SELECT id, CAST(n AS VARCHAR) AS n FROM c;\n"
        )
    };
    bench.run(&text("BIGINT"));
    assert_eq!(rows(&bench, "lake://bad/p/c", "SELECT line, \"column\" FROM t ORDER BY 1"), "1| 4|n");
    bench.write("p.sql", text("VARCHAR"));
    let summary = replayed(&bench, "c");
    assert_eq!(
        members(&summary, &["records", "rows", "still_bad"]),
        json!({"records": 2, "rows": 1, "still_bad": 1}),
        "{summary}"
    );
    let reason = summary["reasons"][0]["name"].as_str().unwrap();
    assert!(reason.starts_with("it stands before the header of its file"), "{reason}");
    assert_eq!(rows(&bench, "lake://t", "SELECT id FROM t ORDER BY id"), "1 3");
}

#[test]
fn a_record_that_is_a_row_with_a_null_is_replaced_and_never_added() {
    let bench = bench(&[("a.json", "{\"id\":1,\"price\":1}\n{\"id\":2,\"price\":2.5}\n{\"id\":3,\"price\":\"much\"}\n")]);
    let prices = |data_type: &str| {
        format!(
            "CREATE EXTERNAL TABLE prices (id BIGINT, price {data_type}) STORED AS JSON LOCATION 'in/'
             OPTIONS ('on_error' 'null', 'max_bad_ratio' '1');
             CREATE EXTERNAL TABLE added STORED AS DELTA LOCATION 'lake://added';
             CREATE EXTERNAL TABLE latest STORED AS DELTA LOCATION 'lake://latest' OPTIONS ('key' 'id');
             INSERT INTO added SELECT id, CAST(price AS DOUBLE) AS price FROM prices;
             REPLACE INTO latest SELECT id, CAST(price AS DOUBLE) AS price FROM prices;\n"
        )
    };
    bench.run(&prices("INT"));
    bench.write("p.sql", prices("DOUBLE"));
    let done = bench.engine(&["replay", "p.sql", "prices"]);
    says(
        &done,
        &["2 bad records of 1 file", "made 1 row:\n        1  written to latest\n", "1 record still bad", "1 record not tried:"],
    );
    says(&done, &["in tables that INSERT INTO appends to"]);
    let prices = |table: &str| {
        rows(&bench, &format!("lake://{table}"), "SELECT id, coalesce(CAST(price AS VARCHAR), '-') FROM t ORDER BY id")
    };
    assert_eq!((prices("added").as_str(), prices("latest").as_str()), ("1|1.0 2|- 3|-", "1|1.0 2|2.5 3|-"));
    let bad = rows(&bench, "lake://bad/p/prices", "SELECT line, kept, flows FROM t ORDER BY line");
    assert_eq!(bad, "2|true|added 3|true|added, latest");
    let again = replayed(&bench, "prices");
    assert_eq!(members(&again, &["records", "rows", "not_tried"]), json!({"records": 1, "rows": 0, "not_tried": {"kept": 1}}));
}

#[test]
fn a_flow_that_read_the_files_after_the_repair_gets_no_row_twice() {
    let bench = bench(&[PYTHON]);
    let flow = |name: &str| {
        format!(
            "CREATE EXTERNAL TABLE {name} STORED AS DELTA LOCATION 'lake://{name}'; INSERT INTO {name} SELECT id FROM events;\n"
        )
    };
    let table = |mode: &str| {
        format!(
            "CREATE EXTERNAL TABLE events (id BIGINT) STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1', \
             'mode' '{mode}');\n"
        )
    };
    bench.run(&[table("strict"), flow("first"), flow("gone")].concat());
    bench.run(&[table("lenient"), flow("first"), flow("later")].concat());
    let ids =
        |name: &str| bench.query(&format!("lake://{name}"), "SELECT string_agg(CAST(id AS VARCHAR), ',' ORDER BY id) FROM t");
    assert_eq!((ids("first").as_str(), ids("later").as_str()), ("1,3", "1,2,3"));
    assert_eq!(bench.query("lake://bad/p/events", "SELECT DISTINCT flows FROM t ORDER BY 1"), "first, gone\nlater");

    let summary = replayed(&bench, "events");
    let counts = members(&summary, &["records", "rows", "sinks", "not_tried"]);
    assert_eq!(counts, json!({"records": 7, "rows": 1, "sinks": {"first": 1}, "not_tried": {"no_flow": 1}}));
    assert_eq!((ids("first").as_str(), ids("later").as_str()), ("1,2,3", "1,2,3"));
    // It waits on for the flow that is not in the file, and reaches it when it is there again.
    assert_eq!(bench.query("lake://bad/p/events", "SELECT flows FROM t WHERE line = 2"), "gone");
    bench.write("p.sql", [table("lenient"), flow("first"), flow("gone")].concat());
    assert_eq!(replayed(&bench, "events")["sinks"], json!({"gone": 1}));
    assert_eq!((ids("first").as_str(), ids("gone").as_str()), ("1,2,3", "1,2,3"));
}

#[test]
fn records_of_before_a_new_beginning_are_left() {
    let bench = bench(&[PYTHON]);
    bench.run(&events(""));
    bench.write("p.sql", events(", 'mode' 'lenient'"));
    bench.good(&["run", "p.sql", "--from-scratch", "--yes"]);
    let done = bench.engine(&["replay", "p.sql", "events"]);
    says(&done, &["3 bad records of 1 file replayed", "made 0 rows\n", "4 records not tried:", "before --from-scratch"]);
    assert_eq!(bench.query("lake://bad/p/events", "SELECT count(*) FROM t"), "7");
}

#[test]
fn an_epoch_of_a_replay_holds_no_more_than_one_of_a_run() {
    let lines: String = (0..100).map(|id| format!("{{'id': {id}}}\n")).collect();
    let mut bench = bench(&[("a.json", lines.as_str())]);
    bench.set("ENGINE_RUN_EPOCH_ROWS", "30");
    let text = |mode: &str| {
        format!(
            "CREATE EXTERNAL TABLE events (id TINYINT) STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine',
             'max_bad_ratio' '1', 'mode' '{mode}');
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t'; INSERT INTO t SELECT id FROM events;\n"
        )
    };
    bench.run(&text("strict"));
    bench.write("p.sql", text("lenient"));
    let summary = replayed(&bench, "events");
    assert_eq!(members(&summary, &["records", "rows", "epochs"]), json!({"records": 100, "rows": 100, "epochs": 4}));
    assert_eq!(rows(&bench, "lake://t", "SELECT count(DISTINCT id), count(*) FROM t"), "100|100");
    assert_eq!(bench.query("lake://bad/p/events", "SELECT count(*) FROM t"), "0");
    says(
        &bench.engine(&["replay", "p.sql", "events"]),
        &["events: nothing to replay: there is no bad record in lake://bad/p/events"],
    );
}

#[test]
fn a_record_that_brings_a_column_adds_it_to_the_sink() {
    let bench = bench(&[("a.json", "{\"id\":1}\n"), ("b.json", "{\"id\":2}\n{'id': 3, 'more': 2.5}\n")]);
    let text = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE events STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1'{options});
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t'; INSERT INTO t SELECT * FROM events;\n"
        )
    };
    bench.run(&text(""));
    std::fs::remove_file(bench.path("in/b.json")).unwrap();
    bench.write("p.sql", text(", 'mode' 'lenient'"));
    assert_eq!(members(&replayed(&bench, "events"), &["rows", "still_bad"]), json!({"rows": 1, "still_bad": 0}));
    assert_eq!(rows(&bench, "lake://t", "SELECT id, more FROM t WHERE more IS NOT NULL"), "3|2.5");
}

#[test]
fn mistakes_name_the_next_thing_to_try() {
    let bench = bench(&[PYTHON]);
    bench.write("p.sql", events(""));
    says(&bench.engine(&["replay", "p.sql", "events", "--plan"]), &["nothing to replay"]);
    assert!(!bench.path(".engine/state.db").exists(), "a look makes no state");
    says(&bench.engine(&["replay", "p.sql", "events"]), &["nothing to replay: there is no bad record in lake://bad/p/events"]);
    for (table, parts) in [
        ("event", &["unknown source 'event' of pipeline 'p'; did you mean 'events'?"] as &[&str]),
        ("added", &["table 'added' is written and not read by pipeline 'p'", "events"]),
    ] {
        let ended = bench.engine(&["replay", "p.sql", table]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{}", ended.stderr);
    }
    let wrong = bench.engine(&["replay", "missing.sql", "events"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
}

#[test]
fn a_record_that_gave_rows_and_is_bad_in_part_hides_no_record_behind_it() {
    let bench = bench(&[("a.json", "{\"id\":0}\n{'id':1}{'id':2}{'id':'x'}\n{'id':4}\n{'id':5}\n")]);
    let text = |options: &str, rows: u64| {
        format!(
            "SET pipeline.epoch_rows = {rows};
             CREATE EXTERNAL TABLE events (id BIGINT) STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1'{options});
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t'; INSERT INTO t SELECT id FROM events;\n"
        )
    };
    bench.run(&text("", 100));
    bench.write("p.sql", text(", 'mode' 'lenient'", 1));
    let summary = replayed(&bench, "events");
    let counts = members(&summary, &["records", "rows", "still_bad", "not_tried", "not_tried_yet", "epochs"]);
    let expected = json!({"records": 3, "rows": 4, "still_bad": 1, "not_tried": {}, "not_tried_yet": 0, "epochs": 3});
    assert_eq!(counts, expected, "{summary}");
    assert_eq!(bench.query("lake://t", "SELECT string_agg(CAST(id AS VARCHAR), ',' ORDER BY id) FROM t"), "0,1,2,4,5");
    assert_eq!(rows(&bench, "lake://bad/p/events", "SELECT line, CAST(raw AS VARCHAR) FROM t"), "2|{'id':'x'}");
    let again = members(&replayed(&bench, "events"), &["records", "rows", "still_bad", "epochs"]);
    assert_eq!(again, json!({"records": 1, "rows": 0, "still_bad": 1, "epochs": 0}));
}

/// Bytes below a folder.
fn bytes(bench: &Bench, folder: &str) -> u64 {
    bench.listing(folder).iter().filter_map(|file| file.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[test]
fn an_epoch_of_a_replay_writes_anew_what_it_has_read_and_no_more() {
    let lines = |from: u32| (from..from + 12_000).map(|id| format!("{{'id': {id}}}\n")).collect::<String>();
    let text = |mode: &str, rows: u64| {
        format!(
            "SET pipeline.epoch_rows = {rows};
             CREATE EXTERNAL TABLE events (id INT) STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1',
             'mode' '{mode}');
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t' OPTIONS ('key' 'id'); REPLACE INTO t SELECT id FROM events;\n"
        )
    };
    // All in one file of the table, which the first epoch cuts; or in several, which are taken one by one.
    for epoch_rows in [100_000, 1_200] {
        let bench = bench(&[("a.json", lines(0).as_str())]);
        bench.run(&text("strict", epoch_rows));
        let before = bytes(&bench, "lake/bad/p/events");
        bench.write("p.sql", text("lenient", 1_200));
        let summary = replayed(&bench, "events");
        assert_eq!(members(&summary, &["records", "rows"]), json!({"records": 12_000, "rows": 12_000}), "{summary}");
        assert!(summary["epochs"].as_u64().is_some_and(|epochs| (2..=12).contains(&epochs)), "{summary}");
        assert_eq!(rows(&bench, "lake://t", "SELECT count(DISTINCT id), count(*) FROM t"), "12000|12000");
        assert_eq!(bench.query("lake://bad/p/events", "SELECT count(*) FROM t"), "0");
        let after = bytes(&bench, "lake/bad/p/events");
        assert!(after < 3 * before + 200_000, "{before} bytes were {after} when all had gone, in epochs of {epoch_rows}");
    }
}

#[test]
fn an_interrupted_replay_says_how_much_was_not_tried_and_the_next_goes_on() {
    let lines: String = (0..300).map(|id| format!("{{'id': {id}}}\n")).collect();
    for arguments in [["replay", "p.sql", "events", "-v"], ["replay", "p.sql", "events", "--json"]] {
        let bench = bench(&[("a.json", lines.as_str())]);
        let text = |mode: &str, rows: u64| {
            format!(
                "SET pipeline.epoch_rows = {rows};
                 CREATE EXTERNAL TABLE events (id INT) STORED AS JSON LOCATION 'in/' OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1',
                 'mode' '{mode}');
                 CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t'; INSERT INTO t SELECT id FROM events;\n"
            )
        };
        bench.run(&text("strict", 1_000));
        bench.write("p.sql", text("lenient", 1));
        let mut child = bench.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The first row is in the table: 299 epochs are to come.
        let deadline = Instant::now() + Duration::from_secs(60);
        while bench.listing("lake/t").is_empty() {
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no epoch was committed");
            std::thread::sleep(Duration::from_millis(5));
        }
        send(&child, "-INT");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        let left: u64 = bench.query("lake://bad/p/events", "SELECT count(*) FROM t").parse().unwrap();
        assert!(left > 0 && left < 300, "{left}");
        if arguments.contains(&"--json") {
            assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["not_tried_yet"], left);
        } else {
            assert!(told.contains(&format!("interrupted: {left} records not tried yet; replay again to go on")), "{told}");
        }
        bench.write("p.sql", text("lenient", 1_000));
        let summary = replayed(&bench, "events");
        assert_eq!(members(&summary, &["records", "not_tried_yet"]), json!({"records": left, "not_tried_yet": 0}));
        assert_eq!(rows(&bench, "lake://t", "SELECT count(DISTINCT id), count(*) FROM t"), "300|300");
    }
}
