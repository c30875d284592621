//! Killed at a sample of points with state in PostgreSQL and on S3, then run again: nothing is lost, nothing comes twice.

use std::collections::BTreeMap;

use testkit::s3::{BUCKET, S3Server};

use crate::checks::Expected;
use crate::lab::Lab;
use crate::pipelines::MIXED;
use crate::s3::settings;

/// Points that state has a part in: what is around its own writes, and what it decides about afterwards.
const POINTS: [&str; 5] = ["leased", "recorded", "state-before", "state-after", "table-commit-after"];

/// Kills a run at the first, the middle and the last pass of each point, with its state where `place` says, anew each time.
fn sweep<P>(start: impl Fn() -> Option<(P, BTreeMap<String, String>)>) {
    let undisturbed = Lab::local(MIXED);
    undisturbed.run_well("undisturbed");
    let expected = Expected::of(&undisturbed);
    let Some((place, settings)) = start() else { return };
    let counts = Lab::local_with(MIXED, settings).run_counting();
    drop(place);
    let mut kills = 0;
    for point in POINTS {
        let count = counts[point];
        for nth in std::collections::BTreeSet::from([1, count.div_ceil(2), count]) {
            let context = format!("killed at {point}={nth} of {count}");
            let Some((_place, settings)) = start() else { return };
            let lab = Lab::local_with(MIXED, settings);
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            expected.whole_epochs(&lab, &context);
            lab.run_well(&context);
            expected.holds(&lab, &context);
            kills += 1;
        }
    }
    assert!(kills > POINTS.len(), "{kills}");
}

#[test]
fn state_in_a_database_loses_and_doubles_nothing_when_runs_are_killed() {
    sweep(|| {
        let server = super::postgres::server()?;
        let url = server.url(super::postgres::DATABASE);
        Some((server, BTreeMap::from([("ENGINE_STATE_URL".to_owned(), url)])))
    });
}

#[test]
fn state_on_s3_loses_and_doubles_nothing_when_runs_are_killed() {
    sweep(|| {
        let s3 = S3Server::builder().bucket(BUCKET).start().unwrap();
        let mut settings = settings(s3.environment());
        settings.insert("ENGINE_STATE_URL".to_owned(), super::objects::url());
        Some((s3, settings))
    });
}
