//! What the fuzzers of the text formats have in common: how their first bytes choose a way of reading the rest, and what must hold
//! of the result whatever the format. Not part of reading.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use catalog::infer::ObservedSchema;

use super::columns::Columns;
use super::csv::Form;
use super::csv::decode::NOT_TEXT;
use super::decode::{Decoder, OnError, Output, Progress, Refused};
use super::infer::{schema, with_column_names};
use super::json::row::ONE_COLUMN;
use super::object::Format;

/// Bytes that choose.
const CHOICES: usize = 8;

/// How a file is read, and the file.
#[derive(Debug)]
pub(super) struct Setup<'a> {
    choices: [u8; CHOICES],
    pub(super) text: &'a [u8],
}

impl<'a> Setup<'a> {
    /// None of fewer bytes than choose.
    pub(super) fn of(data: &'a [u8]) -> Option<Self> {
        let (choices, text) = data.split_first_chunk::<CHOICES>()?;
        Some(Self { choices: *choices, text })
    }

    /// One of `of`, as the byte at `at` chooses.
    pub(super) fn pick<T: Copy>(&self, at: usize, of: &[T]) -> T {
        of[usize::from(self.choices[at]) % of.len()]
    }

    /// Whether bit `bit` of the byte at `at` is set.
    pub(super) fn flag(&self, at: usize, bit: u8) -> bool {
        self.choices[at] >> bit & 1 == 1
    }

    /// The columns `a` to `d`, of types that the first two bytes choose. Some must not be NULL.
    pub(super) fn columns(&self) -> SchemaRef {
        let types = types();
        let field = |index: usize, name: &str| {
            let kind = usize::from(self.choices[0]) + index * usize::from(self.choices[1] % 16);
            let nullable = self.choices[1] >> 4 != index as u8 + 1;
            Field::new(name, types[kind % types.len()].clone(), nullable)
        };
        Arc::new(Schema::new(["a", "b", "c", "d"].iter().enumerate().map(|(i, name)| field(i, name)).collect::<Vec<_>>()))
    }

    /// What happens to bad values.
    pub(super) fn on_error(&self) -> OnError {
        self.pick(2, &[OnError::Quarantine, OnError::Null])
    }

    /// The pieces that a file comes in.
    pub(super) fn pieces(&self) -> Pieces {
        Pieces { bytes: 1 + usize::from(self.choices[3] % 67), records: 1 + usize::from(self.choices[2] / 2 % 5) }
    }
}

fn types() -> Vec<DataType> {
    let time = |unit, zone: Option<&str>| DataType::Timestamp(unit, zone.map(Arc::from));
    let text = || Field::new("item", DataType::Utf8, true);
    let members = vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)];
    vec![
        DataType::Utf8,
        DataType::Int64,
        DataType::Float64,
        DataType::Boolean,
        DataType::Date32,
        time(TimeUnit::Microsecond, None),
        time(TimeUnit::Microsecond, Some("UTC")),
        DataType::Struct(members.clone().into()),
        DataType::List(text().into()),
        DataType::List(Field::new("item", DataType::Struct(members.into()), true).into()),
        DataType::List(Field::new("item", DataType::List(text().into()), true).into()),
        DataType::Decimal128(10, 2),
        DataType::UInt64,
        DataType::Int8,
        DataType::UInt16,
        DataType::Float32,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Date64,
        time(TimeUnit::Nanosecond, None),
        time(TimeUnit::Second, Some("UTC")),
        DataType::Decimal32(4, 1),
        DataType::Decimal128(38, 38),
        DataType::Null,
    ]
}

/// Names of columns, and where each is read to.
pub(super) fn names(schema: &Schema) -> impl Iterator<Item = (String, Option<usize>)> + use<> {
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
    names.into_iter().enumerate().map(|(index, name)| (name, Some(index)))
}

/// A column that no record has a value for: each is refused, with its bytes and its place.
pub(super) fn nothing_fits() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("nothing fits", DataType::Null, false)]))
}

