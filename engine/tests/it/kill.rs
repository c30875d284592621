//! Killed with SIGKILL at every point of the epoch protocol and around every change outside, then run again: nothing is lost,
//! nothing comes twice, nothing is left lying about.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::faults::POINTS;
use testkit::postgres::{Postgres, USER};
use testkit::python::{DELTA_PACKAGES, delta_counts, venv_with};

use crate::checks::Expected;
use crate::lab::Lab;
use crate::pipelines::{
    BAD, BAD_REPAIRS, DATABASE, DATABASE_TABLES, FILES, MIXED, MIXED_EDITED_TEXT, REDDIT, Subject, Table, WHOLE, WHOLE_REPAIRS,
};

/// Passes of one point at which a run is killed: the first, the last and some evenly spread between them. With `ENGINE_KILL_EVERY_PASS`
/// in the environment it is every pass, which takes the better part of an hour.
pub(crate) const MOST_PASSES: u64 = 3;

/// Where the first of two kills strikes: a pending epoch that is committed nowhere, and one that is committed in part.
const BEFORE_RECOVERY: [(&str, u64); 2] = [("recorded", 2), ("table-commit-after", 2)];

/// The passes of a point at which a run is killed.
pub(crate) fn passes(count: u64, most: u64) -> Vec<u64> {
    if count <= most || std::env::var_os("ENGINE_KILL_EVERY_PASS").is_some() {
        return (1..=count).collect();
    }
    (0..most).map(|index| 1 + index * (count - 1) / (most - 1)).collect()
}

/// Kills that are tried side by side: much of a run is waiting for the disk.
const SIDE_BY_SIDE: usize = 2;

/// Every point and at most so many of its passes, in turn, by workers that each have what `start` gives.
pub(crate) fn at_each_pass<T: Send>(
    counts: &BTreeMap<String, u64>,
    most: u64,
    start: impl Fn() -> T + Sync,
    try_one: impl Fn(&mut T, &str, u64, &str) + Sync,
) -> Vec<T> {
    let all: Vec<_> =
        counts.iter().flat_map(|(point, count)| passes(*count, most).into_iter().map(move |nth| (point, nth, count))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut own = start();
        while let Some((point, nth, count)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            try_one(&mut own, point, *nth, &format!("killed at {point}={nth} of {count}"));
        }
        own
    };
    let workers = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    eprintln!("{} kills at {} points, {} passes in all", all.len(), counts.len(), counts.values().sum::<u64>());
    workers
}

/// Kills a run of `start` at every point that an undisturbed one passes, and runs it again each time. Returns the last lab.
fn sweep(start: impl Fn() -> Lab + Sync, expected: &Expected, counts: &BTreeMap<String, u64>) -> Lab {
    let labs = at_each_pass(
        counts,
        MOST_PASSES,
        || None,
        |last, point, nth, context| {
            let lab = start();
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            expected.whole_epochs(&lab, context);
            lab.run_well(context);
            expected.holds(&lab, context);
            *last = Some(lab);
        },
    );
    let last = labs.into_iter().flatten().last().unwrap();
    nothing_is_new(&last);
    last
}

fn nothing_is_new(lab: &Lab) {
    let output = lab.run_well("run once more");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("nothing new"), "{text}");
}

fn sweep_fresh(subject: Subject) -> Lab {
    let undisturbed = Lab::local(subject);
    let counts = undisturbed.run_counting();
    let expected = Expected::of(&undisturbed);
    expected.holds(&undisturbed, "undisturbed");
    sweep(|| Lab::local(subject), &expected, &counts)
}

/// The Python package `deltalake` counts what the engine counts.
fn an_independent_reader_agrees(lab: &Lab, table: &Table, expected: u64) {
    let python = match venv_with(DELTA_PACKAGES) {
        Ok(python) => python,
        Err(error) => return crate::checks::skipped("the Python package deltalake", &error),
    };
    let folder = lab.lake().join(table.path);
    let counts = delta_counts(&python, folder.to_str().unwrap(), table.key, []).unwrap();
    assert_eq!(counts, (expected, expected), "rows and different keys of {}", table.path);
}

#[test]
fn reddit_killed_anywhere_loses_and_doubles_nothing() {
    let lab = sweep_fresh(REDDIT);
    let posts = connectors::reddit::sample_posts(REDDIT.replay_posts).count();
    an_independent_reader_agrees(&lab, &REDDIT.tables[0], u64::try_from(posts).unwrap());
}

#[test]
fn every_verb_and_sink_killed_anywhere_loses_and_doubles_nothing() {
    let lab = sweep_fresh(MIXED);
    an_independent_reader_agrees(&lab, &MIXED.tables[0], MIXED.replay_posts);
}

#[test]
fn files_killed_anywhere_are_read_once_and_their_bad_records_kept_once() {
    let lab = sweep_fresh(FILES);
    an_independent_reader_agrees(&lab, &FILES.tables[0], 9);
}

#[test]
fn tables_read_whole_and_killed_anywhere_have_each_bad_record_once() {
    let lab = sweep_fresh(WHOLE);
    let bad = |table: usize| lab.rows(&WHOLE.tables[table]).unwrap().len();
    assert_eq!([bad(3), bad(4), bad(5)], [2, 1, 4]);
    assert_eq!(lab.rows(&WHOLE.tables[0]).unwrap().len(), 5, "the sixth event's code is bad");
}

/// A lab whose run put records aside of tables that it reads whole, with files that were repaired since, and a new one.
fn whole_repaired() -> Lab {
    let lab = Lab::local(WHOLE);
    lab.run_well("before the repair");
    for (name, text) in WHOLE_REPAIRS {
        lab.put(name, text);
    }
    lab
}

