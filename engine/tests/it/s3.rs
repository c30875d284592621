//! The lake on S3: a plain run, runs that are killed, and a server that refuses, breaks off, dawdles and loses its answers.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::moto::Moto;
use testkit::s3::{BUCKET, Fault, FaultKind, Operation, S3Server};

use crate::checks::Expected;
use crate::lab::{Lab, block_on};
use crate::pipelines::{BAD, BAD_REPAIRS, ELSEWHERE, MIXED, REDDIT, Subject};

/// Runs that a fault may cost.
const ATTEMPTS: usize = 4;

/// The settings that say what the environment variables of AWS clients say.
pub(crate) fn settings(environment: Vec<(String, String)>) -> BTreeMap<String, String> {
    let name = |aws: &str| match aws {
        "AWS_ENDPOINT_URL" => Some("ENGINE_S3_ENDPOINT"),
        "AWS_REGION" => Some("ENGINE_S3_REGION"),
        "AWS_ACCESS_KEY_ID" => Some("ENGINE_S3_ACCESS_KEY_ID"),
        "AWS_SECRET_ACCESS_KEY" => Some("ENGINE_S3_SECRET_ACCESS_KEY"),
        _ => None,
    };
    environment.into_iter().filter_map(|(aws, value)| Some((name(&aws)?.to_owned(), value))).collect()
}

fn server() -> S3Server {
    S3Server::builder().start().unwrap()
}

fn lab_on(s3: &S3Server, subject: Subject) -> Lab {
    Lab::remote(subject, &format!("s3://{BUCKET}/some/lake"), settings(s3.environment()))
}

/// The lake, as files on the local disk: what is left on S3 is checked as what is left on a disk.
fn mirror(s3: &S3Server, subject: Subject) -> Lab {
    let lab = Lab::local(subject);
    for key in s3.object_keys(BUCKET) {
        let file = lab.lake().join(key.strip_prefix("some/lake/").unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, s3.object(BUCKET, &key).unwrap()).unwrap();
    }
    lab
}

fn expected(subject: Subject) -> Expected {
    let lab = Lab::local(subject);
    lab.run_well("undisturbed");
    Expected::of(&lab)
}

#[test]
fn a_run_on_s3_writes_what_a_run_on_disk_writes() {
    for subject in [REDDIT, MIXED] {
        let (s3, expected) = (server(), expected(subject));
        let lab = lab_on(&s3, subject);
        lab.run_well("on S3");
        expected.same_rows(&lab, "read from S3");
        expected.holds(&mirror(&s3, subject), "mirrored");
        assert!(s3.unfinished_uploads(BUCKET).is_empty());
        let again = lab.run_well("again");
        assert!(String::from_utf8_lossy(&again.stdout).contains("nothing new"));
    }
}

#[test]
fn what_tools_of_aws_find_in_the_environment_is_enough() {
    let s3 = server();
    let environment = s3.environment().into_iter().filter(|(name, _)| name != "AWS_ALLOW_HTTP").collect();
    let lab = Lab::remote(MIXED, &format!("s3://{BUCKET}/some/lake"), environment);
    lab.run_well("without [s3]");
    assert!(s3.object_keys(BUCKET).iter().any(|key| key.starts_with("some/lake/mixed/appended/")));
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_on_s3_loses_and_doubles_nothing() {
    let expected = expected(MIXED);
    let counts = lab_on(&server(), MIXED).run_counting();
    let mut kills = 0;
    for (point, count) in counts {
        for nth in crate::kill::passes(count, crate::kill::MOST_PASSES) {
            let context = format!("on S3, killed at {point}={nth} of {count}");
            let s3 = server();
            let lab = lab_on(&s3, MIXED);
            assert!(lab.run_killed_at(&point, nth), "{context}: was not reached");
            expected.whole_epochs(&mirror(&s3, MIXED), &context);
            lab.run_well(&context);
            expected.holds(&mirror(&s3, MIXED), &context);
            kills += 1;
        }
    }
    eprintln!("{kills} kills on S3");
}

/// Orders faults of one kind, runs until a run succeeds, and looks at what is there.
fn faults(kind: FaultKind, places: &[(Operation, &str)], times: usize) {
    let expected = expected(MIXED);
    for (operation, key) in places {
        // The first request of the kind, and the next, if there is one: there is a table already then.
        for after in [0, 1] {
            let context = format!("{kind:?} {times} times on {operation:?} of '{key}' after {after}");
            let s3 = server();
            let lab = lab_on(&s3, MIXED);
            s3.faults().push(Fault::new(kind).on(*operation).key(*key).after(after).times(times));
            let runs: Vec<_> = (0..ATTEMPTS).map(|_| lab.run()).take_while(|run| !run.status.success()).collect();
            let errors: Vec<_> = runs.iter().map(|run| String::from_utf8_lossy(&run.stderr).into_owned()).collect();
            assert!(runs.len() < ATTEMPTS, "{context}: {errors:#?}");
            assert!(runs.iter().all(|run| run.status.code() == Some(1)), "{context}: {errors:#?}");
            let has_struck = s3.faults().outstanding().is_empty();
            assert!(has_struck || after > 0, "{context}: never struck");
            expected.holds(&mirror(&s3, MIXED), &context);
            assert!(s3.unfinished_uploads(BUCKET).is_empty(), "{context}");
            eprintln!("{context}: {} failed runs", errors.len());
        }
    }
}

/// A commit that fails for longer than the store is asked again, and a pipeline that may try again: the next attempt meets the epoch
/// that the first has recorded.
#[test]
fn a_retry_finishes_the_epoch_whose_commit_failed() {
    let expected = expected(MIXED);
    for (operation, key) in [(Operation::CopyObject, ""), (Operation::PutObject, "mixed/totals/_engine/")] {
        let context = format!("{operation:?} of '{key}'");
        let s3 = server();
        let lab = lab_on(&s3, MIXED);
        lab.edit(&format!("SET pipeline.retries = 3;\n{}", MIXED.text));
        // The client itself asks eleven times, and copies two files side by side.
        s3.faults().push(Fault::new(FaultKind::SlowDown).on(operation).key(key).times(24));
        let output = lab.run_well(&context);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains("epoch failed, trying again"), "{context}: {log}");
        assert!(s3.faults().outstanding().is_empty(), "{context}: never struck");
        expected.holds(&mirror(&s3, MIXED), &context);
    }
}

