//! Bad records of files decoded once more: each for itself, by the decoder of its format, as the table is declared now.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use async_trait::async_trait;

use super::columns::Columns;
use super::config::{FileTable, Text};
use super::csv::decode::CsvDecoder;
use super::decode::{Decoder, OnError, Output, Position, Progress, Refused};
use super::file_values::{FileValues, Segment, file_values};
use super::infer::observe_json;
use super::json::records::JsonDecoder;
use super::learn::learn;
use super::object::Format;
use super::origin::{Context, UNKNOWN};
use super::parquet::{Fitting, position};
use super::pending::OnChange;
use super::projection::Projection;
use super::row_image;
use crate::error::{Error, Result};
use crate::replay::{Purpose, Replay, ReplayRequest, Replayed};
use crate::source::{BadRecord, SliceLimits, SliceRequest};

/// What a record cannot be replayed for, whose bytes were not all kept.
const READ_AGAIN: &str = "repair its file, and read it again: as a new file, or with OPTIONS ('on_change' 'reprocess')";

/// A replay of bad records of a table of files.
pub(super) struct FileReplay {
    table: Arc<FileTable>,
    projection: Projection,
    purpose: Purpose,
    /// Rows of text that were not handed out.
    columns: Columns,
    /// Rows that were rows in their files.
    rows: Vec<RecordBatch>,
    segments: Vec<Segment>,
    numbers: Vec<i64>,
    /// The file that was looked at last, and its version now; none when it is gone.
    seen: Option<(String, Option<u64>)>,
}

impl FileReplay {
    pub(super) fn new(table: Arc<FileTable>, request: &ReplayRequest) -> Result<Self> {
        let limits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };
        let projection = Projection::new(&table.layout, &SliceRequest::new(limits, request.columns.clone()));
        let columns = projection.columns_of(table.format)?;
        let (rows, segments, numbers) = Default::default();
        Ok(Self { table, projection, purpose: request.purpose, columns, rows, segments, numbers, seen: None })
    }

    /// Why `record` cannot be replayed at all, if it cannot.
    fn impossible(&self, record: &BadRecord, context: Option<&Context>) -> Option<String> {
        let Some(context) = context else {
            return Some(
                "an earlier version of engine put it aside, without what a replay needs to know of its file; to read all files again, \
                 run with --from-scratch"
                    .to_owned(),
            );
        };
        if context.cut {
            return Some(format!("it is longer than a record may be, and only its first bytes were kept: {READ_AGAIN}"));
        }
        if context.before_header {
            return Some(format!(
                "it stands before the header of its file, so that nobody knows the columns of its cells: {READ_AGAIN}"
            ));
        }
        let is_row = self.table.format == Format::Parquet;
        if record.raw.is_empty() && context.row.is_none() {
            return Some(format!("there are no bytes of it, as its file is cut off or cannot be read: {READ_AGAIN}"));
        }
        let was_row = context.row.is_some();
        let was_csv = context.csv.is_some();
        (is_row != was_row || was_csv != (self.table.format == Format::Csv)).then(|| {
            "its file was read as one of another format than the table is STORED AS now; set it back, or run with --from-scratch to read \
             all files again"
                .to_owned()
        })
    }

    /// Whether the file of `record` is read anew because it has changed: its rows of now would be replaced by one of then.
    async fn is_superseded(&mut self, record: &BadRecord, context: &Context) -> Result<bool> {
        let Ok(file) = context.object(record) else { return Ok(false) };
        if self.table.on_change != OnChange::Reprocess || context.version == UNKNOWN {
            return Ok(false);
        }
        let version = match self.seen.take().filter(|(file, _)| *file == record.file) {
            Some((_, version)) => version,
            None => self.table.place.object(file.path.as_ref()).await?.map(|object| object.version),
        };
        self.seen = Some((record.file.clone(), version));
        Ok(version.is_some_and(|version| version != context.version))
    }

    /// A value that still does not fit becomes NULL where it would in a run; in a row that is there already, it is NULL already.
    fn on_error(&self, record: &BadRecord) -> OnError {
        match self.table.faults.on_misfit() {
            OnError::Null if !record.kept => OnError::Null,
            _ => OnError::Quarantine,
        }
    }

    fn decoder(&self, record: &BadRecord, context: &Context) -> Result<Box<dyn Decoder>> {
        let names = self.projection.names(&self.table);
        let position =
            Position { row: record.row.unwrap_or(1), line: record.line.unwrap_or(1), offset: record.offset.unwrap_or_default() };
        let on_error = self.on_error(record);
        Ok(match (&self.table.text, &context.csv) {
            (Text::Csv(options), Some(form)) => {
                Box::new(CsvDecoder::of_record(Arc::clone(options), names, on_error, &record.file, form, position)?)
            }
            (Text::Json { lenient }, _) => {
                let decoder = JsonDecoder::of_record(names, *lenient, on_error, position);
                Box::new(decoder.finding_members(self.table.inferred.is_some()))
            }
            (Text::Csv(_), None) => return Err(Error::internal("a record of CSV without the form of its file")),
        })
    }

    /// Decodes bytes; the rows are among the columns then.
    async fn text(&mut self, record: &BadRecord, context: &Context) -> Result<(usize, Vec<Refused>)> {
        let mut decoder = self.decoder(record, context)?;
        if self.table.inferred.is_some() && self.table.format == Format::Csv {
            self.only_known(&decoder.unknown())?;
        }
        let before = self.columns.rows();
        let mut refused = Vec::new();
        decoder.push(&record.raw);
        decoder.finish();
        let mut output =
            Output { columns: &mut self.columns, refused: &mut refused, numbers: &mut self.numbers, room: usize::MAX };
        while decoder.decode(&mut output)? != Progress::Done {}
        let rows = self.columns.rows() - before;
        if rows > 0 && self.table.format == Format::Json {
            self.learn(record, &decoder.unknown()).await?;
        }
        // Rows that were one record have its number: that of another record would be a lie, and a key of its row perhaps.
        let number = record.row.and_then(|row| i64::try_from(row).ok()).unwrap_or_default();
        let first = self.numbers.len() - rows;
        self.numbers[first..].fill(number);
        Ok((rows, refused))
    }

    /// Members of JSON that a table has no column for are columns from now on, if it declares none: as when they are read.
    async fn learn(&self, record: &BadRecord, unknown: &[String]) -> Result<()> {
        let unknown = self.table.layout.not_from_folders(unknown.to_vec());
        let (Some(known), false) = (&self.table.inferred, unknown.is_empty()) else { return Ok(()) };
        let Text::Json { lenient } = self.table.text else { return Ok(()) };
        if self.purpose == Purpose::Look {
            return Ok(());
        }
        let observed = observe_json(&record.raw, lenient, &record.file)?;
        Err(match learn(&self.table, known, &record.file, &observed, &unknown).await? {
            // The table's fault and not the record's: whoever declares its columns repairs all such records.
            Error::Data { message } => Error::config(message),
            changed => changed,
        })
    }

    fn only_known(&self, unknown: &[String]) -> Result<()> {
        let unknown = self.table.layout.not_from_folders(unknown.to_vec());
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Error::data(format!(
            "its file has columns that the table has not: {}; declare the table's columns",
            unknown.join(", ")
        )))
    }

    /// Fits a row of other columns; it is among the rows then.
    fn row(&mut self, record: &BadRecord, context: &Context) -> Result<(usize, Vec<Refused>)> {
        let image = row_image::read(context.row.as_deref().unwrap_or_default())?;
        let found = image.schema();
        let wanted = self.projection.in_files();
        let in_file = context.columns.as_deref().unwrap_or_default();
        for field in wanted.fields() {
            let is_in_file = in_file.iter().any(|name| name.to_lowercase() == field.name().to_lowercase());
            if is_in_file && position(&found, field.name()).is_none() {
                return Err(Error::data(format!(
                    "column '{}' of its file is used now and was not when the row was put aside, so it was not kept; to read all files \
                     again, run with --from-scratch",
                    field.name()
                )));
            }
        }
        let fitted = Fitting::new(wanted, &found, self.on_error(record)).rows(&image, record.row.unwrap_or(1))?;
        let rows = fitted.batch.num_rows();
        if rows > 0 {
            self.rows.push(fitted.batch);
            self.numbers.extend(fitted.numbers);
        }
        Ok((rows, fitted.refused))
    }

    async fn decode(&mut self, record: &BadRecord, context: &Context) -> Result<(usize, Vec<Refused>, FileValues)> {
        let values = file_values(&self.table.layout, &self.table.place, &context.object(record)?)?;
        let (rows, refused) = match self.table.format {
            Format::Parquet => self.row(record, context)?,
            Format::Json | Format::Csv => self.text(record, context).await?,
        };
        Ok((rows, refused, values))
    }
}

