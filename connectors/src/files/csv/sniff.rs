//! Finds a file's dialect from its beginning, by splitting it in every likely way and comparing the results. What the columns
//! hold is not looked at beyond that; whether the first record is a header is `first_record`'s.
//!
//! A split is good when its records have equally many fields, many of them, and the fields look whole: numbers, dates, text
//! in quotes, text without another delimiter in it (after van den Burg, Nazábal and Sutton, "Wrangling messy CSV files by
//! detecting row and type patterns", 2019).

use super::dialect::{Dialect, printed};
use super::first_record::is_header;
use super::kind::Kind;
use super::records::Splitter;

/// Delimiters, the likelier first.
const DELIMITERS: [u8; 5] = [b',', b';', b'\t', b'|', 1];
/// Records that a way of splitting is judged by.
const RECORDS: usize = 1_000;
/// Records of these whose fields are looked at.
const LOOKED_AT: usize = 100;
/// Records that tell a header from values.
const HEADER_RECORDS: usize = 200;
/// Bytes of the sample that are looked at.
const SAMPLE: usize = 512 << 10;
/// Share of the records that must have the same width for a delimiter to be one.
const REGULAR: f64 = 0.7;
/// The same, when the first record has that width too and it is 3 at least.
const RAGGED: f64 = 0.4;

/// What is known already: it is not sniffed, and helps with the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// The delimiter.
    pub delimiter: Option<u8>,
    /// The quote; `Some(None)` for a file without.
    pub quote: Option<Option<u8>>,
    /// The escape; `Some(None)` for a file without.
    pub escape: Option<Option<u8>>,
    /// The beginning of comment lines; `Some(None)` for a file without.
    pub comment: Option<Option<u8>>,
    /// Whether the first record is a header.
    pub header: Option<bool>,
    /// Whether blanks around fields are dropped.
    pub trim: Option<bool>,
    /// Names of the table's columns: a first record that has them is a header.
    pub columns: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniffed {
    /// How the file is to be split.
    pub dialect: Dialect,
    /// How many columns most records have, or the first, if the others leave some out; 0 of an empty sample.
    pub columns: usize,
    /// Bytes before the first record that are none: the `sep=;` line that Excel writes and reads.
    pub skip: usize,
    /// The evidence, for the user.
    pub why: String,
}

/// Finds the dialect of the file that `sample` (decoded, without its byte order mark) is the beginning of, or all of if
/// `complete`. Of a sample that is not complete, the last record does not count.
#[must_use]
pub fn sniff(sample: &[u8], complete: bool, hints: &Hints) -> Sniffed {
    let (skip, separator) = separator_line(sample);
    let text = &sample[skip..];
    let (text, complete) = if text.len() > SAMPLE { (&text[..SAMPLE], false) } else { (text, complete) };
    let mut hints = hints.clone();
    hints.delimiter = hints.delimiter.or(separator);

    let mut best: Option<Trial> = None;
    for dialect in candidates(text, &hints) {
        let trial = Trial::run(dialect, text, complete);
        if best.as_ref().is_none_or(|best| trial.score > best.score + 1e-9) {
            best = Some(trial);
        }
    }
    let mut trial = best.filter(|best| hints.delimiter.is_some() || best.is_table()).unwrap_or_else(|| {
        let comment = hints.comment.unwrap_or_default();
        let quote = hints.quote.unwrap_or(Some(b'"'));
        let escape = hints.escape.unwrap_or_default();
        let dialect =
            Dialect { delimiter: hints.delimiter.unwrap_or(Dialect::ONE_COLUMN), quote, escape, comment, ..Dialect::default() };
        Trial::run(dialect, text, complete)
    });
    if hints.comment.is_none() && trial.dialect.comment.is_some() {
        // Lines as wide as the records are a header or values that begin so.
        let with = Trial::run(Dialect { comment: None, ..trial.dialect }, text, complete);
        if with.width == trial.width && with.records - with.agreeing == trial.records - trial.agreeing {
            trial = with;
        }
    }
    trial.dialect.trim = hints.trim.unwrap_or_else(|| trial.is_padded());
    let rows = first_rows(text, &trial.dialect, HEADER_RECORDS);
    let (header, reason) = match hints.header {
        Some(header) => (header, "by option".to_owned()),
        None => is_header(&rows, &hints.columns),
    };
    trial.dialect.header = header;
    let why = format!("{}; {}: {reason}", trial.why(&hints, separator.is_some()), if header { "header" } else { "no header" });
    Sniffed { dialect: trial.dialect, columns: trial.columns(), skip, why }
}

