//! Pipelines whose warehouse is a PostgreSQL database: the same rows as in the lake, once, whatever is killed when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::postgres::Postgres;
use testkit::python::{WAREHOUSE_PACKAGES, same_rows, venv_with};

use crate::cli::bench::{Bench, Ended};
use crate::lab::Lab;
use crate::pipelines::{REDDIT, Subject, WAREHOUSE};

const DATABASE: &str = "warehouse";

/// A lab with a schema of its own in a database that several share.
pub(crate) fn lab(subject: Subject, server: &Postgres) -> (Lab, String) {
    static LABS: AtomicU32 = AtomicU32::new(0);
    let schema = format!("lab_{}", LABS.fetch_add(1, Ordering::Relaxed));
    let settings =
        BTreeMap::from([("ENGINE_WAREHOUSE_URL".to_owned(), server.url(DATABASE)), ("SCHEMA".to_owned(), schema.clone())]);
    (Lab::local_with(subject, settings), schema)
}

pub(crate) fn server() -> Option<Postgres> {
    let server = Postgres::start_or_skip()?;
    server.create_database(DATABASE).unwrap();
    Some(server)
}

pub(crate) fn sql(server: &Postgres, statement: &str) -> String {
    server.sql(DATABASE, statement).unwrap()
}

/// Each table of [`WAREHOUSE`], as text, and what the ledger says of it.
#[cfg(feature = "failpoints")]
fn contents(server: &Postgres, schema: &str) -> String {
    let tables = ["appended", "latest", "totals"];
    let ledger = "SELECT target, writer_flow, mode, count(*), sum(rows) FROM (
        SELECT *, regexp_replace(writer, '.*:', '') AS writer_flow FROM _engine_loads) AS loads
        WHERE mode <> 'overwrite' GROUP BY 1, 2, 3 ORDER BY 1, 2";
    let select = |table: &&str| format!("SELECT '{table}', t.* FROM {table} t ORDER BY t::text;");
    let all: String = tables.iter().map(select).collect();
    sql(server, &format!("SET search_path = {schema}; {all} {ledger}"))
}