/// How much of a file comes at once, and how many records are taken at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces {
    bytes: usize,
    records: usize,
}

/// All at once.
pub(super) const WHOLE: Pieces = Pieces { bytes: usize::MAX, records: usize::MAX };

/// What came of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded {
    pub(super) rows: RecordBatch,
    pub(super) numbers: Vec<i64>,
    pub(super) refused: Vec<Refused>,
    pub(super) records: u64,
    pub(super) unknown: Vec<String>,
    pub(super) form: Option<Form>,
    /// What makes it unreadable as a whole.
    pub(super) fault: Option<String>,
}

/// Decodes `text` in `pieces`.
///
/// # Errors
/// A bug, said in words: it does not end, or makes rows that are none.
pub(super) fn decode(decoder: &mut impl Decoder, schema: &SchemaRef, text: &[u8], pieces: Pieces) -> Result<Decoded, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("not a fault of the file: {error}");
    let mut columns = Columns::new(Arc::clone(schema)).map_err(|error| wrong(&error))?;
    let (mut batches, mut refused, mut numbers, mut fault) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut chunks = text.chunks(pieces.bytes);
    let mut finished = false;
    loop {
        let room = pieces.records;
        let before = decoder.records();
        let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room };
        match decoder.decode(&mut output) {
            Err(error) => {
                fault = Some(error.to_string());
                break;
            }
            Ok(Progress::Done) if finished => break,
            Ok(Progress::Full) if decoder.records() > before => {
                batches.push(columns.take().map_err(|error| wrong(&error))?);
            }
            Ok(Progress::Hungry) if !finished => match chunks.next() {
                Some(chunk) => decoder.push(chunk),
                None => {
                    finished = true;
                    decoder.finish();
                }
            },
            Ok(other) => return Err(format!("{other:?} without reason, finished: {finished}")),
        }
    }
    batches.push(columns.take().map_err(|error| wrong(&error))?);
    let rows = concat_batches(schema, &batches).map_err(|error| wrong(&error))?;
    let (records, unknown, form) = (decoder.records(), decoder.unknown(), decoder.form());
    Ok(Decoded { rows, numbers, refused, records, unknown, form, fault })
}

/// Decodes `text` whole and in pieces: that makes no difference, and every record is a row or refused.
///
/// # Errors
/// A bug, said in words.
pub(super) fn in_any_pieces<D: Decoder>(
    new: impl Fn() -> D,
    schema: &SchemaRef,
    text: &[u8],
    pieces: Pieces,
) -> Result<Decoded, String> {
    let whole = decode(&mut new(), schema, text, WHOLE)?;
    settled(&whole)?;
    for pieces in [pieces, Pieces { bytes: 1, records: 1 }] {
        let parts = decode(&mut new(), schema, text, pieces)?;
        if parts != whole {
            return Err(format!("in {pieces:?} it is\n{parts:?}\nand whole\n{whole:?}"));
        }
    }
    Ok(whole)
}

/// Every record is a row or refused, and only one that was kept is both.
fn settled(decoded: &Decoded) -> Result<(), String> {
    let Decoded { rows, numbers, refused, records, .. } = decoded;
    if rows.num_rows() != numbers.len() || !numbers.is_sorted_by(|a, b| a < b) {
        return Err(format!("{} rows have the numbers {numbers:?}", rows.num_rows()));
    }
    let refused_at = |kept: bool| refused.iter().filter(move |bad| bad.kept == kept).map(|bad| bad.row as i64);
    if let Some(number) = refused_at(true).find(|number| numbers.binary_search(number).is_err()) {
        return Err(format!("record {number} was kept and is no row"));
    }
    let mut all: Vec<i64> = numbers.iter().copied().chain(refused_at(false)).collect();
    all.sort_unstable();
    if all.iter().copied().eq(1..=*records as i64) { Ok(()) } else { Err(format!("of {records} records there are {all:?}")) }
}

