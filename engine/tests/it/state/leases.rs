//! One writer per pipeline.

use std::sync::Arc;

use engine::state::{Acquired, Ending, Holder, Purpose, RunEnding};
use tokio::task::JoinSet;

use super::Backend;
use super::backend::{TTL, at, commit, elsewhere, epoch, fenced, granted};

/// Callers that race.
const MANY: usize = 8;

pub(super) async fn one_of_many_gets_it(backend: &Backend) {
    let mut racing = JoinSet::new();
    for _ in 0..MANY {
        let store = backend.open().await;
        racing.spawn(async move { store.acquire("raced", &Holder::current(), &Purpose::default(), at(0), TTL).await.unwrap() });
    }
    let answers = racing.join_all().await;
    let granted = answers.iter().filter(|answer| matches!(answer, Acquired::Granted(_))).count();
    assert_eq!(granted, 1, "{answers:?}");
    let held = answers.iter().find(|answer| matches!(answer, Acquired::Held { .. })).unwrap();
    assert_eq!(held, &Acquired::Held { holder: Holder::current(), until: at(1) });
}

pub(super) async fn a_lease_is_held_until_it_ends_or_is_given_back(backend: &Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    let first = granted(&one, "leased", at(0)).await;
    let refused = other.acquire("leased", &Holder::current(), &Purpose::default(), at(0), TTL).await.unwrap();
    assert_eq!(refused, Acquired::Held { holder: elsewhere(), until: at(1) });
    one.renew(&first, at(5)).await.unwrap();
    let refused = other.acquire("leased", &Holder::current(), &Purpose::default(), at(4), TTL).await.unwrap();
    assert_eq!(refused, Acquired::Held { holder: elsewhere(), until: at(5) });
    let second = granted(&other, "leased", at(5)).await;
    assert!(second.generation > first.generation);
    other.release(&second, &RunEnding::default(), at(6)).await.unwrap();
    let third = granted(&one, "leased", at(6)).await;
    assert!(third.generation > second.generation);
    one.release(&third, &RunEnding::default(), at(6)).await.unwrap();
    fenced(one.renew(&third, at(7)).await);
    // A holder on this machine whose process is gone waits for nobody.
    let dead = Holder { pid: u32::MAX, ..Holder::current() };
    let granted = one.acquire("leased", &dead, &Purpose::default(), at(7), TTL).await.unwrap();
    assert!(matches!(granted, Acquired::Granted(_)));
    let taken = other.acquire("leased", &Holder::current(), &Purpose::default(), at(7), TTL).await.unwrap();
    assert!(matches!(taken, Acquired::Granted(_)), "{taken:?}");
}

pub(super) async fn who_lost_the_lease_can_write_nothing(backend: &Backend) {
    let (one, other) = (backend.open().await, backend.open().await);
    let zombie = granted(&one, "fenced", at(0)).await;
    let current = granted(&other, "fenced", at(1)).await;
    let checkpoint = epoch(&one, "fenced", "lake://t", 1).await;
    fenced(one.record(&zombie, &checkpoint).await);
    assert!(other.progress("fenced").await.unwrap().pending.is_none());
    other.record(&current, &checkpoint).await.unwrap();
    fenced(one.advance(&zombie, checkpoint.epoch, at(1)).await);
    fenced(one.drop_pending(&zombie, None).await);
    fenced(one.forget(&zombie).await);
    fenced(one.renew(&zombie, at(9)).await);
    fenced(one.take_requests(&zombie, &[1]).await);
    fenced(one.end_requests(&zombie, &Ending::Done).await);
    // What it gives back is not the other's.
    one.release(&zombie, &RunEnding::default(), at(1)).await.unwrap();
    assert_eq!(other.progress("fenced").await.unwrap().pending.unwrap().epoch, checkpoint.epoch);
    other.advance(&current, checkpoint.epoch, at(1)).await.unwrap();
    other.release(&current, &RunEnding::default(), at(1)).await.unwrap();
    // Nobody holds it: not even the last holder may write.
    let next = epoch(&one, "fenced", "lake://t", 1).await;
    fenced(other.record(&current, &next).await);
    assert_eq!(other.progress("fenced").await.unwrap().next_epoch, checkpoint.epoch + 1);
}

pub(super) async fn those_that_are_held_are_listed(backend: &Backend) {
    let store = backend.open().await;
    let held = granted(&store, "listed", at(0)).await;
    let given_back = granted(&store, "listed-not", at(0)).await;
    commit(&store, &given_back, "lake://t", 1, at(0)).await;
    store.release(&given_back, &RunEnding::default(), at(0)).await.unwrap();
    let listed = |now| {
        let store = Arc::clone(&store);
        async move {
            let mut leases = store.leases(now).await.unwrap();
            leases.retain(|lease| lease.pipeline.starts_with("listed"));
            leases
        }
    };
    let [lease] = listed(at(0)).await.try_into().unwrap();
    assert_eq!((lease.pipeline.as_str(), lease.generation, lease.is_over), ("listed", held.generation, false));
    assert_eq!((lease.holder, lease.until), (elsewhere(), at(1)));
    let [lease] = listed(at(1)).await.try_into().unwrap();
    assert!(lease.is_over);
}