/// What an outside reader sees after a kill: as many rows as the ledger has.
#[cfg(feature = "failpoints")]
fn check_whole(server: &Postgres, schema: &str, context: &str) {
    let there = format!("SELECT to_regclass('{schema}.appended') IS NOT NULL");
    if sql(server, &there) == "t" {
        let whole = format!(
            "SET search_path = {schema};
             SELECT count(*) = (SELECT sum(rows) FROM _engine_loads WHERE target = 'appended'), count(*) = count(DISTINCT id) FROM appended"
        );
        assert_eq!(sql(server, &whole), "t|t", "{context}: part of an epoch is there, or a row twice");
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_warehouse_in_postgres_killed_anywhere_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    let (undisturbed, schema) = lab(WAREHOUSE, &server);
    let counts = undisturbed.run_counting();
    let expected = contents(&server, &schema);
    assert_eq!(sql(&server, &format!("SELECT count(*) FROM {schema}.appended")), WAREHOUSE.replay_posts.to_string());
    crate::kill::at_each_pass(
        &counts,
        crate::kill::MOST_PASSES,
        || (),
        |(), point, nth, context| {
            let (lab, schema) = lab(WAREHOUSE, &server);
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            check_whole(&server, &schema, context);
            lab.run_well(context);
            assert_eq!(contents(&server, &schema), expected, "{context}");
            assert_eq!(crate::lab::files_below(&lab.lake().join(".engine")), [""; 0], "{context}: staged files are left");
            sql(&server, &format!("SET client_min_messages = warning; DROP SCHEMA {schema} CASCADE"));
        },
    );
}

#[test]
fn the_shipped_pipeline_fills_postgres_with_the_rows_of_the_lake() {
    let Some(server) = server() else { return };
    let (lab, _) = lab(REDDIT, &server);
    shipped_pipeline_fills(&lab, &server.url(DATABASE));
    assert_eq!(
        sql(&server, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.reddit_posts'::regclass AND contype = 'p'"),
        "1"
    );
}

/// Loads a lab of [`REDDIT`], loads it anew over itself, and has independent readers compare the warehouse at `url` with the lake.
pub(crate) fn shipped_pipeline_fills(lab: &Lab, url: &str) {
    lab.run_well("first");
    check_same_rows(lab, url);
    let again = lab.run_well("again");
    assert!(String::from_utf8(again.stdout).unwrap().contains("nothing new"));
    let anew = lab.command().args(["--from-scratch", "--yes"]).output().unwrap();
    assert!(anew.status.success(), "{}", String::from_utf8_lossy(&anew.stderr));
    check_same_rows(lab, url);
}

fn check_same_rows(lab: &Lab, url: &str) {
    let python = match venv_with(WAREHOUSE_PACKAGES) {
        Ok(python) => python,
        Err(error) => return crate::checks::skipped("the Python packages deltalake and psycopg", &error),
    };
    let posts = connectors::reddit::sample_posts(REDDIT.replay_posts).count() as u64;
    let folder = lab.lake().join(REDDIT.tables[0].path);
    assert_eq!(same_rows(&python, &folder, url, "public.reddit_posts", "id").unwrap(), (posts, posts));
}

#[test]
fn a_flow_whose_warehouse_is_another_now_starts_from_the_beginning_there() {
    let Some(server) = server() else { return };
    let (lab, schema) = lab(WAREHOUSE, &server);
    let first = lab.command().env_remove("ENGINE_WAREHOUSE_URL").output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let plan = |warehouse: bool| {
        let mut command = lab.engine(&["plan", "warehouse.sql"]);
        if !warehouse {
            command.env_remove("ENGINE_WAREHOUSE_URL");
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let in_lake = plan(false);
    assert!(
        in_lake.contains(&format!("WAREHOUSE ${{SCHEMA}}.appended, which is DELTA lake://warehouse/{schema}/appended")),
        "{in_lake}"
    );
    let in_postgres = plan(true);
    assert!(in_postgres.contains("WAREHOUSE ${SCHEMA}.appended in postgres://127.0.0.1:"), "{in_postgres}");
    assert!(in_postgres.contains("from the beginning"), "{in_postgres}");
    lab.run_well("with a warehouse of its own");
    assert_eq!(sql(&server, &format!("SELECT count(*) FROM {schema}.appended")), WAREHOUSE.replay_posts.to_string());
}

#[test]
fn a_flow_goes_on_when_its_database_only_has_another_name() {
    let Some(server) = server() else { return };
    let (lab, schema) = lab(WAREHOUSE, &server);
    lab.run_well("under its address");
    let renamed = server.url(DATABASE).replace("127.0.0.1", "localhost");
    let output = lab.command().env("ENGINE_WAREHOUSE_URL", renamed).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted = format!("SELECT count(*), count(DISTINCT id) FROM {schema}.appended");
    assert_eq!(sql(&server, &counted), format!("{0}|{0}", WAREHOUSE.replay_posts));
}

#[test]
fn rows_that_postgres_cannot_hold_are_put_aside_in_the_same_commit() {
    let Some(server) = server() else { return };
    sql(&server, "CREATE TABLE short (n BIGINT PRIMARY KEY, v VARCHAR(5), must TEXT NOT NULL)");
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    let lines = ["1,fits,a", "2,too long,b", "3,fits,", "4,toolong,", "5,,c"];
    bench.write("rows.csv", format!("n,v,must\n{}\n", lines.join("\n")));
    let pipeline = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE rows (n BIGINT, v VARCHAR, must VARCHAR) STORED AS CSV LOCATION 'rows.csv';
             CREATE EXTERNAL TABLE short STORED AS WAREHOUSE LOCATION 'public.short' OPTIONS ('key' 'n', {options});
             REPLACE INTO short SELECT * FROM rows;"
        )
    };
    bench.write("p.sql", pipeline("'order_by' 'n'"));
    let refused = bench.engine(&["run", "p.sql"]);
    assert!(refused.code == 1 && refused.stderr.contains("column 'v': has 8 characters, and the column takes 5"), "{refused:?}");
    assert_eq!(sql(&server, "SELECT count(*) FROM short"), "0");

    // Nothing was recorded: the declaration can be changed, and the run goes on.
    bench.write("p.sql", pipeline("'on_error' 'null', 'max_bad_ratio' '0.9'"));
    let said = bench.good(&["run", "p.sql"]);
    assert!(said.contains("short cannot hold them: change the query or the table"), "{said}");
    assert_eq!(sql(&server, "SELECT n, v, must FROM short ORDER BY n"), "1|fits|a\n2||b\n5||c");
    let bad = "SELECT \"row\", \"column\", kept, reason, CAST(raw AS VARCHAR) AS raw FROM \"short$bad\" ORDER BY 1, 2";
    let bad = bench.good(&["shell", "--format", "json", "-c", bad]);
    let bad: serde_json::Value = serde_json::from_str(&bad).unwrap();
    let said: Vec<_> = bad.as_array().unwrap().iter().map(|bad| (&bad["row"], &bad["column"], &bad["kept"])).collect();
    let expected = serde_json::json!([[2, "v", true], [3, "must", false], [4, "must", false]]);
    assert_eq!(serde_json::json!(said), expected);
    assert_eq!(bad[0]["raw"], r#"{"n":"2","v":"too long","must":"b"}"#);
}

/// What the tables of [`changes_are_loaded`] have in the end.
pub(crate) const CHANGED: [&str; 3] = ["2|B\n3|c", "1|a|D\n2|B|U\n3|c|I", "1|a\n2|b\n3|c\n4|d"];

/// Runs a pipeline that reads changes: one table without rows that were deleted, one that marks them, one that takes new keys only. A deletion
/// has no values but the key.
pub(crate) fn changes_are_loaded(bench: &Bench) {
    std::fs::create_dir(bench.path("in")).unwrap();
    bench.write("in/1.csv", "id,v,op\n1,a,I\n2,b,I\n3,c,I\n");
    bench.write(
        "p.sql",
        "CREATE EXTERNAL TABLE changes (id BIGINT, v VARCHAR, op VARCHAR) STORED AS CSV LOCATION 'in/';
         CREATE EXTERNAL TABLE kept STORED AS WAREHOUSE LOCATION 'public.kept' OPTIONS ('key' 'id', 'deleted' 'op');
         CREATE EXTERNAL TABLE marked STORED AS WAREHOUSE LOCATION 'public.marked' OPTIONS ('key' 'id', 'deleted' 'op', 'deletes' 'soft');
         CREATE EXTERNAL TABLE fresh STORED AS WAREHOUSE LOCATION 'public.fresh' OPTIONS ('key' 'id', 'upsert' 'insert');
         REPLACE INTO kept SELECT * FROM changes;
         REPLACE INTO marked SELECT * FROM changes;
         REPLACE INTO fresh SELECT id, v FROM changes WHERE op IN ('I', 'U');",
    );
    bench.good(&["run", "p.sql"]);
    bench.write("in/2.csv", "id,v,op\n1,,D\n2,B,U\n4,d,I\n4,,D\n5,,delete\n");
    bench.good(&["run", "p.sql"]);
    bench.good(&["verify", "p.sql"]);
    assert!(bench.good(&["run", "p.sql"]).contains("nothing new"));
}

#[test]
fn rows_that_a_source_says_are_deleted_go_in_the_lake_as_in_a_database() {
    let mut bench = Bench::new();
    changes_are_loaded(&bench);
    let in_lake = |name: &str, columns: &str| {
        let select = format!("SELECT concat_ws('|', {columns}) AS r FROM t ORDER BY r");
        bench.query(&format!("lake://warehouse/public/{name}"), &select)
    };
    assert_eq!([in_lake("kept", "id, v"), in_lake("marked", "id, v, op"), in_lake("fresh", "id, v")], CHANGED);

    let Some(server) = server() else { return };
    bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    for name in ["kept", "marked"] {
        let mark = if name == "marked" { ", op TEXT" } else { "" };
        sql(&server, &format!("CREATE TABLE {name} (id BIGINT PRIMARY KEY, v TEXT NOT NULL{mark})"));
    }
    changes_are_loaded(&bench);
    let there = |name: &str| sql(&server, &format!("SELECT * FROM {name} ORDER BY id"));
    assert_eq!([there("kept"), there("marked"), there("fresh")], CHANGED);
}

/// Three rows in a file, of which a table may not like the second.
fn checked(server: &Postgres) -> Bench {
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    bench.write("rows.csv", "n,v\n1,10\n2,200\n3,30\n");
    bench
}

fn checked_pipeline(filter: &str) -> String {
    format!(
        "CREATE EXTERNAL TABLE rows (n BIGINT, v BIGINT) STORED AS CSV LOCATION 'rows.csv';
         CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://kept';
         CREATE EXTERNAL TABLE checked STORED AS WAREHOUSE LOCATION 'public.checked';
         INSERT INTO kept SELECT * FROM rows;
         INSERT INTO checked SELECT * FROM rows {filter};"
    )
}

#[test]
fn rows_that_the_server_refuses_end_the_run_before_anything_is_recorded() {
    let Some(server) = server() else { return };
    sql(&server, "CREATE TABLE checked (n BIGINT, v BIGINT CHECK (v < 100))");
    let bench = checked(&server);
    bench.write("p.sql", checked_pipeline(""));
    let refused = bench.engine(&["run", "p.sql", "--json"]);
    assert!(refused.code == 1 && refused.stderr.contains("checked_v_check"), "{refused:?}");
    assert!(refused.stderr.contains("nothing of the epoch was recorded"), "{refused:?}");
    let summary: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((&summary["pipeline"], &summary["last_epoch"]), (&"p".into(), &0.into()));
    assert!(summary["error"].as_str().unwrap().contains("checked_v_check"), "{summary}");
    bench.write("p.sql", checked_pipeline("WHERE v < 100"));
    bench.good(&["run", "p.sql"]);
    assert_eq!(sql(&server, "SELECT n, v FROM checked ORDER BY n"), "1|10\n3|30");
    assert_eq!(bench.good(&["shell", "--format", "csv", "-c", "SELECT count(*) AS n FROM 'lake://kept'"]), "n\n3\n");
}

#[test]
fn rows_that_refer_to_others_of_their_epoch_are_loaded_behind_them() {
    let Some(server) = server() else { return };
    sql(&server, "CREATE TABLE customers (n BIGINT PRIMARY KEY); CREATE TABLE orders (v BIGINT, n BIGINT REFERENCES customers)");
    let bench = checked(&server);
    bench.write(
        "p.sql",
        "CREATE EXTERNAL TABLE rows (n BIGINT, v BIGINT) STORED AS CSV LOCATION 'rows.csv';
         CREATE EXTERNAL TABLE customers STORED AS WAREHOUSE LOCATION 'public.customers' OPTIONS ('key' 'n');
         CREATE EXTERNAL TABLE orders STORED AS WAREHOUSE LOCATION 'public.orders';
         REPLACE INTO customers SELECT n FROM rows;
         INSERT INTO orders SELECT v, n FROM rows;",
    );
    bench.good(&["run", "p.sql"]);
    assert_eq!(sql(&server, "SELECT v, n FROM orders JOIN customers USING (n) ORDER BY n"), "10|1\n200|2\n30|3");
}

#[test]
fn an_epoch_that_the_server_refuses_is_dropped_when_it_is_told_so_and_read_again() {
    let Some(server) = server() else { return };
    // Which is looked at when the transaction ends.
    let reference = "BIGINT REFERENCES known DEFERRABLE INITIALLY DEFERRED";
    sql(
        &server,
        &format!(
            "CREATE TABLE known AS SELECT 10::bigint AS v UNION SELECT 30; ALTER TABLE known ADD PRIMARY KEY (v); CREATE TABLE checked (n BIGINT, v {reference})"
        ),
    );
    let bench = checked(&server);
    bench.write("p.sql", checked_pipeline(""));
    assert_eq!(bench.engine(&["run", "p.sql"]).code, 1);
    bench.write("p.sql", checked_pipeline("WHERE v < 100"));
    let stuck = bench.engine(&["run", "p.sql"]);
    assert!(stuck.code == 1 && stuck.stderr.contains("`engine run p.sql --discard-epoch`"), "{stuck:?}");
    bench.good(&["run", "p.sql", "--discard-epoch"]);
    assert_eq!(sql(&server, "SELECT n, v FROM checked ORDER BY n"), "1|10\n3|30");
    // The table that had the epoch has it once.
    assert_eq!(bench.good(&["shell", "--format", "csv", "-c", "SELECT count(*) AS n FROM 'lake://kept'"]), "n\n3\n");
    let again = bench.good(&["run", "p.sql", "--discard-epoch"]);
    assert!(again.contains("nothing new"), "{again}");
}

#[test]
fn a_state_that_is_older_than_the_table_does_not_lose_rows_to_it() {
    let Some(server) = server() else { return };
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE)).set("ENGINE_STATE_URL", "state");
    std::fs::create_dir(bench.path("in")).unwrap();
    bench.write("in/1.csv", "n\n1\n");
    let sinks = [("here", "DELTA LOCATION 'lake://here'"), ("there", "WAREHOUSE LOCATION 'public.there'")];
    let files = sinks.map(|(name, sink)| {
        let file = format!("{name}.sql");
        let text = "CREATE EXTERNAL TABLE rows (n BIGINT) STORED AS CSV LOCATION 'in/';\nCREATE EXTERNAL TABLE sink STORED AS";
        bench.write(&file, format!("{text} {sink};\nINSERT INTO sink SELECT * FROM rows;\n"));
        bench.good(&["run", &file]);
        file
    });
    let copy = |from: &str, to: &str| {
        let status = std::process::Command::new("cp").args(["-rT", from, to]).current_dir(bench.path("")).status().unwrap();
        assert!(status.success());
    };
    copy("state", "backup");
    bench.write("in/2.csv", "n\n2\n");
    files.iter().for_each(|file| drop(bench.good(&["run", file])));
    std::fs::remove_dir_all(bench.path("state")).unwrap();
    copy("backup", "state");
    bench.write("in/3.csv", "n\n3\n");
    for file in &files {
        let refused = bench.engine(&["run", file]);
        assert!(refused.code == 1 && refused.stderr.contains("the state is an older copy"), "{refused:?}");
    }
    assert_eq!(sql(&server, "SELECT n FROM there ORDER BY n"), "1\n2");
}

#[test]
fn what_two_flows_bring_that_fits_nowhere_is_put_aside_for_both_without_a_key_too() {
    let Some(server) = server() else { return };
    sql(&server, "CREATE TABLE pair (n BIGINT PRIMARY KEY, v VARCHAR(5))");
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    bench.write("rows.csv", "n,v\n1,fits\n,no\n,key\n2,too long\n1,again\n,none\n");
    let summary = bench.run(
        "CREATE EXTERNAL TABLE rows (n BIGINT, v VARCHAR) STORED AS CSV LOCATION 'rows.csv';
         CREATE EXTERNAL TABLE pair STORED AS WAREHOUSE LOCATION 'public.pair'
         OPTIONS ('key' 'n', 'on_error' 'quarantine', 'max_bad_ratio' '0.9');
         REPLACE INTO pair SELECT * FROM rows;
         REPLACE INTO pair SELECT n + 10 AS n, v FROM rows;",
    );
    assert_eq!(sql(&server, "SELECT n, v FROM pair ORDER BY n"), "1|again\n11|again");
    let bad = "SELECT count(*) AS n, count(DISTINCT CAST(raw AS VARCHAR)) AS d FROM \"pair$bad\"";
    assert_eq!(bench.good(&["shell", "--format", "csv", "-c", bad]), "n,d\n8,5\n", "{summary}");
    assert_eq!(summary["sinks"]["pair"]["bad_rows"], 8, "{summary}");
}

#[test]
fn a_text_that_is_cut_is_loaded_and_the_whole_of_it_noted_in_the_same_commit() {
    let Some(server) = server() else { return };
    sql(&server, "CREATE TABLE short (n BIGINT, v VARCHAR(5), d DATE NOT NULL)");
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    bench.write("rows.csv", "n,v,d\n1,fits,2026-01-01\n2,too long,2026-01-01\n3,fits,\n4,höher als 5,2026-01-01\n");
    let pipeline = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE rows (n BIGINT, v VARCHAR, d DATE) STORED AS CSV LOCATION 'rows.csv';
             CREATE EXTERNAL TABLE short STORED AS WAREHOUSE LOCATION 'public.short' OPTIONS ({options});
             INSERT INTO short SELECT * FROM rows;"
        )
    };
    // What cannot be cut is as 'on_error' says.
    bench.write("p.sql", pipeline("'too_long' 'truncate'"));
    let refused = bench.engine(&["run", "p.sql"]);
    assert!(refused.code == 1 && refused.stderr.contains("row 3 of the epoch, column 'd': is NULL"), "{refused:?}");
    assert_eq!(sql(&server, "SELECT count(*) FROM short"), "0");
    let summary = bench.run(&pipeline("'on_error' 'truncate', 'max_bad_ratio' '0.25'"));
    assert_eq!(sql(&server, "SELECT n, v FROM short ORDER BY n"), "1|fits\n2|too l\n4|höher");
    let sink = &summary["sinks"]["short"];
    assert_eq!((&sink["rows_written"], &sink["bad_rows"]), (&3.into(), &1.into()), "{summary}");
    assert_eq!(summary["bad"]["short$bad"]["rows"], 3, "{summary}");
    let bad = "SELECT \"row\", \"column\", kept, reason, CAST(raw AS VARCHAR) AS raw FROM \"short$bad\" ORDER BY 1";
    let bad = bench.good(&["shell", "--format", "json", "-c", bad]);
    let bad: serde_json::Value = serde_json::from_str(&bad).unwrap();
    let said: Vec<_> = bad.as_array().unwrap().iter().map(|bad| (&bad["row"], &bad["column"], &bad["kept"])).collect();
    assert_eq!(serde_json::json!(said), serde_json::json!([[2, "v", true], [3, "d", false], [4, "v", true]]));
    assert_eq!(bad[0]["reason"], "had 8 characters, and the column takes 5: it was cut");
    assert_eq!(bad[2]["raw"], r#"{"n":"4","v":"höher als 5","d":"2026-01-01"}"#);
}

