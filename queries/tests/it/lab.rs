//! A lake in a temporary folder, and pipelines run into it inside this process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use engine::config::Settings;
use engine::run::{Observer, Outcome, RunOptions, run};
use engine::session::{Purpose, Session};
use engine::sql::Pipeline;
use engine::state::{self, Acquired, Holder, RunEnding, StateStore};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A lake and its state.
#[derive(Debug)]
pub(crate) struct Lab {
    folder: TempDir,
    posts: u64,
}

/// The rows of every table that a pipeline writes, sorted, by table.
pub(crate) type Contents = BTreeMap<String, Vec<String>>;

impl Lab {
    /// With so many replayed posts in each subreddit.
    pub(crate) fn new(posts: u64) -> Self {
        Self { folder: TempDir::new().unwrap(), posts }
    }

    pub(crate) fn session(&self, epoch_rows: u64) -> Session {
        let place = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let environment = BTreeMap::from([
            ("ENGINE_LAKE_URL".to_owned(), place("lake")),
            ("ENGINE_STATE_URL".to_owned(), place("state")),
            ("ENGINE_RUN_EPOCH_ROWS".to_owned(), epoch_rows.to_string()),
            ("ENGINE_REDDIT_REPLAY_POSTS".to_owned(), self.posts.to_string()),
            ("TOLL_FILES".to_owned(), format!("{}/", self.files("toll"))),
            ("TAXI_FILES".to_owned(), self.files("taxi")),
        ]);
        let settings = Settings::load(None, &environment).unwrap();
        Session::new(settings, environment, Purpose::Run).unwrap()
    }

    /// The files that a pipeline reads: a copy of the samples, made when it is asked for first.
    pub(crate) fn files(&self, subject: &str) -> String {
        let folder = self.folder.path().join("files").join(subject);
        if !folder.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(subject).read_dir().unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
        folder.to_str().unwrap().to_owned()
    }

    async fn store(&self) -> Arc<dyn StateStore> {
        state::open(&self.session(1)).await.unwrap()
    }

    /// Runs to the end.
    pub(crate) async fn run(&self, file: &Path, epoch_rows: u64, stop: &CancellationToken) -> Outcome {
        let session = self.session(epoch_rows);
        let pipeline = load(file, &session).await;
        let observer = Observer::new(&pipeline.name, false).unwrap();
        Box::pin(run(pipeline, &session, self.store().await, RunOptions::default(), &observer, stop)).await.unwrap()
    }

    /// Runs to the end, good or bad.
    pub(crate) async fn try_run(&self, file: &Path, epoch_rows: u64) -> anyhow::Result<Outcome> {
        let session = self.session(epoch_rows);
        let pipeline = load(file, &session).await;
        let observer = Observer::new(&pipeline.name, false).unwrap();
        let stop = CancellationToken::new();
        Box::pin(run(pipeline, &session, self.store().await, RunOptions::default(), &observer, &stop)).await
    }

    /// Runs, and drops the run after `delay` unless it has ended. Says whether it has.
    pub(crate) async fn run_dropped_after(&self, file: &Path, epoch_rows: u64, delay: Duration) -> bool {
        let stop = CancellationToken::new();
        let ended = tokio::time::timeout(delay, Box::pin(self.run(file, epoch_rows, &stop))).await.is_ok();
        if !ended {
            self.release(&load(file, &self.session(epoch_rows)).await.name).await;
        }
        ended
    }

    /// Takes the lease from a run that was dropped and gives it back: its process, this one, lives on, so that it counts as held.
    async fn release(&self, pipeline: &str) {
        let store = self.store().await;
        let later = Utc::now() + Duration::from_secs(3_600);
        match store.acquire(pipeline, &Holder::current(), &state::Purpose::default(), later, Duration::ZERO).await.unwrap() {
            Acquired::Granted(lease) => store.release(&lease, &RunEnding::default(), later).await.unwrap(),
            Acquired::Held { holder, .. } => panic!("held by {holder}"),
        }
    }

    /// What is in every table that the pipeline writes.
    pub(crate) async fn contents(&self, file: &Path) -> Contents {
        let session = self.session(1);
        let pipeline = load(file, &session).await;
        let mut contents = Contents::new();
        for flow in &pipeline.flows {
            let table = session.resolve(&flow.table).unwrap();
            let connector = connectors::registry::connector(&table.connector).unwrap();
            let found = connector.table(&table, &session.context).await.unwrap().unwrap();
            let rows = session.datafusion().read_table(found.provider).unwrap().collect().await.unwrap();
            let folder = self.folder.path().to_str().unwrap();
            contents.insert(table.name.clone(), texts(&rows).into_iter().map(|row| row.replace(folder, "")).collect());
        }
        contents
    }

    /// The only row of a query's result over the tables that the pipeline declares.
    pub(crate) async fn query(&self, file: &Path, query: &str) -> Vec<String> {
        let session = self.session(1);
        let pipeline = load(file, &session).await;
        let context = session.datafusion();
        for flow in &pipeline.flows {
            let table = session.resolve(&flow.table).unwrap();
            let connector = connectors::registry::connector(&table.connector).unwrap();
            let found = connector.table(&table, &session.context).await.unwrap().unwrap();
            context.register_table(table.name.as_str(), found.provider).unwrap();
        }
        texts(&context.sql(query).await.unwrap().collect().await.unwrap())
    }
}

async fn load(file: &Path, session: &Session) -> Pipeline {
    match Pipeline::load(file, session).await.unwrap() {
        Ok(pipeline) => pipeline,
        Err(errors) => panic!("{}: {errors:?}", file.display()),
    }
}

/// Rows as sorted texts, cells between bars.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let column = |column| ArrayFormatter::try_new(column as &dyn Array, &options).unwrap();
        let columns: Vec<_> = batch.columns().iter().map(|array| column(array.as_ref())).collect();
        let cell = |row: usize| columns.iter().map(move |column| column.value(row).to_string());
        rows.extend((0..batch.num_rows()).map(|row| cell(row).collect::<Vec<_>>().join("|")));
    }
    rows.sort();
    rows
}
