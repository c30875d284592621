//! Bad records made rows after a fix: the [`Replay`] of a source decodes what was put aside, as its table is declared now.
//!
//! It reads no source: all that it needs was kept with the record ([`BadRecord::raw`], [`BadRecord::context`]), so that a record can
//! be replayed when its file is long gone. Which records are replayed, into which sinks, and that each gets there once, is the
//! engine's to see to.

use arrow::array::RecordBatch;
use async_trait::async_trait;

use crate::error::Result;
use crate::source::BadRecord;

/// What the engine wants of a replay.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The columns of [`crate::source::Source::schema`] that any flow uses, ascending; the batches hold just these. `None`: all.
    pub columns: Option<Vec<usize>>,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a replay is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its rows are committed.
    Commit,
    /// Only to see what would become of the records: nothing may be written down.
    Look,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It was decoded.
    Decoded {
        /// Rows that it gave; they are in the next [`Replay::batch`]. A record that was more than one in the eyes of its new table
        /// gives several; one that is none to it, as a comment, gives none.
        rows: u64,
        /// What of it is still bad, and why now. Of a record that gave no row this is all of it; with NULL in place of a value that
        /// does not fit ([`BadRecord::kept`]), a record is among the rows too.
        bad: Vec<BadRecord>,
    },
    /// What was kept of it is not enough to decode it: why, and what to do instead.
    Impossible(String),
}

/// Bad records of one source being made rows.
#[async_trait]
pub trait Replay: Send {
    /// Decodes `record`. A record that was [`BadRecord::kept`] is among the rows of its sink already: it gives a row only if nothing
    /// of it is bad any more.
    ///
    /// # Errors
    /// [`crate::Error::SchemaChanged`] when the record has columns that the table is only now known to have; the replay has to be begun
    /// anew. No error when the record is still bad.
    async fn record(&mut self, record: &BadRecord) -> Result<Replayed>;

    /// The rows of the records since it was called last; none if there are none.
    ///
    /// # Errors
    /// [`crate::Error::Internal`].
    fn batch(&mut self) -> Result<Option<RecordBatch>>;
}