#[test]
fn a_table_that_somebody_dropped_is_not_made_anew_with_new_rows_only() {
    let Some(server) = server() else { return };
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    std::fs::create_dir(bench.path("in")).unwrap();
    bench.write("in/1.csv", "n\n1\n2\n");
    bench.write("whole.csv", "n\n1\n2\n");
    let rows = "CREATE EXTERNAL TABLE rows (n BIGINT) STORED AS CSV LOCATION 'in/';\nCREATE EXTERNAL TABLE sink STORED AS";
    bench.write("here.sql", format!("{rows} DELTA LOCATION 'lake://here';\nINSERT INTO sink SELECT * FROM rows;\n"));
    bench.write(
        "there.sql",
        format!("{rows} WAREHOUSE LOCATION 'public.there' OPTIONS ('key' 'n');\nREPLACE INTO sink SELECT * FROM rows;\n"),
    );
    bench.write(
        "whole.sql",
        "CREATE EXTERNAL TABLE rows (n BIGINT) STORED AS CSV LOCATION 'whole.csv';
         CREATE EXTERNAL TABLE sink STORED AS WAREHOUSE LOCATION 'public.whole';\nINSERT OVERWRITE sink SELECT * FROM rows;\n",
    );
    for file in ["here.sql", "there.sql", "whole.sql"] {
        bench.good(&["run", file]);
    }
    std::fs::rename(bench.path("lake/here"), bench.path("here")).unwrap();
    sql(&server, "ALTER TABLE there RENAME TO elsewhere; DROP TABLE whole");
    for new in [false, true] {
        if new {
            bench.write("in/2.csv", "n\n3\n");
        }
        for (file, place) in [("here.sql", "lake://here"), ("there.sql", "public.there")] {
            let ended = bench.engine(&["run", file]);
            assert_eq!(ended.code, 1, "{file}: {}", bench.shown(&ended));
            let said = format!("table 'sink' ({place}) is gone: 2 rows of pipeline");
            for part in [said.as_str(), "up to epoch 1", "Nothing was written", "Restore it", "--from-scratch"] {
                assert!(ended.stderr.contains(part), "{file}: {part}: {}", ended.stderr);
            }
        }
    }
    assert_eq!(sql(&server, "SELECT to_regclass('there') IS NULL"), "t");
    // A table that is computed as a whole is computed.
    bench.good(&["run", "whole.sql"]);
    assert_eq!(sql(&server, "SELECT count(*) FROM whole"), "2");
    assert!(bench.good(&["run", "whole.sql"]).contains("nothing new"));
    // Either way goes on.
    std::fs::rename(bench.path("here"), bench.path("lake/here")).unwrap();
    bench.good(&["run", "here.sql"]);
    assert_eq!(bench.query("lake://here", "SELECT count(*) FROM t"), "3");
    bench.good(&["run", "there.sql", "--from-scratch", "--yes"]);
    assert_eq!(sql(&server, "SELECT count(*) FROM there"), "3");
    // A table that is computed as a whole is computed wherever it is now.
    bench.write(
        "whole.sql",
        "CREATE EXTERNAL TABLE rows (n BIGINT) STORED AS CSV LOCATION 'whole.csv';
         CREATE EXTERNAL TABLE sink STORED AS WAREHOUSE LOCATION 'public.other';\nINSERT OVERWRITE sink SELECT * FROM rows;\n",
    );
    bench.good(&["run", "whole.sql"]);
    assert_eq!(sql(&server, "SELECT count(*) FROM other"), "2");
}

