//! Who reads a table while it is overwritten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, Int64Array};

use super::bench::{Bench, DATABASE, rows, spec};
use crate::postgres::{Client, ConnectionConfig};
use crate::sink::WriteMode;

const ROWS: i64 = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn views_and_grants_survive_an_overwrite_and_readers_see_one_epoch_at_a_time() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("served", "");
    let version = |number: i64| {
        rows(vec![
            ("id", Arc::new((0..ROWS).collect::<Int64Array>()) as ArrayRef),
            ("version", Arc::new(std::iter::repeat_n(number, 5_000).collect::<Int64Array>())),
        ])
    };
    bench.write(&table, 1, WriteMode::Overwrite, &version(1)).await.unwrap();
    bench.sql("CREATE VIEW shown AS SELECT * FROM served; CREATE ROLE analyst; GRANT SELECT ON served, shown TO analyst");

    let is_over = Arc::new(AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    let config = ConnectionConfig::parse(&bench.server.url(DATABASE), None).unwrap();
    for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
        let (is_over, config) = (Arc::clone(&is_over), config.clone());
        readers.spawn(async move {
            let client = Client::connect(&config).await.unwrap();
            let (mut looks, mut seen) = (0, std::collections::BTreeSet::new());
            while !is_over.load(Ordering::Relaxed) {
                client.execute(&format!("BEGIN ISOLATION LEVEL {isolation}; SET LOCAL ROLE analyst")).await.unwrap();
                let read = client.rows("SELECT count(*), min(version), max(version) FROM shown", "looking").await.unwrap();
                client.execute("COMMIT").await.unwrap();
                let [count, least, greatest] = &read[0][..] else { panic!("{read:?}") };
                assert_eq!(count.as_deref(), Some("5000"), "part of the table was seen");
                assert_eq!(least, greatest, "two epochs were seen at once");
                seen.insert(least.clone());
                looks += 1;
            }
            (looks, seen.len())
        });
    }
    for epoch in 2..=8 {
        let number = i64::try_from(epoch).unwrap();
        bench.write(&table, epoch, WriteMode::Overwrite, &version(number)).await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    for (looks, seen) in readers.join_all().await {
        assert!(looks > 7 && seen > 1, "{looks} looks saw {seen} epochs");
    }
    assert_eq!(bench.sql("SET ROLE analyst; SELECT count(*), max(version) FROM shown"), "5000|8");
}
