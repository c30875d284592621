//! What is read: the [`Source`] trait, its [`Offset`] and the slices it hands out.
//!
//! A source is asked for what lies after an offset and answers with a bounded, single-pass read. It keeps no progress of
//! its own: the engine stores the offset that [`SliceRead::end`] names, and only after every sink has committed the rows.

use std::fmt::Debug;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::logical_expr::Expr;
use serde::{Deserialize, Serialize};

use crate::context::TableComments;
use crate::error::{Error, Result};
use crate::replay::{Replay, ReplayRequest};

/// How far a source has been read. Opaque to all but the connector that made it; stored as it is, compared for equality
/// (flows at equal offsets share one slice), so a connector writes the same progress in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub String);

/// How much one slice may hold. A slice ends at the first batch that reaches a limit; it never splits a batch.
#[derive(Debug, Clone, Copy)]
pub struct SliceLimits {
    /// Rows.
    pub rows: u64,
    /// Bytes as received from the outside.
    pub bytes: u64,
}

/// What the engine wants of one slice.
#[derive(Debug, Clone)]
pub struct SliceRequest {
    /// Where to stop.
    pub limits: SliceLimits,
    /// The columns of [`Source::schema`] that any flow uses, ascending; the batches hold just these. `None`: all.
    pub columns: Option<Vec<usize>>,
    /// What is true of every row that anybody uses. A source may pass over rows of which one of these is not true; the offset covers them
    /// as if they had been returned. Whoever asks filters once more.
    pub filters: Vec<Expr>,
    /// Of [`Source::read_whole`]: so many rows are enough. A source may stop after them.
    pub enough: Option<u64>,
}

impl SliceRequest {
    /// All rows up to `limits`.
    pub fn new(limits: SliceLimits, columns: Option<Vec<usize>>) -> Self {
        Self { limits, columns, filters: Vec::new(), enough: None }
    }
}

/// A table that is read incrementally.
///
/// Contract (checked by [`crate::testing::source_contract`]):
/// - reading on from the offset of each slice's end, until a slice says that there is no more, returns every record at
///   least once, and a record that did not change exactly once;
/// - an offset is good after a crash: what is read from it does not depend on what this process did before;
/// - an empty slice at the end of the source leaves the offset as it was, or names the beginning when there was none.
#[async_trait]
pub trait Source: Send + Sync + Debug {
    /// The columns, all of them.
    fn schema(&self) -> SchemaRef;

    /// Opens the slice after `offset`; `None` is the beginning.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Auth`], [`Error::NotFound`] when the source cannot be read at all.
    async fn read(&self, offset: Option<&Offset>, request: &SliceRequest) -> Result<Box<dyn SliceRead>>;

    /// What is read, in one line, without secrets. An offset is good only for a source of the same identity: when the
    /// table is pointed elsewhere, it is read from the beginning.
    fn identity(&self) -> String;

    /// The share of the records of a slice that may be bad ([`SliceRead::take_bad`]) before its epoch fails; between 0 and 1.
    /// 0 where a bad record is an error of [`SliceRead::next_batch`].
    fn max_bad_ratio(&self) -> f64 {
        0.0
    }

    /// What its owner says of the table and of its columns.
    fn comments(&self) -> TableComments {
        TableComments::default()
    }

    /// How long `--follow` waits before it asks again, after there was nothing more.
    fn poll_interval(&self) -> Duration;

    /// How it learns of what is new without asking again and again, in words, for `engine plan`; `None`: it does not.
    fn describe_news(&self) -> Option<String> {
        None
    }

    /// Begins to listen to what tells it of something new. Called before the first slice of a run that follows, so that nothing is
    /// missed between that and [`Self::changed`]; more calls do nothing.
    ///
    /// # Errors
    /// When it cannot listen although its user wants it to.
    async fn listen(&self) -> Result<()> {
        Ok(())
    }

    /// Returns when there may be something new to read; a source that nobody tells anything never does. Dropped before it returns,
    /// it loses nothing. A source may be told late, or not at all: it is asked again after [`Self::poll_interval`] all the same.
    ///
    /// # Errors
    /// When it will not be told any more, for a reason that does not pass.
    async fn changed(&self) -> Result<()> {
        std::future::pending().await
    }

    /// What was read up to `live`, the offsets at which all flows stand that read it, is in all of their sinks: whoever told of it may
    /// forget it. Called after an epoch was committed everywhere, and when there is nothing more to read. It may be called again
    /// with the same offsets, and after a crash it may have been missed once.
    ///
    /// # Errors
    /// When those who told must be told and cannot be, for a reason that does not pass. Nothing that was committed is in question.
    async fn committed(&self, _live: &[&Offset]) -> Result<()> {
        Ok(())
    }

    /// That there is nothing at all to read where the table is, in words for a warning: its location may be misspelt. `None` when
    /// something is there, when something was read by `offset`, and of a source that cannot tell.
    ///
    /// # Errors
    /// When the source cannot be reached.
    async fn absence(&self, _offset: Option<&Offset>) -> Result<Option<String>> {
        Ok(None)
    }