#[async_trait]
impl Replay for FileReplay {
    async fn record(&mut self, record: &BadRecord) -> Result<Replayed> {
        let needs_nothing = self.table.format == Format::Json && !self.table.layout.file_columns;
        let context = Context::of(record).or_else(|| needs_nothing.then(Context::unknown));
        if let Some(why) = self.impossible(record, context.as_ref()) {
            return Ok(Replayed::Impossible(why));
        }
        let Some(context) = context else { return Err(Error::internal("a record without its context")) };
        if self.is_superseded(record, &context).await? {
            return Ok(Replayed::Impossible(
                "its file has changed since, and OPTIONS ('on_change' 'reprocess') reads it again as it is now; with 'ignore', what it was \
                 is replayed"
                    .to_owned(),
            ));
        }
        match self.decode(record, &context).await {
            Ok((rows, refused, values)) => {
                if rows > 0 {
                    self.segments.push(Segment { values, rows });
                }
                let origin = context.origin(record);
                let bad = refused.into_iter().map(|refused| origin.bad_record(refused)).collect::<Result<_>>()?;
                Ok(Replayed::Decoded { rows: rows as u64, bad })
            }
            Err(Error::Data { message }) => {
                let bad = BadRecord { column: None, reason: message, ..record.clone() };
                Ok(Replayed::Decoded { rows: 0, bad: vec![bad] })
            }
            Err(error) => Err(error),
        }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let segments = std::mem::take(&mut self.segments);
        let numbers = std::mem::take(&mut self.numbers);
        if segments.is_empty() {
            return Ok(None);
        }
        let rows = match self.table.format {
            Format::Parquet => concat_batches(&self.projection.in_files(), &std::mem::take(&mut self.rows))?,
            Format::Json | Format::Csv => self.columns.take()?,
        };
        self.projection.batch(&rows, &segments, &numbers).map(Some)
    }
}
