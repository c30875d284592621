//! `engine catalog`, and what is in it: what pipelines write registers itself, and what is registered is read without DDL.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema};
use catalog::drift::Policy;
use catalog::infer::Form;
use catalog::partitions::Partitioning;
use catalog::store::{CatalogStore, Registration, SqliteCatalog, TableOptions};
use catalog::values::DateForm;
use chrono::Utc;
use serde_json::Value;

use super::bench::{Bench, POSTS, TABLES, snapshot};
use crate::lab::block_on;

/// What the first pipeline writes: a table with a key and comments, one with partitions, one below the lake's root.
const WRITES: &str = "\
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';

-- Posts, the newest state of each.
CREATE EXTERNAL TABLE latest STORED AS DELTA LOCATION 'lake://reddit/posts' OPTIONS ('key' 'id');
CREATE EXTERNAL TABLE days (
  id VARCHAR,   -- of the post
  day DATE
) STORED AS PARQUET LOCATION 'lake://reddit/days' PARTITIONED BY (day);
CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';

REPLACE INTO latest SELECT id, score, to_timestamp(created_utc) AS created_at, arrow_cast(score, 'Decimal128(12, 2)') AS price,
       [id] AS ids, named_struct('a', score) AS inner FROM posts;
INSERT INTO days SELECT id, to_date(to_timestamp(created_utc)) AS day FROM posts;
INSERT INTO t SELECT id FROM posts;
";

pub(super) fn written() -> Bench {
    let bench = Bench::new();
    bench.write("p.sql", WRITES);
    bench.good(&["run", "p.sql"]);
    bench
}

/// Puts a table into the catalog, as a crawl does.
pub(super) fn register(bench: &Bench, registration: &Registration) {
    block_on(async {
        let store = SqliteCatalog::open(&bench.path(".engine/catalog.db")).await.unwrap();
        store.register(registration, "found by a crawl", Utc::now()).await.unwrap();
    });
}

/// Tolls, in files as somebody else wrote them: `;` between cells, no header, dates with the day first, folders without names.
fn toll(bench: &Bench) -> Registration {
    for (folder, name, text) in
        [("raw/toll/2026/01", "a.csv", "1;21/01/2026;2,5\n2;22/01/2026;3\n"), ("raw/toll/2026/02", "b.csv", "3;01/02/2026;4\n")]
    {
        std::fs::create_dir_all(bench.path(folder)).unwrap();
        bench.write(&format!("{folder}/{name}"), text);
    }
    let date = Form::metadata(Some(Form::Date(DateForm::DaySlash)));
    Registration {
        name: "raw.toll".parse().unwrap(),
        connector: "CSV".into(),
        location: bench.path("raw/toll").display().to_string() + "/",
        options: TableOptions([("delimiter", ";"), ("header", "false")].map(|(a, b)| (a.to_owned(), b.to_owned())).into()),
        schema: Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("day", DataType::Date32, true).with_metadata(date),
            Field::new("price", DataType::Utf8, true),
        ]),
        partitioning: Partitioning::infer(["2025/12", "2026/01", "2026/02"]),
        key: Vec::new(),
        policy: Policy::Evolve,
        comment: Some("what the booths report".into()),
        registered_by: "crawl".into(),
    }
}

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_str(&bench.good(arguments)).unwrap()
}

fn csv(bench: &Bench, query: &str) -> String {
    bench.good(&["shell", "--format", "csv", "-c", query])
}

#[test]
fn what_a_pipeline_writes_is_in_the_catalog_after_its_first_run() {
    let bench = written();
    let tables = json(&bench, &["catalog", "list", "--json"]);
    let told: Vec<[&str; 5]> = tables
        .as_array()
        .unwrap()
        .iter()
        .map(|table| ["table", "connector", "location", "folders", "registered_by"].map(|key| table[key].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ["lake.public.t", "DELTA", "lake://t", "", "pipeline p"],
            ["lake.reddit.days", "PARQUET", "lake://reddit/days", "day={day}", "pipeline p"],
            ["lake.reddit.posts", "DELTA", "lake://reddit/posts", "", "pipeline p"],
        ]
    );
    for table in tables.as_array().unwrap() {
        assert_eq!(table["rows"], POSTS, "{table}");
        assert!(table["files"].as_u64() > Some(0) && table["bytes"].as_u64() > Some(0), "{table}");
    }
    let posts = json(&bench, &["catalog", "show", "lake.reddit.posts", "--json"]);
    assert_eq!((&posts["key"], &posts["comment"]), (&serde_json::json!(["id"]), &"Posts, the newest state of each.".into()));
    let days = json(&bench, &["catalog", "show", "days", "--json"]);
    assert_eq!(days["columns"][0]["comment"], "of the post");
    assert_eq!((&days["columns"][1]["name"], &days["columns"][1]["partition"]), (&"day".into(), &true.into()));
    let history = bench.good(&["catalog", "history", "reddit.posts"]);
    assert!(history.contains("version 1,") && history.contains("written by pipeline p in epoch 1"), "{history}");
    let shown = bench.good(&["catalog", "show", "reddit.posts"]);
    assert!(shown.contains("DELTA at lake://reddit/posts") && shown.contains("40 rows"), "{shown}");
}

