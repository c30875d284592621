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
        ("target_misspelt", after_tables("INSERT INTO tt SELECT id FROM posts;")),
        ("type", after_tables("INSERT INTO t SELECT CAST(id AS VACHAR) AS id FROM posts;")),
        ("declared_type", "CREATE EXTERNAL TABLE s (id BIGNT, at DATETIME) STORED AS JSON LOCATION 'in/';\nSELECT 1;\n".to_owned()),
        (
            "datafusion_setting",
            "SET datafusion.execution.batch_sizee = 3;\nSET datafusion.execution.batch_size = many;\nSET tmezone = 'UTC';\nSELECT 1;\n"
                .to_owned(),
        ),
        ("no_rows", "SET pipeline.epoch_rows = 0;\nSET pipeline.epoch_bytes = '0';\nSELECT 1;\n".to_owned()),
        ("source_scheme", "CREATE EXTERNAL TABLE s (id BIGINT) STORED AS JSON LOCATION 'ftp://h/x';\nSELECT 1;\n".to_owned()),
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
fn what_the_optimizer_finds_is_told_with_its_place_by_check_plan_and_run() {
    let bench = Bench::new();
    bench.write("in.ndjson", "{\"id\": 1, \"at\": \"2026-01-02\"}\n");
    let tables = "CREATE EXTERNAL TABLE s (id BIGINT, at DATE) STORED AS JSON LOCATION 'in.ndjson';\n\
                  CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\n";
    bench.write(
        "p.sql",
        format!("{tables}INSERT INTO t\nSELECT id FROM s\nWHERE at > 'hello';\nSELECT id FROM s WHERE at = 'bye';\n"),
    );
    for command in ["check", "plan", "run"] {
        let ended = bench.engine(&[command, "p.sql"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{command}: {ended:?}");
        for part in ["Cannot cast string 'hello' to value of Date32 type\n", "p.sql:5:12\n", "'bye'", "p.sql:6:29\n", "2 errors"]
        {
            assert!(ended.stderr.contains(part), "{command}: {part} is not in: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("Optimizer rule"), "{}", ended.stderr);
    }
    assert!(bench.listing("lake").is_empty());
}

#[test]
fn a_location_without_a_file_is_warned_of_until_something_was_read() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("toll")).unwrap();
    let text = |location: &str| {
        format!(
            "-- tolls\nCREATE EXTERNAL TABLE s (id BIGINT) STORED AS JSON LOCATION '{location}';\n\
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\nINSERT INTO t SELECT id FROM s;\n"
        )
    };
    for (location, told) in [
        ("tol/2026/", "there is no file at '[dir]/tol/2026': the folder '[dir]' has no 'tol'; did you mean 'toll'?"),
        ("tol/*.json", "there is no file at '[dir]/tol/*.json': the folder '[dir]' has no 'tol'; did you mean 'toll'?"),
        ("toll", "there is no file at '[dir]/toll', in a folder that is there"),
        ("nosuch.csv", "there is no file at '[dir]/nosuch.csv': the folder '[dir]' has no 'nosuch.csv'"),
    ] {
        bench.write("p.sql", text(location));
        for command in ["check", "plan", "run", "run"] {
            let ended = bench.engine(&[command, "p.sql"]);
            let shown = bench.shown(&ended);
            assert_eq!(ended.code, 0, "{ended:?}");
            assert!(shown.contains(&format!("p.sql:2: source 's': {told}\n")), "{command}: {shown}");
            assert_eq!(shown.contains("p: nothing yet: no source has had a row"), command == "run", "{shown}");
        }
    }
    bench.write("toll/1.json", "{\"id\": 1}").write("p.sql", text("toll/"));
    bench.good(&["run", "p.sql"]);
    std::fs::remove_file(bench.path("toll/1.json")).unwrap();
    for command in ["check", "plan", "run"] {
        let ended = bench.engine(&[command, "p.sql"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{command}: what was read may go: {ended:?}");
    }
    assert!(bench.good(&["run", "p.sql"]).contains("p: nothing new since epoch "));
}

#[test]
fn a_table_that_is_not_reached_says_what_to_check() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bench = Bench::new();
    let postgres = format!(
        "CREATE EXTERNAL TABLE s STORED AS POSTGRES LOCATION 'public.s' OPTIONS ('url' 'postgres://me@127.0.0.1:{port}/db');\nSELECT * FROM s;\n"
    );
    let warehouse = format!(
        "{TABLES}CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'public.w';\nINSERT INTO t SELECT id FROM posts;\nINSERT INTO w SELECT id FROM posts;\n"
    );
    bench.set("ENGINE_WAREHOUSE_URL", format!("postgres://me@127.0.0.1:{port}/db"));
    for (text, place, help) in [
        (postgres, "p.sql:1:", "check the network, and 'url' and 'password' in the table's OPTIONS"),
        (warehouse, "p.sql:3:", "check the network and what `engine config` shows under [warehouse]"),
    ] {
        bench.write("p.sql", text);
        let ended = bench.engine(&["check", "p.sql"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(help) && ended.stderr.contains(place), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("help:").count(), 1, "{}", ended.stderr);
    }
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
        ("view_of_itself", after_tables("CREATE VIEW v AS SELECT * FROM v WHERE id > 1;\nINSERT INTO t SELECT id FROM v;")),
        ("table_of_itself", after_tables("CREATE TABLE l AS SELECT * FROM l;\nINSERT INTO t SELECT id FROM posts;")),
        (
            "views_in_a_circle",
            after_tables(
                "CREATE VIEW d AS SELECT * FROM b;\nCREATE VIEW a AS SELECT * FROM b;\nCREATE VIEW b AS SELECT * FROM c;\n\
                 CREATE VIEW c AS SELECT * FROM a;\nINSERT INTO t SELECT id FROM d;",
            ),
        ),
        (
            "flows_in_a_circle",
            after_tables(
                "CREATE EXTERNAL TABLE u STORED AS DELTA LOCATION 'lake://u';\nCREATE VIEW v AS SELECT id FROM u;\n\
                 INSERT OVERWRITE t SELECT id FROM v;\nINSERT OVERWRITE u SELECT id FROM t;",
            ),
        ),
        (
            "one_place_for_two",
            after_tables(
                "CREATE EXTERNAL TABLE u STORED AS PARQUET LOCATION './lake/t/';\n\
                 CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'mart.w';\n\
                 CREATE EXTERNAL TABLE x STORED AS WAREHOUSE LOCATION '\"mart\".W' OPTIONS ('key' 'id');\n\
                 INSERT INTO t SELECT id FROM posts;\nINSERT INTO u SELECT id FROM posts;\n\
                 INSERT INTO w SELECT id FROM posts;\nREPLACE INTO x SELECT id FROM posts;",
            ),
        ),
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
