//! State in PostgreSQL, straight and behind PgBouncer in transaction mode, and with connections that are cut.

use std::collections::BTreeMap;

use engine::state::{Ending, Request, RunEnding};
use tempfile::TempDir;
use testkit::cutter::{Cut, Cutter};
use testkit::postgres::{PASSWORD, PgBouncer, Postgres, USER};

use super::Backend;
use super::backend::{at, commit, epoch, granted};

/// The database of state.
pub(crate) const DATABASE: &str = "etl";

/// A server with a database for state.
pub(crate) fn server() -> Option<Postgres> {
    let server = Postgres::start_or_skip()?;
    server.create_database(DATABASE).unwrap();
    Some(server)
}

fn backend(url: &str, folder: &TempDir) -> Backend {
    Backend::new(url, folder, BTreeMap::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_keeps_the_contract() {
    let (Some(server), folder) = (server(), TempDir::new().unwrap()) else { return };
    super::contract(&backend(&server.url(DATABASE), &folder)).await;
    // Tables are in a schema of their own, and another is another state.
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.sql(DATABASE, tables).unwrap(), "0");
    let other = backend(&format!("{}?schema=other", server.url(DATABASE)), &folder).open().await;
    assert!(other.flows(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_gives_connections_for_a_transaction_keeps_the_contract() {
    let (Some(server), folder) = (server(), TempDir::new().unwrap()) else { return };
    let pool = match PgBouncer::start(&server, 2) {
        Ok(pool) => pool,
        Err(error @ testkit::Error::Missing { .. }) => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    super::contract(&backend(&pool.url(DATABASE), &folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_open_a_new_database_one_makes_the_tables() {
    let (Some(server), folder) = (server(), TempDir::new().unwrap()) else { return };
    let backend = std::sync::Arc::new(backend(&server.url(DATABASE), &folder));
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let backend = std::sync::Arc::clone(&backend);
        opening.spawn(async move { backend.open().await.flows(None).await.unwrap().len() });
    }
    assert_eq!(opening.join_all().await, [0; 8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_written_once_though_connections_are_cut() {
    let (Some(server), folder) = (server(), TempDir::new().unwrap()) else { return };
    let cutter = Cutter::start(&format!("127.0.0.1:{}", server.port())).unwrap();
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}?sslmode=disable", cutter.port());
    let store = backend(&url, &folder).open().await;
    let lease = granted(&store, "cut", at(0)).await;
    let mut cuts = 0;
    for (number, cut) in (1..).zip([
        Cut::Before("BEGIN"),
        Cut::Before("COMMIT"),
        Cut::After("COMMIT"),
        Cut::After("INSERT INTO epochs"),
        Cut::Before("UPDATE pipelines"),
        Cut::After("COMMIT"),
    ]) {
        let checkpoint = epoch(&store, "cut", "lake://t", 1).await;
        assert_eq!(checkpoint.epoch, number);
        cutter.cut(cut, 1);
        store.record(&lease, &checkpoint).await.unwrap();
        cuts += 1;
        assert_eq!(cutter.done(), cuts, "{cut:?} was not reached");
        store.advance(&lease, number, at(0)).await.unwrap();
    }
    let request = Request { pipeline: "cut".into(), key: "a".into(), reason: String::new(), due: at(0), date: None, attempt: 1 };
    cutter.cut(Cut::After("COMMIT"), 1);
    assert!(store.request(&request, at(0)).await.unwrap(), "it was added by the transaction whose answer was lost");
    assert_eq!(store.open_requests(Some("cut")).await.unwrap().len(), 1);
    let ids = [store.open_requests(Some("cut")).await.unwrap()[0].id];
    cutter.cut(Cut::After("COMMIT"), 1);
    assert_eq!(store.take_requests(&lease, &ids).await.unwrap(), ids);
    store.end_requests(&lease, &Ending::Done).await.unwrap();
    assert_eq!(server.sql(DATABASE, "SELECT count(*), count(committed_at) FROM engine.epochs").unwrap(), "6|6");
    // The run itself is one, though its beginning was not answered.
    store.release(&lease, &RunEnding::default(), at(0)).await.unwrap();
    cutter.cut(Cut::After("COMMIT"), 1);
    let next = granted(&store, "cut", at(1)).await;
    assert_eq!(next.generation, lease.generation + 1);
    assert_eq!(server.sql(DATABASE, "SELECT count(*) FROM engine.runs").unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_for_a_moment_is_waited_for() {
    let (Some(server), folder) = (server(), TempDir::new().unwrap()) else { return };
    let store = backend(&server.url(DATABASE), &folder).open().await;
    let lease = granted(&store, "ended", at(0)).await;
    let end = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE application_name = 'engine'";
    assert_eq!(server.sql("postgres", end).unwrap(), "t");
    commit(&store, &lease, "lake://t", 1, at(0)).await;
    assert_eq!(store.progress("ended").await.unwrap().next_epoch, 2);
}
