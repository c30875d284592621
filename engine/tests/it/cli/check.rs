//! `engine check`: every kind of mistake, each with its place, the line and what to try.

use super::bench::{Bench, TABLES, snapshot};

/// Checks each text in a file of its own, and puts what was said one below the other.
fn mistakes(bench: &Bench, texts: &[(&str, String)]) -> String {
    let mut all = String::new();
    for (name, text) in texts {
        bench.write(&format!("{name}.sql"), text);
        let ended = bench.engine(&["check", &format!("{name}.sql")]);
        assert_eq!(ended.code, 1, "{name}: {ended:?}");
        all.push_str(&format!("=== {name}\n{}", bench.shown(&ended)));
    }
    assert!(bench.listing("lake").is_empty(), "a check writes nothing");
    assert!(!bench.path(".engine").exists(), "a check makes no state");
    all
}

fn after_tables(text: &str) -> String {
    format!("{TABLES}{text}\n")
}

#[test]
fn unknown_names_come_with_the_nearest_one() {
    let bench = Bench::new();
    let source = "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new'";
    let texts = [
        ("table", after_tables("INSERT INTO t SELECT id FROM post;")),
        ("target", after_tables("INSERT INTO tt SELECT id FROM posts; INSERT INTO t SELECT id FROM posts;")),
        (
            "schema",
            after_tables(
                "CREATE EXTERNAL TABLE mart.o STORED AS DELTA LOCATION 'lake://mart/other'; INSERT INTO mart.o SELECT id FROM posts;",
            ),
        ),
        (
            "own",
            after_tables(
                "CREATE EXTERNAL TABLE o2 STORED AS DELTA LOCATION 'lake://m/o'; INSERT INTO o2 SELECT id FROM lake.m.o;",
            ),
        ),
        ("column", after_tables("INSERT INTO t SELECT id, titel FROM posts;")),
        ("function", after_tables("INSERT INTO t SELECT id, uper(title) AS title FROM posts;")),
        ("option", format!("{source} OPTIONS ('limti' '5');\n")),
        ("option_value", format!("{source} OPTIONS ('overlap' '5 parsecs');\n")),
        ("on_error", format!("{source} OPTIONS ('on_error' 'quarantin');\n")),
        ("max_bad_ratio", format!("{source} OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '7');\n")),
        ("connector", "CREATE EXTERNAL TABLE posts STORED AS REDIT LOCATION 'r/rust/new';\n".to_owned()),
        ("location", "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/newest';\n".to_owned()),
        ("setting", "SET pipeline.retrys = 3;\nSET pipeline.retries = many;\nSELECT 1;\n".to_owned()),
        ("schedule", "SET pipeline.schedule = 'hourly';\nSELECT 1;\n".to_owned()),
        ("scheme", "CREATE EXTERNAL TABLE u STORED AS DELTA LOCATION 'gs://b/t';\nSELECT * FROM u;\n".to_owned()),
        ("variable", format!("{source} OPTIONS ('limit' '${{NOWHERE}}');\n")),
        ("secret", format!("{source} OPTIONS ('limit' '${{secret:file:/nowhere/at/all}}');\n")),
    ];
    snapshot!("check_names", mistakes(&bench, &texts));
}

#[test]
fn queries_that_cannot_be_streamed_are_refused_with_what_would_work() {
    let bench = Bench::new();
    let lookup = "CREATE TABLE names AS VALUES ('a', 1);\nCREATE VIEW l AS SELECT column1 AS k FROM names;\n";
    let text = |query: &str| format!("{TABLES}{lookup}{query};\n");
    let texts = [
        ("group_by", text("INSERT INTO t SELECT author, count(*) AS n FROM posts GROUP BY author")),
        ("aggregate", text("INSERT INTO t SELECT count(*) AS n FROM posts")),
        ("distinct", text("INSERT INTO t SELECT DISTINCT id FROM posts")),
        ("union", text("INSERT INTO t SELECT id FROM posts UNION SELECT k FROM l")),
        ("window", text("INSERT INTO t SELECT id, row_number() OVER (ORDER BY id) AS n FROM posts")),
        ("limit", text("INSERT INTO t SELECT id FROM posts LIMIT 3")),
        ("order_by", text("INSERT INTO t SELECT id FROM posts ORDER BY id")),
        ("two_sources", text("INSERT INTO t SELECT a.id FROM posts a JOIN posts b ON a.id = b.id")),
        ("keeps_bounded", text("INSERT INTO t SELECT l.k AS id FROM l LEFT JOIN posts p ON p.id = l.k")),
        ("full_join", text("INSERT INTO t SELECT p.id FROM posts p FULL JOIN l ON p.id = l.k")),
        ("subquery", text("INSERT INTO t SELECT k AS id FROM l WHERE k IN (SELECT id FROM posts)")),
        ("scalar_subquery", text("INSERT INTO t SELECT id, (SELECT max(score) FROM posts) AS m FROM posts")),
        ("overwrite", text("INSERT OVERWRITE t SELECT id FROM posts")),
        ("append_bounded", text("INSERT INTO t SELECT k AS id FROM l")),
    ];
    snapshot!("check_queries", mistakes(&bench, &texts));
}