/// The rows of a replay are in when its epoch's staged files are removed: that they are not is no reason to fail.
#[test]
fn a_replay_whose_staged_files_cannot_be_removed_ends_well() {
    let s3 = server();
    let mut lab = lab_on(&s3, BAD);
    lab.run_well("before the repair");
    let (from, to) = BAD_REPAIRS;
    lab.edit(&format!("SET pipeline.retries = 1;\n{}", BAD.text.replace(from, to)));
    lab.set_replaying(&["events"]);
    // As often as the client asks, and once more.
    s3.faults().push(Fault::new(FaultKind::SlowDown).on(Operation::DeleteObjects).key("").times(12));
    let output = lab.run_well("replayed");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("staged files were not removed"), "{log}");
    assert!(s3.faults().outstanding().is_empty(), "never struck");
    assert_eq!(lab.rows(&BAD.tables[0]).unwrap().len(), 7, "5 of 7 bad records are rows now, beside 2 that were");
    lab.set_running();
    lab.run_well("the next run tidies");
    assert!(s3.object_keys(BUCKET).iter().all(|key| !key.contains("/.engine/staging/")), "{:?}", s3.object_keys(BUCKET));
}

/// Every request that changes something, by what it changes: staged files, a table's files, the logs, copies, removals.
const CHANGES: &[(Operation, &str)] = &[
    (Operation::PutObject, ".engine/staging/"),
    (Operation::PutObject, "mixed/latest/mixed-"),
    (Operation::PutObject, "_delta_log/"),
    (Operation::PutObject, "_engine/"),
    (Operation::CopyObject, ""),
    (Operation::DeleteObjects, ""),
];

#[test]
fn answers_lost_after_the_change_was_made_double_nothing() {
    faults(FaultKind::AnswerLost, CHANGES, 1);
}

#[test]
fn errors_after_the_change_was_made_double_nothing() {
    faults(FaultKind::ErrorAfterCommit, CHANGES, 1);
}

#[test]
fn connections_reset_before_the_change_lose_nothing() {
    faults(FaultKind::Reset, CHANGES, 1);
}

#[test]
fn storms_of_503_lose_nothing() {
    faults(
        FaultKind::SlowDown,
        &[(Operation::PutObject, "_delta_log/"), (Operation::CopyObject, ""), (Operation::GetObject, "")],
        4,
    );
}

#[test]
fn slow_answers_and_broken_bodies_lose_nothing() {
    faults(FaultKind::Delay(Duration::from_millis(300)), &[(Operation::PutObject, ""), (Operation::GetObject, "")], 3);
    faults(FaultKind::BodyCut(100), &[(Operation::GetObject, "")], 1);
}

#[test]
fn uploads_whose_completion_fails_or_is_lost_lose_and_double_nothing() {
    let both = |lab: &Lab| {
        [("DELTA", "appended"), ("PARQUET", "files")]
            .map(|(name, table)| lab.rows_at(name, &format!("s3://{}/{table}", ELSEWHERE.name)).unwrap())
    };
    let ids: std::collections::BTreeSet<_> = connectors::reddit::sample_posts(ELSEWHERE.replay_posts)
        .filter(|post| post.subreddit == "rust")
        .map(|post| post.id)
        .collect();
    for kind in [FaultKind::AnswerLost, FaultKind::ErrorAfterCommit, FaultKind::Reset, FaultKind::SlowDown] {
        for operation in [Operation::CreateMultipartUpload, Operation::UploadPart, Operation::CompleteMultipartUpload] {
            let context = format!("{kind:?} on {operation:?}");
            let s3 = S3Server::builder().bucket(BUCKET).bucket(ELSEWHERE.name).start().unwrap();
            let lab = lab_on(&s3, ELSEWHERE);
            s3.faults().push(Fault::new(kind).on(operation).after(1));
            let failed = (0..ATTEMPTS).map(|_| lab.run()).take_while(|run| !run.status.success()).count();
            assert!(failed < ATTEMPTS, "{context}");
            assert!(s3.faults().outstanding().is_empty(), "{context}: never struck");
            for rows in both(&lab) {
                let found: Vec<_> = rows.iter().map(|row| row.split(" | ").next().unwrap().to_owned()).collect();
                assert_eq!(found, ids.iter().cloned().collect::<Vec<_>>(), "{context}");
            }
            eprintln!("{context}: {failed} failed runs, unfinished uploads: {:?}", s3.unfinished_uploads(ELSEWHERE.name));
        }
    }
}

#[test]
fn a_run_on_moto_writes_what_a_run_on_disk_writes() {
    block_on(async {
        let moto = match Moto::start().await {
            Ok(moto) => moto,
            Err(error) => return crate::checks::skipped("moto", &error),
        };
        moto.create_bucket(BUCKET).await.unwrap();
        let environment = moto.environment();
        // The engine is waited for: not on this runtime.
        let run = move || {
            let lab = Lab::remote(REDDIT, &format!("s3://{BUCKET}/lake"), settings(environment));
            lab.run_well("on moto");
            expected(REDDIT).same_rows(&lab, "on moto");
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    });
}
