//! What is told of places never says how one signs in to them.

use super::bench::Bench;

#[test]
fn users_passwords_and_tokens_of_addresses_are_not_shown() {
    let mut bench = Bench::new();
    bench.secret("hunter2").secret("t0ken");
    // Nobody listens there.
    let address = "http://me:hunter2@127.0.0.1:9/x.csv?sig=t0ken";
    let pipeline = |location: &str, options: &str| {
        format!(
            "CREATE EXTERNAL TABLE s (id BIGINT) STORED AS CSV LOCATION '{location}'{options};\n\
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\nINSERT INTO t SELECT id FROM s;\n"
        )
    };
    bench.write("p.sql", pipeline(address, ""));
    let plan = bench.good(&["plan", "p.sql"]);
    assert!(plan.contains("source s: CSV http://127.0.0.1:9/x.csv?..."), "{plan}");
    for location in [address, "http://me:hun/hunter2@127.0.0.1:9/x.csv?sig=t0ken", "http://127.0.0.1:9/x.csv?sig=a)t0ken"] {
        bench.write("p.sql", pipeline(location, " OPTIONS ('on_eror' 'fail')"));
        let wrong = bench.engine(&["check", "p.sql"]);
        assert!(wrong.code == 1 && format!("{}{}", wrong.stdout, wrong.stderr).contains("127.0.0.1:9/x.csv?..."), "{wrong:?}");
    }
    // A state that cannot be, and one where nobody listens.
    bench.set("ENGINE_STATE_URL", "mysql://me:hunter2@db/engine");
    let config = bench.engine(&["config"]);
    assert!(config.code == 1 && config.stderr.contains("mysql://me:********@db/engine"), "{config:?}");
    bench.set("ENGINE_STATE_URL", "postgres://me:hunter2@127.0.0.1:9/engine");
    let config = bench.good(&["config"]);
    assert!(config.contains("postgres://me:********@127.0.0.1:9/engine"), "{config}");
    let runs = bench.engine(&["runs"]);
    assert!(runs.code == 1 && runs.stderr.contains("database 'engine' on 127.0.0.1:9 as user 'me'"), "{runs:?}");
}

#[test]
fn what_cannot_be_listed_cannot_be_crawled() {
    let mut bench = Bench::new();
    bench.secret("hunter2");
    for (location, expected) in [
        ("https://me:hunter2@host/x.csv", "'https://host/x.csv' cannot be crawled: a web server does not list its files"),
        ("gs://bucket/x", "'gs://bucket/x' cannot be crawled: a crawl takes a folder, a file, or s3://bucket/prefix"),
    ] {
        let refused = bench.engine(&["crawl", location]);
        assert!(refused.code == 1 && refused.stderr.contains(expected), "{refused:?}");
    }
}
