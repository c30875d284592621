//! One slice of a table of files, being read.
//!
//! Rows of several small files share a batch. The offset covers what was handed out: it is noted when a batch is made, not
//! when a file ends.

use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::columns::Columns;
use super::config::{FileTable, Findings};
use super::decode::{OnError, Refused, how_to_put_aside};
use super::file_values::Segment;
use super::learn;
use super::ledger::{Ledger, Part, Progress};
use super::news::News;
use super::origin::Origin;
use super::pass::Pass;
use super::projection::Projection;
use super::reading::{Content, Reading};
use super::source::{FileSource, Parked, Parking};
use crate::error::{Error, Result};
use crate::source::{BadRecord, SliceEnd, SliceLimits, SliceRead, SliceRequest};

/// Records of a batch, at most, and files that end in it.
const BATCH_RECORDS: usize = 2_048;
/// Decompressed bytes of a batch.
const BATCH_BYTES: u64 = 4 << 20;

pub(super) struct Slice {
    table: Arc<FileTable>,
    ledger: Ledger,
    parking: Parking,
    news: Arc<News>,
    request: SliceRequest,
    projection: Projection,
    /// Records of a batch: no more than a slice may have.
    most_records: usize,
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
    /// Files without a record.
    empty_files: u64,
    bytes: u64,
    /// When the newest of the files that were read was written.
    landed_at: Option<DateTime<Utc>>,
    fault: Option<Error>,
    interrupted: bool,
    /// Columns of a file were left out, and that was said.
    leaves_out: bool,
}

/// What was decoded and not handed out.
struct Batch {
    columns: Columns,
    /// Of a file that comes in batches; then `columns` is empty.
    rows: Option<RecordBatch>,
    numbers: Vec<i64>,
    segments: Vec<Segment>,
    refused: Vec<(Arc<Origin>, Refused)>,
    /// Files that cannot be read, or not on.
    unreadable: Vec<BadRecord>,
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
        let columns = projection.columns_of(source.table.format)?;
        Ok(Self {
            table: Arc::clone(&source.table),
            ledger: source.ledger.clone(),
            parking: Arc::clone(&source.parked),
            news: Arc::clone(&source.news),
            request: request.clone(),
            most_records: usize::try_from(request.limits.rows).unwrap_or(usize::MAX).clamp(1, BATCH_RECORDS),
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
            empty_files: 0,
            bytes: 0,
            landed_at: None,
            fault: None,
            interrupted: false,
            leaves_out: false,
        })
    }

    fn is_full(&self) -> bool {
        let SliceLimits { rows, bytes } = self.request.limits;
        let some = self.rows + self.bad_rows + self.empty_files;
        some > 0 && (some >= rows || self.bytes >= bytes)
    }

    /// Decodes a batch's worth. Says whether there may be more.
    async fn fill(&mut self) -> Result<bool> {
        while self.batch.has_room(self.most_records) {
            if self.pass.reading.is_none() {
                let Some(next) = self.pass.next(&self.table).await? else { return Ok(false) };
                let pending = next.pending.clone();
                match Reading::open(&self.table, &self.projection, next, self.most_records).await {
                    Ok(reading) => self.pass.reading = Some(reading),
                    Err(error) => {
                        let reason = reason_aside(&self.table, error)?;
                        let origin = Origin::new(self.table.place.address(&pending.object.path), &pending.object);
                        self.dirty = true;
                        self.batch.unreadable.push(origin.bad_file(0, reason)?);
                        self.batch.files.push(pending);
                        continue;
                    }
                }
            }
            let Some(reading) = &mut self.pass.reading else { continue };
            if matches!(reading.content, Content::Parquet(_)) && self.batch.records > 0 {
                return Ok(true);
            }
            self.dirty = true;
            let before = self.batch.refused.len();
            let ended = self.batch.fill(reading, self.most_records).await;
            let refused = || self.batch.refused[before..].iter().map(|(_, refused)| refused);
            if let Some(why) = learn::conflict(&self.table, reading, refused(), ended.as_ref().err())
                && let Some(changed) = learn::widened(&self.table, &reading.seen(), &why).await?
            {
                return Err(changed);
            }
            if let Some(first) = refused().find(|refused| self.table.faults.of(refused) == OnError::Fail) {
                return Err(reading.failure(&self.table, first));
            }
            let unknown = self.table.layout.not_from_folders(reading.unknown());
            if let Some(known) = self.table.inferred.as_ref().filter(|_| !unknown.is_empty()) {
                return Err(learn::new_columns(&self.table, known, &reading.seen(), &unknown).await?);
            }
            if self.table.findings == Findings::Dropped && !unknown.is_empty() && !std::mem::replace(&mut self.leaves_out, true) {
                let (table, file, columns) =
                    (&self.table.name, self.table.place.address(&reading.seen().object.path), unknown.join(", "));
                tracing::warn!(table, file, columns, "columns that none of the files that were looked at has are left out");
            }
            let ended = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    let reason = reason_aside(&self.table, error)?;
                    self.batch.unreadable.push(reading.origin().bad_file(reading.records(), reason)?);
                    true
                }
            };
            self.bytes += reading.received(ended);
            if ended && let Some(reading) = self.pass.reading.take() {
                self.empty_files += u64::from(reading.records() == 0);
                self.batch.files.push(reading.pending);
            }
        }
        Ok(true)
    }

    /// Hands out what was decoded: from here on the offset covers it.
    fn hand_out(&mut self) -> Result<Option<RecordBatch>> {
        let fresh = Batch::new(self.projection.columns_of(self.table.format)?);
        let mut batch = std::mem::replace(&mut self.batch, fresh);
        for file in &batch.files {
            self.progress.add(file.entry(), file.old.as_ref());
            self.landed_at = self.landed_at.max(Some(file.object.modified));
        }
        if let Some(reading) = &self.pass.reading {
            self.landed_at = self.landed_at.max(Some(reading.pending.object.modified));
        }
        self.progress.part = self.pass.reading.as_ref().filter(|reading| reading.records() > 0).map(|reading| Part {
            old: reading.pending.old.clone(),
            file: reading.pending.entry(),
            records: reading.records(),
        });
        self.dirty = false;
        self.records += (batch.records + batch.unreadable.len()) as u64;
        self.bad_rows += (batch.refused.len() + batch.unreadable.len()) as u64;
        self.bad.append(&mut batch.unreadable);
        for (origin, refused) in batch.refused.drain(..) {
            self.bad.push(origin.bad_record(refused)?);
        }
        let rows = match batch.rows {
            Some(rows) => rows,
            None => batch.columns.take()?,
        };
        if rows.num_rows() == 0 {
            // The bad ones are taken after each batch: a batch of nothing keeps them from piling up.
            return Ok((!self.bad.is_empty()).then(|| self.projection.nothing()));
        }
        self.rows += rows.num_rows() as u64;
        self.projection.batch(&rows, &batch.segments, &batch.numbers).map(Some)
    }
}

