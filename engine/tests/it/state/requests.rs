//! What makes pipelines run.

use std::sync::Arc;

use engine::state::{Ending, OpenRequest, Pause, Request, RunEnding, StateStore};
use tokio::task::JoinSet;

use super::Backend;
use super::backend::{at, fenced, granted};

/// Callers that race.
const MANY: usize = 8;

fn request(pipeline: &str, key: &str) -> Request {
    Request {
        pipeline: pipeline.into(),
        key: key.into(),
        reason: format!("for {key}"),
        due: at(5),
        date: Some(at(-60)),
        attempt: 1,
    }
}

async fn open(store: &Arc<dyn StateStore>, pipeline: &str) -> Vec<OpenRequest> {
    store.open_requests(Some(pipeline)).await.unwrap()
}

async fn keys(store: &Arc<dyn StateStore>, pipeline: &str) -> Vec<(String, Option<i64>)> {
    open(store, pipeline).await.into_iter().map(|open| (open.request.key, open.run)).collect()
}

async fn ids(store: &Arc<dyn StateStore>, pipeline: &str) -> Vec<i64> {
    open(store, pipeline).await.into_iter().map(|open| open.id).collect()
}

pub(super) async fn a_request_waits_once(backend: &Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    assert!(one.request(&request("asked", "a"), at(0)).await.unwrap());
    assert!(!other.request(&Request { due: at(1), ..request("asked", "a") }, at(1)).await.unwrap());
    assert!(other.request(&request("asked", "b"), at(1)).await.unwrap());
    assert!(other.request(&request("asked-other", "a"), at(1)).await.unwrap());
    let [first, second] = open(&one, "asked").await.try_into().unwrap();
    assert_eq!((first.request, first.requested_at, first.run), (request("asked", "a"), at(0), None));
    assert!(second.id > first.id);
    let all = one.open_requests(None).await.unwrap();
    assert_eq!(all.iter().filter(|open| open.request.pipeline.starts_with("asked")).count(), 3);
    let mut racing = JoinSet::new();
    for _ in 0..MANY {
        let store = backend.open().await;
        racing.spawn(async move { store.request(&request("asked-at-once", "a"), at(0)).await.unwrap() });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|added| *added).count(), 1);
}

pub(super) async fn a_run_takes_requests_and_puts_them_away(backend: &Backend) {
    let store = backend.open().await;
    for key in ["a", "b", "c"] {
        store.request(&request("taken", key), at(0)).await.unwrap();
    }
    store.request(&request("taken-not", "a"), at(0)).await.unwrap();
    let [a, b, c] = ids(&store, "taken").await.try_into().unwrap();
    let [foreign] = ids(&store, "taken-not").await.try_into().unwrap();
    let lease = granted(&store, "taken", at(5)).await;
    assert_eq!(store.take_requests(&lease, &[b, a, foreign, i64::MAX]).await.unwrap(), [a, b]);
    assert_eq!(store.take_requests(&lease, &[a, b]).await.unwrap(), [0_i64; 0], "they are taken already");
    let run = Some(lease.generation);
    assert_eq!(keys(&store, "taken").await, [("a".to_owned(), run), ("b".to_owned(), run), ("c".to_owned(), None)]);
    // What is asked for while it is done is asked for anew.
    assert!(store.request(&request("taken", "a"), at(6)).await.unwrap());
    store.end_requests(&lease, &Ending::Done).await.unwrap();
    assert_eq!(keys(&store, "taken").await, [("c".to_owned(), None), ("a".to_owned(), None)]);
    store.take_requests(&lease, &[c]).await.unwrap();
    store.end_requests(&lease, &Ending::Again { due: at(9), attempt: 2 }).await.unwrap();
    let again = open(&store, "taken").await.into_iter().find(|open| open.id == c).unwrap();
    assert_eq!((again.request.due, again.request.attempt, again.run), (at(9), 2, None));
    store.release(&lease, &RunEnding::default(), at(6)).await.unwrap();
    fenced(store.take_requests(&lease, &[c]).await);
}

pub(super) async fn what_a_killed_run_had_taken_is_taken_again(backend: &Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    one.request(&request("killed", "a"), at(0)).await.unwrap();
    let ids = ids(&one, "killed").await;
    let killed = granted(&one, "killed", at(0)).await;
    assert_eq!(one.take_requests(&killed, &ids).await.unwrap(), ids);
    let next = granted(&other, "killed", at(1)).await;
    assert_eq!(keys(&other, "killed").await, [("a".to_owned(), None)]);
    assert_eq!(other.take_requests(&next, &ids).await.unwrap(), ids);
    fenced(one.end_requests(&killed, &Ending::Done).await);
    assert_eq!(keys(&other, "killed").await, [("a".to_owned(), Some(next.generation))]);
    // So is what a run did not put away.
    other.release(&next, &RunEnding::default(), at(1)).await.unwrap();
    assert_eq!(keys(&other, "killed").await, [("a".to_owned(), None)]);
}