/// The cells of the first records, unescaped, what is not UTF-8 replaced. Bad records are left out.
pub(super) fn first_rows(text: &[u8], dialect: &Dialect, count: usize) -> Vec<Vec<String>> {
    let mut splitter = Splitter::new(dialect);
    splitter.push(text);
    let (mut rows, mut scratch, mut finished) = (Vec::new(), Vec::new(), false);
    loop {
        match splitter.next_record() {
            _ if rows.len() == count => break,
            Some(Ok(record)) => {
                rows.push(record.fields().map(|field| String::from_utf8_lossy(field.bytes(&mut scratch)).into_owned()).collect());
            }
            Some(Err(_)) => {}
            // A record that is cut off serves when there is no whole one.
            None if rows.is_empty() && !std::mem::replace(&mut finished, true) => splitter.finish(),
            None => break,
        }
    }
    rows
}

/// The length of Excel's `sep=;` line, if the text begins with one, and what it names.
fn separator_line(text: &[u8]) -> (usize, Option<u8>) {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let named = line.strip_prefix(b"sep=").or_else(|| line.strip_prefix(b"\"sep=")?.strip_suffix(b"\""));
    match named {
        Some(&[separator]) if separator.is_ascii() => {
            let rest = &text[line.len()..];
            let end = if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) };
            (line.len() + end, Some(separator))
        }
        _ => (0, None),
    }
}

/// The ways of splitting that the text's characters allow, the likelier first: of equals, the first is taken.
fn candidates(text: &[u8], hints: &Hints) -> Vec<Dialect> {
    let has = |byte: u8| text.contains(&byte);
    let chosen = |hint: Option<Option<u8>>, usual: Option<u8>, others: &[Option<u8>]| match hint {
        Some(known) => vec![known],
        None => [usual].into_iter().chain(others.iter().copied().filter(|other| other.is_none_or(has))).collect(),
    };
    let delimiters = match hints.delimiter {
        Some(known) => vec![known],
        None => DELIMITERS.into_iter().filter(|&byte| has(byte)).collect(),
    };
    let quotes = chosen(hints.quote, Some(b'"'), if has(b'"') { &[Some(b'\''), None] } else { &[Some(b'\'')] });
    let escapes = chosen(hints.escape, None, &[Some(b'\\')]);
    let comments = chosen(hints.comment, None, if text.trim_ascii_start().starts_with(b"#") { &[Some(b'#')] } else { &[] });
    let trims = match hints.trim {
        Some(known) => vec![known],
        None if has(b' ') && has(b'"') => vec![false, true],
        None => vec![false],
    };
    let mut all = Vec::new();
    for &delimiter in &delimiters {
        for &quote in &quotes {
            for &escape in &escapes {
                for &comment in &comments {
                    let dialects = trims.iter().map(|&trim| Dialect { delimiter, quote, escape, comment, header: false, trim });
                    all.extend(dialects.filter(|dialect| dialect.validate().is_ok()));
                }
            }
        }
    }
    all
}

/// One way of splitting, and what came of it.
#[derive(Debug)]
struct Trial {
    dialect: Dialect,
    /// Records, bad ones included.
    records: usize,
    /// Records of the usual width.
    agreeing: usize,
    /// The usual number of fields.
    width: usize,
    /// That of the first record.
    first_width: usize,
    /// The first record is the widest, and the rest leave out columns at their end.
    cut_short: bool,
    quoted: usize,
    /// Fields behind the first of their record, outside quotes and not empty, and those of them that begin with a blank.
    unquoted: usize,
    padded: usize,
    score: f64,
}

impl Trial {
    fn run(dialect: Dialect, text: &[u8], complete: bool) -> Self {
        let mut trial = Self {
            dialect,
            records: 0,
            agreeing: 0,
            width: 0,
            first_width: 0,
            cut_short: false,
            quoted: 0,
            unquoted: 0,
            padded: 0,
            score: 0.0,
        };
        let mut splitter = Splitter::new(&dialect);
        splitter.push(text);
        let mut finished = complete;
        if complete {
            splitter.finish();
        }
        let mut widths: Vec<(usize, bool)> = Vec::new();
        let (mut bad, mut cells, mut quality, mut scratch) = (0, 0_usize, 0.0, Vec::new());
        loop {
            match splitter.next_record() {
                _ if trial.records == RECORDS => break,
                Some(Ok(record)) => {
                    trial.records += 1;
                    bad += usize::from(record.is_malformed());
                    widths.push((record.width(), record.ends_with_delimiter()));
                    trial.quoted += record.fields().filter(|field| field.is_quoted() && !field.is_malformed()).count();
                    let looked_at = if trial.records <= LOOKED_AT { record.width() } else { 0 };
                    for field in record.fields().take(looked_at) {
                        cells += 1;
                        quality += trial.look(&field, &mut scratch);
                    }
                }
                Some(Err(_)) => {
                    trial.records += 1;
                    bad += 1;
                }
                None if trial.records == 0 && !std::mem::replace(&mut finished, true) => splitter.finish(),
                None => break,
            }
        }
        // What a quote that does not close has swallowed of a sample is not well split.
        let left = if trial.records == RECORDS { 0 } else { text.len() - (splitter.consumed() as usize).min(text.len()) };
        trial.count(&widths);
        if trial.records > 0 && cells > 0 {
            let share = |count: usize| count as f64 / trial.records as f64;
            let columns = (trial.width - 1) as f64 / trial.width as f64;
            let swallowed = if left * 4 > text.len() && bad == 0 && trial.records > 1 { 0.5 } else { 1.0 };
            trial.score =
                share(trial.agreeing) * columns * (quality / cells as f64) * (1.0 - 2.0 * share(bad)).max(0.05) * swallowed;
        }
        trial
    }

