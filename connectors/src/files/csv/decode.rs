//! From the bytes of one CSV file to rows.

use std::collections::HashSet;
use std::sync::Arc;

use catalog::infer::{FileObservation, ObservedSchema, ResolveOptions};

use super::encoding::{Choice, Transcoder, detect};
use super::header::{Header, Matching, Renames, folded};
use super::records::Splitter;
use super::sniff::{Hints, first_rows, sniff};
use super::{BadRecord, Dialect, Field, Form, Record};
use crate::error::{Error, Result};
use crate::files::columns::Columns;
use crate::files::decode::{Decoder, OnError, Output, Position, Progress, Refused};
use crate::files::misfit::Misfit;

/// Bytes of a file's beginning that its encoding and dialect are told from.
const SAMPLE: usize = 256 << 10;

/// What is said first of a cell whose bytes are no text.
pub(crate) const NOT_TEXT: &str = "is not text in the file's encoding";

/// What is known of a table's files before they are looked at.
#[derive(Debug, Clone)]
pub struct CsvOptions {
    /// Parts of the dialect that are given.
    pub hints: Hints,
    /// How characters are written.
    pub encoding: Choice,
    /// Names in files that stand for other names.
    pub renames: Renames,
    /// Cells that are NULL, beside empty ones without quotes.
    pub nulls: Vec<String>,
    /// Records of another width than the header's are rows: what is missing is NULL, what is too much is dropped.
    pub ragged: bool,
}

/// Decodes the records of one file.
#[derive(Debug)]
pub struct CsvDecoder {
    options: Arc<CsvOptions>,
    /// Names of the table's columns.
    names: Vec<String>,
    /// By column of the table: where it is read to.
    slots: Vec<Option<usize>>,
    on_error: OnError,
    /// The file's address, for messages.
    address: String,
    sample: Vec<u8>,
    reading: Option<Reading>,
    records: u64,
    finished: bool,
    scratch: Vec<u8>,
    /// What the records hold, when that is all that is asked.
    observation: Option<FileObservation>,
    unknown: Vec<String>,
}

/// A file whose dialect is known.
#[derive(Debug)]
struct Reading {
    transcoder: Option<Transcoder>,
    splitter: Splitter,
    decoded: Vec<u8>,
    /// The first record is a header and was not read yet.
    awaits_header: bool,
    /// Where in a record each column that is read is, and where it goes.
    cells: Vec<(usize, usize)>,
    /// How the file is written. Its `width` is 0 as long as that is not known.
    form: Form,
    dialect: Dialect,
    /// A record has spanned lines.
    spans_lines: bool,
    /// It has jumped: how many records are before is not known.
    jumped: bool,
}

impl CsvDecoder {
    /// Decodes records; `names` are the columns of the table and where each is read to, if it is.
    pub fn new(
        options: Arc<CsvOptions>,
        names: impl IntoIterator<Item = (String, Option<usize>)>,
        on_error: OnError,
        address: &str,
    ) -> Self {
        let (names, slots) = names.into_iter().unzip();
        Self {
            options,
            names,
            slots,
            on_error,
            address: address.to_owned(),
            sample: Vec::new(),
            reading: None,
            records: 0,
            finished: false,
            scratch: Vec::new(),
            observation: None,
            unknown: Vec::new(),
        }
    }

    /// Only looks at what the records hold. `names` are those columns of the table that are known, for which a header is looked.
    pub fn observing(options: Arc<CsvOptions>, observation: FileObservation, address: &str, names: Vec<String>) -> Self {
        let decoder = Self::new(options, std::iter::empty(), OnError::Quarantine, address);
        Self { observation: Some(observation), names, ..decoder }
    }

