//! Loads that are begun while rows are staged: as good as those that are not, and given up for any reason.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use testkit::cutter::{Cut, Cutter};
use testkit::postgres::{PASSWORD, USER};

use super::bench::{Bench, DATABASE, rows, spec};
use crate::Error;
use crate::context::TableSpec;
use crate::postgres::{Client, ConnectionConfig};
use crate::registry::Connector;
use crate::sink::{Batch, Preload, WriteMode};
use crate::warehouse::postgres::ledger::Ledger;
use crate::warehouse::{TableName, Warehouse, WarehouseConfig};

fn numbers(values: std::ops::Range<i64>) -> RecordBatch {
    let twice = values.clone().map(|value| value * 2).collect::<Int64Array>();
    rows(vec![("id", Arc::new(values.collect::<Int64Array>()) as ArrayRef), ("v", Arc::new(twice))])
}

/// A load that was given all rows of `batch`.
async fn begun(bench: &Bench, table: &TableSpec, batch: &Batch, rows: &RecordBatch) -> Box<dyn Preload> {
    let sink = Warehouse.sink(table, &bench.context).await.unwrap();
    let plan = sink.plan(&rows.schema(), batch.mode).await.unwrap();
    let mut preload = sink.preload(&plan, batch.mode).unwrap();
    for at in (0..rows.num_rows()).step_by(7) {
        preload.write(rows.slice(at, 7.min(rows.num_rows() - at))).await;
    }
    preload.end().await;
    preload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_comes_to_the_same_as_without() {
    let Some(bench) = Bench::start() else { return };
    for (name, mode) in [("added", WriteMode::Append), ("anew", WriteMode::Overwrite), ("merged", WriteMode::Upsert)] {
        for epoch in 1..=3_i64 {
            let rows = numbers(epoch * 10..epoch * 10 + 20);
            for early in [true, false] {
                let table = spec(&format!("{name}_{early}"), "id");
                let batch = bench.batch(&table, epoch.unsigned_abs(), mode, &rows).await.unwrap();
                if !early {
                    bench.commit(&table, &batch).await.unwrap();
                    continue;
                }
                let mut preload = begun(&bench, &table, &batch, &rows).await;
                preload.taken().await.unwrap();
                let seen = format!("SELECT CASE WHEN to_regclass('{0}') IS NULL THEN 0 ELSE 1 END", table.location);
                assert_eq!(bench.sql(&seen), if epoch == 1 { "0" } else { "1" }, "{mode}: it is seen before it is committed");
                assert_eq!(preload.commit(&batch).await, Some(batch.receipt()), "{mode}");
            }
        }
        let all = |early: bool| bench.sql(&format!("SELECT id, v FROM {name}_{early} ORDER BY 1, 2"));
        assert_eq!(all(true), all(false));
        let ledger = |early: bool| {
            bench.sql(&format!("SELECT epoch, mode, rows FROM _engine_loads WHERE target = '{name}_{early}' ORDER BY 1"))
        };
        assert_eq!(ledger(true), ledger(false));
    }
    let key = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'merged_true'::regclass AND contype = 'p'";
    assert_eq!(bench.sql(key), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_in_already_is_not_brought_again() {
    let Some(bench) = Bench::start() else { return };
    let (table, rows) = (spec("once", ""), numbers(0..10));
    let batch = bench.batch(&table, 1, WriteMode::Append, &rows).await.unwrap();
    bench.commit(&table, &batch).await.unwrap();
    // The sink knows what to say to that.
    assert_eq!(begun(&bench, &table, &batch, &rows).await.commit(&batch).await, None);
    assert_eq!(bench.commit(&table, &batch).await.unwrap().rows, 10);
    assert_eq!(bench.sql("SELECT count(*) FROM once"), "10");

    // Other rows of the same number were staged by an engine on a copy of the state.
    let other = bench.batch(&table, 1, WriteMode::Append, &numbers(0..3)).await.unwrap();
    assert_eq!(begun(&bench, &table, &other, &numbers(0..3)).await.commit(&other).await, None);
    let error = bench.commit(&table, &other).await.unwrap_err().to_string();
    assert!(error.contains("'once' has other rows as epoch 1 of this pipeline (10 rows"), "{error}");
    assert_eq!(bench.sql("SELECT count(*) FROM once"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_not_those_of_the_batch_are_left_to_the_sink() {
    let Some(bench) = Bench::start() else { return };
    let table = spec("fewer", "");
    let batch = bench.batch(&table, 1, WriteMode::Append, &numbers(0..10)).await.unwrap();
    assert_eq!(begun(&bench, &table, &batch, &numbers(0..9)).await.commit(&batch).await, None);
    bench.commit(&table, &batch).await.unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM fewer"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_leaves_nothing_and_makes_nobody_wait() {
    let Some(bench) = Bench::start() else { return };
    let (table, rows) = (spec("left", "id"), numbers(0..10));
    let batch = bench.batch(&table, 1, WriteMode::Upsert, &rows).await.unwrap();
    begun(&bench, &table, &batch, &rows).await.abandon().await;
    // Without its end, and without a word.
    let sink = Warehouse.sink(&table, &bench.context).await.unwrap();
    let mut preload = sink.preload(&sink.plan(&rows.schema(), batch.mode).await.unwrap(), batch.mode).unwrap();
    preload.write(rows.clone()).await;
    drop(preload);
    assert_eq!(bench.commit(&table, &batch).await.unwrap().rows, 10);
    assert_eq!(bench.sql("SELECT count(*) FROM \"left\""), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_are_to_be_added_are_left_to_the_sink() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE narrow (id bigint)");
    let (table, rows) = (spec("narrow", ""), numbers(0..10));
    let batch = bench.batch(&table, 1, WriteMode::Append, &rows).await.unwrap();
    let mut preload = begun(&bench, &table, &batch, &rows).await;
    preload.taken().await.unwrap();
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'narrow'";
    assert_eq!(bench.sql(columns), "1", "the table was changed before anything was recorded");
    assert_eq!(preload.commit(&batch).await, None);
    bench.commit(&table, &batch).await.unwrap();
    assert_eq!((bench.sql(columns), bench.sql("SELECT sum(v) FROM narrow")), ("2".into(), "90".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_without_rows_does_not_touch_the_database() {
    let Some(bench) = Bench::start() else { return };
    let (table, rows) = (spec("nothing.at_all", ""), numbers(0..0));
    let sink = Warehouse.sink(&table, &bench.context).await.unwrap();
    let plan = sink.plan(&rows.schema(), WriteMode::Append).await.unwrap();
    let mut preload = sink.preload(&plan, WriteMode::Append).unwrap();
    preload.end().await;
    preload.taken().await.unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'nothing'"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_somebody_else_loads_the_table_nothing_is_begun() {
    let Some(bench) = Bench::start() else { return };
    let (table, rows) = (spec("busy", ""), numbers(0..10));
    let batch = bench.batch(&table, 1, WriteMode::Append, &rows).await.unwrap();
    bench.commit(&table, &batch).await.unwrap();
    let mut other = Client::connect(&ConnectionConfig::parse(&bench.server.url(DATABASE), None).unwrap()).await.unwrap();
    let transaction = other.driver().transaction().await.unwrap();
    Ledger::new(&TableName::parse("busy").unwrap()).begin(&transaction).await.unwrap();
    let batch = bench.batch(&table, 2, WriteMode::Append, &rows).await.unwrap();
    let mut preload = begun(&bench, &table, &batch, &rows).await;
    preload.taken().await.unwrap();
    assert_eq!(preload.commit(&batch).await, None);
    transaction.rollback().await.unwrap();
    bench.commit(&table, &batch).await.unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM busy"), "20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_table_refuses_is_said_before_anything_is_recorded() {
    let Some(bench) = Bench::start() else { return };
    bench.sql("CREATE TABLE small (id bigint PRIMARY KEY, v bigint CHECK (v < 15))");
    for mode in [WriteMode::Append, WriteMode::Upsert] {
        let (table, rows) = (spec("small", "id"), numbers(0..10));
        let batch = bench.batch(&table, 1, mode, &rows).await.unwrap();
        let error = begun(&bench, &table, &batch, &rows).await.taken().await.unwrap_err();
        assert!(matches!(error, Error::Data { .. }), "{error}");
        assert!(error.to_string().contains("table 'small' in ") && error.to_string().contains("small_v_check"), "{error}");
    }
    assert_eq!(bench.sql("SELECT count(*) FROM small"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_leaves_the_load_to_the_sink() {
    let Some(mut bench) = Bench::start() else { return };
    let cutter = Cutter::start(&format!("127.0.0.1:{}", bench.server.port())).unwrap();
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}?sslmode=disable", cutter.port());
    bench.context.warehouse = WarehouseConfig { url: Some(url), ..WarehouseConfig::default() };
    let table = spec("cut", "id");
    let cuts = [Cut::After("COMMIT"), Cut::Before("COMMIT"), Cut::Before("COPY"), Cut::After("UPDATE")];
    bench.write(&table, 1, WriteMode::Upsert, &numbers(0..10)).await.unwrap();
    for (epoch, cut) in (2..).zip(cuts) {
        let rows = numbers(epoch * 10 - 1..epoch * 10 + 10);
        let batch = bench.batch(&table, epoch.unsigned_abs(), WriteMode::Upsert, &rows).await.unwrap();
        cutter.cut(cut, 1);
        let mut preload = begun(&bench, &table, &batch, &rows).await;
        preload.taken().await.unwrap();
        assert_eq!(preload.commit(&batch).await, None, "{cut:?}");
        bench.commit(&table, &batch).await.unwrap();
    }
    assert_eq!(bench.sql("SELECT count(*), count(DISTINCT id), max(id) FROM cut"), "51|51|59");
    assert_eq!(bench.sql("SELECT count(*), sum(rows) FROM _engine_loads"), "5|54");
}
