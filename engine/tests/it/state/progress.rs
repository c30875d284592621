//! Epochs: recorded, committed, dropped, forgotten.

use engine::state::{Checkpoint, RunEnding};

use super::Backend;
use super::backend::{at, commit, epoch, granted};

pub(super) async fn an_epoch_is_recorded_then_committed(backend: &Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let nothing = store.progress("epochs").await.unwrap();
    assert_eq!((nothing.incarnation.as_str(), nothing.next_epoch, nothing.flows.len()), ("", 1, 0));
    let lease = granted(&store, "epochs", at(0)).await;
    let checkpoint = epoch(&store, "epochs", "lake://t", 3).await;
    assert!(!checkpoint.incarnation.is_empty());
    store.record(&lease, &checkpoint).await.unwrap();
    let recorded = other.progress("epochs").await.unwrap();
    assert_eq!((recorded.next_epoch, recorded.flows.len()), (2, 0), "offsets are not current before the commit");
    assert_eq!(written(recorded.pending.as_ref().unwrap()), written(&checkpoint));
    let again = epoch(&store, "epochs", "lake://t", 3).await;
    store.record(&lease, &again).await.unwrap_err();
    store.advance(&lease, 7, at(1)).await.unwrap_err();
    store.advance(&lease, 1, at(1)).await.unwrap();
    let committed = other.progress("epochs").await.unwrap();
    assert!(committed.pending.is_none());
    assert_eq!(committed.flows, checkpoint.progress());
    assert_eq!(other.flows(Some("epochs")).await.unwrap()[0].progress, checkpoint.progress()["f"]);
    store.advance(&lease, 1, at(1)).await.unwrap_err();
    // The pipeline stays the same from run to run.
    store.release(&lease, &RunEnding::default(), at(1)).await.unwrap();
    granted(&other, "epochs", at(1)).await;
    assert_eq!(other.progress("epochs").await.unwrap().incarnation, checkpoint.incarnation);
}

fn written(checkpoint: &Checkpoint) -> String {
    serde_json::to_string(checkpoint).unwrap()
}

pub(super) async fn a_pending_epoch_is_dropped_in_whole_or_in_part(backend: &Backend) {
    let store = backend.open().await;
    let lease = granted(&store, "dropped", at(0)).await;
    let checkpoint = epoch(&store, "dropped", "lake://t", 3).await;
    store.record(&lease, &checkpoint).await.unwrap();
    let kept = Checkpoint { flows: Vec::new(), ..checkpoint };
    store.drop_pending(&lease, Some(&kept)).await.unwrap();
    assert_eq!(written(&store.progress("dropped").await.unwrap().pending.unwrap()), written(&kept));
    assert!(store.epoch_flows("dropped").await.unwrap().is_empty());
    store.drop_pending(&lease, None).await.unwrap();
    assert!(store.progress("dropped").await.unwrap().pending.is_none());
    let next = epoch(&store, "dropped", "lake://t", 3).await;
    assert_eq!(next.epoch, 2, "the number of what was dropped is not given again");
}

pub(super) async fn what_is_forgotten_is_gone_and_a_new_incarnation_begins(backend: &Backend) {
    let store = backend.open().await;
    let lease = granted(&store, "forgotten", at(0)).await;
    commit(&store, &lease, "lake://t", 3, at(0)).await;
    let before = store.progress("forgotten").await.unwrap();
    store.record(&lease, &epoch(&store, "forgotten", "lake://t", 3).await).await.unwrap();
    store.forget(&lease).await.unwrap();
    let after = store.progress("forgotten").await.unwrap();
    assert_ne!(after.incarnation, before.incarnation);
    assert_eq!((after.next_epoch, after.flows.len(), after.pending.is_none()), (1, 0, true));
    commit(&store, &lease, "lake://t", 4, at(0)).await;
    let flows = store.epoch_flows("forgotten").await.unwrap();
    let told: Vec<(&str, u64, u64)> = flows.iter().map(|flow| (flow.incarnation.as_str(), flow.epoch, flow.rows)).collect();
    assert_eq!(told, [(before.incarnation.as_str(), 1, 3), (after.incarnation.as_str(), 1, 4)]);
}

pub(super) async fn dates_are_done_when_their_epochs_are_committed(backend: &Backend) {
    let store = backend.open().await;
    let lease = granted(&store, "dated", at(0)).await;
    for minutes in [2, 1, 3] {
        let checkpoint = Checkpoint { date: Some(at(minutes)), ..epoch(&store, "dated", "lake://t", 1).await };
        store.record(&lease, &checkpoint).await.unwrap();
        if minutes != 3 {
            store.advance(&lease, checkpoint.epoch, at(9)).await.unwrap();
        }
    }
    let done = |from, to| store.dates_done("dated", at(from), at(to));
    assert_eq!(done(0, 9).await.unwrap(), [at(1), at(2)]);
    assert_eq!(done(2, 2).await.unwrap(), [at(2)]);
    assert!(done(3, 9).await.unwrap().is_empty());
    store.forget(&lease).await.unwrap();
    assert!(store.dates_done("dated", at(0), at(9)).await.unwrap().is_empty());
}
