//! However a pipeline is cut into epochs, and wherever it is stopped: its tables hold the same.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::lab::{Contents, Lab};

/// Posts of each subreddit: five pages, and an epoch ends with a page at the earliest.
const POSTS: u64 = 450;
const ONE_EPOCH: u64 = 1_000_000;
const MANY_EPOCHS: u64 = 7;
/// Of taxi.sql, whose epochs commit to each of some days; of toll.sql, one of whose lines is bad, and more than a tenth of an epoch
/// must not be.
const LARGER_EPOCHS: [(&str, u64); 2] = [("taxi.sql", 300), ("toll.sql", 15)];

/// Runs that are dropped before one is let through.
const DROPS: u32 = 15;

async fn in_one_epoch(file: &Path) -> Contents {
    let lab = Lab::new(POSTS);
    lab.run(file, ONE_EPOCH, &CancellationToken::new()).await;
    lab.contents(file).await
}

/// Rows of an epoch, so that there are many.
fn many_epochs(file: &Path) -> u64 {
    LARGER_EPOCHS.iter().find(|(name, _)| file.ends_with(name)).map_or(MANY_EPOCHS, |(_, rows)| *rows)
}

#[track_caller]
fn same(file: &Path, one: &Contents, other: &Contents) {
    assert!(!one.is_empty() && one.values().all(|rows| !rows.is_empty()), "{}: nothing to compare", file.display());
    assert_eq!(one, other, "{}", file.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_epoch_and_many_write_the_same() {
    for file in queries::pipelines().unwrap() {
        let lab = Lab::new(POSTS);
        let outcome = lab.run(&file, many_epochs(&file), &CancellationToken::new()).await;
        assert!(outcome.summary.last_epoch > 5, "{} epochs of {}", outcome.summary.last_epoch, file.display());
        same(&file, &in_one_epoch(&file).await, &lab.contents(&file).await);
        let again = lab.run(&file, many_epochs(&file), &CancellationToken::new()).await;
        assert!(!again.summary.is_new(), "{} ran again", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_dropped_at_random_and_resumed_write_the_same() {
    let mut dice = StdRng::seed_from_u64(3);
    for file in queries::pipelines().unwrap() {
        let lab = Lab::new(POSTS);
        let mut dropped = 0;
        for _ in 0..DROPS {
            let delay = Duration::from_millis(dice.random_range(50..600));
            dropped += u32::from(!lab.run_dropped_after(&file, many_epochs(&file), delay).await);
        }
        assert!(dropped > 1, "{} was dropped {dropped} times", file.display());
        lab.run(&file, many_epochs(&file), &CancellationToken::new()).await;
        same(&file, &in_one_epoch(&file).await, &lab.contents(&file).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_told_to_stop_and_resumed_write_the_same() {
    for file in queries::pipelines().unwrap() {
        let lab = Lab::new(POSTS);
        let started = Instant::now();
        for _ in 0..5 {
            let stop = CancellationToken::new();
            let stopper = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                stop.cancel();
            };
            tokio::join!(lab.run(&file, many_epochs(&file), &stop), stopper);
        }
        lab.run(&file, many_epochs(&file), &CancellationToken::new()).await;
        same(&file, &in_one_epoch(&file).await, &lab.contents(&file).await);
        assert!(started.elapsed() < Duration::from_secs(120));
    }
}
