//! `engine crawl` beside others: other crawls, and pipelines that write tables of the same names.

use super::bench::{Bench, Ended};

fn put(bench: &Bench, path: &str, text: &str) {
    let path = bench.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn rows(bench: &Bench, query: &str) -> String {
    bench.good(&["shell", "--format", "tsv", "-c", query]).lines().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn crawls_at_the_same_time_wait_for_each_other() {
    let bench = Bench::new();
    for folder in ["one", "two"] {
        for table in 0..5 {
            put(&bench, &format!("{folder}/t{table}/a.csv"), &format!("id,c{table}\n1,2\n"));
        }
    }
    // The catalog itself is there.
    bench.good(&["crawl", "one", "--into", "other"]);
    let ended: Vec<Ended> = std::thread::scope(|scope| {
        let crawls: Vec<_> = (0..6)
            .map(|number| {
                let bench = &bench;
                scope.spawn(move || bench.engine(&["crawl", if number % 2 == 0 { "one" } else { "two" }]))
            })
            .collect();
        crawls.into_iter().map(|crawl| crawl.join().unwrap()).collect()
    });
    assert!(ended.iter().all(|ended| ended.code == 0), "{ended:#?}");
    let listed = bench.good(&["catalog", "list", "--json"]);
    assert_eq!(listed.matches("\"raw\"").count(), 10, "{listed}");
    for folder in ["one", "two"] {
        let again = bench.good(&["crawl", folder]);
        assert!(again.contains("0 new or changed"), "the list of the last crawl is there: {again}");
    }
}

#[test]
fn a_crawl_gives_no_table_the_name_of_one_that_a_pipeline_writes() {
    let bench = Bench::new();
    put(&bench, "in/orders/a.csv", "id,total\n1,10\n2,20\n");
    bench.write(
        "p.sql",
        "CREATE EXTERNAL TABLE s STORED AS CSV LOCATION 'in/orders/';
         CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://raw/orders';
         INSERT INTO t SELECT id FROM s WHERE id = 1;",
    );
    bench.good(&["run", "p.sql"]);
    // As for a table that the catalog was never told of.
    bench.good(&["catalog", "forget", "raw.orders"]);
    let crawled = bench.good(&["crawl", "in"]);
    assert!(crawled.contains("raw.orders_2") && !crawled.contains("raw.orders "), "{crawled}");
    assert_eq!(rows(&bench, "SELECT count(*) FROM raw.orders"), "1");
    assert_eq!(rows(&bench, "SELECT count(*) FROM raw.orders_2"), "2");
    // The lake itself may be crawled: its folders are what is found.
    let lake = bench.good(&["crawl", "lake/raw", "--into", "raw"]);
    assert!(lake.contains("raw.orders "), "{lake}");
}

#[test]
fn a_pipeline_makes_no_table_that_has_the_name_of_one_that_was_crawled() {
    let bench = Bench::new();
    put(&bench, "in/orders/a.csv", "id,total\n1,10\n2,20\n");
    bench.good(&["crawl", "in"]);
    let pipeline = |place: &str| {
        format!(
            "CREATE EXTERNAL TABLE s STORED AS CSV LOCATION 'in/orders/';
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{place}';
             INSERT INTO t SELECT id FROM s;"
        )
    };
    bench.write("p.sql", pipeline("lake://raw/orders"));
    for command in ["check", "plan", "run"] {
        let refused = bench.engine(&[command, "p.sql"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        let told = format!("{}{}", refused.stdout, refused.stderr);
        assert!(told.contains("table 't' would be lake.raw.orders, which is the CSV table at"), "{command}: {told}");
        assert!(told.contains("p.sql:2:") && told.contains("engine catalog forget raw.orders"), "{command}: {told}");
    }
    assert!(bench.listing("lake").is_empty());
    bench.write("p.sql", pipeline("lake://mart/orders"));
    bench.good(&["run", "p.sql"]);
    assert_eq!(rows(&bench, "SELECT count(*) FROM mart.orders"), "2");
}

#[test]
fn a_crawled_table_with_bad_lines_says_so_and_takes_options() {
    let bench = Bench::new();
    put(&bench, "in/t/a.json", "{\"id\":1}\n{\"id\":2}\n{bad\n");
    let first = bench.good(&["crawl", "in"]);
    assert!(first.contains("1 record cannot be read, first in") && first.contains("--option t.on_error=quarantine"), "{first}");
    let failed = bench.engine(&["shell", "-c", "SELECT count(*) FROM raw.t"]);
    assert!(failed.code == 1 && failed.stderr.contains("crawl with --option"), "{failed:?}");

    for (option, expected) in [
        ("t.on_eror=quarantine", "did you mean 'on_error'?"),
        ("t.on_error=aside", "unknown value 'aside'"),
        ("tt.on_error=quarantine", "did you mean 't'?"),
        ("on_error=quarantine", "TABLE.NAME=VALUE"),
    ] {
        let wrong = bench.engine(&["crawl", "in", "--option", option]);
        assert!(wrong.code != 0 && wrong.stderr.contains(expected), "{option}: {wrong:?}");
    }
    let set = bench.engine(&["crawl", "in", "--option", "t.on_error=quarantine", "--option", "t.max_bad_ratio=1"]);
    assert!(set.code == 0 && set.stderr.contains("table raw.t: option on_error is 'quarantine'"), "{set:?}");
    assert_eq!(rows(&bench, "SELECT count(*) FROM raw.t"), "2");
    assert!(bench.good(&["catalog", "ddl", "raw.t"]).contains("'on_error' 'quarantine'"));
    // It stays, until it is taken away.
    bench.good(&["crawl", "in"]);
    assert_eq!(rows(&bench, "SELECT count(*) FROM raw.t"), "2");
    bench.good(&["crawl", "in", "--option", "t.on_error=", "--option", "t.max_bad_ratio="]);
    assert_eq!(bench.engine(&["shell", "-c", "SELECT count(*) FROM raw.t"]).code, 1);
}
