//! Rows on their way into the staged files: those that a sink cannot hold end the epoch here, or leave here and are put aside.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::RecordBatch;
use connectors::sink::{Gate, Passed};
use connectors::source::BadRecord;
use connectors::staging::FileForm;
use tempfile::TempDir;

use super::Scope;
use super::quarantine::{BadRows, BadTable};
use super::stage::Share;
use crate::flow::Flow;
use crate::flow::source_table::too_many_bad;

/// Parts the rows of one flow.
#[derive(Debug)]
pub(super) struct Guard {
    gate: Arc<dyn Gate>,
    flow: String,
    table: String,
    /// The statement, as a person finds it.
    statement: String,
    bad: BadRows,
    rows: u64,
    /// How many were refused.
    refused: u64,
    /// The first of them, for a message.
    first: Option<String>,
    folder: TempDir,
}

/// Rows of a flow that its sink refused, or holds in part.
#[derive(Debug)]
pub(super) struct Refused {
    /// The flow.
    pub(super) flow: String,
    /// The table of its sink.
    pub(super) table: String,
    /// The rows, as bad records.
    pub(super) rows: BadTable,
    _folder: TempDir,
}

impl Guard {
    /// How the rows are to be staged, if it matters to the sink.
    pub(super) fn form(&self) -> Option<FileForm> {
        self.gate.form()
    }

    /// # Errors
    /// When the local disk does not play along.
    pub(super) fn new(scope: Scope<'_>, flow: &Flow, gate: Arc<dyn Gate>) -> Result<Self> {
        let parent = scope.session.temporary_folder(&scope.pipeline.name);
        let what = || format!("cannot write in {}", parent.display());
        std::fs::create_dir_all(&parent).with_context(what)?;
        let folder = TempDir::with_prefix_in("refused-", &parent).with_context(what)?;
        let context = &scope.session.context;
        let place = context.locate(&folder.path().to_string_lossy())?;
        Ok(Self {
            gate,
            flow: flow.id.clone(),
            table: flow.table.name.clone(),
            statement: format!("{}:{}", scope.pipeline.path.display(), scope.pipeline.line(&flow.span)),
            bad: BadRows::new(context, &flow.table.name, place),
            rows: 0,
            refused: 0,
            first: None,
            folder,
        })
    }

    /// The rows that the sink takes.
    ///
    /// # Errors
    /// For the first that it refuses, where that fails the run; when they cannot be looked at, or the local disk does not play along.
    pub(super) async fn pass(&mut self, rows: RecordBatch) -> connectors::Result<RecordBatch> {
        let count = rows.num_rows() as u64;
        let Passed { rows, mut refused, mut cut } = self.gate.pass(rows)?;
        for record in refused.iter_mut().chain(&mut cut) {
            record.row = record.row.map(|row| self.rows + row);
            record.file.clone_from(&self.statement);
        }
        if let (None, Some(first)) = (self.gate.max_bad_ratio(), refused.first()) {
            return Err(refusal(first));
        }
        self.rows += count;
        self.refused += refused.len() as u64;
        if let Some(first) = refused.first() {
            self.first.get_or_insert_with(|| first.to_string());
        }
        refused.append(&mut cut);
        self.bad.write(refused).await?;
        Ok(rows)
    }

    /// What was refused.
    ///
    /// # Errors
    /// When it is more than `allowed`.
    pub(super) async fn finish(self, allowed: Share) -> Result<Option<Refused>> {
        let ratio = match allowed {
            Share::OfAnInput => self.gate.max_bad_ratio().unwrap_or_default(),
            Share::Any => 1.0,
        };
        if let Some(error) = too_many_bad(self.refused, self.rows, ratio, self.first.as_deref()) {
            return Err(error.into());
        }
        let rows = self.bad.table().await?;
        Ok(rows.map(|rows| Refused { flow: self.flow, table: self.table, rows, _folder: self.folder }))
    }
}

/// Letters of a row that an error shows.
const SHOWN: usize = 200;

fn refusal(record: &BadRecord) -> connectors::Error {
    let (row, column) = (record.row.unwrap_or_default(), record.column.as_deref().unwrap_or_default());
    let raw = String::from_utf8_lossy(&record.raw);
    let shown: String = raw.chars().take(SHOWN).collect();
    let more = if shown.len() < raw.len() { "..." } else { "" };
    connectors::Error::data(format!(
        "row {row} of the epoch, column '{column}': {}; nothing was written. The row is {shown}{more}. To put such rows aside and go on, add \
         OPTIONS ('on_error' 'quarantine')",
        record.reason
    ))
}
