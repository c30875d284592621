//! `engine state`, and everything else with state that is in no folder.

use testkit::postgres::{PASSWORD, Postgres};
use testkit::s3::{BUCKET, S3Server};

use super::bench::{Bench, TABLES, snapshot};
use crate::s3::settings;

const PIPELINE: &str = "REPLACE INTO t SELECT id, title FROM posts;\n";

fn bench(s3: &S3Server) -> Bench {
    let mut bench = Bench::new();
    for (name, value) in settings(s3.environment()) {
        bench.set(&name, value);
    }
    bench.secret(PASSWORD).write("p.sql", format!("{TABLES}{PIPELINE}"));
    bench
}

/// Places of state that are not in a folder of the bench.
fn places(s3: &S3Server, server: &Postgres) -> [String; 2] {
    server.create_database("etl").unwrap();
    assert!(s3.object_keys(BUCKET).is_empty());
    [format!("s3://{BUCKET}/_engine"), format!("{}?schema=state", server.url("etl"))]
}

#[test]
fn state_moves_and_pipelines_go_on_where_it_is() {
    let s3 = S3Server::builder().start().unwrap();
    let Some(server) = Postgres::start_or_skip() else { return };
    let mut bench = bench(&s3);
    assert!(bench.good(&["state", "show"]).ends_with("/.engine: no state yet\n"));
    bench.good(&["run", "p.sql"]);
    let mut before = "./.engine".to_owned();
    let catalog = bench.good(&["catalog", "list", "--json"]);
    assert!(!catalog.trim().is_empty());
    for place in places(&s3, &server) {
        let moved = bench.good(&["state", "migrate", &before, &place]);
        assert!(moved.contains("pipelines 1, tables of the catalog 1"), "{moved}");
        let refused = bench.engine(&["run", "p.sql"]);
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("the state was moved to "), "{}", refused.stderr);
        bench.set("ENGINE_STATE_URL", &place);
        let again = bench.good(&["run", "p.sql"]);
        assert!(again.contains("nothing new"), "{place}: {again}");
        let shown: serde_json::Value = serde_json::from_str(&bench.good(&["state", "show", "--json"])).unwrap();
        assert_eq!((&shown["pipelines"], &shown["moved_to"]), (&serde_json::json!(["p"]), &serde_json::Value::Null));
        assert!(shown["bytes"].as_u64().unwrap() > 100, "{shown}");
        assert_eq!(bench.good(&["catalog", "list", "--json"]), catalog, "{place}");
        assert!(bench.good(&["verify", "p"]).contains("all 1 tables agree"), "{place}");
        before = place;
    }
    let back = bench.path("again").display().to_string();
    bench.good(&["state", "migrate", &before, &back]);
    bench.set("ENGINE_STATE_URL", &back);
    assert!(bench.good(&["run", "p.sql"]).contains("nothing new"));
    let runs = bench.good(&["shell", "-c", "SELECT count(*) AS runs FROM system.runs", "--format", "csv"]);
    assert_eq!(runs, "runs\n4\n");
}

#[test]
fn a_machine_without_state_of_its_own_runs_crawls_and_is_examined() {
    let s3 = S3Server::builder().start().unwrap();
    let Some(server) = Postgres::start_or_skip() else { return };
    for place in places(&s3, &server) {
        let mut bench = bench(&s3);
        bench.set("ENGINE_STATE_URL", &place);
        let examined = bench.good(&["doctor"]);
        assert!(examined.contains("no pipeline was run"), "{examined}");
        bench.good(&["run", "p.sql"]);
        std::fs::create_dir(bench.path("in")).unwrap();
        bench.write("in/a.csv", "id,day\n1,2026-01-01\n");
        bench.good(&["crawl", "in", "--into", "raw"]);
        bench.write("in/b.csv", "id,day\n2,2026-01-02\n");
        bench.good(&["crawl", "in", "--into", "raw"]);
        assert!(bench.good(&["catalog", "list"]).contains("raw."), "{place}");
        assert!(bench.good(&["doctor"]).contains("pipelines that were run: 1"), "{place}");
        assert!(!bench.path(".engine/state.db").exists() && !bench.path(".engine/catalog.db").exists());
        // Another machine: nothing of this one's disk but the lake.
        std::fs::remove_dir_all(bench.path(".engine")).unwrap();
        assert!(bench.good(&["run", "p.sql"]).contains("nothing new"), "{place}");
    }
}

#[test]
fn a_user_without_rights_is_told_which_it_needs() {
    let Some(server) = Postgres::start_or_skip() else { return };
    server.create_database("etl").unwrap();
    server.sql("etl", "CREATE ROLE weak LOGIN PASSWORD 'feeble'").unwrap();
    let mut bench = Bench::new();
    bench.secret("feeble").write("p.sql", format!("{TABLES}{PIPELINE}"));
    bench
        .set("ENGINE_STATE_URL", format!("postgres://weak@127.0.0.1:{}/etl", server.port()))
        .set("ENGINE_STATE_PASSWORD", "feeble");
    let examined = bench.engine(&["doctor"]);
    assert_eq!(examined.code, 1, "{examined:?}");
    assert!(
        examined.stdout.contains("the user may not make any") && examined.stdout.contains("GRANT CREATE"),
        "{}",
        examined.stdout
    );
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("needs CREATE on the database, or a schema 'engine' of its own"), "{}", ended.stderr);
    server.sql("etl", "CREATE SCHEMA engine AUTHORIZATION weak").unwrap();
    bench.good(&["doctor"]);
    bench.good(&["run", "p.sql"]);
}

#[test]
fn places_of_state_that_are_none_are_told_without_passwords() {
    let mut bench = Bench::new();
    bench.secret("hush").write("p.sql", format!("{TABLES}{PIPELINE}"));
    let mut said = String::new();
    for url in ["postgres://me:hush@localhost:1/etl", "postgres://me:hush@localhost/etl?schema=A", "mysql://me:hush@h/etl"] {
        bench.set("ENGINE_STATE_URL", url);
        let ended = bench.engine(&["run", "p.sql"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{url}: {}", ended.stderr);
        said.push_str(ended.stderr.lines().last().unwrap_or_default());
        said.push('\n');
        let examined = bench.engine(&["doctor"]);
        assert_eq!(examined.code, 1, "{url}: {}", examined.stdout);
    }
    snapshot!("state_places", said);
    bench.set("ENGINE_STATE_URL", "./.engine");
    let ended = bench.engine(&["state", "migrate", "./.engine", "./other"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("there is no state in "), "{}", ended.stderr);
}