    /// Decodes the bytes of one record, which was bad, of a file that was written as `form` says; it began at `position`.
    ///
    /// # Errors
    /// [`Error::Data`] when the options say now what cannot be done with what was kept, or with them the file has none of the columns.
    pub fn of_record(
        options: Arc<CsvOptions>,
        names: impl IntoIterator<Item = (String, Option<usize>)>,
        on_error: OnError,
        address: &str,
        form: &Form,
        position: Position,
    ) -> Result<Self> {
        let dialect = form.dialect(&options.hints)?;
        let encoding = form.encoding(options.encoding)?;
        let mut decoder = Self::new(options, names, on_error, address);
        let mut reading = Reading {
            transcoder: encoding.map(Transcoder::new),
            splitter: Splitter::new(&dialect).starting_at(position.offset, position.line),
            decoded: Vec::new(),
            awaits_header: false,
            cells: Vec::new(),
            form: form.split_by(&dialect),
            dialect,
            spans_lines: false,
            jumped: false,
        };
        if let Some(text) = form.header.as_ref().filter(|_| reading.dialect.header) {
            let mut text = text.as_bytes().to_vec();
            if let Some(encoding) = encoding {
                let mut decoded = Vec::new();
                let mut transcoder = Transcoder::new(encoding);
                transcoder.push(&text, &mut decoded);
                transcoder.finish(&mut decoded);
                text = decoded;
            }
            let mut splitter = Splitter::new(&reading.dialect);
            splitter.push(&text);
            splitter.finish();
            let Some(Ok(record)) = splitter.next_record() else {
                return Err(Error::data(format!("the first record of '{address}' is no header as the options say now")));
            };
            let header = read_header(&record, address)?;
            let matching = match_header(&header, &decoder.names, &decoder.options.renames, address)?;
            reading.form.width = header.names().len();
            reading.cells = cells(&matching, &decoder.slots);
            decoder.unknown = extra(&header, matching);
        } else if reading.form.width > 0 {
            let matching = Matching::by_position(decoder.names.len(), reading.form.width);
            reading.cells = cells(&matching, &decoder.slots);
        }
        decoder.records = position.row.saturating_sub(1);
        decoder.reading = Some(reading);
        Ok(decoder)
    }

    /// How the file's records are split; not known before its beginning was read.
    pub fn dialect(&self) -> Option<Dialect> {
        self.reading.as_ref().map(|reading| reading.dialect)
    }

    /// Whether the columns that are read are where the table has them, as far as the file has them.
    pub fn is_in_order(&self) -> bool {
        self.reading.iter().flat_map(|reading| &reading.cells).all(|(place, slot)| place == slot)
    }

    /// Decides from the sample how the file is read.
    fn begin(&mut self) -> Reading {
        let sample = std::mem::take(&mut self.sample);
        // How much came with the last of its bytes must not matter: whoever reads the file again has to decide the same.
        let looked_at = &sample[..SAMPLE.min(sample.len())];
        let is_whole = self.finished && looked_at.len() == sample.len();
        let detected = detect(looked_at, is_whole, self.options.encoding);
        if let Some(note) = &detected.note {
            tracing::info!(file = self.address, note, "encoding");
        }
        let text = detected.decode(looked_at);
        let hints = Hints { columns: self.names.clone(), ..self.options.hints.clone() };
        let mut sniffed = sniff(&text, is_whole, &hints);
        let told = Header::told(&self.names);
        if hints.delimiter.is_none()
            && let Some((delimiter, found)) = delimiter_of_header(&text, &told)
            && found > self.names_found(&told, &text[sniffed.skip..], &sniffed.dialect)
        {
            sniffed = sniff(&text, is_whole, &Hints { delimiter: Some(delimiter), ..hints });
        }
        tracing::debug!(file = self.address, dialect = %sniffed.dialect, why = sniffed.why, "dialect");
        let transcoder = detected.transcoder();
        // Where bytes are decoded, places are told of the text, which the mark is no part of.
        let before = sniffed.skip + if transcoder.is_none() { detected.mark } else { 0 };
        let mut reading = Reading {
            splitter: Splitter::new(&sniffed.dialect).starting_at(before as u64, 1 + u64::from(sniffed.skip > 0)),
            transcoder,
            decoded: Vec::new(),
            awaits_header: sniffed.dialect.header,
            cells: Vec::new(),
            form: Form::new(&sniffed.dialect, &detected),
            dialect: sniffed.dialect,
            spans_lines: false,
            jumped: false,
        };
        reading.push(&sample[detected.mark..], sniffed.skip);
        if self.finished {
            reading.finish();
        }
        reading
    }

    /// How many of `names` are in the first record.
    fn names_found(&self, names: &[String], text: &[u8], dialect: &Dialect) -> usize {
        let first = first_rows(text, dialect, 1);
        let header = Header::new(first.iter().flatten().map(String::as_str));
        header.matched(names, &self.options.renames).columns.iter().flatten().count()
    }
}

impl Reading {
    /// Takes bytes of the file, but for the first `skip` of what they decode to.
    fn push(&mut self, bytes: &[u8], skip: usize) {
        match &mut self.transcoder {
            None => self.splitter.push(&bytes[skip..]),
            Some(transcoder) => {
                self.decoded.clear();
                transcoder.push(bytes, &mut self.decoded);
                self.splitter.push(&self.decoded[skip..]);
            }
        }
    }

