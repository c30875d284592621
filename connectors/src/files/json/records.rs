//! The records of a JSON file: one a line, one behind the other, or the items of a list.
//!
//! A value is read where it stands; no other pass looks for its end first. When a record cannot be read, where the next one
//! begins depends on how the file is laid out: with a record a line, on the next line; else behind the braces that balance.
//! Of a record whose end is not found within the longest length, only the beginning is kept, and the next one begins on the line
//! after that. What is a record depends on the bytes alone, not on the chunks they come in: a slice goes on behind so many of them.

use catalog::infer::{FileObservation, ObservedSchema};

use super::parser::{Fault, Parser};
use super::row::RowDecoder;
use crate::error::Result;
use crate::files::decode::{Decoder, LONGEST_RECORD, OnError, Output, Position, Progress, Refused};
use crate::files::misfit::Misfit;

/// How the records of a file follow each other, as the records read so far say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Not known yet; taken for lines.
    Unknown,
    /// A record a line (NDJSON).
    Lines,
    /// Records that span lines, or share one.
    Values,
}

/// Decodes the records of one file.
#[derive(Debug)]
pub struct JsonDecoder {
    rows: RowDecoder,
    lenient: bool,
    on_error: OnError,
    buffer: Vec<u8>,
    /// The next byte of the buffer.
    at: usize,
    /// Where the buffer begins, in bytes of the file.
    start: u64,
    /// Lines that ended before `at`.
    lines: u64,
    records: u64,
    layout: Layout,
    /// Lines that had ended when the first record did, as long as they are to tell the layout.
    first_ended: Option<u64>,
    /// Within the brackets of a list that holds the records.
    in_list: bool,
    /// Bytes of the buffer below which a record that was incomplete is not tried again.
    wait_for: usize,
    finished: bool,
    begun: bool,
    /// It has jumped: how many records are before is not known.
    jumped: bool,
    /// The bytes are those of one bad record: nothing in them is looked for behind what cannot be read.
    alone: bool,
    /// A record has at most so many bytes.
    longest: usize,
    /// Up to the next line end, the bytes are those of a record that was longer.
    passing: bool,
}

/// What some programs begin a file in UTF-8 with.
const BOM: &[u8] = b"\xef\xbb\xbf";

impl JsonDecoder {
    /// Decodes records; a member of a record goes to the column that `names` gives its name, or nowhere.
    pub fn new(names: impl IntoIterator<Item = (String, Option<usize>)>, lenient: bool, on_error: OnError) -> Self {
        Self {
            rows: RowDecoder::new(names),
            lenient,
            on_error,
            buffer: Vec::new(),
            at: 0,
            start: 0,
            lines: 0,
            records: 0,
            layout: Layout::Unknown,
            first_ended: None,
            in_list: false,
            wait_for: 0,
            finished: false,
            begun: false,
            jumped: false,
            alone: false,
            longest: LONGEST_RECORD,
            passing: false,
        }
    }

