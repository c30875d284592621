//! What a fuzzer calls: any bytes, read as CSV in every way, and what must hold of the result. Not part of reading.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Schema};
use catalog::infer::FileObservation;
use encoding_rs::{SHIFT_JIS, UTF_8, WINDOWS_1252};

use super::decode::{CsvDecoder, CsvOptions};
use super::encoding::{Choice, Detected, Transcoder, detect};
use super::{BadRecord, Dialect, Header, Hints, Limits, Record, Renames, Splitter, sniff};
use crate::files::decode::{OnError, Position, Refused};
use crate::files::fuzz::{Setup, WHOLE, covered, decode, in_any_pieces, names, nothing_fits, reads_what_it_saw};
use crate::files::object::Format;

/// A record or bad record: what is compared.
type Piece = (u64, u64, u64, u64, Vec<Vec<u8>>);

/// Splits `data` whole and in pieces, by a dialect and limits that its first bytes choose and by the one that is sniffed.
///
/// # Errors
/// The pieces it came in made a difference, or bytes were lost: a bug, said in words.
pub fn fuzz_split(data: &[u8]) -> Result<(), String> {
    let &[choice, limit, ref text @ ..] = data else { return Ok(()) };
    let pick = |bit: u8, byte: u8| (choice >> bit & 1 == 1).then_some(byte);
    let dialect = Dialect {
        delimiter: [b',', b'\t', Dialect::ONE_COLUMN, 0][usize::from(choice & 3)],
        quote: pick(2, b'"'),
        escape: pick(3, b'\\'),
        comment: pick(4, b'#'),
        header: false,
        trim: choice >> 5 & 1 == 1,
    };
    let limits = Limits { record_bytes: usize::from(limit) * 4 + 1, fields: usize::from(limit) + 1 };
    compare(&dialect, limits, text)?;

    let detected = detect(text, true, Choice::Auto);
    let decoded = detected.decode(text);
    if let Some(transcoder) = detected.transcoder() {
        same_text(transcoder, text.get(detected.mark..).unwrap_or_default(), &decoded)?;
    }
    let sniffed = sniff(&decoded, choice >> 6 & 1 == 1, &Hints::default());
    sniffed.dialect.validate().map_err(|error| error.to_string())?;
    compare(&sniffed.dialect, Limits::default(), decoded.get(sniffed.skip..).ok_or("skips more than there is")?)
}

fn same_text(mut transcoder: Transcoder, bytes: &[u8], whole: &[u8]) -> Result<(), String> {
    let mut out = Vec::new();
    bytes.chunks(1).for_each(|chunk| transcoder.push(chunk, &mut out));
    if out == whole { Ok(()) } else { Err("decoding depends on chunks".into()) }
}

fn compare(dialect: &Dialect, limits: Limits, text: &[u8]) -> Result<(), String> {
    let whole = pieces(dialect, limits, text.chunks(text.len().max(1)))?;
    for size in [1, 2, 3, 61, 67] {
        if pieces(dialect, limits, text.chunks(size))? != whole {
            return Err(format!("splitting depends on chunks of {size}: {dialect}"));
        }
    }
    let mut read = 0;
    for &(offset, length, ..) in &whole {
        skipped(dialect, text, read, offset)?;
        read = offset + length;
    }
    skipped(dialect, text, read, text.len() as u64)
}

/// Between records there is nothing but line ends, blank lines and comments.
fn skipped(dialect: &Dialect, text: &[u8], from: u64, to: u64) -> Result<(), String> {
    let between = text.get(from as usize..to as usize).ok_or("records overlap")?;
    let read = between.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let comment = dialect.comment.is_some() && line.first().copied() == dialect.comment;
        !comment && !line.iter().all(|byte| dialect.trim && matches!(byte, b' ' | b'\t'))
    });
    if read { Err(format!("bytes {from} to {to} are lost")) } else { Ok(()) }
}

fn pieces<'a>(dialect: &Dialect, limits: Limits, chunks: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Piece>, String> {
    let mut splitter = Splitter::with_limits(dialect, limits);
    let (mut out, mut total) = (Vec::new(), 0);
    for chunk in chunks {
        total += chunk.len() as u64;
        splitter.push(chunk);
        take(&mut splitter, &mut out)?;
        if splitter.held() > 2 * (limits.record_bytes + chunk.len() + 1) {
            return Err(format!("{} bytes are held", splitter.held()));
        }
    }
    splitter.finish();
    take(&mut splitter, &mut out)?;
    if splitter.consumed() == total { Ok(out) } else { Err(format!("{} of {total} bytes were read", splitter.consumed())) }
}