/// Runs a file that adds what is new in `in/` to the table `name` at `location`.
fn adds(bench: &Bench, (name, location, options): (&str, &str, &str), arguments: &[&str]) -> Ended {
    bench.write(
        "p.sql",
        format!(
            "CREATE EXTERNAL TABLE rows (n BIGINT) STORED AS CSV LOCATION 'in/';
             CREATE EXTERNAL TABLE {name} STORED AS {location}{options};\nINSERT INTO {name} SELECT * FROM rows;\n"
        ),
    );
    bench.engine(arguments)
}

#[test]
fn a_table_whose_location_was_changed_is_not_filled_with_new_rows_only() {
    let Some(server) = server() else { return };
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    std::fs::create_dir(bench.path("in")).unwrap();
    let rows_of = |location: &str| match location.split_once("public.") {
        Some((_, table)) => sql(&server, &format!("SELECT count(*) FROM {}", table.trim_end_matches('\''))),
        None => bench.query(location.trim_start_matches("DELTA LOCATION ").trim_matches('\''), "SELECT count(*) FROM t"),
    };
    for (first, second, third) in [
        ("WAREHOUSE LOCATION 'public.a1'", "WAREHOUSE LOCATION 'public.a2'", "WAREHOUSE LOCATION 'public.a3'"),
        ("DELTA LOCATION 'lake://b1'", "DELTA LOCATION 'lake://b2'", "DELTA LOCATION 'lake://b3'"),
    ] {
        bench.write("in/1.csv", "n\n1\n");
        assert_eq!(adds(&bench, ("o", first, ""), &["run", "p.sql", "--from-scratch", "--yes"]).code, 0);
        let of = |location: &str| location.split('\'').nth(1).unwrap().to_owned();
        for arguments in [&["plan", "p.sql"][..], &["run", "p.sql"], &["check", "p.sql"]] {
            let refused = adds(&bench, ("o", second, ""), arguments);
            assert_eq!(refused.code, 1, "{refused:?}");
            let places = [format!("was at '{}'", of(first)), format!("is at '{}' now", of(second))];
            for part in ["p.sql:2: table 'o'", &places[0], &places[1], "Nothing was written", "('moved_from' '", "another name"] {
                assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
            }
        }
        // By another name it is another table, which begins at the beginning.
        assert_eq!(adds(&bench, ("o_new", second, ""), &["run", "p.sql"]).code, 0);
        assert_eq!(rows_of(second), "1");
        bench.write("in/2.csv", "n\n2\n");
        // The same place by another name is the same table.
        assert_eq!(adds(&bench, ("o_newer", second, ""), &["run", "p.sql"]).code, 0);
        assert_eq!(rows_of(second), "2");
        assert_eq!(rows_of(first), "1");
        if second.contains("public.") {
            sql(&server, "ALTER TABLE a2 RENAME TO a3");
        } else {
            std::fs::rename(bench.path("lake/b2"), bench.path("lake/b3")).unwrap();
        }
        bench.write("in/3.csv", "n\n3\n");
        let options = format!(" OPTIONS ('moved_from' '{}')", of(second));
        for _ in 0..2 {
            let moved = adds(&bench, ("o_newer", third, &options), &["run", "p.sql"]);
            assert_eq!(moved.code, 0, "{moved:?}");
            assert_eq!(rows_of(third), "3");
        }
        assert!(adds(&bench, ("o_newer", third, ""), &["run", "p.sql"]).stdout.contains("nothing new"));
        for file in ["in/1.csv", "in/2.csv", "in/3.csv"] {
            std::fs::remove_file(bench.path(file)).unwrap();
        }
    }
}

