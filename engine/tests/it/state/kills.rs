//! Killed at a sample of points with state in PostgreSQL and on S3, then run again: nothing is lost, nothing comes twice.

use std::collections::{BTreeMap, BTreeSet};

use testkit::s3::S3Server;

use crate::checks::Expected;
use crate::lab::Lab;
use crate::pipelines::MIXED;
use crate::s3::settings;

/// Points that state has a part in: what is around its own writes, and what it decides about afterwards.
const POINTS: [&str; 5] = ["leased", "recorded", "state-before", "state-after", "table-commit-after"];

/// Kills a run at the first, the middle and the last pass of each point, with its state in the place of that number that `place` gives the
/// settings of.
fn sweep(place: impl Fn(usize) -> BTreeMap<String, String>) {
    let undisturbed = Lab::local(MIXED);
    undisturbed.run_well("undisturbed");
    let expected = Expected::of(&undisturbed);
    let counts = Lab::local_with(MIXED, place(0)).run_counting();
    let mut kills = 0;
    for point in POINTS {
        let count = counts[point];
        for nth in BTreeSet::from([1, count.div_ceil(2), count]) {
            let context = format!("killed at {point}={nth} of {count}");
            kills += 1;
            let lab = Lab::local_with(MIXED, place(kills));
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            expected.whole_epochs(&lab, &context);
            lab.run_well(&context);
            expected.holds(&lab, &context);
        }
    }
    assert!(kills > POINTS.len(), "{kills}");
}

#[test]
fn state_in_a_database_loses_and_doubles_nothing_when_runs_are_killed() {
    let Some(server) = super::postgres::server() else { return };
    sweep(|number| {
        let url = format!("{}?schema=state_{number}", server.url(super::postgres::DATABASE));
        BTreeMap::from([("ENGINE_STATE_URL".to_owned(), url)])
    });
}

#[test]
fn state_on_s3_loses_and_doubles_nothing_when_runs_are_killed() {
    let s3 = S3Server::builder().start().unwrap();
    sweep(|number| {
        let mut settings = settings(s3.environment());
        settings.insert("ENGINE_STATE_URL".to_owned(), format!("{}-{number}", super::objects::url()));
        settings
    });
}
