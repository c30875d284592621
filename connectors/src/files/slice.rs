//! One slice of a table of files, being read.
//!
//! Rows of several small files share a batch. The offset covers what was handed out: it is noted when a batch is made, not
//! when a file ends.

use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::columns::Columns;
use super::config::FileTable;
use super::decode::Refused;
use super::file_values::Segment;
use super::ledger::{Ledger, Part, Progress};
use super::pass::Pass;
use super::projection::Projection;
use super::reading::{Reading, is_failure};
use super::source::{FileSource, Parked, Parking};
use crate::error::{Error, Result};
use crate::source::{BadRecord, SliceEnd, SliceLimits, SliceRead, SliceRequest};

/// Records of a batch.
const BATCH_RECORDS: usize = 2_048;
/// Decompressed bytes of a batch.
const BATCH_BYTES: u64 = 4 << 20;

pub(super) struct Slice {
    table: Arc<FileTable>,
    ledger: Ledger,
    parking: Parking,
    request: SliceRequest,
    projection: Projection,
    /// With what was handed out.
    progress: Progress,
    pass: Pass,
    runs: Vec<String>,
    /// The pass is at its end.
    ended: bool,
    /// Something is decoded that was not handed out: the pass is further than the offset.
    dirty: bool,
    batch: Batch,
    bad: Vec<BadRecord>,
    rows: u64,
    bad_rows: u64,
    records: u64,
    bytes: u64,
    fault: Option<Error>,
    interrupted: bool,
}

/// What was decoded and not handed out.
struct Batch {
    columns: Columns,
    numbers: Vec<i64>,
    segments: Vec<Segment>,
    refused: Vec<(String, Refused)>,
    /// Files that ended in it.
    files: Vec<super::pending::Pending>,
    records: usize,
    bytes: u64,
}

impl Slice {
    pub(super) fn new(
        source: &FileSource,
        progress: Progress,
        pass: Pass,
        runs: Vec<String>,
        request: &SliceRequest,
    ) -> Result<Self> {
        let projection = Projection::new(&source.table.layout, request);
        let columns = projection.columns()?;
        Ok(Self {
            table: Arc::clone(&source.table),
            ledger: source.ledger.clone(),
            parking: Arc::clone(&source.parked),
            request: request.clone(),
            projection,
            progress,
            pass,
            runs,
            ended: false,
            dirty: false,
            batch: Batch::new(columns),
            bad: Vec::new(),
            rows: 0,
            bad_rows: 0,
            records: 0,
            bytes: 0,
            fault: None,
            interrupted: false,
        })
    }

    fn is_full(&self) -> bool {
        let SliceLimits { rows, bytes } = self.request.limits;
        let some = self.rows + self.bad_rows;
        some > 0 && (some >= rows || self.bytes >= bytes)
    }

    /// Decodes a batch's worth. Says whether there may be more.
    async fn fill(&mut self) -> Result<bool> {
        while self.batch.records < BATCH_RECORDS && self.batch.bytes < BATCH_BYTES {
            if self.pass.reading.is_none() {
                let Some(next) = self.pass.next(&self.table).await? else { return Ok(false) };
                self.pass.reading = Some(Reading::open(&self.table, &self.projection, next).await?);
            }
            let Some(reading) = &mut self.pass.reading else { continue };
            let mut refused = Vec::new();
            let (rows, records, decoded) = (self.batch.columns.rows(), reading.records(), reading.decoded);
            let room = BATCH_RECORDS - self.batch.records;
            let left = BATCH_BYTES - self.batch.bytes;
            self.dirty = true;
            let ended =
                reading.decode(&mut self.batch.columns, &mut refused, &mut self.batch.numbers, room, left).await?;
            if let Some(first) = refused.first().filter(|_| is_failure(self.table.on_error)) {
                return Err(reading.failure(first));
            }
            self.batch.records += usize::try_from(reading.records() - records).unwrap_or(usize::MAX);
            self.batch.bytes += reading.decoded - decoded;
            let rows = self.batch.columns.rows() - rows;
            if rows > 0 {
                self.batch.segments.push(Segment { values: Arc::clone(&reading.values), rows });
            }
            let address = reading.address().to_owned();
            self.batch.refused.extend(refused.into_iter().map(|refused| (address.clone(), refused)));
            self.bytes += reading.received(ended);
            if ended && let Some(reading) = self.pass.reading.take() {
                self.batch.files.push(reading.pending);
            }
        }
        Ok(true)
    }

    /// Hands out what was decoded: from here on the offset covers it.
    fn hand_out(&mut self) -> Result<Option<RecordBatch>> {
        let fresh = Batch::new(self.projection.columns()?);
        let mut batch = std::mem::replace(&mut self.batch, fresh);
        for file in &batch.files {
            self.progress.add(file.entry(), file.old.as_ref());
        }
        self.progress.part = self.pass.reading.as_ref().filter(|reading| reading.records() > 0).map(|reading| Part {
            file: reading.pending.entry(),
            records: reading.records(),
        });
        self.dirty = false;
        self.records += batch.records as u64;
        self.bad_rows += batch.refused.len() as u64;
        self.bad.extend(batch.refused.drain(..).map(|(file, refused)| bad_record(file, refused)));
        if batch.columns.rows() == 0 {
            return Ok(None);
        }
        self.rows += batch.columns.rows() as u64;
        let rows = batch.columns.take()?;
        self.projection.batch(&rows, &batch.segments, &batch.numbers).map(Some)
    }
}

fn bad_record(file: String, refused: Refused) -> BadRecord {
    BadRecord {
        raw: refused.raw,
        file,
        row: Some(refused.row),
        line: Some(refused.line),
        offset: Some(refused.offset),
        column: refused.column,
        reason: refused.reason,
        kept: refused.kept,
    }
}

impl Batch {
    fn new(columns: Columns) -> Self {
        Self {
            columns,
            numbers: Vec::new(),
            segments: Vec::new(),
            refused: Vec::new(),
            files: Vec::new(),
            records: 0,
            bytes: 0,
        }
    }
}

#[async_trait]
impl SliceRead for Slice {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.ended || self.interrupted || self.is_full() {
                return Ok(None);
            }
            match self.fill().await {
                Ok(more) => self.ended = !more,
                // What was decoded before a fault of the network is good.
                Err(error) if error.retry() && (self.rows + self.bad_rows > 0 || self.batch.records > 0) => {
                    self.interrupted = true;
                    self.fault = Some(error);
                }
                Err(error) => return Err(error),
            }
            if let Some(batch) = self.hand_out()? {
                return Ok(Some(batch));
            }
        }
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }

    fn take_bad(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.bad)
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    async fn end(mut self: Box<Self>) -> Result<SliceEnd> {
        let more = !self.ended;
        if self.ended && self.pass.reading.is_none() {
            // A file that was read in part and is gone since has no rest to come.
            self.progress.part = None;
        }
        let offset = self.ledger.compact(self.progress).await?.store()?;
        if more && !self.dirty && !self.interrupted {
            let parked = Parked { offset: offset.clone(), columns: self.request.columns, pass: self.pass, runs: self.runs };
            *self.parking.lock().unwrap_or_else(PoisonError::into_inner) = Some(parked);
        }
        Ok(SliceEnd { offset, more })
    }
}
