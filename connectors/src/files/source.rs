//! A table of files as a [`Source`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::logical_expr::Expr;

use super::absence::absence;
use super::config::FileTable;
use super::ledger::{Ledger, Progress};
use super::news::News;
use super::object::Format;
use super::pass::Pass;
use super::prune::Pruning;
use super::replay::FileReplay;
use super::slice::Slice;
use crate::error::Result;
use crate::replay::{Replay, ReplayRequest};
use crate::source::{Offset, SliceRead, SliceRequest, Source};

/// Files, read incrementally.
#[derive(Debug)]
pub(super) struct FileSource {
    pub(super) table: Arc<FileTable>,
    pub(super) ledger: Ledger,
    /// What the last slice left open, for the slice that goes on from there.
    pub(super) parked: Parking,
    /// What tells of new files.
    pub(super) news: Arc<News>,
}

/// A pass that is not at its end, and the offset it stands at. Going on with it reads the same as a new pass from that offset
/// would, without listing again, and without reading the beginning of a file again.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) offset: Offset,
    pub(super) columns: Option<Vec<usize>>,
    pub(super) pass: Pass,
    /// Runs that the pass still reads.
    pub(super) runs: Vec<String>,
}

pub(super) type Parking = Arc<Mutex<Option<Parked>>>;

impl FileSource {
    fn take_parked(&self, offset: Option<&Offset>, request: &SliceRequest) -> Option<Parked> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.take_if(|parked| Some(&parked.offset) == offset && parked.columns == request.columns)
    }
}

#[async_trait]
impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.layout.schema)
    }

    async fn read(&self, offset: Option<&Offset>, request: &SliceRequest) -> Result<Box<dyn SliceRead>> {
        let progress = Progress::load(offset)?;
        let (pass, runs) = match self.take_parked(offset, request) {
            Some(parked) => (parked.pass, parked.runs),
            None => {
                let runs = progress.runs.iter().map(|(name, _)| name.clone()).collect();
                (Pass::begin(&self.table, &self.ledger, &self.news, &progress).await?, runs)
            }
        };
        Ok(Box::new(Slice::new(self, progress, pass, runs, request)?))
    }

    /// Of a read of all files, folders are passed over.
    fn uses_filter(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty()
            && !filter.is_volatile()
            && columns.iter().all(|column| self.table.layout.partitions.contains(&column.name))
    }

    async fn read_whole(&self, request: &SliceRequest) -> Result<Box<dyn SliceRead>> {
        let Some(pruning) = Pruning::new(&self.table, &request.filters) else { return self.read(None, request).await };
        let pass = Pass::whole(&self.table, &self.ledger, &self.news, pruning).await?;
        Ok(Box::new(Slice::new(self, Progress::default(), pass, Vec::new(), request)?))
    }

    fn identity(&self) -> String {
        let format = match self.table.format {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        };
        format!("{format} {}", self.table.series.as_ref().unwrap_or(&self.table.place).shown)
    }

    fn max_bad_ratio(&self) -> f64 {
        self.table.faults.max_bad_ratio
    }

    fn poll_interval(&self) -> Duration {
        self.table.poll
    }

    fn describe_news(&self) -> Option<String> {
        Some(self.news.describe(self.table.poll))
    }

    async fn listen(&self) -> Result<()> {
        self.news.listen().await
    }

    async fn changed(&self) -> Result<()> {
        self.news.changed().await
    }

    async fn committed(&self, live: &[&Offset]) -> Result<()> {
        let News::Queue(queue) = self.news.as_ref() else { return Ok(()) };
        match queue.settle(&self.ledger, progress(live)?).await {
            Err(error) if error.retry() => {
                tracing::warn!(table = self.table.name, queue = queue.name(), %error, "messages are deleted later");
                Ok(())
            }
            settled => settled.map(drop),
        }
    }

    async fn absence(&self, offset: Option<&Offset>) -> Result<Option<String>> {
        let progress = Progress::load(offset)?;
        if progress.files > 0 || progress.part.is_some() {
            return Ok(None);
        }
        absence(&self.table.place).await
    }

    fn describe(&self, offset: &Offset) -> String {
        let Ok(progress) = Progress::load(Some(offset)) else { return "not an offset of a table of files".to_owned() };
        let files = if progress.files == 1 { "file" } else { "files" };
        let part =
            progress.part.map_or_else(String::new, |part| format!(", and {} records of '{}'", part.records, part.file.path));
        format!("{} {files}, {} bytes{part}", progress.files, progress.bytes)
    }

    fn mark(&self, offset: &Offset) -> String {
        Progress::load(Some(offset)).map_or_else(|_| offset.0.clone(), |progress| progress.mark())
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn is_whole(&self) -> bool {
        self.table.whole
    }

    fn is_lookup(&self) -> bool {
        self.table.lookup
    }

    async fn version(&self) -> Result<String> {
        Pass::version(&self.table, &self.ledger).await
    }

    fn replay(&self, request: &ReplayRequest) -> Result<Box<dyn Replay>> {
        Ok(Box::new(FileReplay::new(Arc::clone(&self.table), request)?))
    }

    async fn retain(&self, live: &[&Offset]) -> Result<()> {
        let live = progress(live)?;
        if let News::Queue(queue) = self.news.as_ref() {
            queue.sweep(&self.ledger).await;
        }
        let runs = live.into_iter().flat_map(|progress| progress.runs);
        let mut names: BTreeSet<String> = runs.map(|(name, _)| name).collect();
        if let Some(parked) = self.parked.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            names.extend(parked.runs.iter().cloned());
        }
        self.ledger.retain(&names).await
    }
}

fn progress(offsets: &[&Offset]) -> Result<Vec<Progress>> {
    offsets.iter().map(|offset| Progress::load(Some(offset))).collect()
}
