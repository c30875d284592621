//! A pool of connections between: PgBouncer in transaction mode.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use testkit::postgres::PgBouncer;

use super::bench::{Bench, DATABASE, rows, spec};
use crate::sink::WriteMode;
use crate::warehouse::WarehouseConfig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_behind_a_pool_that_gives_connections_for_a_transaction() {
    let Some(mut bench) = Bench::start() else { return };
    let pool = match PgBouncer::start(&bench.server, 2) {
        Ok(pool) => pool,
        Err(error @ testkit::Error::Missing { .. }) => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    bench.context.warehouse = WarehouseConfig { url: Some(pool.url(DATABASE)), ..WarehouseConfig::default() };
    let bench = Arc::new(bench);
    let mut writers = tokio::task::JoinSet::new();
    // More of them than the pool has connections.
    for (name, mode) in
        [("a", WriteMode::Append), ("b", WriteMode::Overwrite), ("c", WriteMode::Upsert), ("d", WriteMode::Append)]
    {
        let bench = Arc::clone(&bench);
        writers.spawn(async move {
            let table = spec(&format!("pooled.{name}"), "id");
            for epoch in 1..=4_i64 {
                let values = (epoch * 5..epoch * 5 + 10).collect::<Int64Array>();
                let batch = rows(vec![("id", Arc::new(values) as ArrayRef)]);
                bench.write(&table, epoch.unsigned_abs(), mode, &batch).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let counts = ["a", "b", "c", "d"].map(|name| bench.sql(&format!("SELECT count(*) FROM pooled.{name}")));
    assert_eq!(counts, ["40", "10", "25", "40"]);
    assert_eq!(bench.sql("SELECT count(*) FROM pooled._engine_loads"), "16");
}
