//! What is in a text file: all of a small one, of a large one head, middle and tail.

use std::sync::Arc;

use bytes::Bytes;
use catalog::infer::{FileObservation, ObservedSchema, Place as Seen, Position, Refusals};
use tokio::io::AsyncBufReadExt;

use super::look::{fetch, is_binary};
use crate::error::{Error, Result};
use crate::files::columns::Columns;
use crate::files::csv::Hints;
use crate::files::csv::decode::{CsvDecoder, CsvOptions};
use crate::files::csv::encoding::Choice;
use crate::files::decode::{Decoder, Output, Progress};
use crate::files::json::records::JsonDecoder;
use crate::files::listing::Place;
use crate::files::object::{Format, Object};
use crate::files::open::{Body, read_error};

/// A small file that is compressed may be this many times as large when it is not.
const EXPANSION: u64 = 16;

/// A file, and how much of it is looked at.
pub(super) struct Sample<'a> {
    pub(super) place: &'a Place,
    pub(super) object: &'a Object,
    /// Bytes.
    pub(super) budget: u64,
    /// All of it, or its beginning.
    pub(super) head: Bytes,
    /// `head` is all of it.
    pub(super) is_whole: bool,
    pub(super) is_packed: bool,
}

/// Looks at a file.
///
/// # Errors
/// [`Error::Data`] when it cannot be read; when the store does not answer.
pub(super) async fn observe(sample: &Sample<'_>, format: Format) -> Result<ObservedSchema> {
    let strict = read(sample, format, false).await?;
    let refused = strict.refused.as_ref().map_or(0, |refused| refused.records);
    if format != Format::Json || refused <= strict.rows {
        return Ok(strict);
    }
    // As programs print it that were not asked for JSON.
    let lenient = read(sample, format, true).await?;
    Ok(if lenient.rows > strict.rows { ObservedSchema { lenient: true, ..lenient } } else { strict })
}

async fn read(sample: &Sample<'_>, format: Format, lenient: bool) -> Result<ObservedSchema> {
    let address = sample.place.address(&sample.object.path);
    let observation = FileObservation::new(address.as_str());
    let decoder: Box<dyn Decoder> = match format {
        Format::Csv => Box::new(CsvDecoder::observing(Arc::new(options()), observation, &address, Vec::new())),
        Format::Json | Format::Parquet => Box::new(JsonDecoder::observing(observation, lenient)),
    };
    let columns = Columns::new(Arc::new(arrow::datatypes::Schema::empty()))?;
    let mut reading = Reading { decoder, address, columns, jumped: false, refused: None };
    let mut is_all = reading.head(sample, format).await?;
    if !sample.is_whole && !sample.is_packed {
        let part = sample.head.len() as u64;
        let size = sample.object.size;
        for (offset, is_last) in [((size - part) / 2, false), (size - part, true)] {
            is_all &= reading.jump(sample, offset.max(part), part, is_last).await?;
        }
    }
    Ok(reading.finish(is_all && sample.is_whole))
}

fn options() -> CsvOptions {
    CsvOptions { hints: Hints::default(), encoding: Choice::Auto, renames: Default::default(), nulls: Vec::new(), ragged: false }
}

struct Reading {
    decoder: Box<dyn Decoder>,
    address: String,
    columns: Columns,
    /// Rows are not counted from the beginning any more.
    jumped: bool,
    refused: Option<Refusals>,
}

impl Reading {
    /// Decodes what was fetched of the file's beginning. Says whether that was all of it.
    async fn head(&mut self, sample: &Sample<'_>, format: Format) -> Result<bool> {
        let mut reader = Body::of(sample.head.clone()).open(&self.address).await?;
        let most = if sample.is_packed { sample.budget.saturating_mul(EXPANSION) } else { u64::MAX };
        let mut decoded = 0_u64;
        loop {
            if self.decode()? == Progress::Done {
                return Ok(true);
            }
            let chunk = match reader.fill_buf().await {
                Ok(chunk) => chunk,
                // The beginning of a compressed file ends where it was cut.
                Err(_) if !sample.is_whole && decoded > 0 => return self.cut(),
                Err(error) => return Err(read_error(&error, &self.address)),
            };
            if decoded == 0 && format == Format::Csv && is_binary(chunk) {
                return Err(Error::data(format!("'{}' holds bytes that are no text", self.address)));
            }
            let length = chunk.len();
            if length == 0 && !sample.is_whole {
                return self.cut();
            }
            if length == 0 {
                self.decoder.finish();
            } else {
                self.decoder.push(chunk);
            }
            reader.consume(length);
            decoded += length as u64;
            if decoded >= most {
                return self.cut();
            }
        }
    }

    /// No more comes of this part: what it ends with is no whole record.
    fn cut(&mut self) -> Result<bool> {
        self.decode()?;
        Ok(false)
    }

    /// Goes on with a part of the file further on. Says whether it could.
    async fn jump(&mut self, sample: &Sample<'_>, offset: u64, length: u64, is_last: bool) -> Result<bool> {
        let bytes = fetch(sample.place, sample.object, offset, length).await?;
        let Some(line) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(false) };
        let (start, rest) = (offset + line as u64 + 1, bytes.slice(line + 1..));
        if rest.is_empty() || !self.decoder.jump(start) {
            return Ok(false);
        }
        self.jumped = true;
        self.decoder.push(&rest);
        if is_last {
            self.decoder.finish();
        }
        self.decode()?;
        Ok(true)
    }

    fn decode(&mut self) -> Result<Progress> {
        let (mut refused, mut numbers) = (Vec::new(), Vec::new());
        let columns = &mut self.columns;
        let mut output = Output { columns, refused: &mut refused, numbers: &mut numbers, room: usize::MAX };
        let progress = self.decoder.decode(&mut output)?;
        for record in refused {
            match &mut self.refused {
                Some(refused) => refused.records += 1,
                None => {
                    let at = if self.jumped { Position::Byte(record.offset) } else { Position::Row(record.row) };
                    let first = Seen { file: self.address.as_str().into(), at };
                    self.refused = Some(Refusals { records: 1, first, why: record.reason });
                }
            }
        }
        Ok(progress)
    }

    fn finish(self, is_whole: bool) -> ObservedSchema {
        let observed = self.decoder.observed();
        ObservedSchema { refused: self.refused, sampled: u64::from(!is_whole), ..observed }
    }
}
