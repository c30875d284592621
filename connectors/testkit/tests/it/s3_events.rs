//! The events of changes: one for each that was made, in order, none for what was refused.

use std::sync::{Arc, Mutex};

use object_store::{MultipartUpload, ObjectStoreExt};
use testkit::s3::{BUCKET, Event, Fault, FaultKind, Operation, S3Server};

use crate::client::{client, create, path, put, race};

fn recorded(s3: &S3Server) -> Arc<Mutex<Vec<Event>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    s3.on_event(move |event| sink.lock().unwrap().push(event.clone()));
    events
}

#[tokio::test]
async fn each_change_is_told_once_and_in_order() {
    let s3 = S3Server::start().await.unwrap();
    let events = recorded(&s3);
    let store = client(&s3);
    put(&store, "in/a b+ü.json", "123").await.unwrap();
    assert!(create(&store, "in/a b+ü.json", "4").await.is_err());
    store.copy(&path("in/a b+ü.json"), &"copy".into()).await.unwrap();
    let mut upload = store.put_multipart(&"big".into()).await.unwrap();
    upload.put_part("12345".into()).await.unwrap();
    upload.complete().await.unwrap();
    store.delete(&"copy".into()).await.unwrap();
    store.delete(&"copy".into()).await.unwrap();
    let events = events.lock().unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.sequence, event.name.as_str(), event.key.as_str(), event.size)).collect();
    let expected = [
        (1, "ObjectCreated:Put", "in/a b+ü.json", 3),
        (2, "ObjectCreated:Copy", "copy", 3),
        (3, "ObjectCreated:CompleteMultipartUpload", "big", 5),
        (4, "ObjectRemoved:Delete", "copy", 0),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event.bucket == BUCKET));
    assert_eq!(events[0].etag, "202cb962ac59075b964b07152d234b70");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_told_and_one_that_was_not_made_is_not() {
    let s3 = S3Server::start().await.unwrap();
    let events = recorded(&s3);
    let store = client(&s3);
    s3.faults().push(Fault::new(FaultKind::AnswerLost).on(Operation::PutObject).key("lost"));
    s3.faults().push(Fault::new(FaultKind::SlowDown).on(Operation::PutObject).key("slow").times(100));
    assert!(create(&store, "lost", "1").await.is_err());
    assert!(create(&store, "slow", "1").await.is_err());
    assert_eq!(events.lock().unwrap().iter().map(|event| event.key.as_str()).collect::<Vec<_>>(), ["lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_made_at_once_are_told_in_the_order_they_were_made() {
    let s3 = S3Server::start().await.unwrap();
    let events = recorded(&s3);
    let store = client(&s3);
    for round in 0..4 {
        race(&store, &round.to_string()).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for key in 0..32 {
        let store = store.clone();
        tasks.spawn(async move { put(&store, &format!("all/{key}"), "1").await.unwrap() });
    }
    tasks.join_all().await;
    let sequence: Vec<_> = events.lock().unwrap().iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, (1..=36).collect::<Vec<_>>());
}
