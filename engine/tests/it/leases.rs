//! One writer per pipeline: refused, taken over, fenced.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use engine::state::{self, Acquired, Holder, Lease, Purpose, RunEnding, StateError, StateStore};

use crate::lab::{Lab, block_on};
use crate::pipelines::REDDIT;

const TTL: Duration = Duration::from_secs(60);

/// A run that stays, with its first epochs committed.
pub(crate) fn following(lab: &Lab) -> Child {
    let mut child = lab.spawn(&["--follow", "-v"]);
    wait_for(&mut child, "committed", "reddit_days");
    child
}

/// Reads the log of a run up to a line with both texts; what comes behind it is read by nobody, but does not block the run.
pub(crate) fn wait_for(child: &mut Child, first: &str, second: &str) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if line.contains(first) && line.contains(second) {
            std::thread::spawn(move || lines.count());
            return;
        }
        seen.push(line);
    }
    panic!("the run ended: {}", seen.join("\n"));
}

fn elsewhere() -> Holder {
    Holder { host: "elsewhere".into(), boot: "another".into(), pid: 4711, started: "1".into(), file: None }
}

async fn store(lab: &Lab) -> Arc<dyn StateStore> {
    state::open(&lab.session()).await.unwrap()
}

async fn granted(store: &Arc<dyn StateStore>, holder: &Holder, now: chrono::DateTime<Utc>) -> Lease {
    match store.acquire("reddit", holder, &Purpose::default(), now, TTL).await.unwrap() {
        Acquired::Granted(lease) => lease,
        Acquired::Held { holder, .. } => panic!("held by {holder}"),
    }
}

#[test]
fn a_second_run_is_refused_and_says_who_runs() {
    let lab = Lab::local(REDDIT);
    let mut first = following(&lab);
    let second = lab.run();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    let is_first_alive = first.try_wait().unwrap().is_none();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(is_first_alive);
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("is being run by process {} on ", first.id())), "{text}");
}

#[test]
fn the_lease_of_a_killed_run_is_taken_over_at_once() {
    let lab = Lab::local(REDDIT);
    let mut first = following(&lab);
    first.kill().unwrap();
    first.wait().unwrap();
    // The killed run may have left an epoch to finish; it does not matter here, only that nobody has to wait.
    lab.run_well("after the kill");
    let output = lab.run_well("once more");
    assert!(String::from_utf8_lossy(&output.stdout).contains("nothing new"));
}

#[test]
fn the_lease_of_another_machine_holds_until_it_expires() {
    let lab = Lab::local(REDDIT);
    block_on(async { granted(&store(&lab).await, &elsewhere(), Utc::now()).await });
    let refused = lab.run();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("process 4711 on elsewhere"), "{text}");
    assert!(lab.rows(&REDDIT.tables[0]).is_none(), "a refused run wrote");

    lab.reset();
    let expired = Utc::now() - TimeDelta::seconds(61);
    block_on(async { granted(&store(&lab).await, &elsewhere(), expired).await });
    lab.run_well("expired");
}

#[test]
fn a_writer_that_was_superseded_can_neither_record_nor_advance_nor_renew_nor_forget() {
    let lab = Lab::local(REDDIT);
    block_on(async {
        let store = store(&lab).await;
        let now = Utc::now();
        let zombie = granted(&store, &elsewhere(), now - TimeDelta::seconds(61)).await;
        let current = granted(&store, &Holder::current(), now).await;
        assert!(current.generation > zombie.generation);

        let checkpoint = checkpoint(&store).await;
        fenced(store.record(&zombie, &checkpoint).await);
        assert!(store.progress("reddit").await.unwrap().pending.is_none());
        store.record(&current, &checkpoint).await.unwrap();
        fenced(store.advance(&zombie, checkpoint.epoch, now).await);
        fenced(store.renew(&zombie, now + TimeDelta::seconds(60)).await);
        fenced(store.forget(&zombie).await);
        // What a zombie releases is not the other's.
        store.release(&zombie, &RunEnding::default(), now).await.unwrap();
        assert!(store.progress("reddit").await.unwrap().pending.is_some());
        store.advance(&current, checkpoint.epoch, now).await.unwrap();
        assert_eq!(store.progress("reddit").await.unwrap().next_epoch, checkpoint.epoch + 1);

        // Nobody holds it: not even the last holder may write.
        store.release(&current, &RunEnding::default(), now).await.unwrap();
        fenced(store.record(&current, &checkpoint).await);
    });
}

#[test]
fn of_many_that_want_a_lease_at_once_one_gets_it() {
    let lab = Lab::local(REDDIT);
    block_on(async {
        let store = store(&lab).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                store.acquire("reddit", &Holder::current(), &Purpose::default(), Utc::now(), TTL).await.unwrap()
            });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Acquired::Granted(_))).count(), 1);
    });
}

fn fenced(result: engine::state::Result<()>) {
    assert!(matches!(result, Err(StateError::Fenced { .. })), "{result:?}");
}

async fn checkpoint(store: &Arc<dyn StateStore>) -> engine::state::Checkpoint {
    let progress = store.progress("reddit").await.unwrap();
    engine::state::Checkpoint {
        pipeline: "reddit".into(),
        incarnation: progress.incarnation,
        epoch: progress.next_epoch,
        recorded_at: Utc::now(),
        date: None,
        folder: "none".into(),
        stages: Vec::new(),
        flows: Vec::new(),
    }
}
