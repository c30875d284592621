//! What only the Data API has: answers that are lost, sessions that are left or expire, and the other way to the same database.

use std::time::{Duration, Instant};

use redshift_sim::{FaultKind, Isolation};

use crate::sink::WriteMode;
use crate::warehouse::redshift::fault::Kind;
use crate::warehouse::redshift::tests::cluster::{Cluster, Setup, Way, batch, holds, load, pairs, sink};

async fn start() -> Option<Cluster> {
    Cluster::start(Setup { way: Way::DataApi, isolation: Isolation::Snapshot }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_an_answer_and_those_that_are_too_many_are_made_again() {
    let Some(cluster) = start().await else { return };
    let table = cluster.table("lossy", &[]);
    for epoch in 1..=6 {
        for fault in [FaultKind::LoseAnswer, FaultKind::Throttle, FaultKind::LoseAnswer] {
            cluster.fail_once(fault, "");
        }
        load(&cluster, &table, epoch, WriteMode::Append, &pairs(&[(i64::try_from(epoch).unwrap(), "v")])).await.unwrap();
    }
    assert_eq!(cluster.faults_left(), 0);
    holds(&cluster, "lossy", "COUNT(*), COUNT(DISTINCT id), MAX(id)", &["6|6|6"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_that_came_the_other_way_is_known() {
    let Some(mut cluster) = start().await else { return };
    let table = cluster.table("two_ways", &[]);
    let first = batch(&cluster, &table, 1, WriteMode::Append, &pairs(&[(1, "a")])).await.unwrap();
    sink(&cluster, &table).await.commit(&first).await.unwrap();
    cluster.go_by(Way::Connection);
    assert!(sink(&cluster, &table).await.committed(&first.id).await.unwrap());
    sink(&cluster, &table).await.commit(&first).await.unwrap();
    let second = batch(&cluster, &table, 2, WriteMode::Append, &pairs(&[(2, "b")])).await.unwrap();
    sink(&cluster, &table).await.commit(&second).await.unwrap();
    cluster.go_by(Way::DataApi);
    sink(&cluster, &table).await.commit(&second).await.unwrap();
    holds(&cluster, "two_ways", "id, v", &["1|a", "2|b"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_that_come_different_ways_load_each_epoch_once() {
    let Some(mut cluster) = start().await else { return };
    let table = cluster.table("met", &[]);
    for epoch in 1..=3_u64 {
        let key = i64::try_from(epoch).unwrap();
        let batch = batch(&cluster, &table, epoch, WriteMode::Append, &pairs(&[(key, "v")])).await.unwrap();
        let one = sink(&cluster, &table).await;
        cluster.go_by(if cluster.way == Way::DataApi { Way::Connection } else { Way::DataApi });
        let other = sink(&cluster, &table).await;
        let (a, b) = tokio::join!(one.commit(&batch), other.commit(&batch));
        assert_eq!((a.unwrap().rows, b.unwrap().rows), (1, 1));
    }
    holds(&cluster, "met", "COUNT(*), COUNT(DISTINCT id)", &["3|3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_is_dropped_gives_up_its_statement_and_its_locks() {
    let Some(cluster) = start().await else { return };
    cluster.sql("CREATE TABLE left_alone (id BIGINT)").await;
    let session = cluster.session().await;
    session.run("BEGIN").await.unwrap();
    session.run("INSERT INTO left_alone VALUES (1)").await.unwrap();
    // Somebody waits for it, and is dropped while waiting.
    let waiting = cluster.session().await;
    let waited = tokio::time::timeout(Duration::from_millis(500), waiting.run("INSERT INTO left_alone VALUES (2)")).await;
    assert!(waited.is_err());
    drop(waiting);
    let started = Instant::now();
    while cluster.sql("SELECT COUNT(*) FROM svv_transactions WHERE NOT granted").await != ["0"] {
        assert!(started.elapsed() < Duration::from_secs(20), "the statement is not cancelled");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(session);
    cluster.sql("INSERT INTO left_alone VALUES (3)").await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    holds(&cluster, "left_alone", "id", &["3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_expired_is_lost_with_its_transaction_and_replaced_without_one() {
    let Some(mut cluster) = start().await else { return };
    let url = cluster.context.warehouse.url.take().unwrap();
    cluster.context.warehouse.url = Some(format!("{url}?keep_alive=10"));
    cluster.sql("CREATE TABLE expiring (id BIGINT)").await;
    let (free, bound) = (cluster.session().await, cluster.session().await);
    free.run("INSERT INTO expiring VALUES (1)").await.unwrap();
    bound.run("BEGIN").await.unwrap();
    bound.run("INSERT INTO expiring VALUES (2)").await.unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let fault = bound.run("COMMIT").await.unwrap_err();
    assert_eq!((fault.kind, fault.message.contains("Session is not available")), (Kind::Lost, true), "{fault}");
    free.run("INSERT INTO expiring VALUES (3)").await.unwrap();
    holds(&cluster, "expiring", "id", &["1", "3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_that_is_too_long_is_not_sent() {
    let Some(cluster) = start().await else { return };
    let session = cluster.session().await;
    let fault = session.run(&format!("SELECT '{}'", "x".repeat(100_000))).await.unwrap_err();
    assert!(fault.message.contains("longer than the 100000 bytes") && fault.message.contains("redshift://"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_page_by_page() {
    let Some(cluster) = start().await else { return };
    cluster.sql("CREATE TABLE paged (id BIGINT)").await;
    cluster.sql("INSERT INTO paged VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)").await;
    let many = "SELECT a.id * 100 + b.id * 10 + c.id FROM paged a, paged b, paged c ORDER BY 1";
    let whole = cluster.session().await.rows(many).await.unwrap();
    let (mut rows, mut pages) = (cluster.session().await.scan(many).await.unwrap(), 0);
    let mut turned = Vec::new();
    loop {
        let page = rows.next().await.unwrap();
        if page.is_empty() {
            break;
        }
        pages += 1;
        turned.extend(page);
    }
    assert_eq!((turned.len(), pages, turned == whole), (1_000, 2, true));
    assert_eq!(turned.last().unwrap()[0].as_deref(), Some("999"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_that_cannot_be_reached_is_named_with_what_was_asked() {
    let Some(mut cluster) = start().await else { return };
    cluster.context.warehouse.endpoint = Some("http://127.0.0.1:1".to_owned());
    let fault = cluster.session().await.run("SELECT 1").await.unwrap_err();
    assert_eq!(fault.kind, Kind::Lost);
    assert!(fault.message.contains("asking http://127.0.0.1:1 for ExecuteStatement"), "{fault}");
}
