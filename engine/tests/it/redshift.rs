//! Pipelines whose warehouse is the stand-in for Redshift: each row once, whatever is killed when, and nothing left on S3.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use redshift_sim::{RedshiftSim, S3Options, SimOptions};
use testkit::s3::{BUCKET, S3Server};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::cli::bench::Bench;
use crate::lab::{Lab, block_on};
use crate::pipelines::{REDDIT, WAREHOUSE};
use crate::s3::settings;
use crate::warehouse::shipped_pipeline_fills;

/// A stand-in with a bucket, which several labs share.
pub(crate) struct Cluster {
    sim: RedshiftSim,
    s3: S3Server,
}

impl Cluster {
    /// `None`, having said so, where there is no PostgreSQL; in CI that is an error.
    pub(crate) fn start() -> Option<Self> {
        let s3 = S3Server::builder().start().unwrap();
        let sim = stand_in(SimOptions { s3: of(&s3), data_api_port: Some(0), ..SimOptions::default() })?;
        Some(Self { sim, s3 })
    }

    /// What an engine needs to load it.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = settings(self.s3.environment());
        environment.extend(
            [
                ("ENGINE_WAREHOUSE_URL", self.sim.url().replacen("postgres://", "redshift://", 1)),
                ("ENGINE_WAREHOUSE_STAGING", format!("s3://{BUCKET}/staging")),
                ("ENGINE_WAREHOUSE_IAM_ROLE", "default".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        environment
    }

    /// What it needs to load it by the Data API.
    fn by_data_api(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment();
        environment.insert("ENGINE_WAREHOUSE_URL".to_owned(), format!("redshift-data://redshift-sim/{}", self.sim.database()));
        environment.insert("ENGINE_WAREHOUSE_ENDPOINT".to_owned(), self.sim.data_api_endpoint().unwrap());
        environment
    }

    /// A lab with a schema of its own.
    pub(crate) fn lab(&self) -> (Lab, String) {
        self.lab_in(self.environment())
    }

    fn lab_in(&self, mut environment: BTreeMap<String, String>) -> (Lab, String) {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let schema = format!("lab_{}", LABS.fetch_add(1, Ordering::Relaxed));
        environment.insert("SCHEMA".to_owned(), schema.clone());
        (Lab::local_with(WAREHOUSE, environment), schema)
    }

    /// Where a pipeline is run by hand.
    fn bench(&self) -> Bench {
        let mut bench = Bench::new();
        for (name, value) in self.environment() {
            bench.set(&name, value);
        }
        bench
    }

    /// The rows of a statement, a value behind the other.
    pub(crate) fn sql(&self, statement: &str) -> Vec<String> {
        query(&self.sim.url(), statement)
    }

    /// Each table of [`WAREHOUSE`], and what the ledgers say of it.
    fn contents(&self, schema: &str) -> Vec<String> {
        let mut all = Vec::new();
        for (table, columns) in
            [("appended", "id, title, score, band"), ("latest", "id, title, score, band"), ("totals", "band, posts, score")]
        {
            all.extend(self.sql(&format!("SELECT '{table}', {columns} FROM {schema}.{table} ORDER BY 2")));
            let counted = if table == "totals" { "COUNT(*) > 0" } else { "COUNT(*), SUM(rows), COUNT(DISTINCT epoch)" };
            all.extend(self.sql(&format!("SELECT {counted} FROM {schema}.\"_engine_loads__{table}\"")));
        }
        all
    }

    /// The database that is loaded.
    pub(crate) fn database(&self) -> &str {
        self.sim.database()
    }

    /// Objects of the bucket below a prefix.
    pub(crate) fn objects(&self, prefix: &str) -> Vec<String> {
        self.s3.object_keys(BUCKET).into_iter().filter(|key| key.starts_with(prefix)).collect()
    }

    /// Objects of a lab that wait for COPY.
    fn staged(&self, schema: &str) -> Vec<String> {
        self.objects(&format!("staging/{schema}."))
    }
}

/// An S3 server as a stand-in reaches it.
pub(crate) fn of(s3: &S3Server) -> S3Options {
    S3Options {
        endpoint: Some(s3.endpoint()),
        region: Some(s3.region().to_owned()),
        access_key: Some(s3.access_key().to_owned()),
        secret_key: Some(s3.secret_key().to_owned()),
        ..S3Options::default()
    }
}

/// A stand-in; `None`, having said so, where there is no PostgreSQL; in CI that is an error.
pub(crate) fn stand_in(options: SimOptions) -> Option<RedshiftSim> {
    match RedshiftSim::start_blocking(options) {
        Ok(sim) => Some(sim),
        Err(error @ redshift_sim::Error::NoPostgres { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The rows of a statement in a database without TLS, a value behind the other.
pub(crate) fn query(url: &str, statement: &str) -> Vec<String> {
    block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statement).await.unwrap();
        connection.abort();
        let text = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or("-").to_owned()).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        messages.into_iter().filter_map(text).collect()
    })
}

#[test]
fn a_pipeline_fills_redshift_and_reads_nothing_twice() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, schema) = cluster.lab();
    lab.run_well("first");
    let posts = WAREHOUSE.replay_posts;
    let counted = format!("SELECT COUNT(*), COUNT(DISTINCT id) FROM {schema}.appended");
    assert_eq!(cluster.sql(&counted), [format!("{posts}|{posts}")]);
    assert_eq!(cluster.staged(&schema), [""; 0]);
    let again = lab.run_well("again");
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing new"));
    assert_eq!(cluster.sql(&counted), [format!("{posts}|{posts}")]);
}