impl Batch {
    fn new(columns: Columns) -> Self {
        Self {
            columns,
            rows: None,
            numbers: Vec::new(),
            segments: Vec::new(),
            refused: Vec::new(),
            unreadable: Vec::new(),
            files: Vec::new(),
            records: 0,
            bytes: 0,
        }
    }
}

impl Batch {
    fn has_room(&self, most_records: usize) -> bool {
        self.records < most_records && self.bytes < BATCH_BYTES && self.rows.is_none() && self.files.len() < BATCH_RECORDS
    }

    /// Takes what is next of a file. Says whether it is at its end. What was decoded before a fault is in it.
    async fn fill(&mut self, reading: &mut Reading, most_records: usize) -> Result<bool> {
        let before = reading.records();
        let mut refused = Vec::new();
        let (rows, ended) = match &mut reading.content {
            Content::Text(file) => {
                let (rows, decoded) = (self.columns.rows(), file.decoded);
                let (room, left) = (most_records - self.records, BATCH_BYTES - self.bytes);
                let ended = file.decode(&mut self.columns, &mut refused, &mut self.numbers, room, left).await;
                self.bytes += file.decoded - decoded;
                (self.columns.rows() - rows, ended)
            }
            Content::Parquet(file) => match file.next().await? {
                Some(next) => {
                    refused = next.refused;
                    self.numbers = next.numbers;
                    let rows = next.batch.num_rows();
                    self.rows = Some(next.batch);
                    (rows, Ok(false))
                }
                None => (0, Ok(true)),
            },
        };
        if rows > 0 {
            self.segments.push(Segment { values: Arc::clone(&reading.values), rows });
        }
        self.records += usize::try_from(reading.records() - before).unwrap_or(usize::MAX);
        if !refused.is_empty() {
            let origin = Arc::new(reading.origin());
            self.refused.extend(refused.into_iter().map(|refused| (Arc::clone(&origin), refused)));
        }
        ended
    }
}

/// Why a file cannot be read, of a table that puts such files aside as it does bad records.
///
/// # Errors
/// The fault, of a table that does not, and what is no fault of the file's.
fn reason_aside(table: &FileTable, error: Error) -> Result<String> {
    match error {
        Error::Data { message } if table.faults.on_error == OnError::Fail => {
            Err(Error::data(format!("{message}; {}", how_to_put_aside("files", "on_error"))))
        }
        Error::Data { message } => Ok(message),
        other => Err(other),
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
                // What was decoded of it lacks a column: it is read again when the table has one for it.
                Err(error @ Error::SchemaChanged { .. }) => {
                    if self.rows + self.bad_rows == 0 {
                        return Err(error);
                    }
                    self.interrupted = true;
                    self.fault = Some(error);
                    return Ok(None);
                }
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
        let progress = self.ledger.compact(self.progress).await?;
        if let News::Queue(queue) = self.news.as_ref()
            && let Some(listed) = self.pass.listed(self.ended)
        {
            queue.note(&progress, listed);
        }
        let offset = progress.store()?;
        if let Some(known) = &self.table.inferred
            && known.memory.load().await?.is_none()
        {
            known.memory.store(&known.observed).await?;
        }
        if more && !self.dirty && !self.interrupted {
            let parked = Parked { offset: offset.clone(), columns: self.request.columns, pass: self.pass, runs: self.runs };
            *self.parking.lock().unwrap_or_else(PoisonError::into_inner) = Some(parked);
        }
        Ok(SliceEnd { offset, more, landed_at: self.landed_at })
    }
}
