//! `engine shell` in scripts: what it prints in which format, what names mean, and what is said when something is wrong.

use std::io::Write;
use std::process::Stdio;

use testkit::s3::{BUCKET, S3Server};

use super::bench::{Bench, POSTS, TABLES, snapshot};

/// A bench with a table of three versions at `lake://reddit/posts`, one in a folder deeper, and files.
fn bench() -> Bench {
    let bench = Bench::new();
    let tables = TABLES.replace("lake://t'", "lake://reddit/posts'");
    bench.run(&format!(
        "{tables}CREATE EXTERNAL TABLE deep STORED AS PARQUET LOCATION 'lake://a/b/deep';\n\
         INSERT INTO t SELECT id, score FROM posts;\nINSERT INTO deep SELECT id FROM posts;\n"
    ));
    bench.write("x.csv", "n,s\n1,one\n2,\"two, or \"\"so\"\"\"\n3,\n");
    bench.write("x.ndjson", "{\"a\":1}\n{\"a\":2}\n").write("y.tsv", "k\tv\n1\tx\n");
    bench
}

/// What `-c` prints, one statement below the other.
fn transcript(bench: &Bench, statements: &[&str]) -> String {
    let mut all = String::new();
    for statement in statements {
        let ended = bench.engine(&["shell", "-c", statement]);
        all.push_str(&format!("=== {statement}\n{}", bench.shown(&ended)));
    }
    all
}

#[test]
fn every_format_prints_the_same_rows() {
    let bench = bench();
    let mut all = String::new();
    for format in ["table", "vertical", "csv", "tsv", "json", "ndjson", "markdown"] {
        let text = bench.good(&["shell", "--format", format, "-c", "SELECT * FROM 'x.csv' ORDER BY n"]);
        all.push_str(&format!("=== {format}\n{text}"));
    }
    snapshot!("shell_formats", all);
}

#[test]
fn a_table_has_several_names_and_a_file_its_path() {
    let bench = bench();
    let count = |from: &str| {
        let text = bench.good(&["shell", "--format", "tsv", "-c", &format!("SELECT count(*) AS n FROM {from}")]);
        text.lines().nth(1).unwrap().to_owned()
    };
    for name in
        ["lake.reddit.posts", "reddit.posts", "posts", "'lake://reddit/posts'", "lake.\"a/b\".deep", "\"a/b\".deep", "deep"]
    {
        assert_eq!(count(name), POSTS.to_string(), "{name}");
    }
    for (file, rows) in [
        ("'./lake/reddit/posts'", "40"),
        ("'./lake/reddit/posts/' VERSION AS OF 0", "40"),
        ("'x.csv'", "3"),
        ("'x.ndjson'", "2"),
        ("'y.tsv'", "1"),
        ("'*.csv'", "3"),
        ("'./x.csv'", "3"),
    ] {
        assert_eq!(count(file), rows, "{file}");
    }
    let shown = bench.good(&[
        "shell",
        "-c",
        "SHOW TABLES; \\dt reddit.*; DESCRIBE posts; SHOW CREATE TABLE posts; SHOW CREATE TABLE deep",
    ]);
    snapshot!("shell_tables", shown);
}