#[test]
fn a_table_that_is_said_to_have_moved_and_is_not_there_is_gone() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("in")).unwrap();
    bench.write("in/1.csv", "n\n1\n");
    assert_eq!(adds(&bench, ("o", "DELTA LOCATION 'lake://o'", ""), &["run", "p.sql"]).code, 0);
    bench.write("in/2.csv", "n\n2\n");
    let gone = adds(&bench, ("o", "DELTA LOCATION 'lake://p'", " OPTIONS ('moved_from' 'lake://o')"), &["run", "p.sql"]);
    assert!(gone.code == 1 && gone.stderr.contains("table 'o' (lake://p) is gone: 1 row"), "{gone:?}");
}

#[test]
fn a_location_that_only_is_written_otherwise_is_the_same() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("in")).unwrap();
    for (number, location) in
        ["WAREHOUSE LOCATION 'public.o'", "WAREHOUSE LOCATION 'o'", "DELTA LOCATION 'lake://warehouse/public/o/'"]
            .into_iter()
            .enumerate()
    {
        bench.write(&format!("in/{number}.csv"), format!("n\n{number}\n"));
        let ended = adds(&bench, ("o", location, ""), &["run", "p.sql"]);
        assert_eq!(ended.code, 0, "{location}: {ended:?}");
    }
    assert_eq!(bench.query("lake://warehouse/public/o", "SELECT count(*) FROM t"), "3");
}