/// Refused records have the bytes that are at their places, and between those of `all` records of a file there is nothing that
/// `is_between` does not know. `line_ends` counts those of the lines before a record.
///
/// # Errors
/// Bytes are lost, are in two records or are others: a bug, said in words.
pub(super) fn covered(
    text: &[u8],
    all: &[Refused],
    is_between: impl Fn(&[u8]) -> bool,
    line_ends: impl Fn(&[u8]) -> usize,
) -> Result<(), String> {
    let mut read = 0;
    for Refused { raw, offset, line, row, cut, .. } in all {
        let at = usize::try_from(*offset).unwrap_or(usize::MAX);
        let end = at.saturating_add(raw.len());
        let between = text.get(read..at).ok_or_else(|| format!("record {row} at {at} begins before {read}"))?;
        if text.get(at..end) != Some(raw.as_slice()) || !is_between(between) {
            return Err(format!("record {row} is not at bytes {at} to {end}, or bytes {read} to {at} are lost"));
        }
        if *line != 1 + line_ends(&text[..at]) as u64 {
            return Err(format!("record {row} is not on line {line}"));
        }
        read = if *cut { end + line_end(&text[end..]) } else { end };
    }
    if is_between(&text[read..]) { Ok(()) } else { Err(format!("bytes {read} to {} are lost", text.len())) }
}

fn line_end(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1)
}

/// What is seen in `text` makes a schema, which can be kept and reads every value of the same text.
///
/// # Errors
/// A bug, said in words.
pub(super) fn reads_what_it_saw<D: Decoder>(
    observing: impl Fn() -> D,
    reading: impl Fn(&SchemaRef) -> D,
    format: Format,
    text: &[u8],
    pieces: Pieces,
) -> Result<(), String> {
    let observed = observe(observing(), text, WHOLE)?;
    if observe(observing(), text, pieces)? != observed {
        return Err(format!("what is seen depends on the pieces {pieces:?}"));
    }
    let observed = with_column_names(observed, format);
    let kept = serde_json::to_vec(&observed).map_err(|error| error.to_string())?;
    let again: ObservedSchema = serde_json::from_slice(&kept).map_err(|error| format!("what was kept is lost: {error}"))?;
    if again != observed {
        return Err("what was kept is something else".to_owned());
    }
    let schema = schema(&observed, false);
    let mut found = HashSet::new();
    if let Some(name) = schema.fields().iter().map(|field| field.name()).find(|name| !found.insert(name.to_lowercase())) {
        return Err(format!("column '{name}' is there twice"));
    }
    if schema.fields().is_empty() || observed.truncated {
        return Ok(());
    }
    let decoded = decode(&mut reading(&schema), &schema, text, WHOLE)?;
    if let Some(fault) = decoded.fault {
        return Err(format!("a file does not fit its own columns {schema:?}: {fault}"));
    }
    if !decoded.unknown.is_empty() {
        return Err(format!("the columns {schema:?} lack {:?}", decoded.unknown));
    }
    // Text that is none, and a column that is there twice, are faults of the record and not of the column.
    let is_record = |bad: &Refused| bad.reason.starts_with(NOT_TEXT) || bad.reason.ends_with(ONE_COLUMN);
    let misfit = decoded.refused.iter().find(|bad| bad.column.is_some() && !is_record(bad));
    misfit.map_or(Ok(()), |bad| Err(format!("{bad:?} does not fit the columns {schema:?}")))
}

fn observe(mut decoder: impl Decoder, text: &[u8], pieces: Pieces) -> Result<ObservedSchema, String> {
    let nothing = Arc::new(Schema::empty());
    let decoded = decode(&mut decoder, &nothing, text, Pieces { records: usize::MAX, ..pieces })?;
    match decoded.fault {
        // Of a file that cannot be read, nothing is known.
        Some(_) => Ok(ObservedSchema::default()),
        None => Ok(Box::new(decoder).observed()),
    }
}