#[test]
fn the_statement_of_every_table_passes_a_check_and_is_what_the_shell_says() {
    let bench = written();
    register(&bench, &toll(&bench));
    let mut all = String::new();
    for name in ["reddit.posts", "reddit.days", "public.t", "raw.toll"] {
        let ddl = bench.good(&["catalog", "ddl", name]);
        bench.write("ddl.sql", &ddl);
        let checked = bench.engine(&["check", "ddl.sql"]);
        assert_eq!(checked.code, 0, "{ddl}{checked:?}");
        let short = name.trim_start_matches("public.");
        let shown = json(&bench, &["shell", "--format", "json", "-c", &format!("SHOW CREATE TABLE {short}")]);
        let words =
            |text: &str| text.replace("(\n    ", "(").replace("\n)", ")").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(shown[0]["definition"], words(&ddl), "{name}");
        all.push_str(&ddl);
    }
    snapshot!("catalog_ddl", all.replace(&bench.path("").display().to_string(), "[dir]/"));
}

#[test]
fn a_column_that_a_query_adds_is_a_new_version_that_says_why() {
    let bench = written();
    bench.write("p.sql", WRITES.replace("SELECT id FROM posts", "SELECT id, score AS points FROM posts"));
    bench.good(&["run", "p.sql", "--from-scratch", "--yes"]);
    let versions = json(&bench, &["catalog", "history", "lake.public.t", "--json"]);
    assert_eq!(versions.as_array().unwrap().len(), 2, "{versions}");
    assert_eq!(versions[1]["changes"], serde_json::json!(["`points` is new, BIGINT"]));
    assert_eq!(versions[1]["why"], "written by pipeline p in epoch 1");
    let changes = csv(&bench, "SELECT version, change FROM system.schema_changes WHERE \"table\" = 't' ORDER BY version");
    assert_eq!(changes, "version,change\n1,\n2,\"`points` is new, BIGINT\"\n");
    let tables = json(&bench, &["catalog", "show", "t", "--json"]);
    assert_eq!(tables["rows"], 2 * POSTS);
}

