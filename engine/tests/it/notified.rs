//! Runs that follow: a folder that is watched, a queue that tells of new objects. The second kind killed anywhere.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

use testkit::moto::{Moto, Queue};

use crate::lab::{Lab, block_on};
use crate::pipelines::{NOTIFIED, WATCHED};
use crate::signals::{exit_code, send};

/// How long anything may take that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// moto, with a bucket and a queue for each lab.
struct World(Moto);

impl World {
    /// Nothing where moto is not to be had; in CI that is an error.
    fn new() -> Option<Self> {
        match block_on(Moto::start()) {
            Ok(moto) => Some(Self(moto)),
            Err(error) => {
                crate::checks::skipped("moto", &error);
                None
            }
        }
    }

    /// A lab whose bucket `name` has two objects of which messages tell.
    fn lab(&self, name: &str) -> (Lab, Queue) {
        let queue = block_on(async {
            self.0.create_bucket(name).await.unwrap();
            let dead = self.0.create_queue(&format!("{name}-dead"), &[]).await.unwrap();
            // Of a run that is killed, a message comes again.
            let policy = dead.redrive_policy(50);
            let queue = self.0.create_queue(name, &[("RedrivePolicy", policy.as_str())]).await.unwrap();
            self.0.notify(name, &queue).await.unwrap();
            queue
        });
        let mut settings = crate::s3::settings(self.0.environment());
        settings.extend([("BUCKET".to_owned(), name.to_owned()), ("QUEUE".to_owned(), queue.url().to_owned())]);
        let lab = Lab::local_with(NOTIFIED, settings);
        self.put(name, "in/a.json", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\nbroken\n");
        self.put(name, "in/b.json", "{\"id\":3}\n");
        (lab, queue)
    }

    fn put(&self, bucket: &str, key: &str, text: &str) {
        block_on(self.0.put_object(bucket, key, text)).unwrap();
    }
}

fn rows(lab: &Lab, table: usize) -> Vec<String> {
    lab.rows(&lab.subject.tables[table]).unwrap_or_default()
}

/// Waits until something holds, or the run has ended. Says which.
fn waits(child: &mut Child, what: &str, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if holds() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("not so after {PATIENCE:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(feature = "failpoints")]
fn is_empty(queue: &Queue) -> bool {
    block_on(queue.counts()).unwrap() == (0, 0)
}

/// Whether a process has said what it does when it is interrupted; before, that would end it.
#[cfg(feature = "failpoints")]
fn catches_interrupts(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
}

/// Follows until everything is committed and every message is gone, or the run dies. When the first objects are in, more are put.
#[cfg(feature = "failpoints")]
fn follow(
    world: &World,
    lab: &Lab,
    queue: &Queue,
    bucket: &str,
    is_later: &mut bool,
    context: &str,
    mut command: std::process::Command,
) -> std::process::Output {
    let mut child = command.arg("--follow").spawn().unwrap();
    let process = child.id();
    let is_in = |count: usize, bad: usize| {
        let rows = [0, 1, 2].map(|table| rows(lab, table).len());
        rows == [count, count, bad] && is_empty(queue)
    };
    if *is_later || waits(&mut child, &format!("{context}: the first objects are read"), || is_in(3, 1)) {
        if !*is_later {
            world.put(bucket, "in/c.json", "{\"id\":4,\"name\":\"c\"}\n");
            world.put(bucket, "in/d.json", "broken too\n{\"id\":5}\n");
            *is_later = true;
        }
        // What there was to do may have been done before this run began.
        if waits(&mut child, &format!("{context}: all objects are read"), || is_in(5, 2) && catches_interrupts(process)) {
            send(&child, "-INT");
        }
    }
    child.wait_with_output().unwrap()
}

/// The bad records without what differs from run to run: the bucket, and the epoch, since messages come together as they like.
#[cfg(feature = "failpoints")]
fn bad_rows(lab: &Lab, bucket: &str) -> Vec<String> {
    let found = rows(lab, 2);
    let mut found: Vec<String> =
        found.iter().filter_map(|row| row.split_once(" | ")).map(|(_, rest)| rest.replace(bucket, "")).collect();
    found.sort_unstable();
    found
}

fn messages(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(feature = "failpoints")]
#[test]
fn a_run_that_a_queue_tells_of_objects_killed_anywhere_loses_and_doubles_nothing() {
    let Some(world) = World::new() else { return };
    let (undisturbed, queue) = world.lab("undisturbed");
    let mut command = undisturbed.command();
    command.env("ENGINE_COUNT_POINTS", undisturbed.counts_file());
    let output = follow(&world, &undisturbed, &queue, "undisturbed", &mut false, "undisturbed", command);
    assert!(output.status.success(), "{}", messages(&output));
    let expected = crate::checks::Expected::of(&undisturbed);
    let bad = bad_rows(&undisturbed, "undisturbed");
    assert_eq!(bad.len(), 2, "{bad:?}");
    let counts = undisturbed.counted();
    for point in ["messages-received", "messages-deleted-before", "messages-deleted-after"] {
        assert!(counts.contains_key(point), "{point} was not passed: {counts:?}");
    }
    let mut kills = 0;
    for (point, count) in &counts {
        // The other subjects are killed at every pass of the other points.
        let last = if point.starts_with("messages") { *count } else { 1 };
        for nth in std::collections::BTreeSet::from([1, last.div_ceil(2), last]) {
            let context = format!("killed at {point}={nth} of {count}");
            let bucket = format!("{point}-{nth}");
            let (lab, queue) = world.lab(&bucket);
            let mut command = lab.command();
            command.env("ENGINE_KILL_AT", format!("{point}={nth}"));
            let mut is_later = false;
            let output = follow(&world, &lab, &queue, &bucket, &mut is_later, &context, command);
            let killed = crate::lab::was_killed(&output);
            assert!(killed || output.status.success(), "{context}: {}: {}", output.status, messages(&output));
            // How messages come together differs from run to run, and with it how often a point is passed.
            assert!(killed || nth > 1, "{context}: was not reached");
            kills += usize::from(killed);
            if killed {
                let output = follow(&world, &lab, &queue, &bucket, &mut is_later, &format!("{context}, again"), lab.command());
                assert!(output.status.success(), "{context}: {}", messages(&output));
            }
            for table in [0, 1] {
                assert_eq!(rows(&lab, table), rows(&undisturbed, table), "{context}");
            }
            assert_eq!(bad_rows(&lab, &bucket), bad, "{context}");
            expected.nothing_is_left(&lab, &context);
            assert!(is_empty(&queue), "{context}");
        }
    }
    eprintln!("{kills} kills of runs that a queue tells");
    assert!(kills >= counts.len());
}

#[test]
fn a_run_that_follows_says_what_is_wrong_with_a_queue_and_with_a_message_and_goes_on() {
    let Some(world) = World::new() else { return };
    let (lab, _) = world.lab("talks");
    let queue = block_on(world.0.create_queue("no-dead-letters", &[])).unwrap();
    block_on(world.0.notify("talks", &queue)).unwrap();
    block_on(queue.send("new file!")).unwrap();
    let mut command = lab.command();
    command.env("QUEUE", queue.url());
    let mut child = command.arg("--follow").spawn().unwrap();
    // By then the message has come several times.
    let started = Instant::now();
    assert!(waits(&mut child, "the first objects are read", || rows(&lab, 0).len() == 3));
    assert!(waits(&mut child, "time passes", || started.elapsed() > Duration::from_secs(5)));
    world.put("talks", "in/c.json", "{\"id\":4}\n");
    let told = Instant::now();
    assert!(waits(&mut child, "the later object is read", || rows(&lab, 0).len() == 4));
    let took = told.elapsed();
    send(&child, "-INT");
    assert_eq!(exit_code(&mut child), Some(0));
    let text = messages(&child.wait_with_output().unwrap());
    assert!(took < Duration::from_secs(15), "{took:?}");
    for said in ["the queue has no redrive policy", "a message that cannot be understood is left", "it is not JSON", "message_id"]
    {
        assert_eq!(text.matches(said).count(), 1, "{said}: {text}");
    }
}

#[test]
fn a_file_that_is_added_to_a_watched_folder_is_read_at_once() {
    let lab = Lab::local_with(WATCHED, BTreeMap::new());
    let folder = lab.pipeline().with_file_name("in");
    let mut child = lab.spawn(&["--follow"]);
    assert!(waits(&mut child, "what was there is read", || rows(&lab, 0).len() == 1));
    let written = Instant::now();
    for id in 2..102 {
        std::fs::write(folder.join(format!("{id}.json")), format!("{{\"id\":{id}}}\n")).unwrap();
    }
    assert!(waits(&mut child, "the burst is read", || rows(&lab, 0).len() == 101));
    // The folder is listed once an hour.
    assert!(written.elapsed() < Duration::from_secs(15), "{:?}", written.elapsed());
    send(&child, "-INT");
    assert_eq!(exit_code(&mut child), Some(0));
    let output = child.wait_with_output().unwrap();
    let text = messages(&output);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    let epochs = std::fs::read_dir(lab.lake().join("watched/events/_delta_log")).unwrap().count();
    assert!(epochs <= 6, "{epochs} commits; {summary}{text}");
    assert!(String::from_utf8_lossy(&lab.run_well("once more").stdout).contains("nothing new"));
}
