//! Faults to order. They are the stand-in's own, so these tests do not run against a cluster.

use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int32Array};
use redshift_sim::{Fault, FaultKind, Isolation};
use tokio_postgres::NoTls;

use crate::copy_parquet::parquet;
use crate::warehouse::{Session, Warehouse};

async fn with_table() -> (Warehouse, Session) {
    let warehouse = Warehouse::stand_in(Isolation::Snapshot).await;
    let session = warehouse.connect().await;
    session.run("CREATE TABLE t (a INT)").await;
    (warehouse, session)
}

/// Orders a fault of a transaction that inserts a row, and tells how many rows there are afterwards, and whether the client was cut off.
async fn after_commit_with(kind: FaultKind) -> (String, bool) {
    let (warehouse, session) = with_table().await;
    let faults = warehouse.sim.as_ref().unwrap().faults();
    faults.push(Fault::new(kind).on("t"));
    session.run("BEGIN; CREATE TEMP TABLE other (a INT); COMMIT").await;
    session.run("BEGIN; INSERT INTO t VALUES (1)").await;
    let error = session.client.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!((faults.pending(), faults.delivered().len()), (0, 1));
    let count = warehouse.connect().await.value("SELECT count(*) FROM t").await;
    (count, error.as_db_error().is_none())
}

#[tokio::test]
async fn a_connection_cut_before_commit_leaves_nothing() {
    assert_eq!(after_commit_with(FaultKind::CutBeforeCommit).await, ("0".to_owned(), true));
}

#[tokio::test]
async fn a_connection_cut_after_commit_leaves_the_rows() {
    assert_eq!(after_commit_with(FaultKind::CutAfterCommit).await, ("1".to_owned(), true));
}

#[tokio::test]
async fn a_conflict_at_commit_leaves_nothing() {
    assert_eq!(after_commit_with(FaultKind::ConflictOnCommit).await, ("0".to_owned(), false));
}

#[tokio::test]
async fn a_slow_copy_can_be_cancelled_and_one_can_be_cut() {
    let (warehouse, session) = with_table().await;
    let url =
        warehouse.put("slow.parquet", parquet(vec![("a", std::sync::Arc::new(Int32Array::from(vec![1])) as ArrayRef)])).await;
    let copy = warehouse.copy_parquet("t", &url, "");
    session.run("SET redshift_sim.fault TO 'slow_copy 400ms'").await;
    let started = Instant::now();
    session.run(&copy).await;
    assert!(started.elapsed() >= Duration::from_millis(400));

    session.run("SET redshift_sim.fault TO 'slow_copy 60000ms on t'").await;
    let cancel = session.client.cancel_token();
    let mut copying = Box::pin(session.refused(&copy));
    // It may not have begun to wait when the first request comes.
    let refusal = loop {
        if let Ok(refusal) = tokio::time::timeout(Duration::from_millis(200), &mut copying).await {
            break refusal;
        }
        cancel.cancel_query(NoTls).await.unwrap();
    };
    drop(copying);
    assert_eq!(refusal.code, "57014");
    session.run("SET redshift_sim.fault TO 'cut_during_copy'").await;
    assert!(session.client.batch_execute(&copy).await.unwrap_err().as_db_error().is_none());
    let session = warehouse.connect().await;
    assert_eq!(session.value("SELECT count(*) FROM t").await, "1");
    assert_eq!(session.refused("SET redshift_sim.fault TO 'fire'").await.code, "22023");
}
