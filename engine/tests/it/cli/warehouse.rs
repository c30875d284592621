//! `[warehouse]` at the command line: what a table of it is, what is wrong with its URL, and that no password is shown.

use super::bench::Bench;

const PIPELINE: &str = "\
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'shop.posts' OPTIONS ('key' 'id');
REPLACE INTO w SELECT id, title, score FROM posts;
";

#[test]
fn without_a_url_the_warehouse_is_in_the_lake_and_in_the_catalog() {
    let bench = Bench::new();
    bench.write("p.sql", PIPELINE);
    let plan = bench.good(&["plan", "p.sql"]);
    assert!(plan.contains("sink w: WAREHOUSE shop.posts, which is DELTA lake://warehouse/shop/posts"), "{plan}");
    bench.run(PIPELINE);
    for name in ["warehouse.shop.posts", "lake.\"warehouse/shop\".posts"] {
        let counted = bench.good(&["shell", "--format", "csv", "-c", &format!("SELECT count(*) AS n FROM {name}")]);
        assert_eq!(counted.trim(), "n\n40", "{name}");
    }
    let listed = bench.good(&["shell", "-c", "SHOW TABLES"]);
    assert!(listed.contains("| warehouse"), "{listed}");
    for name in ["warehouse.shop.posts", "\"warehouse/shop\".posts", "posts"] {
        let shown = bench.good(&["catalog", "show", name]);
        assert!(shown.contains("DELTA at lake://warehouse/shop/posts") && shown.contains("40 rows"), "{shown}");
    }
}

#[test]
fn a_warehouse_that_cannot_be_used_is_pointed_at_and_no_password_shown() {
    let mut bench = Bench::new();
    bench.secret("hush").write("p.sql", PIPELINE);
    bench.set("ENGINE_WAREHOUSE_PASSWORD", "hush");
    for (url, part) in [
        ("redshift-data://me:hush@h/db", "[warehouse] staging is not set: COPY loads from S3"),
        ("redshift-dat://me:hush@h/db", "'redshift-dat' is no warehouse; there are: postgres://user@host"),
        ("redshift://me:hush@h/db", "[warehouse] staging is not set: COPY loads from S3"),
        ("postgres://me:hush@h/db?sslmod=x", "did you mean 'sslmode'?"),
        ("postgres://me:hush@127.0.0.1:1/db?sslmode=disable", "127.0.0.1:1"),
    ] {
        bench.set("ENGINE_WAREHOUSE_URL", url);
        let ended = bench.engine(&["check", "p.sql"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(part) && said.contains("p.sql:2"), "{said}");
        let shown = bench.good(&["config"]);
        assert!(shown.contains("********@"), "{shown}");
    }
    bench.set("ENGINE_WAREHOUSE_URL", "hush");
    let ended = bench.engine(&["check", "p.sql"]);
    assert!(ended.stderr.contains("expected a URL, as in 'postgres://user@host:5432/db'"), "{ended:?}");
}

#[test]
fn what_no_warehouse_takes_is_refused_in_the_lake_as_well() {
    let bench = Bench::new();
    bench.write("p.sql", PIPELINE.replace(" OPTIONS", " PARTITIONED BY (score) OPTIONS"));
    let ended = bench.engine(&["check", "p.sql"]);
    assert_eq!(ended.code, 1);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("leave PARTITIONED BY out") && said.contains("p.sql:2"), "{said}");
}
