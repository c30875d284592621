//! A pipeline with a lake and a state folder of its own, and the engine that runs it as a process.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use connectors::context::TableSpec;
use connectors::registry::connector;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use engine::config::Settings;
use engine::session::{Purpose, Session};
use tempfile::TempDir;

use crate::pipelines::{Subject, Table};

const SIGKILL: i32 = 9;

/// Everything one pipeline needs, in a temporary folder.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) subject: Subject,
    folder: TempDir,
    lake: String,
    environment: BTreeMap<String, String>,
    /// The command, and what follows the pipeline's file.
    command: (&'static str, &'static [&'static str]),
}

impl Lab {
    /// With a lake on the local disk.
    pub(crate) fn local(subject: Subject) -> Self {
        Self::local_with(subject, BTreeMap::new())
    }

    /// The same, with more in the environment.
    pub(crate) fn local_with(subject: Subject, settings: BTreeMap<String, String>) -> Self {
        let folder = TempDir::new().unwrap();
        let lake = folder.path().join("lake").to_str().unwrap().to_owned();
        Self::with_lake(subject, folder, lake, settings)
    }

    /// With a lake at `url`, and the settings that it takes to reach it.
    pub(crate) fn remote(subject: Subject, url: &str, settings: BTreeMap<String, String>) -> Self {
        Self::with_lake(subject, TempDir::new().unwrap(), url.to_owned(), settings)
    }

    fn with_lake(subject: Subject, folder: TempDir, lake: String, mut environment: BTreeMap<String, String>) -> Self {
        let state = folder.path().join("state").to_str().unwrap().to_owned();
        environment.extend([
            ("ENGINE_LAKE_URL".to_owned(), lake.clone()),
            ("ENGINE_RUN_EPOCH_ROWS".to_owned(), subject.epoch_rows.to_string()),
            ("ENGINE_REDDIT_REPLAY_POSTS".to_owned(), subject.replay_posts.to_string()),
        ]);
        // Where state is elsewhere, temporary files are in that folder all the same.
        environment.entry("ENGINE_STATE_URL".to_owned()).or_insert_with(|| state.clone());
        environment.insert("ENGINE_RUN_TEMPORARY".to_owned(), state);
        let lab = Self { subject, folder, lake, environment, command: ("run", &[]) };
        lab.edit(subject.text);
        for (name, text) in subject.inputs {
            lab.put(name, text);
        }
        lab
    }

    /// Writes a file below the folder that the pipeline runs in.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A lab in the same state, on the local disk.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::local(self.subject);
        copy_folder(self.folder.path(), copy.folder.path());
        copy
    }

    /// Its lake and state as they are now.
    pub(crate) fn save(&self) -> TempDir {
        let saved = TempDir::new().unwrap();
        copy_folder(&self.lake(), &saved.path().join("lake"));
        copy_folder(&self.state(), &saved.path().join("state"));
        saved
    }

    /// As it was when it was saved. What a source has read belongs to the folder that it was read from: a copy would read it again.
    pub(crate) fn restore(&self, saved: &TempDir) {
        self.reset();
        copy_folder(&saved.path().join("lake"), &self.lake());
        copy_folder(&saved.path().join("state"), &self.state());
    }

    /// With `engine replay` of a table in place of `engine run`.
    pub(crate) fn set_replaying(&mut self, table: &'static [&'static str]) {
        self.command = ("replay", table);
    }

    /// With `engine run`.
    pub(crate) fn set_running(&mut self) {
        self.command = ("run", &[]);
    }

    /// Replaces the pipeline's file.
    pub(crate) fn edit(&self, text: &str) {
        std::fs::write(self.pipeline(), text).unwrap();
    }

    pub(crate) fn pipeline(&self) -> PathBuf {
        self.folder.path().join(format!("{}.sql", self.subject.name))
    }

    /// The local lake.
    pub(crate) fn lake(&self) -> PathBuf {
        PathBuf::from(&self.lake)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Forgets everything that was run.
    pub(crate) fn reset(&self) {
        for folder in [self.lake(), self.state()] {
            if folder.exists() {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
    }

    /// The command, `engine run` unless it is another, of the pipeline.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.engine(&[self.command.0]);
        command.arg(self.pipeline()).args(self.command.1);
        command
    }

    /// Any command, with nothing of this process's own environment that could configure it.
    pub(crate) fn engine(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.environment)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command().args(arguments).spawn().unwrap()
    }

    /// Runs to the end, whatever it is.
    pub(crate) fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Runs to a good end.
    pub(crate) fn run_well(&self, context: &str) -> Output {
        let output = self.run();
        assert!(output.status.success(), "{context}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Runs to the end, and says how often each point was passed.
    #[cfg(feature = "failpoints")]
    pub(crate) fn run_counting(&self) -> BTreeMap<String, u64> {
        let output = self.command().env("ENGINE_COUNT_POINTS", self.counts_file()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.counted()
    }

    /// The file that a run writes which counts, as [`Self::counted`] reads it.
    #[cfg(feature = "failpoints")]
    pub(crate) fn counts_file(&self) -> PathBuf {
        self.folder.path().join("counts")
    }

    /// How often each point was passed by a run that counted.
    #[cfg(feature = "failpoints")]
    pub(crate) fn counted(&self) -> BTreeMap<String, u64> {
        let text = std::fs::read_to_string(self.counts_file()).unwrap();
        let count = |line: &str| line.split_once('=').map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
        text.lines().filter_map(count).collect()
    }

    /// Runs until it dies at the `nth` pass of a point, or to the end if there is no such pass. Says whether it died.
    #[cfg(feature = "failpoints")]
    pub(crate) fn run_killed_at(&self, point: &str, nth: u64) -> bool {
        let output = self.command().env("ENGINE_KILL_AT", format!("{point}={nth}")).output().unwrap();
        let killed = was_killed(&output);
        assert!(
            killed || output.status.success(),
            "killed at {point}={nth}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        killed
    }

    /// The rows of a table as the engine's own catalog shows them, sorted; `None` when there is no table.
    pub(crate) fn rows(&self, table: &Table) -> Option<Vec<String>> {
        self.rows_at(table.connector, &format!("lake://{}", table.path))
    }

    /// The rows of the table of a connector at a place, without what differs from lab to lab: its folder and incarnation, when a bad
    /// record was seen, and when its file was written.
    pub(crate) fn rows_at(&self, connector_name: &str, location: &str) -> Option<Vec<String>> {
        block_on(async {
            let session = self.session();
            let spec = spec(connector_name, location);
            let table = connector(connector_name).unwrap().table(&spec, &session.context).await.unwrap()?;
            let context = session.datafusion();
            let rows = context
                .read_table(table.provider)
                .unwrap()
                .drop_columns(&["seen_at", "incarnation", "context"])
                .unwrap()
                .collect()
                .await;
            let folder = self.folder.path().to_str().unwrap();
            let rows = texts(&rows.unwrap_or_else(|error| panic!("{location}: {error}")));
            Some(rows.into_iter().map(|row| row.replace(folder, "")).collect())
        })
    }

    /// Rows and different keys of a table; nothing is there: none.
    pub(crate) fn counts(&self, table: &Table) -> (i64, i64) {
        block_on(async {
            let session = self.session();
            let spec = spec(table.connector, &format!("lake://{}", table.path));
            let found = connector(table.connector).unwrap().table(&spec, &session.context).await.unwrap();
            let Some(found) = found else { return (0, 0) };
            let context = session.datafusion();
            context.register_table("t", found.provider).unwrap();
            let query = format!("SELECT count(*), count(DISTINCT {}) FROM t", table.key);
            let batches = context.sql(&query).await.unwrap().collect().await.unwrap();
            let value = |column: usize| {
                let column = batches[0].column(column).as_any();
                column.downcast_ref::<datafusion::arrow::array::Int64Array>().unwrap().value(0)
            };
            (value(0), value(1))
        })
    }

    pub(crate) fn session(&self) -> Session {
        let settings = Settings::load(None, &self.environment).unwrap();
        Session::new(settings, self.environment.clone(), Purpose::Look).unwrap()
    }
}

/// Whether it ended by SIGKILL.
pub(crate) fn was_killed(output: &Output) -> bool {
    output.status.signal() == Some(SIGKILL)
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Every file below a folder, from the folder; none if there is no folder.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for file in files_below(from) {
        std::fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        std::fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

/// Rows as sorted texts.
pub(crate) fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let column = |column| ArrayFormatter::try_new(column as &dyn Array, &options).unwrap();
        let columns: Vec<_> = batch.columns().iter().map(|array| column(array.as_ref())).collect();
        let cell = |row: usize| columns.iter().map(move |column| column.value(row).to_string());
        rows.extend((0..batch.num_rows()).map(|row| cell(row).collect::<Vec<_>>().join(" | ")));
    }
    rows.sort();
    rows
}

fn spec(connector: &str, location: &str) -> TableSpec {
    TableSpec::new("t", connector, location)
}
