//! `engine verify`: every table agrees after a run, and what somebody changed by hand is named.

use std::process::Output;

use serde_json::Value;

use crate::lab::Lab;
use crate::pipelines::WAREHOUSE;
use crate::redshift::Cluster;
use crate::warehouse;

/// What `engine verify` says of a lab's pipeline, and its exit code.
fn verify(lab: &Lab) -> (Value, i32) {
    let output = run(lab, &["--json"]);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

fn run(lab: &Lab, arguments: &[&str]) -> Output {
    lab.engine(&["verify"]).arg(lab.pipeline()).args(arguments).output().unwrap()
}

/// What differs, by table.
fn differences(lab: &Lab, exit_code: i32) -> Vec<(String, Vec<String>)> {
    let (report, code) = verify(lab);
    assert_eq!(code, exit_code, "{report:#}");
    assert_eq!(report["agrees"], code == 0, "{report:#}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let sinks = report["sinks"].as_array().unwrap().iter();
    let different = sinks.map(|sink| (text(&sink["sink"]), sink["differences"].as_array().unwrap().iter().map(text).collect()));
    different.filter(|(_, differences): &(String, Vec<String>)| !differences.is_empty()).collect()
}

/// That all tables agree, and that the numbers stand side by side.
fn check_agreement(lab: &Lab) {
    assert_eq!(differences(lab, 0), []);
    let (report, _) = verify(lab);
    let posts = WAREHOUSE.replay_posts;
    let sink = |name: &str| report["sinks"].as_array().unwrap().iter().find(|sink| sink["sink"] == name).unwrap();
    let appended = sink("appended");
    assert_eq!(appended["table_rows"], posts, "{appended:#}");
    assert_eq!(appended["expected_rows"], serde_json::json!([posts, posts]), "{appended:#}");
    let epochs = appended["epochs"].as_array().unwrap();
    let mut sum = 0;
    for epoch in epochs {
        let number = |name: &str| epoch[name].as_u64().unwrap();
        sum += number("staged_rows");
        let (source, ledger, then) = (number("source_rows"), number("ledger_rows"), number("rows_after"));
        assert_eq!((source, ledger, then), (number("staged_rows"), number("staged_rows"), sum), "{epoch:#}");
    }
    assert!(epochs.len() > 1 && sum == posts, "{sum} rows in {} epochs", epochs.len());
    assert_eq!(sink("totals")["epochs"][0]["mode"], "overwrite");
    assert_eq!(sink("latest")["epochs"][0]["mode"], "upsert");
    let shown = String::from_utf8(run(lab, &[]).stdout).unwrap();
    assert!(shown.contains("all 4 tables agree"), "{shown}");
}

#[test]
fn rows_and_lines_that_are_gone_from_redshift_are_named() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, schema) = cluster.lab();
    lab.run_well("first");
    check_agreement(&lab);
    cluster.sql(&format!("DELETE FROM {schema}.appended WHERE id = (SELECT MIN(id) FROM {schema}.appended)"));
    let posts = WAREHOUSE.replay_posts;
    let missing = format!("missing rows: 1; the table has {}, by the ledger there are at least {posts}", posts - 1);
    assert_eq!(differences(&lab, 1), [("appended".to_owned(), vec![missing])]);
    cluster.sql(&format!("INSERT INTO {schema}.latest SELECT * FROM {schema}.latest"));
    cluster.sql(&format!("DELETE FROM {schema}.\"_engine_loads__totals\""));
    let found = differences(&lab, 1);
    let [_, latest, totals] = found.as_slice() else { panic!("{found:#?}") };
    assert!(latest.1.iter().any(|text| text.contains("in several rows")), "{latest:?}");
    assert!(totals.1[0].contains("the ledger has no line of it"), "{totals:?}");
    let shown = String::from_utf8(run(&lab, &[]).stdout).unwrap();
    assert!(shown.contains("3 of 4 tables differ") && shown.contains("DIFFERS: missing rows: 1;"), "{shown}");
}

#[test]
fn rows_and_lines_that_are_gone_from_postgres_are_named() {
    let Some(server) = warehouse::server() else { return };
    let (lab, schema) = warehouse::lab(WAREHOUSE, &server);
    lab.run_well("first");
    check_agreement(&lab);
    let sql = |statement: &str| warehouse::sql(&server, &format!("SET search_path = {schema}; {statement}"));
    sql(
        "DELETE FROM _engine_loads WHERE target = 'appended' AND epoch = (SELECT max(epoch) FROM _engine_loads WHERE target = 'appended')",
    );
    let found = differences(&lab, 1);
    let [(table, texts)] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((table.as_str(), texts.len()), ("appended", 2), "{texts:?}");
    assert!(texts[0].contains("and the ledger has no line of it"), "{texts:?}");
    assert!(texts[1].starts_with("rows too many: "), "{texts:?}");
    sql("DROP TABLE totals");
    let found = differences(&lab, 1);
    assert!(found.iter().any(|(table, texts)| table == "totals" && texts[0].contains("there is no table")), "{found:#?}");
}

#[test]
fn rows_that_somebody_adds_to_a_delta_table_are_named() {
    let lab = Lab::local_with(WAREHOUSE, [("SCHEMA".to_owned(), "shop".to_owned())].into());
    lab.run_well("first");
    check_agreement(&lab);
    // Another writer commits the files of the first version once more, under another name.
    let log = lab.lake().join("warehouse/shop/appended/_delta_log");
    let versions =
        std::fs::read_dir(&log).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".json"));
    let next = log.join(format!("{:020}.json", versions.count()));
    let first = std::fs::read_to_string(log.join(format!("{:020}.json", 0))).unwrap();
    let add = first.lines().find(|line| line.starts_with("{\"add\"")).unwrap().replacen("\"path\":\"", "\"path\":\"other-", 1);
    std::fs::write(next, format!("{{\"commitInfo\":{{\"operation\":\"WRITE\"}}}}\n{add}\n")).unwrap();
    let found = differences(&lab, 1);
    let [(table, texts)] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(table, "appended");
    assert!(texts[0].starts_with("rows too many: "), "{texts:?}");
    let notes = verify(&lab).0["sinks"].to_string();
    assert!(notes.contains("the table was changed by somebody else: version") && notes.contains(": WRITE"), "{notes}");
}

#[test]
fn a_table_that_keeps_no_ledger_is_not_said_to_agree() {
    let lab = Lab::local(crate::pipelines::REDDIT);
    lab.edit(
        "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
         CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'lake://t';
         INSERT INTO t SELECT id FROM posts;",
    );
    lab.run_well("first");
    let shown = String::from_utf8(run(&lab, &[]).stdout).unwrap();
    assert!(shown.contains("0 of 1 tables agree, the others could not be counted") && !shown.contains("  agrees"), "{shown}");
}

#[test]
fn a_pipeline_that_was_never_run_is_told_from_those_that_were() {
    let lab = Lab::local_with(WAREHOUSE, [("SCHEMA".to_owned(), "shop".to_owned())].into());
    let output = run(&lab, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no pipeline was run"), "{output:?}");
    lab.run_well("first");
    let output = lab.engine(&["verify", "warehuose"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("pipeline 'warehuose' was never run here; there are: warehouse"), "{error}");
}