    fn finish(&mut self) {
        if let Some(transcoder) = &mut self.transcoder {
            self.decoded.clear();
            transcoder.finish(&mut self.decoded);
            self.splitter.push(&self.decoded);
        }
        self.splitter.finish();
    }
}

/// The delimiter that splits the first line into two names of the table's columns at least, and how many these are: with it, records may
/// be as ragged as they like. None when two do it equally well: the records decide then, as they did when the columns were found.
fn delimiter_of_header(text: &[u8], names: &[String]) -> Option<(u8, usize)> {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = String::from_utf8_lossy(line);
    let names: Vec<String> = names.iter().map(|name| folded(name)).collect();
    let cells = |delimiter: u8| line.split(char::from(delimiter)).filter(|cell| !cell.is_empty()).map(folded);
    let found = |delimiter: u8| cells(delimiter).filter(|cell| names.contains(cell)).collect::<HashSet<_>>().len();
    let found = [b',', b';', b'\t', b'|', 1].map(|delimiter| (found(delimiter), delimiter));
    let most = found.iter().map(|(count, _)| *count).max().filter(|count| *count > 1)?;
    let mut best = found.iter().filter(|(count, _)| *count == most);
    best.next().filter(|_| best.next().is_none()).map(|&(count, delimiter)| (delimiter, count))
}

/// What is wrong with a record that has more or fewer cells than it should.
fn ragged(record: &Record<'_>, expected: usize) -> Option<Misfit> {
    let width = record.width();
    // One delimiter too many at the end is no cell.
    let is_wide = width > expected && !(width == expected + 1 && record.ends_with_delimiter());
    (width < expected || is_wide).then(|| {
        let reason = format!(
            "the record has {width} cells, {expected} expected; if records may be short or long, add OPTIONS ('ragged' 'true')"
        );
        Misfit { column: String::new(), reason }
    })
}

/// Where the columns that are read are in the records of a file.
fn cells(matching: &Matching, slots: &[Option<usize>]) -> Vec<(usize, usize)> {
    matching.columns.iter().zip(slots).filter_map(|(place, slot)| Some(((*place)?, (*slot)?))).collect()
}

fn read_header(record: &Record<'_>, address: &str) -> Result<Header> {
    Header::read(record).map_err(|error| {
        Error::data(format!("'{address}': column {} of the header is not text in the file's encoding", error.column + 1))
    })
}

/// Columns of the file that the table has not. A last column without a name comes of a delimiter too many.
fn extra(header: &Header, matching: Matching) -> Vec<String> {
    matching.extra.into_iter().filter(|(place, _)| !header.is_unnamed(*place)).map(|(_, name)| name).collect()
}

/// The columns of the table by the names in the file's header.
fn match_header(header: &Header, names: &[String], renames: &Renames, address: &str) -> Result<Matching> {
    let matching = header.matched(names, renames);
    if !names.is_empty() && matching.columns.iter().all(Option::is_none) {
        return Err(Error::data(format!(
            "'{address}' has none of the table's columns ({}): its header is {}; if names differ, add OPTIONS ('rename' 'old=new, ...'); \
             if it has no header, ('header' 'false')",
            names.join(", "),
            header.names().join(", ")
        )));
    }
    Ok(matching)
}

/// Appends the cells of one record. The first that does not fit is returned; it is NULL.
fn append(
    record: &Record<'_>,
    cells: &[(usize, usize)],
    nulls: &[String],
    columns: &mut Columns,
    scratch: &mut Vec<u8>,
) -> Option<Misfit> {
    let mut misfit = None;
    for (place, slot) in cells {
        let Some(field) = record.field(*place) else { continue };
        let column = columns.column(*slot);
        let text = match field.text(scratch) {
            Ok(text) => text,
            Err(error) => {
                let reason = format!("{NOT_TEXT}, from byte {} of the cell on", error.valid + 1);
                misfit.get_or_insert(Misfit { column: column.field().name().clone(), reason });
                column.null();
                continue;
            }
        };
        if is_null(&field, text, nulls) || (text.trim().is_empty() && !column.is_text()) {
            column.null();
        } else if let Err(problem) = column.text(text) {
            column.null();
            misfit.get_or_insert(problem);
        }
    }
    misfit
}