#[test]
fn a_catalog_that_cannot_be_written_stops_no_run_and_is_caught_up_with() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path(".engine")).unwrap();
    bench.write(".engine/catalog.db", "this is no database, but it is long enough to be looked at as one".repeat(40));
    bench.write("p.sql", WRITES);
    let ended = bench.engine(&["run", "p.sql", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("the catalog was not told of a table") && ended.stderr.contains("damaged"), "{ended:?}");
    assert_eq!(csv(&bench, "SELECT count(*) AS n FROM reddit.posts"), format!("n\n{POSTS}\n"));
    let listed = bench.engine(&["catalog", "list"]);
    assert!(listed.code == 1 && listed.stderr.contains("move it away"), "{listed:?}");
    std::fs::remove_file(bench.path(".engine/catalog.db")).unwrap();
    bench.good(&["run", "p.sql"]);
    assert_eq!(json(&bench, &["catalog", "list", "reddit", "--json"]).as_array().unwrap().len(), 2);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_run_that_was_killed_between_commit_and_registration_is_caught_up_with() {
    for point in ["commit-after=1", "advanced=1"] {
        let bench = Bench::new();
        bench.write("p.sql", WRITES);
        let killed = bench.command(&["run", "p.sql"]).env("ENGINE_KILL_AT", point).output().unwrap();
        assert!(crate::lab::was_killed(&killed), "{point}: {killed:?}");
        let before = bench.engine(&["catalog", "list", "--json"]);
        assert_eq!(before.stdout, "[]\n", "{point}");
        let runs = csv(&bench, "SELECT status FROM system.runs");
        assert_eq!(runs, "status\nkilled\n", "{point}");
        bench.good(&["run", "p.sql"]);
        let tables = json(&bench, &["catalog", "list", "--json"]);
        let rows: Vec<&Value> = tables.as_array().unwrap().iter().map(|table| &table["rows"]).collect();
        assert_eq!(rows, [POSTS, POSTS, POSTS], "{point}");
    }
}

#[test]
fn a_registered_table_of_files_is_read_as_it_is_registered() {
    let bench = Bench::new();
    register(&bench, &toll(&bench));
    let expected = "id,day,price,year,month\n1,2026-01-21,\"2,5\",2026,1\n2,2026-01-22,3,2026,1\n3,2026-02-01,4,2026,2\n";
    for name in ["lake.raw.toll", "raw.toll", "toll"] {
        assert_eq!(csv(&bench, &format!("SELECT * FROM {name} ORDER BY id")), expected, "{name}");
    }
    assert_eq!(csv(&bench, "SELECT max(year) AS y FROM toll WHERE month = 2"), "y\n2026\n");
    let described = csv(&bench, "DESCRIBE raw.toll");
    assert!(described.contains("day,DATE,YES") && described.contains("month,BIGINT,YES"), "{described}");
    let listed = bench.good(&["shell", "-c", "\\dt raw.*"]);
    assert!(listed.contains("toll"), "{listed}");
    let columns = csv(&bench, "SELECT column_name FROM information_schema.columns WHERE table_name = 'toll' ORDER BY 1");
    assert_eq!(columns, "column_name\nday\nid\nmonth\nprice\nyear\n");
}

#[test]
fn a_pipeline_reads_a_registered_table_of_files_once_without_ddl() {
    let bench = Bench::new();
    register(&bench, &toll(&bench));
    let text = "CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://tolls';\n\
                INSERT INTO t SELECT id, day, year, month FROM lake.raw.toll;\n";
    bench.write("p.sql", text);
    let plan = bench.good(&["plan", "p.sql"]);
    assert!(plan.contains("source lake.raw.toll: CSV ") && plan.contains("from the beginning"), "{plan}");
    let written = |summary: &Value| summary["sinks"]["t"]["rows_written"].clone();
    assert_eq!(written(&bench.run(text)), 3);
    assert_eq!(written(&bench.run(text)), 0);
    std::fs::create_dir_all(bench.path("raw/toll/2026/03")).unwrap();
    bench.write("raw/toll/2026/03/c.csv", "4;01/03/2026;1\n");
    assert_eq!(written(&bench.run(text)), 1);
    assert_eq!(csv(&bench, "SELECT id, day, month FROM tolls WHERE month = 3"), "id,day,month\n4,2026-03-01,3\n");
    let objects = csv(&bench, "SELECT object, bytes, status FROM system.objects WHERE pipeline = 'p' ORDER BY 1");
    let objects = objects.replace(&bench.path("").display().to_string(), "/");
    assert_eq!(
        objects,
        "object,bytes,status\n/raw/toll/2026/01/a.csv,32,read\n/raw/toll/2026/02/b.csv,15,read\n/raw/toll/2026/03/c.csv,15,read\n"
    );
}

#[test]
fn a_pipeline_looks_up_in_what_another_wrote_and_writes_to_it_by_its_name() {
    let bench = written();
    register(&bench, &toll(&bench));
    let text = "CREATE EXTERNAL TABLE j STORED AS DELTA LOCATION 'lake://joined';\n\
                INSERT INTO j SELECT toll.id, p.id AS post FROM lake.raw.toll AS toll JOIN reddit.posts AS p ON p.score >= 0;\n\
                INSERT INTO lake.public.t SELECT CAST(id AS VARCHAR) AS id FROM lake.raw.toll;\n\
                SELECT count(*) AS runs FROM system.runs;\n";
    bench.write("j.sql", text);
    let checked = bench.good(&["check", "j.sql"]);
    assert!(checked.contains("j (append, stateless, line 2)"), "{checked}");
    let ended = bench.good(&["run", "j.sql"]);
    assert!(ended.contains("| runs |") && ended.contains("| 2    |"), "{ended}");
    assert_eq!(csv(&bench, "SELECT count(*) AS n FROM t"), format!("n\n{}\n", POSTS + 3));
    assert!(csv(&bench, "SELECT count(*) AS n FROM joined").lines().nth(1).unwrap().parse::<u64>().unwrap() > 3);
}

#[test]
fn mistakes_in_names_are_told_with_the_nearest() {
    let bench = written();
    register(&bench, &toll(&bench));
    let mut all = String::new();
    for query in [
        "SELECT * FROM lake.raw.tol",
        "SELECT * FROM raw.tol",
        "SELECT * FROM tolll",
        "SELECT * FROM lake.rw.toll",
        "SELECT * FROM system.run",
    ] {
        let text = format!("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://x';\nINSERT INTO t {query};\n");
        bench.write("m.sql", text);
        let ended = bench.engine(&["check", "m.sql"]);
        all.push_str(&format!("=== {query}\n{}", bench.shown(&ended)));
    }
    for arguments in [["show", "raw.tol"], ["show", "nothing"], ["history", "rw.toll"], ["list", "reddti"], ["ddl", "postz"]] {
        let ended = bench.engine(&["catalog", arguments[0], arguments[1]]);
        all.push_str(&format!("=== engine catalog {}\n{}", arguments.join(" "), bench.shown(&ended)));
    }
    all.push_str(&bench.shown(&bench.engine(&["shell", "-c", "SELECT * FROM system.runz"])));
    snapshot!("catalog_mistakes", all);
    let empty = Bench::new();
    assert!(empty.engine(&["catalog", "list"]).stderr.contains("the catalog is empty"));
    assert!(empty.engine(&["catalog", "show", "x"]).stderr.contains("there is no catalog"));
    assert!(!empty.path(".engine").exists(), "who looks leaves nothing behind");
}

#[test]
fn what_was_run_is_in_system() {
    let bench = written();
    bench.write("bad.csv", "id,n\n1,1\n2,x\n3,3\n");
    let text = "CREATE EXTERNAL TABLE c (id BIGINT, n BIGINT) STORED AS CSV LOCATION 'bad.csv' \
                OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '0.5');\n\
                CREATE EXTERNAL TABLE d STORED AS DELTA LOCATION 'lake://d';\nINSERT INTO d SELECT * FROM c;\n";
    bench.write("bad.sql", text);
    bench.good(&["run", "bad.sql"]);
    bench.write("broken.sql", text.replace("'0.5'", "'0.1'").replace("lake://d", "lake://e"));
    assert_eq!(bench.engine(&["run", "broken.sql"]).code, 1);
    let runs = "SELECT pipeline, run, status, epochs, rows_in, rows_written, bad_rows, error LIKE '%max_bad_ratio%' AS told \
                FROM system.runs ORDER BY pipeline";
    let expected = "pipeline,run,status,epochs,rows_in,rows_written,bad_rows,told\nbad,1,done,1,2,2,1,\nbroken,1,failed,0,0,0,0,true\n\
                    p,1,done,1,120,120,0,\n";
    assert_eq!(csv(&bench, runs), expected);
    assert_eq!(csv(&bench, &runs.replace("system.runs", "system.public.runs WHERE epochs < 100")), expected);
    assert_eq!(csv(&bench, "SELECT pipeline FROM system.runs LIMIT 1"), "pipeline\nbroken\n");
    assert_eq!(
        csv(&bench, "SELECT epoch, run, status, rows_written, files > 0 AS files FROM system.epochs WHERE pipeline = 'bad'"),
        "epoch,run,status,rows_written,files\n1,1,committed,2,true\n"
    );
    assert_eq!(
        csv(&bench, "SELECT flow, sink, source, \"offset\" IS NOT NULL AS o FROM system.flows WHERE pipeline = 'p' ORDER BY 1"),
        "flow,sink,source,o\ndays,days,posts,true\nlatest,latest,posts,true\nt,t,posts,true\n"
    );
    assert_eq!(
        csv(&bench, "SELECT pipeline, \"table\", epoch, \"column\", \"row\" FROM system.bad_records"),
        "pipeline,table,epoch,column,row\nbad,c,1,n,2\n"
    );
    // Three records more, of which a replay repairs two: what stays was counted when it was put aside.
    bench.write("bad.csv", "id,n\n4,1.5\n5,x\n6,2.5\n7,7\n8,8\n9,9\n");
    bench.write("bad.sql", text.replace("OPTIONS (", "OPTIONS ('on_change' 'reprocess', "));
    bench.good(&["run", "bad.sql"]);
    bench.write(
        "bad.sql",
        text.replace("n BIGINT", "n DOUBLE").replace("SELECT * FROM c", "SELECT id, CAST(n AS BIGINT) AS n FROM c"),
    );
    bench.good(&["replay", "bad.sql", "c"]);
    assert_eq!(
        csv(&bench, "SELECT epoch, run, rows_written, bad_rows FROM system.epochs WHERE pipeline = 'bad' ORDER BY 1"),
        "epoch,run,rows_written,bad_rows\n1,1,2,1\n2,2,3,3\n3,3,2,0\n"
    );
    assert_eq!(csv(&bench, "SELECT sum(bad_rows) AS n FROM system.runs WHERE pipeline = 'bad'"), "n\n4\n");
    assert_eq!(csv(&bench, "SELECT count(*) AS n FROM system.bad_records WHERE pipeline = 'bad'"), "n\n2\n");
    let tables = csv(&bench, "SELECT database, \"table\", rows, \"key\" FROM system.tables WHERE database = 'reddit' ORDER BY 2");
    assert_eq!(tables, "database,table,rows,key\nreddit,days,40,\nreddit,posts,40,id\n");
    assert_eq!(csv(&bench, "SELECT count(*) AS n FROM system.columns WHERE \"table\" = 'posts'"), "n\n6\n");
    let all = csv(
        &bench,
        "SELECT table_catalog, count(*) AS n FROM information_schema.tables WHERE table_schema = 'public' GROUP BY 1 ORDER BY 1",
    );
    let counts: BTreeMap<&str, &str> = all.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
    assert_eq!((counts.get("system"), counts.get("warehouse")), (Some(&"10"), None), "{all}");
}

#[test]
fn tables_of_both_catalogs_are_there_before_anything_was_run() {
    let bench = Bench::new();
    for table in
        ["runs", "epochs", "loads", "flows", "objects", "crawled_objects", "tables", "columns", "schema_changes", "bad_records"]
    {
        assert_eq!(csv(&bench, &format!("SELECT count(*) AS n FROM system.{table}")), "n\n0\n", "{table}");
    }
    assert!(!bench.path(".engine/catalog.db").exists() && !bench.path(".engine/state.db").exists());
    bench.run(&format!("{TABLES}INSERT INTO t SELECT id FROM posts;\n"));
    assert_eq!(csv(&bench, "SELECT count(*) AS n FROM system.tables"), "n\n1\n");
}

#[test]
fn one_sink_that_cannot_be_registered_keeps_no_other_out_and_a_forgotten_name_is_free() {
    let bench = Bench::new();
    bench.write(
        "p.sql",
        "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
         CREATE EXTERNAL TABLE first STORED AS DELTA LOCATION 'lake://m/first';
         CREATE EXTERNAL TABLE second STORED AS DELTA LOCATION 'lake://m/second';
         INSERT INTO first SELECT id FROM posts;
         INSERT INTO second SELECT id, title FROM posts;",
    );
    bench.good(&["run", "p.sql"]);
    for name in ["m.first", "m.second"] {
        bench.good(&["catalog", "forget", name]);
    }
    register(&bench, &Registration { name: "m.first".parse().unwrap(), ..toll(&bench) });
    let ended = bench.engine(&["run", "p.sql"]);
    assert!(ended.stderr.contains("engine catalog forget m.first"), "{}", ended.stderr);
    let names = |bench: &Bench| bench.good(&["catalog", "list", "m", "--json"]);
    assert!(names(&bench).contains("m.second"), "{}", names(&bench));

    let told = bench.good(&["catalog", "forget", "m.first"]);
    assert!(told.contains("lake.m.first is no longer in the catalog; its data stays at") && told.contains("raw/toll/"), "{told}");
    assert!(!names(&bench).contains("m.first"));
    let again = bench.engine(&["catalog", "forget", "m.secnd"]);
    assert!(again.stderr.contains("did you mean m.second?"), "{}", again.stderr);
    // The next run tells the catalog what it did not know.
    bench.good(&["run", "p.sql"]);
    assert!(bench.good(&["catalog", "show", "m.first"]).contains("pipeline p"));
}

#[test]
fn a_sink_outside_the_lake_that_its_pipeline_moves_is_moved_in_the_catalog() {
    let bench = Bench::new();
    let text = |folder: &str| {
        format!(
            "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
             CREATE EXTERNAL TABLE o STORED AS DELTA LOCATION '{}';
             INSERT INTO o SELECT id FROM posts;",
            bench.path(folder).display()
        )
    };
    for folder in ["here", "there"] {
        bench.write("z.sql", text(folder));
        bench.good(&["run", "z.sql", "--from-scratch", "--yes"]);
        assert!(bench.good(&["catalog", "show", "z.o"]).contains(&format!("/{folder}")));
    }
}

#[test]
fn databases_of_engine_itself_take_no_crawled_tables() {
    let bench = Bench::new();
    toll(&bench);
    for name in ["system", "Warehouse", "information_schema"] {
        let ended = bench.engine(&["crawl", "raw", "--into", name]);
        assert!(ended.code == 1 && ended.stderr.contains("a schema of engine's own"), "{}", ended.stderr);
    }
}