#[test]
fn what_is_repaired_of_tables_read_whole_leaves_the_bad_records_though_killed_anywhere() {
    let undisturbed = whole_repaired();
    let before = Expected::of(&undisturbed);
    let counts = undisturbed.run_counting();
    let expected = before.then(&undisturbed);
    expected.holds(&undisturbed, "undisturbed");
    let start = || {
        let lab = whole_repaired();
        (lab.save(), lab)
    };
    at_each_pass(&counts, MOST_PASSES, start, |(saved, lab), point, nth, context| {
        lab.restore(saved);
        assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
        lab.run_well(context);
        expected.holds(lab, context);
    });
    let bad = |table: usize| undisturbed.rows(&WHOLE.tables[table]).unwrap();
    assert_eq!([bad(3).len(), bad(4).len(), bad(5).len()], [1, 1, 4]);
    assert!(bad(3)[0].contains("four") && bad(5).iter().any(|row| row.contains("'z'")), "{:?}", bad(5));
}

#[test]
fn tables_of_postgresql_killed_anywhere_are_read_once() {
    let Some(server) = Postgres::start_or_skip() else { return };
    server.create_database("shop").unwrap();
    server.sql("shop", DATABASE_TABLES).unwrap();
    let socket = server.socket_folder().display();
    let url = format!("postgres://{USER}@localhost:{}/shop?host={socket}", server.port());
    let start = || Lab::local_with(DATABASE, BTreeMap::from([("URL".to_owned(), url.clone())]));
    let undisturbed = start();
    let counts = undisturbed.run_counting();
    let expected = Expected::of(&undisturbed);
    expected.holds(&undisturbed, "undisturbed");
    assert_eq!(undisturbed.counts(&DATABASE.tables[0]), (198, 198));
    sweep(start, &expected, &counts);
}

/// A lab whose run put records aside, with what makes most of them rows: the next command replays them.
fn repaired() -> Lab {
    let mut lab = Lab::local(BAD);
    lab.run_well("before the repair");
    let (from, to) = BAD_REPAIRS;
    lab.edit(&BAD.text.replace(from, to));
    lab.set_replaying(&["events"]);
    lab
}

#[test]
fn a_replay_killed_anywhere_moves_each_record_once() {
    let undisturbed = repaired();
    let counts = undisturbed.run_counting();
    let expected = Expected::of(&undisturbed);
    expected.holds(&undisturbed, "undisturbed");
    assert_eq!(undisturbed.rows(&BAD.tables[0]).unwrap().len(), 7, "5 of 7 bad records are rows now, beside 2 that were");
    let start = || {
        let lab = repaired();
        (lab.save(), lab)
    };
    let labs = at_each_pass(&counts, MOST_PASSES, start, |(saved, lab), point, nth, context| {
        lab.restore(saved);
        assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
        expected.whole_epochs(lab, context);
        // A run finishes what the replay left as well as the next replay does.
        if nth % 2 == 0 {
            lab.set_running();
            lab.run_well(context);
            lab.set_replaying(&["events"]);
        }
        lab.run_well(context);
        expected.holds(lab, context);
    });
    let (_, mut lab) = labs.into_iter().last().unwrap();
    let again = lab.run_well("replayed once more");
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.contains("made 0 rows"), "{text}");
    expected.holds(&lab, "replayed once more");
    lab.set_running();
    nothing_is_new(&lab);
}

#[test]
fn an_overwrite_killed_anywhere_leaves_the_old_rows_or_the_new() {
    let base = Lab::local(MIXED);
    base.run_well("base");
    let before = Expected::of(&base);
    base.edit(MIXED_EDITED_TEXT);
    let undisturbed = base.copy();
    let counts = undisturbed.run_counting();
    assert!(counts.contains_key(connectors::faults::BEFORE_REPLACED_REMOVED), "{counts:?}");
    let expected = before.then(&undisturbed);
    expected.holds(&undisturbed, "undisturbed");
    sweep(|| base.copy(), &expected, &counts);
}

#[test]
fn the_recovering_run_killed_at_every_point_is_recovered_by_the_next() {
    let undisturbed = Lab::local(MIXED);
    undisturbed.run_well("undisturbed");
    let expected = Expected::of(&undisturbed);
    let mut kills = 0;
    for (first, pass) in BEFORE_RECOVERY {
        let base = Lab::local(MIXED);
        assert!(base.run_killed_at(first, pass));
        for point in POINTS {
            let context = format!("killed at {first}={pass}, then at {point}=1");
            let lab = base.copy();
            kills += u32::from(lab.run_killed_at(point, 1));
            expected.whole_epochs(&lab, &context);
            lab.run_well(&context);
            expected.holds(&lab, &context);
        }
    }
    eprintln!("{kills} kills of recovering runs");
    assert!(kills > u32::try_from(POINTS.len()).unwrap());
}

#[test]
fn all_points_are_passed_by_some_pipeline() {
    let (reddit, mixed) = (Lab::local(REDDIT).run_counting(), Lab::local(MIXED).run_counting());
    let is_passed = |point: &&&str| reddit.contains_key(**point) || mixed.contains_key(**point) || point.starts_with("landing-");
    let never: Vec<_> = POINTS.iter().filter(|point| !is_passed(point)).collect();
    // Only a run over a queue has messages, and only one that finds a pending epoch decides about it.
    assert_eq!(never, [&"messages-received", &"messages-deleted-before", &"messages-deleted-after", &"recover-decided"]);
}