#[test]
fn what_does_not_fit_the_sink_names_the_column() {
    let bench = Bench::new();
    bench.run(&after_tables("INSERT INTO t SELECT id, score FROM posts;"));
    std::fs::rename(bench.path("lake"), bench.path("lake-before")).unwrap();
    std::fs::remove_dir_all(bench.path(".engine")).unwrap();
    let table = |options: &str| {
        let place = bench.path("lake-before/t");
        let source = TABLES.lines().next().unwrap();
        format!("{source}\nCREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{}' {options};\n", place.display())
    };
    let texts = [
        ("type", format!("{}INSERT INTO t SELECT id, title AS score FROM posts;\n", table(""))),
        ("no_key", format!("{}REPLACE INTO t SELECT id, score FROM posts;\n", table(""))),
        ("wrong_key", format!("{}REPLACE INTO t SELECT id, score FROM posts;\n", table("OPTIONS ('key' 'idd')"))),
        ("partitions", format!("{}INSERT INTO t SELECT id, score FROM posts;\n", table("PARTITIONED BY (score)"))),
        ("column_list", format!("{}INSERT INTO t (id, score, more) SELECT id, score FROM posts;\n", table(""))),
    ];
    let texts: Vec<(&str, String)> = texts.into_iter().collect();
    snapshot!("check_sinks", mistakes(&bench, &texts).replace(&bench.path("").display().to_string(), "[dir]/"));
}

#[test]
fn statements_that_are_wrong_are_all_reported() {
    let bench = Bench::new();
    let texts = [
        (
            "declared_twice",
            after_tables("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t2';\nINSERT INTO t SELECT id FROM posts;"),
        ),
        ("written_source", after_tables("INSERT INTO posts SELECT id FROM posts;\nINSERT INTO t SELECT id FROM posts;")),
        ("unterminated_string", after_tables("INSERT INTO t SELECT 'abc FROM posts;")),
        ("unterminated_comment", after_tables("INSERT INTO t SELECT id FROM posts; /* and so on")),
        ("no_semicolon", after_tables("INSERT INTO t SELECT id FROM posts\nINSERT INTO t SELECT id FROM posts;")),
        ("not_a_pipeline", "DROP TABLE t;\nDELETE FROM t;\nUPDATE t SET a = 1;\nCREATE SCHEMA x;\n".to_owned()),
        ("misspelt", after_tables("INSRT INTO t SELECT id FROM posts;")),
        ("reads_what_it_makes", after_tables("INSERT INTO t SELECT id FROM t;")),
        ("two_mistakes", after_tables("INSERT INTO t SELECT idd FROM posts;\nSELECT nothing FROM t;")),
    ];
    snapshot!("check_statements", mistakes(&bench, &texts));
}

#[test]
fn files_that_are_no_pipelines_are_told_apart() {
    let bench = Bench::new();
    let wrong = after_tables("INSERT INTO t SELECT id, titel FROM posts;");
    bench.write("latin.sql", b"-- fine\nSELECT '\xe9t\xe9';\n");
    bench.write("empty.sql", "").write("comment.sql", "-- nothing yet\n");
    bench.write("bom.sql", format!("\u{feff}{wrong}")).write("crlf.sql", wrong.replace('\n', "\r\n"));
    let mut all = String::new();
    for name in ["missing.sql", "latin.sql", "empty.sql", "comment.sql", "bom.sql", "crlf.sql"] {
        let ended = bench.engine(&["check", name]);
        assert_eq!(ended.code, 1, "{name}: {ended:?}");
        all.push_str(&format!("=== {name}\n{}", bench.shown(&ended)));
    }
    let ended = bench.engine(&["run", "."]);
    all.push_str(&format!("=== run a folder\n{}", bench.shown(&ended)));
    snapshot!("check_files", all);
}

#[test]
fn a_folder_is_checked_to_its_end() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    assert!(bench.engine(&["check", "folder"]).stderr.contains("there is no .sql file in folder"));
    bench.write("folder/a.sql", b"SELECT '\xff';").write("folder/b.sql", after_tables("INSERT INTO t SELECT id FROM posts;"));
    bench.write("folder/c.sql", "SELECT nothing;").write("folder/d.txt", "no pipeline");
    let ended = bench.engine(&["check", "folder"]);
    snapshot!("check_folder", bench.shown(&ended));
}