impl Decoder for CsvDecoder {
    fn push(&mut self, bytes: &[u8]) {
        match &mut self.reading {
            Some(reading) => reading.push(bytes, 0),
            None => {
                self.sample.extend_from_slice(bytes);
                if self.sample.len() >= SAMPLE {
                    self.reading = Some(self.begin());
                }
            }
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        match &mut self.reading {
            Some(reading) => reading.finish(),
            None => self.reading = Some(self.begin()),
        }
    }

    fn decode(&mut self, output: &mut Output<'_>) -> Result<Progress> {
        let Self { options, names, slots, on_error, address, reading, records, scratch, finished, observation, unknown, .. } =
            self;
        let Some(reading) = reading else { return Ok(Progress::Hungry) };
        loop {
            if output.room == 0 {
                return Ok(Progress::Full);
            }
            let Some(record) = reading.splitter.next_record() else {
                return Ok(if *finished { Progress::Done } else { Progress::Hungry });
            };
            let record = match record {
                Ok(record) => record,
                Err(bad) => {
                    *records += 1;
                    output.refuse(Refused { before_header: reading.awaits_header, ..refused(&bad, *records) });
                    continue;
                }
            };
            if std::mem::take(&mut reading.awaits_header) {
                let header = read_header(&record, address)?;
                reading.form.width = header.names().len();
                reading.form.header = std::str::from_utf8(record.raw()).ok().map(str::to_owned);
                if let Some(observation) = observation {
                    observation.header(header.distinct(&options.renames).iter().map(String::as_str));
                    continue;
                }
                let matching = match_header(&header, names, &options.renames, address)?;
                reading.cells = cells(&matching, slots);
                unknown.extend(extra(&header, matching));
                continue;
            }
            if reading.form.width == 0 {
                reading.form.width = record.width();
                reading.cells = cells(&Matching::by_position(names.len(), record.width()), slots);
                if let Some(observation) = observation {
                    observation.without_header(record.width());
                }
            }
            *records += 1;
            let (row, line, offset) = (*records, record.line(), record.offset());
            let ragged = ragged(&record, reading.form.width).filter(|_| !options.ragged);
            if let Some(observation) = observation {
                reading.spans_lines |= record.raw().contains(&b'\n');
                if reading.jumped {
                    observation.jump(offset);
                }
                // Behind a jump, what has other cells than a record may be the middle of one.
                if !(reading.jumped && ragged.is_some()) {
                    look(&record, observation, &options.nulls, scratch);
                    let misfit = ragged.map(|misfit| misfit.reason);
                    output.refused.extend(misfit.map(|reason| Refused::noted(row, line, offset, reason)));
                }
                continue;
            }
            let misfit = append(&record, &reading.cells, &options.nulls, output.columns, scratch);
            let misfit = ragged.or(misfit);
            output.settle(row, misfit, *on_error, |misfit| Refused {
                raw: record.raw().to_vec(),
                row,
                line,
                offset,
                column: Some(misfit.column).filter(|column| !column.is_empty()),
                reason: misfit.reason,
                kept: false,
                cut: false,
                before_header: false,
                image: None,
            });
        }
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn unknown(&self) -> Vec<String> {
        self.unknown.clone()
    }

    fn jump(&mut self, offset: u64) -> bool {
        let Some(reading) = &mut self.reading else { return false };
        if reading.transcoder.is_some() || reading.spans_lines || reading.form.width == 0 {
            return false;
        }
        reading.splitter = Splitter::new(&reading.dialect).starting_at(offset, 1);
        reading.jumped = true;
        true
    }

    fn form(&self) -> Option<Form> {
        self.reading.as_ref().map(|reading| reading.form.clone())
    }

    fn observed(self: Box<Self>) -> ObservedSchema {
        self.observation.map(|observation| observation.finish(&ResolveOptions::default())).unwrap_or_default()
    }
}

fn refused(bad: &BadRecord<'_>, row: u64) -> Refused {
    Refused {
        raw: bad.raw.to_vec(),
        row,
        line: bad.line,
        offset: bad.offset,
        column: None,
        reason: bad.reason.to_string(),
        kept: false,
        cut: bad.length > bad.raw.len() as u64,
        before_header: false,
        image: None,
    }
}

/// Looks at the cells of one record.
fn look(record: &Record<'_>, observation: &mut FileObservation, nulls: &[String], scratch: &mut Vec<u8>) {
    observation.begin_row();
    for field in record.fields() {
        match field.text(scratch) {
            Ok(text) if is_null(&field, text, nulls) => observation.null(field.column()),
            Ok(text) => observation.cell(field.column(), text),
            // What is no text tells nothing of the column; it is refused when it is read.
            Err(_) => {}
        }
    }
}

/// Whether a cell is NULL whatever its column.
fn is_null(field: &Field<'_>, text: &str, nulls: &[String]) -> bool {
    !field.is_quoted() && (text.is_empty() || field.raw() == b"\\N" || nulls.iter().any(|null| null == text))
}