    /// How whole a field looks, from 0 to 1.
    fn look(&mut self, field: &super::Field<'_>, scratch: &mut Vec<u8>) -> f64 {
        if field.is_quoted() && !field.is_malformed() {
            return 1.0;
        }
        let text = String::from_utf8_lossy(field.bytes(scratch));
        if field.column() > 0 && !text.is_empty() {
            self.unquoted += 1;
            self.padded += usize::from(text.starts_with(' '));
        }
        match Kind::of(&text) {
            Kind::Text if text.trim().starts_with(['"', '\'']) || field.is_malformed() => 0.2,
            // A lone escape at an end has lost what it stood before.
            Kind::Text if text.ends_with('\\') && self.dialect.escape.is_none() => 0.2,
            Kind::Text => match text.bytes().find(|byte| DELIMITERS.contains(byte)) {
                // `5;2` between the commas of `1,5;2,25`.
                Some(other) if text.split(char::from(other)).all(|part| Kind::of(part).is_value()) => 0.0,
                Some(_) => 0.4,
                None => 0.9,
            },
            Kind::Empty => 0.8,
            _ => 1.0,
        }
    }

    /// Finds the usual width. A delimiter at a record's end may be one too many.
    fn count(&mut self, widths: &[(usize, bool)]) {
        let agreeing = |usual: usize| {
            widths.iter().filter(|&&(width, open)| width == usual || (open && width == usual + 1 && usual > 1)).count()
        };
        let mut seen: Vec<usize> = widths.iter().map(|&(width, _)| width).collect();
        self.first_width = seen.first().copied().unwrap_or(0);
        seen.sort_unstable();
        seen.dedup();
        self.width = seen.into_iter().max_by_key(|&width| (agreeing(width), width)).unwrap_or(0);
        self.agreeing = agreeing(self.width);
        let within = |&&(width, _): &&(usize, bool)| width * 2 >= self.first_width && width > 1;
        self.cut_short = self.first_width > self.width.max(2)
            && widths.iter().all(|&(width, _)| width <= self.first_width)
            && widths.iter().filter(within).count() as f64 >= REGULAR * widths.len() as f64;
    }

    /// How many columns the file has.
    fn columns(&self) -> usize {
        if self.cut_short { self.first_width } else { self.width }
    }

    /// The delimiter is one.
    fn is_table(&self) -> bool {
        let share = self.agreeing as f64 / self.records.max(1) as f64;
        let ragged = share >= RAGGED && self.width > 2 && self.first_width == self.width;
        self.width > 1 && (share >= REGULAR || ragged || self.cut_short)
    }

    /// Nearly all fields begin with a blank: it belongs to the delimiter.
    fn is_padded(&self) -> bool {
        self.dialect.trim || (self.unquoted > 1 && self.padded * 10 >= self.unquoted * 9)
    }

    fn why(&self, hints: &Hints, separator: bool) -> String {
        let Dialect { delimiter, quote, escape, comment, trim, .. } = self.dialect;
        let mut parts = Vec::new();
        if delimiter == Dialect::ONE_COLUMN {
            parts.push("one column: no delimiter splits the records evenly".to_owned());
        } else {
            let source = match (separator, hints.delimiter) {
                (true, _) => " by the `sep=` line",
                (false, Some(_)) => " by option",
                (false, None) => "",
            };
            let (agreeing, records, width) = (self.agreeing, self.records, self.width);
            parts.push(format!("delimiter {}{source}: {agreeing} of {records} records have {width} columns", printed(delimiter)));
        }
        if self.cut_short {
            parts.push(format!("the first record has {}, and none has more", self.first_width));
        }
        match quote {
            Some(quote) if self.quoted > 0 => parts.push(format!("quote {} around {} fields", printed(quote), self.quoted)),
            None => parts.push("no quotes".to_owned()),
            Some(_) => {}
        }
        parts.extend(escape.map(|escape| format!("escape {}", printed(escape))));
        parts.extend(comment.map(|comment| format!("comments begin with {}", printed(comment))));
        parts.extend(trim.then(|| "blanks around fields are dropped".to_owned()));
        parts.join("; ")
    }
}
