//! Each ordered fault: what the client sees, and what the server did.

use std::time::{Duration, Instant};

use object_store::{Error, MultipartUpload, ObjectStoreExt, RetryConfig};
use testkit::s3::{BUCKET, Fault, FaultKind, Operation, S3Server};

use crate::client::{builder, client, create, get, put};

#[tokio::test]
async fn slow_down_does_nothing_and_is_retried() {
    let s3 = S3Server::start().await.unwrap();
    s3.faults().push(Fault::new(FaultKind::SlowDown).on(Operation::PutObject).key("a").times(2));
    put(&client(&s3), "a", "1").await.unwrap();
    assert_eq!(s3.requests().count(Operation::PutObject, "a"), 3);
    assert!(s3.faults().outstanding().is_empty());
}

#[tokio::test]
async fn slow_down_is_seen_by_a_client_that_still_sends_a_large_body() {
    let s3 = S3Server::start().await.unwrap();
    s3.faults().push(Fault::new(FaultKind::SlowDown));
    // A create is repeated after a 503, but not after a connection that was reset under it.
    create(&client(&s3), "a", &"a".repeat(8 << 20)).await.unwrap();
    assert_eq!(s3.object(BUCKET, "a").unwrap().len(), 8 << 20);
}

#[tokio::test]
async fn slow_down_without_end_is_an_error_and_no_object() {
    let s3 = S3Server::start().await.unwrap();
    s3.faults().push(Fault::new(FaultKind::SlowDown).times(100));
    let error = put(&client(&s3), "a", "1").await.unwrap_err().to_string();
    assert!(error.contains("SlowDown"), "{error}");
    assert!(s3.object_keys(BUCKET).is_empty());
}

#[tokio::test]
async fn a_reset_does_nothing() {
    let s3 = S3Server::start().await.unwrap();
    let store = builder(s3.environment()).with_retry(RetryConfig { max_retries: 0, ..Default::default() }).build().unwrap();
    s3.faults().push(Fault::new(FaultKind::Reset));
    assert!(matches!(put(&store, "a", "1").await, Err(Error::Generic { .. })));
    assert!(s3.object_keys(BUCKET).is_empty());
    put(&store, "a", "1").await.unwrap();
}

#[tokio::test]
async fn a_delay_is_waited_for() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    put(&store, "a", "1").await.unwrap();
    s3.faults().push(Fault::new(FaultKind::Delay(Duration::from_millis(200))).on(Operation::GetObject));
    let start = Instant::now();
    assert_eq!(get(&store, "a").await.unwrap(), "1");
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_an_error_and_an_object() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    s3.faults().push(Fault::new(FaultKind::AnswerLost).on(Operation::PutObject));
    let lost = create(&store, "a", "1").await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(s3.object(BUCKET, "a").unwrap(), "1");
    assert!(matches!(create(&store, "a", "2").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(s3.object(BUCKET, "a").unwrap(), "1");
}

#[tokio::test]
async fn a_create_answered_500_after_commit_is_retried_and_finds_itself_there() {
    let s3 = S3Server::start().await.unwrap();
    s3.faults().push(Fault::new(FaultKind::ErrorAfterCommit).on(Operation::PutObject));
    let result = create(&client(&s3), "a", "1").await;
    assert!(matches!(result, Err(Error::AlreadyExists { .. })), "{result:?}");
    assert_eq!(s3.requests().count(Operation::PutObject, "a"), 2);
    assert_eq!(s3.object(BUCKET, "a").unwrap(), "1");
}

#[tokio::test]
async fn an_overwrite_whose_answer_is_lost_is_repeated() {
    let s3 = S3Server::start().await.unwrap();
    s3.faults().push(Fault::new(FaultKind::AnswerLost).on(Operation::PutObject));
    put(&client(&s3), "a", "1").await.unwrap();
    assert_eq!(s3.requests().count(Operation::PutObject, "a"), 2);
}

#[tokio::test]
async fn an_upload_whose_completion_is_lost_is_there_though_the_retry_fails() {
    let s3 = S3Server::start().await.unwrap();
    s3.faults().push(Fault::new(FaultKind::AnswerLost).on(Operation::CompleteMultipartUpload));
    let mut upload = client(&s3).put_multipart(&"a".into()).await.unwrap();
    upload.put_part("1".into()).await.unwrap();
    let error = upload.complete().await.unwrap_err();
    assert!(error.to_string().contains("NoSuchUpload"), "{error}");
    assert_eq!(s3.object(BUCKET, "a").unwrap(), "1");
}

#[tokio::test]
async fn a_body_that_is_cut_is_resumed_by_the_client() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    let body = "0123456789".repeat(100_000);
    put(&store, "a", &body).await.unwrap();
    s3.faults().push(Fault::new(FaultKind::BodyCut(1_000)).on(Operation::GetObject));
    assert_eq!(get(&store, "a").await.unwrap(), body);
    assert_eq!(s3.requests().count(Operation::GetObject, "a"), 2);
}
