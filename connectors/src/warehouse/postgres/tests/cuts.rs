//! Connections that break, and servers that go: the batch is in once, whatever the client heard.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use testkit::cutter::{Cut, Cutter};
use testkit::postgres::{PASSWORD, USER};

use super::bench::{Bench, DATABASE, rows, spec};
use crate::sink::WriteMode;
use crate::warehouse::WarehouseConfig;

fn numbers(values: std::ops::Range<i64>) -> RecordBatch {
    rows(vec![("id", Arc::new(values.collect::<Int64Array>()) as ArrayRef)])
}

/// A bench whose connections go through a relay.
fn relayed() -> Option<(Bench, Cutter)> {
    let mut bench = Bench::start()?;
    let cutter = Cutter::start(&format!("127.0.0.1:{}", bench.server.port())).unwrap();
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}?sslmode=disable", cutter.port());
    bench.context.warehouse = WarehouseConfig { url: Some(url), ..WarehouseConfig::default() };
    Some((bench, cutter))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_any_statement_writes_once() {
    let Some((bench, cutter)) = relayed() else { return };
    let table = spec("cut", "id");
    let mut cuts = 0;
    for (epoch, cut) in (1..).zip([
        Cut::Before("CREATE TABLE"),
        Cut::Before("COMMIT"),
        Cut::After("COMMIT"),
        Cut::Before("COPY"),
        Cut::After("COPY"),
        Cut::After("INSERT INTO \"public\".\"cut\""),
        Cut::After("INSERT INTO \"public\".\"_engine_loads\""),
        Cut::After("UPDATE"),
    ]) {
        // Each epoch has a row of the one before, so that rows are replaced as well.
        let first = i64::try_from(epoch).unwrap() * 10;
        let batch = bench.batch(&table, epoch, WriteMode::Upsert, &numbers(first - 1..first + 10)).await.unwrap();
        cutter.cut(cut, 1);
        assert_eq!(bench.commit(&table, &batch).await.unwrap().rows, 11, "{cut:?}");
        cuts += 1;
        assert_eq!(cutter.done(), cuts, "{cut:?} was not reached");
    }
    assert_eq!(bench.sql("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM cut"), "81|81|9|89");
    assert_eq!(bench.sql("SELECT count(*), sum(rows) FROM _engine_loads"), "8|88");
    assert_eq!(bench.sql("SELECT loads FROM _engine_targets"), "8");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_again_and_again_is_still_one_load() {
    let Some((bench, cutter)) = relayed() else { return };
    let table = spec("lost", "");
    let batch = bench.batch(&table, 1, WriteMode::Append, &numbers(0..10)).await.unwrap();
    // More often than it is tried: the first answers are of the ledger's own transactions.
    cutter.cut(Cut::After("COMMIT"), 100);
    let outcome = bench.commit(&table, &batch).await;
    cutter.cut(Cut::Before("nothing"), 0);
    assert!(outcome.as_ref().is_ok_and(|receipt| receipt.rows == 10) || outcome.is_err_and(|error| error.retry()));
    assert_eq!(bench.commit(&table, &batch).await.unwrap().rows, 10);
    assert_eq!(bench.sql("SELECT count(*), count(DISTINCT id) FROM lost"), "10|10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_error_is_not_tried_again() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE checked (id bigint CHECK (id < 5))");
    let started = std::time::Instant::now();
    let error = bench.write(&spec("checked", ""), 1, WriteMode::Append, &numbers(0..10)).await.unwrap_err();
    assert!(matches!(error, crate::Error::Data { .. }), "{error}");
    assert!(error.to_string().contains("checked_id_check") && error.to_string().contains("SQLSTATE 23514"), "{error}");
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "it was tried again");
    assert_eq!(bench.sql("SELECT count(*) FROM checked"), "0");
}
