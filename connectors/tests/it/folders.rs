//! Local folders that are watched.

use std::fs::{File, OpenOptions, create_dir_all, rename, write};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::registry::connector;
use connectors::source::{Offset, Source};
use connectors::stores::S3Config;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::bench::{HUGE, context, id_name, read, spec};

/// How long anything may take that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// The option `quiet` where a file is read when it was left alone.
const SHORT: &str = "1500ms";
/// The same where only an event can tell that a file may be read, however slow the machine is.
const NEVER: &str = "1h";
/// How long nothing is to be told.
const SILENCE: Duration = Duration::from_secs(3);

struct Bench {
    folder: TempDir,
    source: Arc<dyn Source>,
    offset: Option<Offset>,
}

impl Bench {
    /// A table of the folder `in`, that listens, with what was there read.
    async fn new(pattern: &str, quiet: &str, options: &[(&str, &str)]) -> Self {
        let mut bench = Self::deaf(pattern, quiet, options).await;
        bench.source.listen().await.unwrap();
        assert!(bench.next().await.is_empty());
        bench
    }

    /// The same, that does not listen yet.
    async fn deaf(pattern: &str, quiet: &str, options: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        create_dir_all(folder.path().join("in")).unwrap();
        let context = context(folder.path().join("lake").to_str().unwrap(), S3Config::default());
        let mut all = vec![("quiet", quiet)];
        all.extend(options);
        let table = spec("JSON", &format!("{}/in/{pattern}", folder.path().display()), id_name(), &all);
        let home = context.locate("lake://.engine/sources/p/t").unwrap();
        let source = connector("JSON").unwrap().source(&table, home, &context).await.unwrap();
        Self { folder, source, offset: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    /// Reads what is there.
    async fn next(&mut self) -> Vec<i64> {
        let read = read(&self.source, self.offset.as_ref(), HUGE).await.unwrap();
        self.offset = Some(read.offset.clone());
        read.ids()
    }

    /// Waits to be told, and reads.
    async fn told(&mut self) -> Vec<i64> {
        let told = timeout(PATIENCE, self.source.changed()).await;
        assert!(matches!(told, Ok(Ok(()))), "nothing was told: {told:?}");
        self.next().await
    }

    async fn is_told_nothing(&self) {
        assert!(timeout(SILENCE, self.source.changed()).await.is_err(), "something was told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_closed_or_renamed_into_place_is_read_at_once() {
    let mut bench = Bench::new("", NEVER, &[]).await;
    write(bench.path("a.json"), "{\"id\":1}\n").unwrap();
    assert_eq!(bench.told().await, [1]);
    write(bench.path(".b.json.partial"), "{\"id\":2}\n").unwrap();
    rename(bench.path(".b.json.partial"), bench.path("b.json")).unwrap();
    assert_eq!(bench.told().await, [2]);
    bench.is_told_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_being_written_is_read_when_it_was_closed() {
    let mut bench = Bench::new("", NEVER, &[]).await;
    let mut slow = File::create(bench.path("slow.json")).unwrap();
    for id in 1..=3 {
        slow.write_all(format!("{{\"id\":{id}}}\n").as_bytes()).unwrap();
        slow.flush().unwrap();
        // Whoever looks meanwhile sees others, but not this one.
        write(bench.path(&format!("other{id}.json")), format!("{{\"id\":10{id}}}\n")).unwrap();
        assert_eq!(bench.told().await, [100 + id]);
    }
    drop(slow);
    assert_eq!(bench.told().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_stays_open_is_read_when_it_was_left_alone() {
    let mut bench = Bench::new("", SHORT, &[]).await;
    let mut left = File::create(bench.path("left.json")).unwrap();
    left.write_all(b"{\"id\":4}\n").unwrap();
    assert_eq!(bench.told().await, [4]);
    drop(left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_half_written_when_the_run_began_waits_for_its_rest() {
    let mut bench = Bench::deaf("", NEVER, &[]).await;
    write(bench.path("whole.json"), "{\"id\":1}\n").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(2 * 3_600);
    OpenOptions::new().append(true).open(bench.path("whole.json")).unwrap().set_modified(old).unwrap();
    let mut half = File::create(bench.path("half.json")).unwrap();
    half.write_all(b"{\"id\":2}\n{\"id\":").unwrap();
    bench.source.listen().await.unwrap();
    assert_eq!(bench.next().await, [1]);
    half.write_all(b"3}\n").unwrap();
    drop(half);
    assert_eq!(bench.told().await, [2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_run_that_follows_files_are_read_as_they_are() {
    let mut bench = Bench::deaf("", NEVER, &[]).await;
    let mut open = File::create(bench.path("open.json")).unwrap();
    open.write_all(b"{\"id\":1}\n").unwrap();
    assert_eq!(bench.next().await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_folders_are_watched_and_a_burst_is_not_told_file_by_file() {
    let mut bench = Bench::new("**/*.json", SHORT, &[]).await;
    let folder = bench.path("2026/11/21");
    create_dir_all(&folder).unwrap();
    for id in 0..500 {
        write(folder.join(format!("{id}.json")), format!("{{\"id\":{id}}}\n")).unwrap();
    }
    let (mut ids, mut times) = (Vec::new(), 0);
    while ids.len() < 500 {
        ids.extend(bench.told().await);
        times += 1;
    }
    // Once, unless it takes the machine seconds to write them.
    assert!(times < 50, "told {times} times");
    ids.sort_unstable();
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
    write(folder.join("late.json"), "{\"id\":500}\n").unwrap();
    assert_eq!(bench.told().await, [500]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_table_does_not_read_tells_nothing() {
    let bench = Bench::new("*.json", SHORT, &[]).await;
    for name in ["a.csv", "_SUCCESS", ".hidden.json", "x.json.tmp"] {
        write(bench.path(name), "{\"id\":1}\n").unwrap();
    }
    bench.is_told_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_removed_and_made_anew_is_watched_again() {
    let mut bench = Bench::new("", SHORT, &[]).await;
    std::fs::remove_dir(bench.path("")).unwrap();
    create_dir_all(bench.path("")).unwrap();
    eventually_told(&mut bench).await;
    write(bench.path("a.json"), "{\"id\":1}\n").unwrap();
    assert_eq!(bench.told().await, [1]);
}

/// The watch begins anew with the next wait, which then returns at once.
async fn eventually_told(bench: &mut Bench) {
    let deadline = Instant::now() + PATIENCE;
    while timeout(Duration::from_millis(300), bench.source.changed()).await.is_err() {
        assert!(Instant::now() < deadline, "the folder is not watched again");
        sleep(Duration::from_millis(100)).await;
    }
    bench.next().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_not_to_be_watched_is_left_to_the_listing() {
    let mut bench = Bench::new("", "6s", &[("notifications", "none")]).await;
    write(bench.path("a.json"), "{\"id\":1}\n").unwrap();
    assert!(timeout(Duration::from_millis(750), bench.source.changed()).await.is_err(), "it was told");
    assert!(bench.next().await.is_empty(), "it may still be written");
    // It has been seen: when it is left alone long enough, that is told.
    assert_eq!(bench.told().await, [1]);
    assert!(bench.source.describe_news().unwrap().starts_with("all files are listed every 30 s"));
}
