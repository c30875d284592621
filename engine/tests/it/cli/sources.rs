//! Flows and what they read: one read for many, later flows, lookups, files.

use testkit::reddit::{Answer, Reddit, listing, post};

use super::bench::{Bench, POSTS, TABLES};

/// A bench whose Reddit is `server`.
pub(super) fn live(server: &Reddit) -> Bench {
    let mut bench = Bench::new();
    bench.set("REDDIT_CLIENT_ID", "app").set("REDDIT_CLIENT_SECRET", "hush-secret").secret("hush-secret");
    bench
        .set("ENGINE_REDDIT_API_URL", server.url())
        .set("ENGINE_REDDIT_TOKEN_URL", format!("{}/api/v1/access_token", server.url()));
    bench.secret("token-1").secret("hush-password");
    bench
}

fn pages(server: &Reddit) -> usize {
    server.requests().iter().filter(|request| request.method == "GET").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_flows_are_fed_from_one_read() {
    let server = Reddit::start().await.unwrap();
    server.handle(|_| Answer::json(&listing(&[post("b", 1_795_000_100.0), post("a", 1_795_000_000.0)], None)));
    let bench = live(&server);
    let text = format!(
        "{TABLES}CREATE EXTERNAL TABLE u STORED AS PARQUET LOCATION 'lake://u';\n\
         CREATE EXTERNAL TABLE same STORED AS DELTA LOCATION 'lake://same';\n\
         INSERT INTO t SELECT id FROM posts;\nINSERT INTO u SELECT id, title FROM posts;\nINSERT INTO same SELECT id FROM posts;\n"
    );
    let summary = bench.run(&text);
    for sink in ["t", "u", "same"] {
        let sink = &summary["sinks"][sink];
        assert_eq!((&sink["rows_in"], &sink["rows_written"], &sink["epochs"]), (&2.into(), &2.into(), &1.into()), "{summary}");
    }
    assert_eq!(pages(&server), 1, "{:?}", server.requests());
    assert_eq!(bench.query("lake://same", "SELECT count(*) FROM t"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_added_later_reads_from_the_beginning_and_the_others_go_on() {
    let server = Reddit::start().await.unwrap();
    server.handle(|_| Answer::json(&listing(&[post("b", 1_795_000_100.0), post("a", 1_795_000_000.0)], None)));
    let bench = live(&server);
    let text = format!("{TABLES}INSERT INTO t SELECT id FROM posts;\n");
    bench.run(&text);
    server.handle(|_| {
        Answer::json(&listing(&[post("c", 1_795_000_200.0), post("b", 1_795_000_100.0), post("a", 1_795_000_000.0)], None))
    });
    let more = "CREATE EXTERNAL TABLE u STORED AS DELTA LOCATION 'lake://u';\nINSERT INTO u SELECT id FROM posts;\n";
    let summary = bench.run(&format!("{text}{more}"));
    assert_eq!(summary["sinks"]["u"]["rows_written"], 3, "{summary}");
    assert_eq!(summary["sinks"]["t"]["rows_written"], 1, "{summary}");
    assert_eq!(bench.query("lake://t", "SELECT count(*) FROM t"), "3");
}

#[test]
fn a_stream_is_joined_with_tables_that_stand_still() {
    let bench = Bench::new();
    bench.write("weights.csv", "flair,weight\nhelp,2\nnews,3\n");
    bench.write("langs.json", "{\"sub\":\"rust\",\"lang\":\"Rust\"}\n");
    let text = format!(
        "{TABLES}CREATE TABLE kinds AS VALUES (true, 'text'), (false, 'link');\n\
         CREATE EXTERNAL TABLE weights STORED AS CSV LOCATION 'weights.csv' OPTIONS ('format.has_header' 'true');\n\
         CREATE EXTERNAL TABLE langs STORED AS JSON LOCATION 'langs.json';\n\
         INSERT INTO t SELECT p.id, k.column2 AS kind, w.weight, l.lang FROM posts p\n\
         JOIN kinds k ON k.column1 = p.is_self LEFT JOIN weights w ON w.flair = p.link_flair_text\n\
         JOIN langs l ON l.sub = p.subreddit;\n"
    );
    let summary = bench.run(&text);
    assert_eq!(summary["sinks"]["t"]["rows_written"], POSTS, "{summary}");
    assert_eq!(bench.query("lake://t", "SELECT DISTINCT lang FROM t"), "Rust");
}

#[test]
fn an_overwrite_is_computed_anew_only_when_its_file_changes() {
    let bench = Bench::new();
    bench.write("days.csv", "day,n\n1,10\n2,20\n");
    let text = "CREATE EXTERNAL TABLE days STORED AS CSV LOCATION 'days.csv' OPTIONS ('format.has_header' 'true');\n\
                CREATE EXTERNAL TABLE total STORED AS DELTA LOCATION 'lake://total';\n\
                INSERT OVERWRITE total SELECT sum(n) AS n FROM days;\n";
    assert_eq!(bench.run(text)["sinks"]["total"]["epochs"], 1);
    assert_eq!(bench.run(text)["sinks"]["total"]["epochs"], 0);
    bench.write("days.csv", "day,n\n1,10\n2,20\n3,30\n");
    assert_eq!(bench.run(text)["sinks"]["total"]["epochs"], 1);
    assert_eq!(bench.query("lake://total", "SELECT n FROM t"), "60");
}

#[test]
fn a_column_that_a_later_file_brings_reaches_the_sink_in_the_same_run() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("in")).unwrap();
    bench.write("in/1.csv", "id,name\n1,a\n");
    let text = "CREATE EXTERNAL TABLE files STORED AS CSV LOCATION 'in/';\n\
                CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\n\
                INSERT INTO t SELECT * FROM files;\n";
    bench.run(text);
    bench.write("in/2.csv", "more,id,name\nx,2,b\n");
    bench.write("in/3.csv", "id,name,last\n3,c,true\n");
    assert_eq!(bench.run(text)["sinks"]["t"]["rows_written"], 2);
    let rows =
        bench.query("lake://t", "SELECT id, name, coalesce(more, '-'), coalesce(CAST(last AS VARCHAR), '-') FROM t ORDER BY id");
    let rows: Vec<String> = rows.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows, ["1 a - -", "2 b x -", "3 c - true"]);
    assert_eq!(bench.run(text)["sinks"]["t"]["epochs"], 0);
}

#[test]
fn names_of_any_letters_lose_no_row() {
    let bench = Bench::new();
    bench.write("in.csv", "id,day\n1,a\n2,b\n");
    for (name, folder) in
        [("größe", "größe"), ("a#b", "a#b"), ("a?b", "a?b"), ("we%20ird", "we ird"), ("..", "dots"), ("x y", "x [y]")]
    {
        let file = format!("{}.sql", if name == ".." { "dots" } else { name });
        let text = format!(
            "CREATE EXTERNAL TABLE \"{name}\" (id BIGINT, day VARCHAR) STORED AS CSV LOCATION 'in.csv';\n\
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://{folder}/t' PARTITIONED BY (day);\n\
             INSERT INTO t SELECT * FROM \"{name}\";\n",
        );
        bench.write(&file, text);
        bench.good(&["run", &file]);
        let query = "SELECT string_agg(day, '' ORDER BY id) FROM t";
        assert_eq!(bench.query(&format!("lake://{folder}/t"), query), "ab", "{name}");
    }
    for wrong in ["../x", "a/./b", "we%20ird"] {
        bench.write(
            "p.sql",
            format!("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://{wrong}';\nINSERT INTO t SELECT 1 AS id;\n"),
        );
        let refused = bench.engine(&["check", "p.sql"]);
        assert!(refused.code == 1 && refused.stderr.contains("or a part '.' or '..'"), "{refused:?}");
    }
}

#[test]
fn a_key_that_is_null_ends_the_epoch_before_it_is_recorded() {
    let bench = Bench::new();
    bench.write("in.csv", "id,v\n1,a\n,b\n");
    let text = |filter: &str| {
        format!(
            "CREATE EXTERNAL TABLE rows (id BIGINT, v VARCHAR) STORED AS CSV LOCATION 'in.csv';\n\
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t' OPTIONS ('key' 'id');\n\
             REPLACE INTO t SELECT * FROM rows {filter};\n"
        )
    };
    bench.write("p.sql", text(""));
    let refused = bench.engine(&["run", "p.sql"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("p.sql:3: t: column 'id' is part of the key and NULL in 1 of"),
        "{refused:?}"
    );
    assert_eq!(bench.run(&text("WHERE id IS NOT NULL"))["sinks"]["t"]["rows_written"], 1);
}