fn take(splitter: &mut Splitter, out: &mut Vec<Piece>) -> Result<(), String> {
    let mut scratch = Vec::new();
    while let Some(record) = splitter.next_record() {
        out.push(match record {
            Ok(record) => {
                if record.number() == 1 {
                    own_names(&record)?;
                }
                let fields = record.fields().map(|field| field.bytes(&mut scratch).to_vec()).collect();
                (record.offset(), record.raw().len() as u64, record.number(), record.line(), fields)
            }
            Err(BadRecord { raw, length, offset, number, line, .. }) => (offset, length, number, line, vec![raw.to_vec()]),
        });
    }
    Ok(())
}

/// A table made of a file's names finds every column where it is.
fn own_names(record: &Record<'_>) -> Result<(), String> {
    let Ok(header) = Header::read(record) else { return Ok(()) };
    let matching = header.matched(header.names(), &Renames::default());
    let own = matching.columns.iter().enumerate().all(|(index, &column)| column == Some(index));
    if own { Ok(()) } else { Err(format!("{:?} do not match themselves", header.names())) }
}

/// Reads `data` whole and in pieces, in a way and into columns that its first bytes choose and into those that are found in it.
///
/// # Errors
/// A record is lost, or differs by the pieces it came in or from what a plain reader of RFC 4180 reads: a bug, said in words.
pub fn fuzz_decode(data: &[u8]) -> Result<(), String> {
    let Some(setup) = Setup::of(data) else { return Ok(()) };
    let Some(options) = options(&setup) else { return Ok(()) };
    let (text, schema) = (setup.text, setup.columns());
    let new = |schema: &Arc<Schema>, options: &Arc<CsvOptions>, on_error| {
        CsvDecoder::new(Arc::clone(options), names(schema), on_error, "f")
    };
    let decoded = in_any_pieces(|| new(&schema, &options, setup.on_error()), &schema, text, setup.pieces())?;
    for bad in decoded.refused.iter().filter(|bad| !bad.kept && !bad.cut) {
        alone(bad, decoded.form.as_ref().ok_or("a file without a form")?, &schema, &options, setup.on_error())?;
    }
    let no_header =
        Arc::new(CsvOptions { hints: Hints { header: Some(false), ..options.hints.clone() }, ..options.as_ref().clone() });
    places(text, &no_header, |schema| new(schema, &no_header, OnError::Quarantine))?;
    reads_what_it_saw(
        || CsvDecoder::observing(Arc::clone(&options), FileObservation::new("f"), "f", Vec::new()),
        |schema| new(schema, &options, OnError::Quarantine),
        Format::Csv,
        text,
        setup.pieces(),
    )
}

/// What a table says of its files; nothing where it says what cannot be.
fn options(setup: &Setup<'_>) -> Option<Arc<CsvOptions>> {
    let hints = Hints {
        delimiter: setup.pick(4, &[None, Some(b','), Some(b';'), Some(b'\t'), Some(b'a')]),
        quote: setup.pick(5, &[None, Some(Some(b'"')), Some(Some(b'\'')), Some(None)]),
        escape: setup.pick(6, &[None, Some(Some(b'\\')), Some(None)]),
        comment: setup.flag(7, 0).then_some(Some(b'#')),
        header: if setup.flag(7, 1) { Some(setup.flag(7, 2)) } else { None },
        ..Hints::default()
    };
    let encodings = [Choice::Auto, Choice::Utf16, Choice::Named(UTF_8), Choice::Named(WINDOWS_1252), Choice::Named(SHIFT_JIS)];
    Some(Arc::new(CsvOptions {
        hints,
        encoding: if setup.flag(7, 3) { setup.pick(6, &encodings) } else { Choice::Auto },
        renames: Renames::parse(if setup.flag(7, 4) { "x=a" } else { "" }).ok()?,
        nulls: if setup.flag(7, 5) { vec!["NA".to_owned()] } else { Vec::new() },
        ragged: setup.flag(7, 6),
    }))
}

/// What was refused is no row by itself.
fn alone(
    bad: &Refused,
    form: &super::Form,
    schema: &Arc<Schema>,
    options: &Arc<CsvOptions>,
    on_error: OnError,
) -> Result<(), String> {
    let position = Position { row: bad.row, line: bad.line, offset: bad.offset };
    // The options may have been wrong for the encoding that the file's mark told.
    let Ok(mut alone) = CsvDecoder::of_record(Arc::clone(options), names(schema), on_error, "f", form, position) else {
        return Ok(());
    };
    let again = decode(&mut alone, schema, &bad.raw, WHOLE)?;
    if again.rows.num_rows() > 0 { Err(format!("{bad:?} is a row by itself")) } else { Ok(()) }
}