#[test]
fn a_pipeline_goes_on_where_it_was_when_the_way_to_its_database_is_another() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, schema) = cluster.lab();
    lab.run_well("over a connection");
    let expected = cluster.contents(&schema);
    let by_data_api = |arguments: &[&str]| {
        let output = lab.engine(arguments).envs(cluster.by_data_api()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let planned = by_data_api(&["plan", "warehouse.sql"]);
    assert!(planned.contains("in redshift-data://redshift-sim/dev?region="), "{planned}");
    by_data_api(&["run", "warehouse.sql"]);
    assert_eq!(cluster.contents(&schema), expected);
    let read =
        by_data_api(&["shell", "--format", "csv", "-c", &format!("SELECT count(*) AS n FROM warehouse.{schema}.appended")]);
    assert!(read.contains(&format!("n\n{}\n", WAREHOUSE.replay_posts)), "{read}");
}

#[test]
fn a_pipeline_fills_redshift_by_the_data_api_as_over_a_connection() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, schema) = cluster.lab_in(cluster.by_data_api());
    lab.run_well("first");
    let (other, other_schema) = cluster.lab();
    other.run_well("over a connection");
    assert_eq!(cluster.contents(&schema), cluster.contents(&other_schema));
    assert_eq!(cluster.staged(&schema), [""; 0]);
    let verified = lab.engine(&["verify"]).arg(lab.pipeline()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr));
    assert!(verified.status.success(), "{said}");
    let stuck = "SELECT COUNT(*) FROM svv_transactions WHERE lock_mode LIKE '%Exclusive%' AND pid <> pg_backend_pid()";
    assert_eq!(cluster.sql(stuck), ["0"]);
}

#[test]
fn the_shipped_pipeline_fills_redshift_with_the_rows_of_the_lake() {
    let Some(cluster) = Cluster::start() else { return };
    shipped_pipeline_fills(&Lab::local_with(REDDIT, cluster.environment()), &cluster.sim.url());
}

/// Rows 1 to `count` of `n` and a text, of which each seventh is longer than any VARCHAR.
fn lines(count: u64) -> String {
    (1..=count)
        .map(|n| format!("{{\"n\":{n},\"v\":\"{}\"}}\n", if n % 7 == 0 { "ä".repeat(40_000) } else { format!("v{n}") }))
        .collect()
}

const LINES: &str = "
CREATE EXTERNAL TABLE lines (n BIGINT, v VARCHAR) STORED AS JSON LOCATION 'lines.json';
CREATE EXTERNAL TABLE kept STORED AS WAREHOUSE LOCATION 'lines.kept' OPTIONS ('key' 'n' MORE);
CREATE EXTERNAL TABLE all_of_them STORED AS DELTA LOCATION 'lake://lines/all' OPTIONS ('key' 'n');
REPLACE INTO kept SELECT * FROM lines;
REPLACE INTO all_of_them SELECT * FROM lines;
";

