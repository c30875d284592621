//! One file being read.

use tokio::io::AsyncBufReadExt;

use super::columns::Columns;
use super::config::FileTable;
use super::decode::{Decoder, OnError, Output, Progress, Refused};
use super::file_values::{FileValues, file_values};
use super::json::records::JsonDecoder;
use super::object::Format;
use super::open::{Reader, read_error};
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
    decoder: Box<dyn Decoder>,
    reader: Reader,
    /// Bytes given to the decoder.
    pub(super) decoded: u64,
    /// Bytes of the file that were counted as received.
    counted: u64,
}

impl Reading {
    /// Opens `next` and passes the records that were read before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) async fn open(table: &FileTable, projection: &Projection, next: Next) -> Result<Self> {
        let Next { pending, body, skip } = next;
        let address = table.place.address(&pending.object.path);
        let values = file_values(&table.layout, &table.place, &pending.object)?;
        let reader = body.open(&address).await?;
        let decoder: Box<dyn Decoder> = match table.format {
            Format::Json => Box::new(JsonDecoder::new(projection.names(table), table.lenient, table.on_error)),
            Format::Csv | Format::Parquet => return Err(Error::internal("this format is not read as text")),
        };
        let mut reading = Self { pending, values, address, decoder, reader, decoded: 0, counted: 0 };
        reading.skip(projection, skip).await?;
        reading.received(false);
        Ok(reading)
    }

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

    /// Bytes of the file that came since this was asked last. How many compressed ones became the decoded ones is not known
    /// before the end.
    pub(super) fn received(&mut self, ended: bool) -> u64 {
        let size = self.pending.object.size;
        let counted = if ended { size } else { self.decoded.min(size) };
        let more = counted.saturating_sub(self.counted);
        self.counted = counted;
        more
    }

    /// Records read so far.
    pub(super) fn records(&self) -> u64 {
        self.decoder.records()
    }

    /// What a refused record is to whoever asked for the run to fail.
    pub(super) fn failure(&self, refused: &Refused) -> Error {
        let column = refused.column.as_ref().map_or_else(String::new, |column| format!(", column '{column}'"));
        Error::data(format!(
            "{} row {} (line {}, byte {}){column}: {}; to put such records aside and go on, add OPTIONS ('on_error' 'quarantine')",
            self.address,
            refused.row,
            refused.line,
            refused.offset + 1,
            refused.reason
        ))
    }

    /// The file's address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// Whether a refused record ends the run.
pub(super) fn is_failure(on_error: OnError) -> bool {
    on_error == OnError::Fail
}
