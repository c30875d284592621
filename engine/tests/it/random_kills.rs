//! Killed from outside, at times that nobody chose.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::checks::Expected;
use crate::lab::Lab;
use crate::pipelines::{MIXED, REDDIT, Subject};

/// Kills of each pipeline.
const KILLS: u32 = 100;

/// Labs that are killed side by side, each with a seed of its own.
const SEEDS: [u64; 2] = [1, 2];

fn kill_at_random_times(subject: Subject) {
    let undisturbed = Lab::local(subject);
    let started = Instant::now();
    undisturbed.run_well("undisturbed");
    let length = started.elapsed();
    let expected = Expected::of(&undisturbed);
    let (kills, cycles) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for seed in SEEDS {
            let (expected, kills, cycles) = (&expected, &kills, &cycles);
            scope.spawn(move || {
                let (mut dice, lab) = (StdRng::seed_from_u64(seed), Lab::local(subject));
                let mut own = 0;
                while own < KILLS / u32::try_from(SEEDS.len()).unwrap() {
                    let context = format!("seed {seed}, after {own} kills");
                    if killed_after(&lab, dice.random_range(Duration::ZERO..length), &context) {
                        own += 1;
                        continue;
                    }
                    expected.holds(&lab, &context);
                    cycles.fetch_add(1, Ordering::Relaxed);
                    lab.reset();
                }
                lab.run_well("after the last kill");
                expected.holds(&lab, "after the last kill");
                kills.fetch_add(own, Ordering::Relaxed);
            });
        }
    });
    let (kills, cycles) = (kills.into_inner(), cycles.into_inner());
    eprintln!("{kills} kills within {length:?} of the start, {cycles} runs came to their end meanwhile");
}

/// Starts a run and kills it after `delay`. Says whether it was killed; it may have come to its end before.
fn killed_after(lab: &Lab, delay: Duration, context: &str) -> bool {
    let mut child = lab.spawn(&[]);
    std::thread::sleep(delay);
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let killed = crate::lab::was_killed(&output);
    assert!(killed || output.status.success(), "{context}: {}", String::from_utf8_lossy(&output.stderr));
    killed
}

#[test]
fn reddit_killed_a_hundred_times_at_random_loses_and_doubles_nothing() {
    kill_at_random_times(REDDIT);
}

#[test]
fn every_verb_and_sink_killed_a_hundred_times_at_random_loses_and_doubles_nothing() {
    kill_at_random_times(MIXED);
}
