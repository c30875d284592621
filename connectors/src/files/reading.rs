//! One file being read.

use std::sync::Arc;

use tokio::io::AsyncBufReadExt;

use super::columns::Columns;
use super::config::{FileTable, Findings, Text};
use super::csv::decode::CsvDecoder;
use super::decode::{Decoder, Output, Progress, Refused, how_to_put_aside};
use super::file_values::{FileValues, file_values};
use super::json::records::JsonDecoder;
use super::learn::Seen;
use super::open::{Fetched, Reader, read_error};
use super::origin::Origin;
use super::parquet::{ParquetFile, Range};
use super::pass::Next;
use super::pending::Pending;
use super::projection::Projection;
use crate::error::{Error, Result};

/// Records that are decoded and dropped at once on the way to where a slice goes on.
const SKIPPED_AT_ONCE: usize = 1_024;

/// A file, opened.
pub(super) struct Reading {
    pub(super) pending: Pending,
    pub(super) values: FileValues,
    address: String,
    pub(super) content: Content,
    /// Bytes of the file that were counted as received.
    counted: u64,
}

/// How it is read.
pub(super) enum Content {
    /// Bytes that are decoded record by record.
    Text(TextFile),
    /// Batches.
    Parquet(ParquetFile),
}

/// A text file, opened.
pub(super) struct TextFile {
    decoder: Box<dyn Decoder>,
    reader: Reader,
    address: String,
    /// Bytes given to the decoder.
    pub(super) decoded: u64,
}

impl Reading {
    /// Opens `next` and passes the records that were read before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) async fn open(table: &FileTable, projection: &Projection, next: Next, batch: usize) -> Result<Self> {
        let Next { pending, file, skip } = next;
        let address = table.place.address(&pending.object.path);
        let values = file_values(&table.layout, &table.place, &pending.object)?;
        let content = match file? {
            Fetched::Text(body) => {
                let names = projection.names(table);
                let decoder: Box<dyn Decoder> = match &table.text {
                    Text::Json { lenient } => {
                        let decoder = JsonDecoder::new(names, *lenient, table.faults.on_misfit());
                        Box::new(decoder.finding_members(table.inferred.is_some() || table.findings == Findings::Dropped))
                    }
                    Text::Csv(options) => {
                        Box::new(CsvDecoder::new(Arc::clone(options), names, table.faults.on_misfit(), &address))
                    }
                };
                let reader = body.open(&address).await?;
                let mut file = TextFile { decoder, reader, address: address.clone(), decoded: 0 };
                file.skip(projection, skip).await?;
                Content::Text(file)
            }
            Fetched::Parquet(footer) => {
                let names: Vec<String> = projection.names(table).map(|(name, _)| name).collect();
                let schema = projection.in_files();
                let rows = Range { skip, batch };
                Content::Parquet(ParquetFile::begin(*footer, address.clone(), schema, &names, table.faults.on_misfit(), rows)?)
            }
        };
        let mut reading = Self { pending, values, address, content, counted: 0 };
        reading.received(false);
        Ok(reading)
    }

    /// Bytes of the file that came since this was asked last. How many compressed ones became the decoded ones is not known
    /// before the end.
    pub(super) fn received(&mut self, ended: bool) -> u64 {
        let size = self.pending.object.size;
        let counted = match &self.content {
            Content::Text(file) if !ended => file.decoded.min(size),
            Content::Parquet(_) if !ended => 0,
            _ => size,
        };
        let more = counted.saturating_sub(self.counted);
        self.counted = counted;
        more
    }

    /// Records read so far.
    pub(super) fn records(&self) -> u64 {
        match &self.content {
            Content::Text(file) => file.decoder.records(),
            Content::Parquet(file) => file.records,
        }
    }

    /// Columns of the file that the table has not, as far as it was read.
    pub(super) fn unknown(&self) -> Vec<String> {
        match &self.content {
            Content::Text(file) => file.decoder.unknown(),
            Content::Parquet(file) => file.unknown.clone(),
        }
    }

    /// The file as far as it was read.
    pub(super) fn seen(&self) -> Seen {
        let decoded = match &self.content {
            Content::Text(file) => file.decoded,
            Content::Parquet(_) => 0,
        };
        Seen { object: self.pending.object.clone(), decoded }
    }

    /// Where a refused record is, and what is wrong with it.
    pub(super) fn describe(&self, refused: &Refused) -> String {
        let column = refused.column.as_ref().map_or_else(String::new, |column| format!(", column '{column}'"));
        let place = match &self.content {
            Content::Text(_) => format!(" (line {}, byte {})", refused.line, refused.offset + 1),
            Content::Parquet(_) => String::new(),
        };
        format!("{} row {}{place}{column}: {}", self.address, refused.row, refused.reason)
    }

    /// What a refused record is to whoever asked for the run to fail.
    pub(super) fn failure(&self, table: &FileTable, refused: &Refused) -> Error {
        // The option that a table has, or the one that says it of all bad records.
        let option = if table.faults.on_error == table.faults.of(refused) { "on_error" } else { "type_conflict" };
        Error::data(format!("{}; {}", self.describe(refused), how_to_put_aside("records", option)))
    }

    /// What is kept of the file with its bad records.
    pub(super) fn origin(&self) -> Origin {
        let (form, columns) = match &self.content {
            Content::Text(file) => (file.decoder.form(), None),
            Content::Parquet(file) => (None, Some(file.columns.clone())),
        };
        Origin { form, columns, ..Origin::new(self.address.clone(), &self.pending.object) }
    }
}

impl TextFile {
    async fn skip(&mut self, projection: &Projection, records: u64) -> Result<()> {
        let (mut refused, mut numbers) = (Vec::new(), Vec::new());
        while self.decoder.records() < records {
            let mut columns = projection.columns()?;
            let left = usize::try_from(records - self.decoder.records()).unwrap_or(usize::MAX);
            let room = left.min(SKIPPED_AT_ONCE);
            let ended = self.decode(&mut columns, &mut refused, &mut numbers, room, u64::MAX).await?;
            refused.clear();
            numbers.clear();
            if ended {
                break;
            }
        }
        Ok(())
    }

    /// Decodes until there are `room` more records, or `bytes` were decoded, or the file ends. Says whether it ended.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub(super) async fn decode(
        &mut self,
        columns: &mut Columns,
        refused: &mut Vec<Refused>,
        numbers: &mut Vec<i64>,
        room: usize,
        bytes: u64,
    ) -> Result<bool> {
        let mut output = Output { columns, refused, numbers, room };
        let start = self.decoded;
        loop {
            match self.decoder.decode(&mut output)? {
                Progress::Done => return Ok(true),
                Progress::Full => return Ok(false),
                Progress::Hungry if self.decoded - start >= bytes => return Ok(false),
                Progress::Hungry => {
                    let chunk = self.reader.fill_buf().await.map_err(|error| read_error(&error, &self.address))?;
                    let length = chunk.len();
                    if length == 0 {
                        self.decoder.finish();
                    } else {
                        self.decoder.push(chunk);
                    }
                    self.reader.consume(length);
                    self.decoded += length as u64;
                }
            }
        }
    }
}