    /// An offset in words, for `engine plan`: `"312 posts, newest 2026-11-20 23:10:02 UTC"`.
    fn describe(&self, offset: &Offset) -> String;

    /// What two offsets have in common from which the same rows follow, however each came about: flows whose offsets have equal
    /// marks share a slice.
    fn mark(&self, offset: &Offset) -> String {
        offset.0.clone()
    }

    /// Whether the source can also be read as a whole at any time, as files can and a listing of Reddit cannot. A query that
    /// needs all rows reads it so.
    fn is_bounded(&self) -> bool {
        false
    }

    /// Whether its user wants it read as a whole always.
    fn is_whole(&self) -> bool {
        false
    }

    /// Whether it is read as a whole where it is joined with a source that is not one of these: a table of codes in one file.
    fn is_lookup(&self) -> bool {
        false
    }

    /// Whether a read passes over rows of which `filter` is not true ([`SliceRequest::filters`]): some read, some of the rows.
    fn uses_filter(&self, _filter: &Expr) -> bool {
        false
    }

    /// What comes of a request of so many columns with these filters, in words for `engine plan`; `None` where all is read anyway.
    fn describe_request(&self, _columns: usize, _filters: &[Expr]) -> Option<String> {
        None
    }

    /// Opens all of the source, without an offset.
    ///
    /// # Errors
    /// As [`Self::read`].
    async fn read_whole(&self, request: &SliceRequest) -> Result<Box<dyn SliceRead>> {
        self.read(None, request).await
    }

    /// Of a source that can be read as a whole: changes whenever its rows do.
    ///
    /// # Errors
    /// When the source cannot be reached.
    async fn version(&self) -> Result<String> {
        Err(Error::internal("this source is not read as a whole"))
    }

    /// Opens a replay of records that were put aside ([`SliceRead::take_bad`]), as the table is declared now.
    ///
    /// # Errors
    /// [`Error::Config`] of a source that puts none aside, or for a column that cannot be read.
    fn replay(&self, _request: &ReplayRequest) -> Result<Box<dyn Replay>> {
        Err(Error::config("this source puts no bad records aside: there is nothing to replay"))
    }

    /// Forgets what it keeps for offsets other than `live`, which are all that are stored for it, also by flows that
    /// are no more. Called after [`Self::committed`] when there is nothing more to read.
    ///
    /// # Errors
    /// When it cannot be removed.
    async fn retain(&self, _live: &[&Offset]) -> Result<()> {
        Ok(())
    }
}

/// One slice being read.
#[async_trait]
pub trait SliceRead: Send {
    /// The next rows, `None` at the end of the slice. Batches are small (at most some thousand rows), and empty only where records
    /// were found bad and no row was: they are to be taken ([`SliceRead::take_bad`]) after each batch, so that neither pile up.
    ///
    /// A fault after some rows were returned does not lose them: the slice ends early with `None`, and
    /// [`SliceRead::take_fault`] says what it was.
    ///
    /// # Errors
    /// Any [`Error`], before the first row.
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>>;

    /// The records found since the last call that are no rows: handed over once, and covered by the offset like the rows of
    /// the batches returned so far. The engine commits them with the epoch's rows.
    fn take_bad(&mut self) -> Vec<BadRecord> {
        Vec::new()
    }

    /// The fault that ended the slice early. What was returned before it is good.
    fn take_fault(&mut self) -> Option<Error>;

    /// Records received so far: those that are rows, those that are bad, and those that had been read before.
    fn records(&self) -> u64 {
        0
    }

    /// Bytes received so far, as they came over the wire.
    fn bytes(&self) -> u64;

    /// Closes the slice. The offset covers the batches returned so far and no others, also when the slice was not read
    /// to its end. Called only for a slice whose rows are to be committed: a source may write down what the offset refers to.
    ///
    /// # Errors
    /// When that cannot be written; the slice has failed then.
    async fn end(self: Box<Self>) -> Result<SliceEnd>;
}

/// A record that cannot be made into a row, or only into one with a NULL in a place where it has something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BadRecord {
    /// Its bytes, as received.
    pub raw: Vec<u8>,
    /// The file or page that it is in: `"s3://bucket/a.json"`, `"r/rust/new page 3"`.
    pub file: String,
    /// Which of its records it is, from 1.
    pub row: Option<u64>,
    /// The line on which it begins, from 1.
    pub line: Option<u64>,
    /// The byte at which it begins in the decompressed file, from 0.
    pub offset: Option<u64>,
    /// The column at fault, if it is one column's.
    pub column: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// It is among the rows all the same, with NULL in that column.
    pub kept: bool,
    /// What a replay needs to know of it beside its bytes, in the connector's own words.
    pub context: Option<String>,
}

impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(row) = self.row {
            write!(f, " row {row}")?;
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column '{column}'")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// How a slice ended.
#[derive(Debug)]
pub struct SliceEnd {
    /// Where the next slice begins.
    pub offset: Offset,
    /// More is there right now: the slice ended at a limit, or was interrupted.
    pub more: bool,
    /// When the newest of what was read was written, where the source knows it.
    pub landed_at: Option<DateTime<Utc>>,
}