#[test]
fn a_pattern_may_have_wildcards_for_folders() {
    let bench = Bench::new();
    for (folder, rows) in [("dt=2026-11-20", "id\n1\n"), ("dt=2026-11-21", "id\n2\n3\n"), ("other", "id\n4\n")] {
        std::fs::create_dir_all(bench.path(&format!("data/{folder}"))).unwrap();
        bench.write(&format!("data/{folder}/a.csv"), rows);
    }
    let rows = |query: &str| bench.good(&["shell", "--format", "tsv", "-c", query]).replace("\t", "|");
    let query = "SELECT CAST(dt AS VARCHAR) AS dt, id FROM 'data/dt=*/*.csv' ORDER BY id";
    assert_eq!(rows(query), "dt|id\n2026-11-20|1\n2026-11-21|2\n2026-11-21|3\n");
    assert_eq!(rows("SELECT sum(id) AS s FROM 'data/*/a.csv'"), "s\n10\n");
    assert_eq!(rows("SELECT sum(id) AS s FROM 'data/**/*.csv'"), "s\n10\n");
    assert_eq!(rows("SELECT sum(id) AS s FROM 'data/dt=2026-11-21/*.csv'"), "s\n5\n");
    bench.write("data/other/part-1", "id\n5\n");
    for (pattern, part) in [
        ("data/*/part-*", "other/part-1' is of no kind that is known by its ending; there are: .parquet"),
        ("data/*/x-*", "there is no file at"),
    ] {
        let ended = bench.engine(&["shell", "-c", &format!("SELECT 1 FROM '{pattern}'")]);
        assert!(ended.code == 1 && ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn files_by_path_are_read_as_a_declared_table_reads_them() {
    let bench = Bench::new();
    let folder = |name: &str| std::fs::create_dir_all(bench.path(name)).unwrap();
    ["lead", "semi", "latin", "ragged", "array", "joined", "mixed", "braces"].iter().for_each(|name| folder(name));
    bench.write("lead/x.csv", "id,zip\n1,01234\n2,00012\n").write("semi/x.csv", "a;b\n1;2,5\n");
    std::fs::write(bench.path("latin/x.csv"), b"id,name\n1,Caf\xe9\n").unwrap();
    bench.write("array/x.json", "[\n {\"a\": 1},\n {\"a\": 2}\n]\n").write("joined/x.json", "{\"a\":\n1}{\"a\":2}");
    bench.write("mixed/x.json", "{\"a\":1}\n{\"a\":\"x\"}\n").write("ragged/x.csv", "\u{feff}a,b\n1,2\n3,4\n");
    bench.write("braces/f1.csv", "a\n1\n").write("braces/f2.csv", "a\n10\n").write("braces/f3.csv", "a\n100\n");
    let rows = |query: &str| bench.good(&["shell", "--format", "tsv", "-c", query]).replace('\t', "|").replace('\n', " ");
    for (format, file, expected) in [
        ("CSV", "lead/x.csv", "id|zip 1|01234 2|00012 "),
        ("CSV", "semi/x.csv", "a|b 1|2,5 "),
        ("CSV", "latin/x.csv", "id|name 1|Café "),
        ("CSV", "ragged/x.csv", "a|b 1|2 3|4 "),
        ("JSON", "array/x.json", "a 1 2 "),
        ("JSON", "joined/x.json", "a 1 2 "),
        ("JSON", "mixed/x.json", "a 1 x "),
    ] {
        let (folder, _) = file.split_once('/').unwrap();
        for place in [file.to_owned(), format!("{folder}/"), format!("./{folder}/*"), format!("**/{file}")] {
            assert_eq!(rows(&format!("SELECT * FROM '{place}'")), expected, "{place}");
        }
        let declared = format!("CREATE EXTERNAL TABLE t STORED AS {format} LOCATION '{file}'; SELECT * FROM t");
        assert_eq!(rows(&declared), expected, "{declared}");
    }
    assert_eq!(rows("SELECT sum(a) AS s FROM 'braces/{f1,f3}.csv'"), "s 101 ");
    assert!(!bench.path("lake").join(".engine/sources/shell/files").exists(), "what is only looked at leaves nothing behind");

    bench.write("braces/f4.csv", "a,b\n1,2\n3,4\n5,6\n7,8\n9\n");
    let ended = bench.engine(&["shell", "-c", "SELECT count(*) FROM 'braces/f4.csv'"]);
    assert!(ended.code == 1 && ended.stderr.contains("braces/f4.csv row 5 (line 6"), "{}", ended.stderr);
    assert!(ended.stderr.contains("\n  |                      ^^^^^^^^^^^^^^^\n"), "{}", ended.stderr);
}

#[test]
fn columns_of_files_that_are_many_are_all_found() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("m")).unwrap();
    for file in 100..200 {
        bench.write(&format!("m/f{file}.csv"), if file == 150 { "a,b,c\n1,2,3\n" } else { "a,b\n1,2\n" });
    }
    let text = bench.good(&["shell", "--format", "csv", "-c", "SELECT count(*) AS n, sum(b) AS b, sum(c) AS c FROM 'm/'"]);
    assert_eq!(text, "n,b,c\n100,200,3\n");
}

#[test]
fn parquet_by_path_has_the_columns_of_a_declared_table_also_where_files_differ() {
    let bench = Bench::new();
    let copies = "COPY (SELECT 1 AS \"VendorID\", 'a' AS name) TO 'p/day=1/a.parquet'; COPY (SELECT 2 AS \"VendorID\", 'b' AS name) TO 'p/day=2/b.parquet'; \
         COPY (SELECT 1 AS n) TO 'd/a.parquet'; COPY (SELECT 2.5 AS n) TO 'd/b.parquet'";
    bench.good(&["shell", "-c", copies]);
    let rows = |query: &str| bench.good(&["shell", "--format", "tsv", "-c", query]).replace('\t', "|").replace('\n', " ");
    for place in ["p/", "p/*/*.parquet", "p/day=*/{a,b}.parquet"] {
        let query =
            format!("SELECT vendorid, name, CAST(day AS VARCHAR) AS day FROM '{place}' WHERE vendorid > 0 ORDER BY vendorid");
        assert_eq!(rows(&query), "vendorid|name|day 1|a|1 2|b|2 ", "{place}");
    }
    assert_eq!(rows("SELECT count(*) AS n FROM 'p/'"), "n 2 ");
    assert_eq!(rows("SELECT sum(n) AS n FROM 'd/*.parquet'"), "n 3.5 ");
    let plan = bench.good(&["shell", "-c", "EXPLAIN SELECT vendorid FROM 'p/day=1/a.parquet'"]);
    assert!(plan.contains("DataSourceExec"), "plain Parquet is read in parallel: {plan}");
}

#[test]
fn bytes_that_are_text_are_shown_and_types_are_those_of_sql() {
    let bench = Bench::new();
    let query = "SELECT arrow_cast('1,é', 'Binary') AS raw, X'ff0a' AS other";
    for format in ["csv", "json", "table", "vertical"] {
        let text = bench.good(&["shell", "--format", format, "-c", query]);
        assert!(text.contains("1,é") && text.contains("ff0a"), "{format}: {text}");
    }
    bench.write("x.csv", "at,n\n2026-01-02T03:04:05Z,x\n");
    for command in ["DESCRIBE 'x.csv'", "\\d x.csv", "SUMMARIZE 'x.csv'"] {
        let text = bench.good(&["shell", "-c", command]);
        assert!(text.contains("WITH TIME ZONE") && text.contains("VARCHAR") && !text.contains("Utf8"), "{command}: {text}");
    }
}

#[test]
fn a_lake_and_files_on_s3_are_read_through_the_settings() {
    let s3 = S3Server::builder().start().unwrap();
    let mut bench = Bench::new();
    let place = |key: &str| format!("s3://{BUCKET}/{key}");
    for (name, value) in [
        ("ENGINE_S3_ENDPOINT", s3.endpoint()),
        ("ENGINE_S3_REGION", s3.region().to_owned()),
        ("ENGINE_S3_ACCESS_KEY_ID", s3.access_key().to_owned()),
        ("ENGINE_S3_SECRET_ACCESS_KEY", s3.secret_key().to_owned()),
    ] {
        bench.set(name, value);
    }
    bench.set("ENGINE_LAKE_URL", place("lake")).secret(s3.secret_key());
    bench.run(&format!("{}INSERT INTO t SELECT id, score FROM posts;\n", TABLES.replace("lake://t'", "lake://reddit/posts'")));
    let copies = format!(
        "COPY (SELECT 1 AS n) TO '{}' STORED AS CSV; COPY (SELECT 2 AS n) TO '{}' STORED AS CSV",
        place("x/a.csv"),
        place("x/b.csv")
    );
    bench.good(&["shell", "-c", &copies]);
    let (pattern, folder, table) = (place("x/*.csv"), place("x/"), place("lake/reddit/posts"));
    for (query, expected) in [
        (format!("SELECT sum(n) FROM '{pattern}'"), 3),
        (format!("SELECT sum(n) FROM '{folder}'"), 3),
        ("SELECT count(*) FROM posts".to_owned(), POSTS),
        (format!("SELECT count(*) FROM '{table}' VERSION AS OF 0"), POSTS),
    ] {
        let text = bench.good(&["shell", "--format", "csv", "-c", &query]);
        assert_eq!(text.lines().last(), Some(expected.to_string().as_str()), "{query}");
    }
    assert!(bench.engine(&["shell", "-c", "SHOW ALL"]).code == 0);
}

#[test]
fn compressed_files_are_read_by_their_ending() {
    let bench = bench();
    let copy = "COPY (SELECT * FROM 'x.csv') TO 'z.csv.gz' STORED AS CSV OPTIONS ('format.compression' 'gzip');";
    let text =
        format!("{copy} COPY (SELECT * FROM 'x.csv') TO 'z.ndjson.zst' STORED AS JSON OPTIONS ('format.compression' 'zstd');");
    bench.good(&["shell", "-c", &text]);
    for file in ["z.csv.gz", "z.ndjson.zst"] {
        let text = bench.good(&["shell", "--format", "csv", "-c", &format!("SELECT sum(n) AS n FROM '{file}'")]);
        assert_eq!(text, "n\n6\n", "{file}");
    }
}

#[test]
fn scripts_come_from_a_file_or_standard_input_and_share_a_session() {
    let bench = bench();
    bench.write("s.sql", "CREATE VIEW v AS SELECT n FROM 'x.csv' WHERE n > 1; -- kept\nSELECT count(*) AS n FROM v;\n\\format csv\nSELECT * FROM v ORDER BY n");
    let from_file = bench.good(&["shell", "-f", "s.sql"]);
    let mut child = bench.command(&["shell"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\\i s.sql\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), from_file);
    assert!(from_file.ends_with("n\n2\n3\n"), "{from_file}");
    let both = bench.good(&[
        "shell",
        "-c",
        "CREATE TABLE t AS VALUES (1); INSERT INTO t VALUES (2)",
        "-c",
        "SELECT sum(column1) AS n FROM t",
        "--format",
        "csv",
    ]);
    assert!(both.ends_with("n\n3\n"), "{both}");
    assert!(!bench.path(".engine/shell_history").exists(), "a script leaves no history");
}

#[test]
fn ddl_means_what_it_means_in_a_pipeline() {
    let bench = bench();
    let text = "CREATE EXTERNAL TABLE p STORED AS DELTA LOCATION 'lake://reddit/posts';
CREATE EXTERNAL TABLE c STORED AS CSV LOCATION 'x.csv' OPTIONS ('format.has_header' 'true');
CREATE VIEW both AS SELECT count(*) AS n FROM p UNION ALL SELECT count(*) FROM c;
SELECT * FROM both ORDER BY n; SHOW CREATE TABLE p; \\dv
SET datafusion.execution.batch_size = 100; EXPLAIN SELECT n FROM both; DROP VIEW both; \\dv";
    bench.write("s.sql", text);
    let shown = bench.good(&["shell", "-f", "s.sql"]);
    for part in ["|  3 |", "| 40 |", "STORED AS DELTA LOCATION 'lake://reddit/posts';", "logical_plan:", "| both"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn mistakes_are_told_as_in_a_check_and_end_the_script() {
    let bench = bench();
    let shown = transcript(
        &bench,
        &[
            "SELEC 1",
            "SELECT 1;\nSELECT scor FROM posts",
            "SELECT 1 FROM postz",
            "SELECT 1 FROM redit.posts",
            "SELECT uper(s) FROM 'x.csv'",
            "SELECT 1 FROM 'x.cvs'",
            "SELECT 1 FROM 'nowhere/x.csv'",
            "SELECT 1 FROM posts WHERE score = 'many'",
            "SELECT 'open",
            "INSERT INTO posts SELECT 1",
            "DELETE FROM posts",
            "DROP TABLE posts",
            "DROP TABLE lake.reddit.posts",
            "CREATE EXTERNAL TABLE lake.x.y STORED AS DELTA LOCATION 'lake://reddit/posts'",
            "CREATE EXTERNAL TABLE y STORED AS DELTA LOCATION 'lake://nowhere'",
            "CREATE EXTERNAL TABLE y STORED AS DLETA LOCATION 'lake://reddit/posts'",
            "CREATE TABLE y AS VALUES (1); CREATE OR REPLACE VIEW w AS SELECT 1 AS n; CREATE OR REPLACE VIEW w AS SELECT * FROM w; SELECT * FROM w",
            "COPY (SELECT 1) TO 'lake://reddit/posts/x.parquet'",
            "SUMMARIZE",
            "SUMMARIZE postz",
            "SHOW CREATE TABLE postz",
            "SET pipeline.retrys = 3",
            "\\dx",
            "\\d postz",
            "\\i nowhere.sql",
        ],
    );
    snapshot!("shell_mistakes", shown);
    bench.write("self.sql", "\\i self.sql\n");
    assert!(bench.engine(&["shell", "-f", "self.sql"]).stderr.contains("does the file include itself?"));
    assert!(bench.engine(&["shell", "-f", "nowhere.sql"]).stderr.contains("cannot read nowhere.sql"));
    assert!(bench.engine(&["shell", "--format", "cvs"]).stderr.contains("possible values: table, vertical, csv"));
}

#[test]
fn a_delta_table_is_read_as_it_was() {
    let bench = bench();
    let tables = TABLES.replace("lake://t'", "lake://reddit/posts'");
    for limit in [1, 2] {
        let text = format!(
            "{tables}INSERT OVERWRITE t SELECT column1 AS id, column2 AS score FROM (VALUES ('a', CAST({limit} AS BIGINT)));\n"
        );
        bench.write("over.sql", text);
        bench.good(&["run", "over.sql"]);
    }
    let count = |from: &str| {
        bench.engine(&["shell", "--format", "csv", "-c", &format!("SELECT count(*) AS n, max(posts.score) AS s FROM {from}")])
    };
    assert_eq!(count("posts").stdout, "n,s\n1,2\n");
    let newest: u64 = 2;
    assert_eq!(count(&format!("posts VERSION AS OF {}", newest - 1)).stdout, "n,s\n1,1\n");
    for from in ["reddit.posts VERSION AS OF 0", "delta_at('lake.reddit.posts', 0)", "lake.reddit.posts version as of 0 AS posts"]
    {
        assert!(count(from).stdout.starts_with("n,s\n40,"), "{from}: {:?}", count(from));
    }
    assert_eq!(count("posts TIMESTAMP AS OF '2100-01-01'").stdout, "n,s\n1,2\n");
    assert_eq!(count("posts FOR VERSION AS OF 1").stdout, "n,s\n1,1\n");
    assert_eq!(count("posts FOR SYSTEM_TIME AS OF '2100-01-01'").stdout, "n,s\n1,2\n");
    let described = bench.good(&["shell", "-c", "DESCRIBE posts"]);
    for subject in ["DESCRIBE posts VERSION AS OF 0", "desc reddit.posts for version as of 0", "DESC delta_at('reddit.posts', 0)"]
    {
        assert_eq!(bench.good(&["shell", "-c", subject]), described, "{subject}");
    }
    let near = bench.engine(&["shell", "-c", "SELECT 1 FROM delta_at('reddit.postz', 1)"]);
    assert!(
        near.stderr.contains("table 'reddit.postz' not found") && near.stderr.contains("did you mean reddit.posts?"),
        "{near:?}"
    );
    assert_eq!(bench.good(&["shell", "-c", "-- a comment\nSELECT 1 AS one", "--format", "csv"]), "one\n1\n");
    let wrong = transcript(
        &bench,
        &[
            "SELECT 1 FROM posts VERSION AS OF 99",
            "SELECT 1 FROM posts TIMESTAMP AS OF 'yesterday'",
            "SELECT 1 FROM postz VERSION AS OF 1",
            "SELECT 1 FROM deep VERSION AS OF 0",
            "SELECT 1 FROM delta_at('posts')",
        ],
    );
    snapshot!("shell_time_travel_mistakes", wrong);
    assert!(count("posts TIMESTAMP AS OF '2001-01-01'").stderr.contains("was not there at 2001-01-01"), "{:?}", count("posts"));
}

#[test]
fn a_summary_has_a_row_for_every_column() {
    let bench = bench();
    let shown = transcript(
        &bench,
        &[
            "SUMMARIZE 'x.csv'",
            "SUMMARIZE SELECT n, [n] AS list, n / 4.0 AS share, n > 1 AS more, DATE '2026-11-20' + n AS day, arrow_cast(s, 'Dictionary(Int32, Utf8)') AS d FROM 'x.csv'",
            "\\summarize x.csv",
        ],
    );
    snapshot!("shell_summary", shown);
}

#[test]
fn a_reader_that_leaves_ends_the_query() {
    let bench = bench();
    let mut child = bench
        .command(&[
            "shell",
            "--format",
            "csv",
            "-c",
            "SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn ctrl_c_ends_a_script() {
    let bench = bench();
    let child = bench
        .command(&[
            "shell",
            "-c",
            "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 10000000) b; SELECT 7 AS seven",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let stopped = std::time::Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(stopped.elapsed().as_secs() < 10, "a query that gives no row for minutes is left alone: {:?}", stopped.elapsed());
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("stopped"), "{output:?}");
}

#[test]
fn a_table_holds_so_many_rows_and_says_so() {
    let bench = bench();
    let ended = bench.engine(&["shell", "--max-rows", "2", "-c", "SELECT * FROM generate_series(1, 100000)"]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 6), "{ended:?}");
    assert!(ended.stderr.contains("the first 2 rows"), "{ended:?}");
    assert_eq!(
        bench.good(&["shell", "--max-rows", "2", "--format", "csv", "-c", "SELECT * FROM generate_series(1, 5)"]).lines().count(),
        6
    );
}

#[test]
fn show_tables_and_show_columns_show_what_they_are_asked_for() {
    let bench = Bench::new();
    for (file, text) in [("in/trips/a.csv", "id,fare\n1,2.5\n"), ("in/zones/a.csv", "zone,name\n1,x\n"), ("s.csv", "a,b\n1,x\n")]
    {
        std::fs::create_dir_all(bench.path(file).parent().unwrap()).unwrap();
        bench.write(file, text);
    }
    bench.good(&["crawl", "in"]);
    bench.good(&["crawl", "in", "--into", "other"]);
    let rows = |query: &str| {
        let text = bench.good(&["shell", "--format", "csv", "-c", query]);
        text.lines().skip(1).map(|line| line.split(',').skip(1).take(2).collect::<Vec<_>>().join(".")).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("SHOW TABLES", &["other.trips", "other.zones", "raw.trips", "raw.zones"] as &[&str]),
        ("SHOW TABLES FROM raw", &["raw.trips", "raw.zones"]),
        ("SHOW TABLES IN lake.other LIKE 'tr%'", &["other.trips"]),
        ("SHOW TABLES FROM lake LIKE '%z%'", &["other.zones", "raw.zones"]),
        ("SHOW TABLES LIKE 'none'", &[]),
        ("SHOW TABLES WHERE table_name = 'trips' AND table_schema = 'raw'", &["raw.trips"]),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
    assert!(rows("SHOW TABLES FROM system").contains(&"public.runs".to_owned()));
    for (query, near) in
        [("SHOW TABLES FROM othr", "did you mean 'other'?"), ("SHOW TABLES IN lake.rw", "did you mean 'lake.raw'?")]
    {
        let ended = bench.engine(&["shell", "-c", query]);
        assert!(ended.code == 1 && ended.stderr.contains("there is no database") && ended.stderr.contains(near), "{ended:?}");
    }
    for subject in ["'s.csv'", "raw.trips"] {
        let shown = |verb: &str| bench.good(&["shell", "-c", &format!("{verb} {subject}")]);
        assert_eq!(shown("SHOW COLUMNS FROM"), shown("DESCRIBE"));
    }
}