#[test]
fn a_number_with_more_digits_than_its_column_is_put_aside_and_a_cast_that_fails_is_told_of() {
    let Some(server) = server() else { return };
    // A domain stays what it is: other columns get more digits.
    sql(&server, "CREATE DOMAIN price AS numeric(6,2); CREATE TABLE priced (n BIGINT, price price)");
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
    bench.write("rows.csv", "n,price\n1,1.50\n2,123456.00\n3,0.005\n4,9999.99\n");
    let run = |price: &str, options: &str| {
        bench.write(
            "p.sql",
            format!(
                "CREATE EXTERNAL TABLE rows (n BIGINT, price DECIMAL(38,4)) STORED AS CSV LOCATION 'rows.csv';
                 CREATE EXTERNAL TABLE priced STORED AS WAREHOUSE LOCATION 'public.priced'{options};
                 INSERT INTO priced SELECT n, {price} AS price FROM rows;"
            ),
        );
        bench.engine(&["run", "p.sql"])
    };
    let aside = " OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '0.5')";
    let cast = run("CAST(price AS DECIMAL(6,2))", aside);
    assert_eq!(cast.code, 1, "{cast:?}");
    for part in ["p.sql:3: priced: ", "TRY_CAST", "on_error"] {
        assert!(cast.stderr.contains(part), "{part}: {}", cast.stderr);
    }
    let named = run("price", "");
    assert_eq!(named.code, 1, "{named:?}");
    assert!(named.stderr.contains("column 'price': is 123456.0000, which has more than 4 digits before the point"), "{named:?}");
    assert_eq!(sql(&server, "SELECT count(*) FROM priced"), "0");
    let kept = run("price", aside);
    assert_eq!(kept.code, 0, "{kept:?}");
    assert_eq!(sql(&server, "SELECT n, price FROM priced ORDER BY n"), "1|1.50\n4|9999.99");
    let bad = "SELECT \"row\", \"column\", reason FROM \"priced$bad\" ORDER BY 1";
    let bad = bench.good(&["shell", "--format", "csv", "-c", bad]);
    assert!(bad.contains("2,price,") && bad.contains("3,price,") && bad.contains("more than 2 digits behind the point"), "{bad}");
}