#[test]
fn rows_that_redshift_cannot_hold_are_put_aside_in_the_same_commit() {
    let Some(cluster) = Cluster::start() else { return };
    let bench = cluster.bench();
    bench.write("lines.json", lines(20));
    bench.write("p.sql", LINES.replace(" MORE", ""));
    let refused = bench.engine(&["run", "p.sql"]);
    assert_eq!(refused.code, 1);
    for part in ["p.sql:5: kept: row 7 of the epoch, column 'v'", "has 80000 bytes, and the widest VARCHAR holds 65535"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    // Nothing was recorded: the declaration can be changed, and the run goes on.
    let summary = bench.run(&LINES.replace(" MORE", ", 'on_error' 'quarantine', 'max_bad_ratio' '0.2'"));
    assert_eq!(cluster.sql("SELECT COUNT(*), COUNT(DISTINCT n), MAX(n) FROM lines.kept"), ["18|18|20"]);
    let counts = |sink: &str| ["rows_written", "bad_rows"].map(|count| summary["sinks"][sink][count].as_u64());
    // What one sink refuses, another takes.
    assert_eq!((counts("kept"), counts("all_of_them")), ([Some(18), Some(2)], [Some(20), Some(0)]), "{summary}");
    let query = "SELECT \"row\", \"column\", kept, file, right(reason, 17) AS why FROM \"kept$bad\" ORDER BY 1";
    let bad = bench.good(&["shell", "--format", "csv", "-c", query]);
    assert_eq!(bad, "row,column,kept,file,why\n7,v,false,p.sql:5,which always fits\n14,v,false,p.sql:5,which always fits\n");
    let nothing = bench.good(&["run", "p.sql"]);
    assert!(nothing.contains("nothing new"), "{nothing}");
}

#[test]
fn a_row_without_what_a_column_of_redshift_must_have_is_named_or_put_aside() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.sql("CREATE SCHEMA lines; CREATE TABLE lines.must (n BIGINT, v VARCHAR(10) NOT NULL)");
    let bench = cluster.bench();
    bench.write("rows.csv", "n,v\n1,a\n2,\n3,c\n");
    let pipeline = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE rows (n BIGINT, v VARCHAR) STORED AS CSV LOCATION 'rows.csv';
             CREATE EXTERNAL TABLE must STORED AS WAREHOUSE LOCATION 'lines.must' {options};
             INSERT INTO must SELECT * FROM rows;"
        )
    };
    bench.write("p.sql", pipeline(""));
    let refused = bench.engine(&["run", "p.sql"]);
    assert!(refused.code == 1 && refused.stderr.contains("row 2 of the epoch, column 'v'"), "{refused:?}");
    let summary = bench.run(&pipeline("OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '0.5')"));
    assert_eq!(summary["sinks"]["must"]["bad_rows"], 1, "{summary}");
    assert_eq!(cluster.sql("SELECT n FROM lines.must ORDER BY n"), ["1", "3"]);
}