/// Every byte of a file is in a record or between them, and the cells are those that a plain reader finds.
fn places(text: &[u8], options: &CsvOptions, new: impl Fn(&Arc<Schema>) -> CsvDecoder) -> Result<(), String> {
    let none = nothing_fits();
    let all = in_any_pieces(|| new(&none), &none, text, WHOLE)?;
    let form = all.form.ok_or("a file without a form")?;
    let dialect = form.dialect(&options.hints).map_err(|error| error.to_string())?;
    let detected = detect(text, true, options.encoding);
    let decoded = decoded(text, &detected);
    let mark = if detected.transcoder().is_none() { detected.mark } else { 0 };
    let is_between = |bytes: &[u8]| {
        let bytes = bytes.strip_prefix(&text[..mark]).unwrap_or(bytes);
        let line = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len());
        let bytes = if has_separator_line(bytes) { &bytes[line..] } else { bytes };
        skipped(&dialect, bytes, 0, bytes.len() as u64).is_ok()
    };
    covered(&decoded, &all.refused, is_between, line_ends)?;

    let Some(plain) = plain(&decoded[mark..], &dialect).filter(|_| !has_separator_line(&decoded[mark..])) else { return Ok(()) };
    let width = plain.iter().map(Vec::len).max().unwrap_or(0).min(64);
    let fields: Vec<Field> = (0..width).map(|column| Field::new(format!("c{column}"), DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let read = decode(&mut new(&schema), &schema, text, WHOLE)?;
    for (row, number) in read.numbers.iter().enumerate() {
        let cells = usize::try_from(number - 1).ok().and_then(|index| plain.get(index)).ok_or("a row without a record")?;
        // Columns beyond the first record's are none.
        for (cell, array) in cells.iter().zip(read.rows.columns()).take(plain[0].len()) {
            let found = array.is_valid(row).then(|| array.as_string::<i32>().value(row));
            let expected = cell.text(&options.nulls);
            if found != expected {
                return Err(format!("row {row} has {found:?} for {expected:?}, by {dialect}"));
            }
        }
    }
    Ok(())
}

fn has_separator_line(text: &[u8]) -> bool {
    text.starts_with(b"sep=") || text.starts_with(b"\"sep=")
}

/// The text of a file; where its bytes are the text, its mark is in it.
fn decoded(text: &[u8], detected: &Detected) -> Vec<u8> {
    let Some(mut transcoder) = detected.transcoder() else { return text.to_vec() };
    let mut out = Vec::new();
    transcoder.push(&text[detected.mark..], &mut out);
    transcoder.finish(&mut out);
    out
}

fn line_ends(bytes: &[u8]) -> usize {
    let pairs = bytes.windows(2).filter(|pair| **pair == *b"\r\n").count();
    bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() - pairs
}

/// A cell as a plain reader reads it.
struct Cell {
    text: String,
    quoted: bool,
}

impl Cell {
    fn text(&self, nulls: &[String]) -> Option<&str> {
        let is_null = !self.quoted && (self.text.is_empty() || self.text == "\\N" || nulls.contains(&self.text));
        (!is_null).then_some(self.text.as_str())
    }
}

/// The records of a text of which RFC 4180 says all there is to say, one character at a time; none of any other.
fn plain(text: &[u8], dialect: &Dialect) -> Option<Vec<Vec<Cell>>> {
    let Dialect { delimiter, quote, escape: None, comment: None, trim: false, .. } = *dialect else { return None };
    let mut characters = std::str::from_utf8(text).ok()?.chars().peekable();
    let (delimiter, quote) = (char::from(delimiter), quote.map(char::from));
    let mut records = Vec::new();
    while characters.peek().is_some() {
        let mut record = Vec::new();
        loop {
            let mut cell = Cell { text: String::new(), quoted: characters.next_if(|next| Some(*next) == quote).is_some() };
            while cell.quoted {
                let next = characters.next()?;
                if Some(next) == quote && characters.next_if(|next| Some(*next) == quote).is_none() {
                    break;
                }
                cell.text.push(next);
            }
            while let Some(next) = characters.next_if(|next| *next != delimiter && !matches!(*next, '\n' | '\r')) {
                if cell.quoted {
                    return None;
                }
                cell.text.push(next);
            }
            record.push(cell);
            let ends_cell = |next: &char| *next == delimiter && !matches!(*next, '\n' | '\r');
            if characters.next_if(ends_cell).is_none() {
                break;
            }
        }
        let end = characters.next();
        if end == Some('\r') {
            characters.next_if_eq(&'\n');
        }
        let is_blank = record.len() == 1 && !record[0].quoted && record[0].text.is_empty();
        if !is_blank {
            records.push(record);
        }
    }
    Some(records)
}