pub(super) async fn a_request_that_waits_again_and_a_new_one_of_its_key_are_one(backend: &Backend) {
    let store = backend.open().await;
    let lease = granted(&store, "again", at(0)).await;
    for now in [0, 1] {
        store.request(&request("again", "a"), at(now)).await.unwrap();
        let ids = ids(&store, "again").await;
        store.take_requests(&lease, &ids).await.unwrap();
    }
    store.request(&request("again", "a"), at(2)).await.unwrap();
    store.request(&request("again", "b"), at(2)).await.unwrap();
    store.end_requests(&lease, &Ending::Again { due: at(9), attempt: 2 }).await.unwrap();
    let open = open(&store, "again").await;
    let told: Vec<_> = open.iter().map(|open| (open.request.key.as_str(), open.requested_at, open.request.attempt)).collect();
    assert_eq!(told, [("a", at(2), 1), ("b", at(2), 1)]);
}

pub(super) async fn of_many_that_take_at_once_each_request_is_taken_once(backend: &Backend) {
    let store = backend.open().await;
    for key in 0..MANY {
        store.request(&request("shared", &key.to_string()), at(0)).await.unwrap();
    }
    let ids = ids(&store, "shared").await;
    let lease = granted(&store, "shared", at(0)).await;
    let mut racing = JoinSet::new();
    for _ in 0..3 {
        let (store, lease, ids) = (backend.open().await, lease.clone(), ids.clone());
        racing.spawn(async move { store.take_requests(&lease, &ids).await.unwrap() });
    }
    let mut taken: Vec<i64> = racing.join_all().await.into_iter().flatten().collect();
    taken.sort_unstable();
    assert_eq!(taken, ids);
}

pub(super) async fn a_cursor_moves_with_its_requests_or_not_at_all(backend: &Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    let asks = [request("moved", "a"), request("moved-other", "a")];
    assert!(one.move_cursor("moved", "clock", None, "1", &asks, at(0)).await.unwrap());
    let more = [request("moved", "b")];
    assert!(!other.move_cursor("moved", "clock", None, "2", &more, at(1)).await.unwrap(), "there is one");
    assert!(!other.move_cursor("moved", "clock", Some("0"), "2", &more, at(1)).await.unwrap(), "it is elsewhere");
    assert!(!other.move_cursor("moved", "other", Some("1"), "2", &more, at(1)).await.unwrap(), "there is none");
    assert_eq!(keys(&one, "moved").await, [("a".to_owned(), None)]);
    assert!(other.move_cursor("moved", "clock", Some("1"), "2", &[request("moved", "a"), more[0].clone()], at(1)).await.unwrap());
    assert_eq!(keys(&one, "moved").await, [("a".to_owned(), None), ("b".to_owned(), None)]);
    assert_eq!(keys(&one, "moved-other").await, [("a".to_owned(), None)]);
    let cursors = one.cursors().await.unwrap();
    let told: Vec<_> = cursors.iter().filter(|cursor| cursor.pipeline == "moved").collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].name.as_str(), told[0].value.as_str()), ("clock", "2"));
}

pub(super) async fn of_many_that_move_a_cursor_one_does(backend: &Backend) {
    for from in [None, Some("1")] {
        let mut racing = JoinSet::new();
        for _ in 0..MANY {
            let store = backend.open().await;
            let asks = [request("ticked", "tick"), request("ticked-other", "tick")];
            racing.spawn(async move {
                let to = if from.is_none() { "1" } else { "2" };
                store.move_cursor("ticked", "clock", from, to, &asks, at(0)).await.unwrap()
            });
        }
        assert_eq!(racing.join_all().await.into_iter().filter(|moved| *moved).count(), 1);
    }
    let store = backend.open().await;
    assert_eq!(keys(&store, "ticked").await, [("tick".to_owned(), None)]);
}

pub(super) async fn pauses_are_kept(backend: &Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    let pause = |by: &str| Pause { at: at(1), by: by.into() };
    one.pause("paused", Some(&pause("me"))).await.unwrap();
    one.pause("paused", Some(&pause("you"))).await.unwrap();
    one.pause("paused-not", Some(&pause("me"))).await.unwrap();
    one.pause("paused-not", None).await.unwrap();
    one.pause("paused-never", None).await.unwrap();
    let pauses = other.pauses().await.unwrap();
    let told: Vec<_> = pauses.into_iter().filter(|(pipeline, _)| pipeline.starts_with("paused")).collect();
    assert_eq!(told, [("paused".to_owned(), pause("you"))]);
}