#[test]
fn more_rows_that_redshift_cannot_hold_than_are_allowed_fail_the_run_before_anything_is_written() {
    let Some(cluster) = Cluster::start() else { return };
    let bench = cluster.bench();
    bench.write("lines.json", lines(20));
    bench.write("p.sql", LINES.replace(" MORE", ", 'on_error' 'null', 'max_bad_ratio' '0.05'"));
    let refused = bench.engine(&["run", "p.sql"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("p.sql:5: kept: 2 of 20 records are bad, more than max_bad_ratio 0.05 allows"),
        "{refused:?}"
    );
    assert_eq!(cluster.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'lines'"), ["0"]);
    bench.run(&LINES.replace(" MORE", ", 'on_error' 'null', 'max_bad_ratio' '0.1'"));
    assert_eq!(cluster.sql("SELECT COUNT(*), COUNT(v) FROM lines.kept"), ["20|18"]);
    let bad = bench.good(&["shell", "--format", "csv", "-c", "SELECT \"row\", kept FROM \"kept$bad\" ORDER BY 1"]);
    assert_eq!(bad, "row,kept\n7,true\n14,true\n");
}

#[test]
fn two_engines_that_load_one_table_at_once_both_end_well() {
    let Some(cluster) = Cluster::start() else { return };
    let bench = cluster.bench();
    let pipeline = |from: u64| {
        let rows: Vec<String> = (from..from + 40).map(|n| format!("{{\"n\":{n},\"v\":\"of {from}\"}}\n")).collect();
        bench.write(&format!("rows{from}.json"), rows.concat());
        let text = format!(
            "SET pipeline.epoch_rows = 5;
             CREATE EXTERNAL TABLE lines (n BIGINT, v VARCHAR) STORED AS JSON LOCATION 'rows{from}.json';
             CREATE EXTERNAL TABLE shared STORED AS WAREHOUSE LOCATION 'together.shared' OPTIONS ('key' 'n');
             CREATE EXTERNAL TABLE appended STORED AS WAREHOUSE LOCATION 'together.appended';
             REPLACE INTO shared SELECT * FROM lines;
             INSERT INTO appended SELECT * FROM lines;"
        );
        bench.write(&format!("p{from}.sql"), text);
        format!("p{from}.sql")
    };
    // Half of the keys are in both.
    let running: Vec<_> = [pipeline(0), pipeline(20)].map(|file| bench.command(&["run", &file]).spawn().unwrap()).into();
    for mut engine in running {
        assert!(engine.wait().unwrap().success());
    }
    assert_eq!(cluster.sql("SELECT COUNT(*), COUNT(DISTINCT n), MAX(n) FROM together.shared"), ["60|60|59"]);
    assert_eq!(cluster.sql("SELECT COUNT(*), SUM(n) FROM together.appended"), [format!("80|{}", 780 + 1_580)]);
    let ledger = "SELECT COUNT(*) > 2, COUNT(*) = COUNT(DISTINCT writer || ':' || CAST(epoch AS VARCHAR)), SUM(rows) FROM together.\"_engine_loads__appended\"";
    assert_eq!(cluster.sql(ledger), ["t|t|80"]);
}

#[test]
fn rows_that_a_source_says_are_deleted_go_in_redshift_as_in_the_lake() {
    let Some(cluster) = Cluster::start() else { return };
    let bench = cluster.bench();
    cluster.sql("CREATE TABLE kept (id BIGINT NOT NULL, v VARCHAR(8) NOT NULL)");
    cluster.sql("CREATE TABLE marked (id BIGINT NOT NULL, v VARCHAR(8) NOT NULL, op VARCHAR(8))");
    crate::warehouse::changes_are_loaded(&bench);
    let there = |name: &str, columns: &str| cluster.sql(&format!("SELECT {columns} FROM {name} ORDER BY id")).join("\n");
    assert_eq!([there("kept", "id, v"), there("marked", "id, v, op"), there("fresh", "id, v")], crate::warehouse::CHANGED);
}

#[test]
fn a_plan_says_what_readers_see_of_an_overwrite() {
    let Some(cluster) = Cluster::start() else { return };
    let (lab, _) = cluster.lab();
    let output = lab.engine(&["plan"]).arg(lab.pipeline()).output().unwrap();
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(plan.contains("'overwrite' 'atomic': DELETE and INSERT in one transaction"), "{plan}");
    assert!(plan.contains("'upsert' 'delete+insert'"), "{plan}");
}

#[cfg(feature = "failpoints")]
#[test]
fn a_warehouse_in_redshift_killed_anywhere_loses_and_doubles_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let (undisturbed, schema) = cluster.lab();
    let counts = undisturbed.run_counting();
    let expected = cluster.contents(&schema);
    crate::kill::at_each_pass(
        &counts,
        crate::kill::MOST_PASSES,
        || (),
        |(), point, nth, context| {
            let (lab, schema) = cluster.lab();
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            lab.run_well(context);
            assert_eq!(cluster.contents(&schema), expected, "{context}");
            assert_eq!(crate::lab::files_below(&lab.lake().join(".engine")), [""; 0], "{context}: staged files are left");
            assert_eq!(cluster.staged(&schema), [""; 0], "{context}: files are left on S3");
            cluster.sql(&format!("DROP SCHEMA {schema} CASCADE"));
        },
    );
}

#[test]
fn a_text_that_is_cut_for_redshift_is_noted_and_comments_go_along() {
    let Some(cluster) = Cluster::start() else { return };
    let bench = cluster.bench();
    bench.write("lines.json", lines(20));
    let pipeline = LINES.replace(" MORE", ", 'on_error' 'truncate'").replacen(
        "CREATE EXTERNAL TABLE kept",
        "-- What's kept.\nCREATE EXTERNAL TABLE kept",
        1,
    );
    let summary = bench.run(&pipeline);
    let counts = |sink: &str| ["rows_written", "bad_rows"].map(|count| summary["sinks"][sink][count].as_u64());
    assert_eq!((counts("kept"), counts("all_of_them")), ([Some(20), Some(0)], [Some(20), Some(0)]), "{summary}");
    assert_eq!(cluster.sql("SELECT n, LEN(v) FROM lines.kept WHERE LEN(v) > 100 ORDER BY n"), ["7|32767", "14|32767"]);
    let bad = "SELECT \"row\", kept, reason, octet_length(CAST(raw AS VARCHAR)) > 80000 AS whole FROM \"kept$bad\" ORDER BY 1";
    let bad = bench.good(&["shell", "--format", "csv", "-c", bad]);
    let reason = "\"had 80000 bytes, and the column holds 65535: it was cut\"";
    assert_eq!(bad, format!("row,kept,reason,whole\n7,true,{reason},true\n14,true,{reason},true\n"));
    assert_eq!(cluster.sql("SELECT OBJ_DESCRIPTION('lines.kept'::regclass)"), ["What's kept."]);
}

#[test]
fn a_table_of_redshift_that_somebody_dropped_is_not_made_anew() {
    let Some(cluster) = Cluster::start() else { return };
    let bench = cluster.bench();
    bench.write("lines.json", lines(3));
    bench.run(&LINES.replace(" MORE", ""));
    cluster.sql("DROP TABLE lines.kept");
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in ["table 'kept' (lines.kept) is gone: 3 rows", "--from-scratch"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

#[test]
fn an_epoch_that_is_forgotten_or_discarded_leaves_nothing_on_s3() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.sql("CREATE USER eve PASSWORD 'Eve12345'");
    for (table, way_out) in [("lines.one", &["--from-scratch", "--yes"][..]), ("lines.other", &["--discard-epoch"])] {
        let bench = cluster.bench();
        bench.write("lines.json", lines(3));
        let granting = |to: &str| LINES.replace("lines.kept", table).replace(" MORE", &format!(", 'grants' 'user:{to}'"));
        bench.write("p.sql", granting("nobody"));
        for _again in 0..2 {
            let refused = bench.engine(&["run", "p.sql"]);
            assert!(refused.code == 1 && refused.stderr.contains("TO \"nobody\" failed"), "{refused:?}");
            assert!(!refused.stderr.contains("wrong with its rows"), "{refused:?}");
        }
        assert!(!cluster.objects("staging/lines.").is_empty());
        bench.write("p.sql", granting("eve"));
        bench.good(&[&["run", "p.sql"], way_out].concat());
        assert_eq!(cluster.objects("staging/"), [""; 0], "{way_out:?}");
        assert_eq!(cluster.sql(&format!("SELECT has_table_privilege('eve', '{table}', 'select')")), ["t"]);
        assert_eq!(cluster.sql(&format!("SELECT COUNT(*) FROM {table}")), ["3"]);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_load_by_the_data_api_killed_around_its_commit_is_there_once() {
    let Some(cluster) = Cluster::start() else { return };
    let mut environment = cluster.by_data_api();
    // What is killed in a transaction holds its locks until its session expires.
    environment.insert(
        "ENGINE_WAREHOUSE_URL".to_owned(),
        format!("redshift-data://redshift-sim/{}?keep_alive=10", cluster.sim.database()),
    );
    let (undisturbed, schema) = cluster.lab_in(environment.clone());
    undisturbed.run_well("undisturbed");
    let expected = cluster.contents(&schema);
    for point in ["table-commit-before", "table-commit-after"] {
        for nth in 2..=4 {
            let context = format!("killed at {point}={nth}");
            let (lab, schema) = cluster.lab_in(environment.clone());
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            lab.run_well(&context);
            assert_eq!(cluster.contents(&schema), expected, "{context}");
            assert_eq!(cluster.staged(&schema), [""; 0], "{context}: files are left on S3");
        }
    }
}