#[test]
fn of_keys_that_are_one_to_postgres_the_last_row_to_come_is_taken() {
    let Some(server) = server() else { return };
    sql(&server, "CREATE TABLE things (id uuid PRIMARY KEY, n BIGINT)");
    let (upper, lower) = ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    // Both ways of staging: keys that are all different as texts, and some that are not.
    for (file, ids) in [("plain", vec![lower, upper]), ("repeated", vec![upper, lower, lower, upper])] {
        let lines: String = (1..).zip(&ids).map(|(n, id)| format!("{id},{n}\n")).collect();
        let mut bench = Bench::new();
        bench.set("ENGINE_WAREHOUSE_URL", server.url(DATABASE));
        bench.write(&format!("{file}.csv"), format!("id,n\n{lines}"));
        let summary = bench.run(&format!(
            "CREATE EXTERNAL TABLE rows (id VARCHAR, n BIGINT) STORED AS CSV LOCATION '{file}.csv';
             CREATE EXTERNAL TABLE things STORED AS WAREHOUSE LOCATION 'public.things' OPTIONS ('key' 'id');
             REPLACE INTO things SELECT * FROM rows;"
        ));
        assert_eq!(sql(&server, "SELECT id, n FROM things"), format!("{lower}|{}", ids.len()), "{file}: {summary}");
    }
}