    /// Refuses records of more bytes than `longest`, in place of [`LONGEST_RECORD`].
    #[must_use]
    pub fn refusing_longer(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// Decodes the bytes of one record of a file, which was bad and began at `position`. They may be several records by now; what
    /// cannot be read ends them.
    pub fn of_record(
        names: impl IntoIterator<Item = (String, Option<usize>)>,
        lenient: bool,
        on_error: OnError,
        position: Position,
    ) -> Self {
        Self {
            start: position.offset,
            lines: position.line.saturating_sub(1),
            records: position.row.saturating_sub(1),
            begun: true,
            alone: true,
            ..Self::new(names, lenient, on_error)
        }
    }

    /// Members of objects that no column has are unknown too, if `is_asked`.
    #[must_use]
    pub fn finding_members(mut self, is_asked: bool) -> Self {
        if is_asked {
            self.rows.find_members();
        }
        self
    }

    /// Only looks at what the records hold.
    pub fn observing(observation: FileObservation, lenient: bool) -> Self {
        let mut decoder = Self::new(std::iter::empty(), lenient, OnError::Quarantine);
        decoder.rows.observe(observation);
        decoder
    }

    /// Bytes in memory: those of a record that is not all there, at most, and the last ones that came.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Moves to `at`, counting lines.
    fn advance(&mut self, at: usize) {
        self.lines += self.buffer[self.at..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = at;
    }

    /// Passes what stands between records. Says whether a record begins.
    fn between(&mut self) -> bool {
        if !self.begun {
            if self.buffer.len() < BOM.len() && !self.finished {
                return false;
            }
            self.begun = true;
            if self.buffer.starts_with(BOM) {
                self.at = BOM.len();
            }
        }
        loop {
            let mut parser = Parser::new(&self.buffer, self.at, self.lenient);
            let Some(byte) = parser.peek() else {
                let end = parser.at;
                self.advance(end);
                return false;
            };
            let at = parser.at;
            self.advance(at);
            match byte {
                b'[' if !self.in_list && !self.alone => {
                    self.in_list = true;
                    self.layout = Layout::Values;
                }
                b']' if self.in_list => self.in_list = false,
                // Between the records of a list, and, as some programs write them, behind each record of a file.
                b',' if self.records > 0 => {}
                _ => {
                    self.note_layout();
                    return true;
                }
            }
            self.advance(at + 1);
        }
    }

    /// One record; [`Progress::Hungry`] when it is not all there.
    fn record(&mut self, output: &mut Output<'_>) -> Option<Progress> {
        if self.buffer.len() - self.at < self.wait_for && !self.finished {
            return Some(Progress::Hungry);
        }
        let seen = self.seen();
        self.rows.last = self.finished && seen == self.buffer.len();
        if self.jumped {
            self.rows.observe_at(self.start + self.at as u64);
        }
        let mut parser = Parser::new(&self.buffer[..seen], self.at, self.lenient);
        match self.rows.row(&mut parser, output.columns) {
            Ok(misfit) if parser.at - self.at <= self.longest => {
                let end = parser.at;
                if self.layout == Layout::Unknown && self.buffer[self.at..end].contains(&b'\n') {
                    self.layout = Layout::Values;
                }
                self.keep(output, end, misfit);
                self.first_ended = Some(self.lines).filter(|_| self.layout == Layout::Unknown);
            }
            Ok(_) => {
                output.columns.drop_row();
                self.refuse_longer(output);
            }
            Err(fault) => {
                output.columns.drop_row();
                let is_open = fault == Fault::Incomplete && !self.rows.last;
                let end = if is_open { None } else { self.resume_at(&fault) };
                match end.filter(|end| end - self.at <= self.longest) {
                    Some(end) => {
                        let reason = self.explain(&fault);
                        self.refuse(output, end, reason, false);
                    }
                    None if self.buffer.len() - self.at > self.longest => self.refuse_longer(output),
                    None => {
                        // Twice as much, so that a long record is not tried once a chunk.
                        self.wait_for = ((self.buffer.len() - self.at) * 2).min(self.longest + 1);
                        return Some(Progress::Hungry);
                    }
                }
            }
        }
        self.wait_for = 0;
        None
    }

    /// How much of the buffer is looked at for a record: one byte more than it may have, so that what it is does not depend on how
    /// much of what follows has come.
    fn seen(&self) -> usize {
        self.buffer.len().min(self.at.saturating_add(self.longest).saturating_add(1))
    }

    /// A record begins. Where the one before it ended tells how they follow each other.
    fn note_layout(&mut self) {
        if let Some(lines) = self.first_ended.take()
            && self.layout == Layout::Unknown
        {
            self.layout = if self.lines > lines { Layout::Lines } else { Layout::Values };
        }
    }

    fn keep(&mut self, output: &mut Output<'_>, end: usize, misfit: Option<Misfit>) {
        self.records += 1;
        self.rows.accept();
        let (row, line, offset) = (self.records, self.lines + 1, self.start + self.at as u64);
        let raw = &self.buffer[self.at..end];
        output.settle(row, misfit, self.on_error, |misfit| Refused {
            raw: raw.to_vec(),
            row,
            line,
            offset,
            column: Some(misfit.column),
            reason: misfit.reason,
            kept: false,
            cut: false,
            before_header: false,
            image: None,
        });
        self.advance(end);
    }

    /// The record is too long: its beginning is kept, and the rest up to a line end passed over.
    fn refuse_longer(&mut self, output: &mut Output<'_>) {
        let longest = self.longest;
        let shown = if longest >= 1 << 20 { format!("{} MiB", longest >> 20) } else { format!("{longest} bytes") };
        let reason = format!("the record is longer than {shown}; the next one is looked for on the line behind them");
        self.refuse(output, self.at + longest, reason, true);
        self.passing = true;
    }

    /// Passes the rest of a record that was too long, as far as it is there.
    fn pass_rest(&mut self) {
        let end = self.buffer[self.at..].iter().position(|byte| *byte == b'\n').map(|at| self.at + at + 1);
        self.passing = end.is_none();
        // The end of the list was in what was passed over.
        self.in_list &= !(self.passing && self.finished);
        self.advance(end.unwrap_or(self.buffer.len()));
    }

    fn refuse(&mut self, output: &mut Output<'_>, end: usize, reason: String, cut: bool) {
        self.records += 1;
        let raw = &self.buffer[self.at..end];
        let raw = if cut { raw.to_vec() } else { raw.trim_ascii_end().to_vec() };
        let (row, line, offset) = (self.records, self.lines + 1, self.start + self.at as u64);
        output.refuse(Refused {
            raw,
            row,
            line,
            offset,
            column: None,
            reason,
            kept: false,
            cut,
            before_header: false,
            image: None,
        });
        self.advance(end);
    }

    fn explain(&self, fault: &Fault) -> String {
        match fault {
            Fault::Incomplete if self.alone => "the record ends before all that is open in it is closed".to_owned(),
            Fault::Incomplete => "the file ends in the middle of this record".to_owned(),
            Fault::Syntax { at, expected } => {
                let found = match self.buffer.get(*at) {
                    None if self.alone => "the end of the record".to_owned(),
                    None => "the end of the file".to_owned(),
                    Some(b'\n') => "the end of the line".to_owned(),
                    Some(byte) if byte.is_ascii_graphic() => format!("{}", char::from(*byte)),
                    Some(byte) => format!("the byte {byte:#04x}"),
                };
                let hint = if !self.lenient && self.buffer.get(*at) == Some(&b'\'') {
                    "; for single quotes, None and True there is OPTIONS ('mode' 'lenient')"
                } else {
                    ""
                };
                format!("not JSON at byte {} of the record: expected {expected}, found {found}{hint}", at - self.at + 1)
            }
        }
    }

    /// Where to go on behind a record that cannot be read; none when more bytes are needed to say.
    fn resume_at(&self, fault: &Fault) -> Option<usize> {
        if self.alone {
            return Some(self.buffer.len());
        }
        let buffer = &self.buffer[..self.seen()];
        let is_last = self.rows.last;
        let line_end = || buffer[self.at..].iter().position(|byte| *byte == b'\n').map(|at| self.at + at + 1);
        let is_value = self.layout == Layout::Values && matches!(fault, Fault::Syntax { .. });
        let mut value = Parser::new(buffer, self.at, self.lenient);
        match value.skip(is_last, 0) {
            // It is JSON, but no object.
            Ok(()) if is_value => return Some(value.at),
            // It may be: what is within it ends nothing.
            Err(Fault::Incomplete) if is_value && !is_last => return None,
            _ => {}
        }
        let end = match is_value.then(|| balanced(buffer, self.at)).flatten() {
            None if is_value && !is_last => None,
            None => line_end().or_else(|| is_last.then_some(buffer.len())),
            found => found,
        };
        end.map(|end| end.max(self.at + 1))
    }
}

/// The byte behind the braces that close what opens at `from`; strings are passed over.
fn balanced(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(b'"'),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (None, _) => {}
        }
        at += 1;
    }
    None
}

impl Decoder for JsonDecoder {
    fn push(&mut self, bytes: &[u8]) {
        self.start += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn decode(&mut self, output: &mut Output<'_>) -> Result<Progress> {
        loop {
            if output.room == 0 {
                return Ok(Progress::Full);
            }
            if self.passing {
                self.pass_rest();
            }
            if self.passing || !self.between() {
                if self.finished && self.in_list {
                    self.in_list = false;
                    let reason = "the file ends before the list that holds its records does; it may be truncated".to_owned();
                    self.refuse(output, self.at, reason, false);
                }
                return Ok(if self.finished { Progress::Done } else { Progress::Hungry });
            }
            if let Some(progress) = self.record(output) {
                return Ok(progress);
            }
        }
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn unknown(&self) -> Vec<String> {
        self.rows.unknown()
    }

    fn jump(&mut self, offset: u64) -> bool {
        if self.layout != Layout::Lines || self.in_list {
            return false;
        }
        self.buffer.clear();
        (self.at, self.start, self.wait_for, self.jumped) = (0, offset, 0, true);
        true
    }

    fn observed(self: Box<Self>) -> ObservedSchema {
        self.rows.observed()
    }
}
