//! State on an object store, with a server that misbehaves.

use tempfile::TempDir;
use testkit::s3::{BUCKET, Fault, FaultKind, Operation, S3Server};

use super::Backend;
use super::backend::{at, commit, granted};
use crate::s3::settings;

/// Where state is.
pub(crate) fn url() -> String {
    format!("s3://{BUCKET}/some/_engine")
}

fn backend(s3: &S3Server, folder: &TempDir) -> Backend {
    Backend::new(&url(), folder, settings(s3.environment()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_keeps_the_contract() {
    let (s3, folder) = (S3Server::builder().start().unwrap(), TempDir::new().unwrap());
    super::contract(&backend(&s3, &folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_keeps_the_contract_though_answers_are_lost() {
    for kind in [FaultKind::AnswerLost, FaultKind::ErrorAfterCommit, FaultKind::Reset] {
        let (s3, folder) = (S3Server::builder().start().unwrap(), TempDir::new().unwrap());
        for after in 0..25 {
            s3.faults().push(Fault::new(kind).on(Operation::PutObject).key("pipelines/").after(after * 5));
        }
        super::contract(&backend(&s3, &folder)).await;
        assert!(s3.faults().outstanding().is_empty(), "{kind:?}: never struck: {:?}", s3.faults().outstanding());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_history_goes_to_objects_of_its_own_and_is_read_page_by_page() {
    const EPOCHS: u64 = 200;
    let (s3, folder) = (S3Server::builder().start().unwrap(), TempDir::new().unwrap());
    let backend = backend(&s3, &folder);
    let store = backend.open().await;
    let lease = granted(&store, "long", at(0)).await;
    for number in 1..=EPOCHS {
        commit(&store, &lease, "lake://t", number, at(i64::try_from(number).unwrap())).await;
    }
    let keys = s3.object_keys(BUCKET);
    let parts = keys.iter().filter(|key| key.starts_with("some/_engine/history/long/")).count();
    assert!((2..=5).contains(&parts), "{keys:?}");
    assert!(s3.object(BUCKET, "some/_engine/pipelines/long.json").unwrap().len() < 50_000);
    let other = backend.open().await;
    let mut page = engine::state::Page { limit: 7, ..engine::state::Page::default() };
    let mut epochs = Vec::new();
    loop {
        let next = other.epochs(&page).await.unwrap();
        let Some(last) = next.last() else { break };
        page.before = Some(last.position);
        epochs.extend(next.into_iter().map(|epoch| epoch.epoch));
    }
    assert_eq!(epochs, (1..=EPOCHS).rev().collect::<Vec<_>>());
    s3.requests().reset();
    let newest = other.epochs(&engine::state::Page { limit: 7, ..engine::state::Page::default() }).await.unwrap();
    assert_eq!(newest.len(), 7);
    assert_eq!(s3.requests().count(Operation::GetObject, "history/"), 0, "the newest are in the pipeline's object");
    let run = other.run("long", lease.generation, at(300)).await.unwrap().unwrap();
    assert_eq!((run.epochs, run.totals.rows_written), (EPOCHS, EPOCHS * (EPOCHS + 1) / 2));
    assert_eq!(other.epoch_flows("long").await.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_that_have_not_changed_are_not_read_again() {
    let (s3, folder) = (S3Server::builder().start().unwrap(), TempDir::new().unwrap());
    let store = backend(&s3, &folder).open().await;
    for number in 0..20 {
        granted(&store, &format!("p{number}"), at(0)).await;
    }
    assert_eq!(store.leases(at(0)).await.unwrap().len(), 20);
    s3.requests().reset();
    granted(&store, "p3", at(1)).await;
    s3.requests().reset();
    assert_eq!(store.leases(at(0)).await.unwrap().len(), 20);
    assert_eq!(s3.requests().count(Operation::GetObject, "pipelines/"), 1);
}
