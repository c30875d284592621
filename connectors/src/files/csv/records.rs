//! Bytes to records, in chunks of any size: RFC 4180 and CSV as it is found.
//!
//! A record ends at LF, CR or CRLF outside quotes. Blank lines and comment lines are skipped. A quote opens a field only at
//! its start; elsewhere it is a character (`5" disk`). Text behind a closing quote makes the field malformed, and its
//! content is then what is written.
//!
//! **A quote that is never closed** would make one record of the rest of the file. It is taken for a mistake when the file
//! ends or the record outgrows [`Limits::record_bytes`] before it is closed, or when it closes on a later line with text
//! behind it (it met the next field's opening quote). Then the record up to the end of the line on which the quote opened
//! is a [`BadRecord`], and splitting goes on with the next line.
//!
//! Every byte belongs to a record, a bad record, a skipped line or a line end, and to which of them depends on the bytes
//! alone, not on the chunks they came in. No byte is looked at more than a few times: a line that a bad quote had swallowed
//! holds no quote that opens, else it would have closed the bad one.

use super::bad::{BadReason, BadRecord, Limits};
use super::dialect::Dialect;
use super::field::{MALFORMED, QUOTED, Record, Span, Unescape, is_blank, trimmed};
use super::structure::{BLOCK, Marks};

/// What the bytes before the next mark belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A record that no mark has been seen of.
    Start,
    /// A field outside quotes, or its start.
    Plain,
    /// A field within quotes.
    Quoted,
    /// A field whose quote has closed, unless another quote follows.
    Closed,
    /// A comment line.
    Comment,
    /// A bad record, up to its line end.
    Discard(BadReason),
}

/// A line end within quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Break {
    pub(super) at: usize,
    /// The line that it ends.
    pub(super) line: u64,
}

/// The record just found: indices into the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    start: usize,
    end: usize,
    length: u64,
    offset: u64,
    number: u64,
    line: u64,
    bad: Option<BadReason>,
}

/// Splits a stream of bytes into records.
///
/// ```text
/// splitter.push(chunk);  while let Some(record) = splitter.next_record() { … }   // for every chunk
/// splitter.finish();     while let Some(record) = splitter.next_record() { … }
/// ```
/// It holds the last chunk and one unfinished record, and until the next chunk at most as many bytes that are done with.
#[derive(Debug)]
pub struct Splitter {
    pub(super) delimiter: u8,
    pub(super) comment: Option<u8>,
    pub(super) trim: bool,
    pub(super) unescape: Unescape,
    pub(super) marks: Marks,
    pub(super) limits: Limits,

    pub(super) buffer: Vec<u8>,
    /// Offset in the stream of the buffer's first byte.
    pub(super) base: u64,
    pub(super) ended: bool,
    /// Marks not yet looked at, counted from `block`.
    pub(super) mask: u64,
    pub(super) block: usize,
    /// Where the next block begins.
    pub(super) next: usize,

    pub(super) state: State,
    /// The record's first byte; all before it is done with.
    pub(super) start: usize,
    /// The last record ended with CR: a LF at `start` belongs to it.
    pub(super) after_cr: bool,
    /// The line of `start`.
    pub(super) line: u64,
    pub(super) number: u64,
    /// Line ends within the record.
    pub(super) breaks: u64,
    /// Bytes of a bad record that are not kept.
    pub(super) dropped: u64,

    pub(super) fields: Vec<Span>,
    /// The field's first byte, or the first within its quotes.
    pub(super) field: usize,
    pub(super) flags: u8,
    pub(super) closed: usize,
    /// Marks before it are escaped.
    pub(super) escaped_until: usize,
    /// The escaped mark was CR: a LF right behind it is escaped too.
    pub(super) escaped_cr: bool,
    /// The first line end within the field's quotes.
    pub(super) quote_break: Option<Break>,
}

impl Splitter {
    /// Splits by `dialect`, with the limits of [`Limits::default`]. `dialect.header` is the caller's to heed.
    #[must_use]
    pub fn new(dialect: &Dialect) -> Self {
        Self::with_limits(dialect, Limits::default())
    }

    /// Splits by `dialect`.
    #[must_use]
    pub fn with_limits(dialect: &Dialect, limits: Limits) -> Self {
        // An escape that is the quote is what doubled quotes are anyway.
        let escape = dialect.escape.filter(|&escape| Some(escape) != dialect.quote);
        Self {
            delimiter: dialect.delimiter,
            comment: dialect.comment,
            trim: dialect.trim,
            unescape: Unescape { quote: dialect.quote, escape },
            marks: Marks::new(dialect.delimiter, dialect.quote, escape),
            limits: Limits { record_bytes: limits.record_bytes.min(1 << 31), fields: limits.fields.max(1) },
            buffer: Vec::new(),
            base: 0,
            ended: false,
            mask: 0,
            block: 0,
            next: 0,
            state: State::Start,
            start: 0,
            after_cr: false,
            line: 1,
            number: 0,
            breaks: 0,
            dropped: 0,
            fields: Vec::new(),
            field: 0,
            flags: 0,
            closed: 0,
            escaped_until: 0,
            escaped_cr: false,
            quote_break: None,
        }
    }

    /// Counts from a record that begins at byte `offset` of a file, on its line `line`.
    #[must_use]
    pub fn starting_at(self, offset: u64, line: u64) -> Self {
        Self { base: offset, line, ..self }
    }

    /// Adds the bytes that follow. Take the records before adding more: they are kept until taken.
    pub fn push(&mut self, chunk: &[u8]) {
        // Moving no more bytes than have been taken keeps the cost of moving below that of reading.
        if self.start >= self.buffer.len() - self.start {
            self.compact();
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// No more bytes follow: the last record needs no line end.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Bytes of the stream that belong to what has been taken or skipped.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Bytes in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The next record; nothing when more bytes are needed or, after [`Splitter::finish`], when all are read.
    ///
    /// # Errors
    /// The bytes are no record, by the rules at the top of this module. The next call goes on behind them.
    pub fn next_record(&mut self) -> Option<Result<Record<'_>, BadRecord<'_>>> {
        if self.state == State::Start {
            self.fields.clear();
        }
        let Found { start, end, length, offset, number, line, bad } = self.find()?;
        let raw = &self.buffer[start..end];
        Some(match bad {
            None => Ok(Record {
                raw,
                text: std::str::from_utf8(raw).ok(),
                fields: &self.fields,
                unescape: self.unescape,
                offset,
                number,
                line,
            }),
            Some(reason) => Err(BadRecord { reason, raw, length, offset, number, line }),
        })
    }

    fn find(&mut self) -> Option<Found> {
        loop {
            if self.state == State::Plain && self.mask != 0 {
                self.plain_fields();
            }
            while self.mask == 0 {
                if self.next == self.buffer.len() {
                    return self.at_end();
                }
                self.block = self.next;
                self.mask = self.marks.find(&self.buffer[self.block..]);
                self.next = self.buffer.len().min(self.block + BLOCK);
            }
            let at = self.block + self.mask.trailing_zeros() as usize;
            self.mask &= self.mask - 1;
            if let Some(found) = self.mark(at, self.buffer[at]) {
                return Some(found);
            }
        }
    }

    pub(super) fn skip_line(&mut self, at: usize, byte: u8) {
        self.line += 1;
        self.start_at(at + 1);
        self.after_cr = byte == b'\r';
    }

    /// The next record begins at `start`.
    pub(super) fn start_at(&mut self, start: usize) {
        self.state = State::Start;
        self.start = start;
        self.field = start;
        self.flags = 0;
        self.quote_break = None;
        self.escaped_until = 0;
        self.escaped_cr = false;
    }

    #[inline]
    pub(super) fn end_field(&mut self, at: usize) {
        let content = match self.flags & (QUOTED | MALFORMED) {
            0 if self.trim => trimmed(&self.buffer, self.field..at),
            0 => self.field..at,
            QUOTED => self.field..self.closed,
            // The opening quote belongs to what is written.
            _ => self.field - 1..at,
        };
        if self.fields.len() == self.limits.fields {
            self.state = State::Discard(BadReason::TooManyFields { limit: self.limits.fields });
            return;
        }
        // A record's bytes are fewer than 2^32, see `with_limits`.
        let (start, end) = ((content.start - self.start) as u32, (content.end - self.start) as u32);
        self.fields.push(Span { start, end, flags: self.flags });
        self.field = at + 1;
        self.flags = 0;
        self.quote_break = None;
    }

    pub(super) fn end_record(&mut self, at: usize, line_end: bool) -> Found {
        self.end_field(at);
        if let State::Discard(reason) = self.state {
            return self.end_bad(at, line_end, reason);
        }
        self.found(at, line_end, None)
    }

    pub(super) fn end_bad(&mut self, at: usize, line_end: bool, reason: BadReason) -> Found {
        self.fields.clear();
        self.found(at, line_end, Some(reason))
    }

    /// Hands over the bytes up to `at` and begins anew behind them.
    fn found(&mut self, at: usize, line_end: bool, bad: Option<BadReason>) -> Found {
        self.number += 1;
        let found = Found {
            start: self.start,
            end: if bad.is_some() { at.min(self.start + self.limits.record_bytes) } else { at },
            length: (at - self.start) as u64 + self.dropped,
            offset: self.base + self.start as u64,
            number: self.number,
            line: self.line,
            bad,
        };
        // The LF of an escaped CRLF that the limit came between: the line has been counted.
        let counted = self.escaped_cr && at + self.dropped as usize == self.escaped_until;
        self.base += std::mem::take(&mut self.dropped);
        self.line += std::mem::take(&mut self.breaks);
        self.start_at(at);
        if line_end {
            let byte = self.buffer[at];
            self.line -= u64::from(counted && byte == b'\n');
            self.skip_line(at, byte);
        }
        found
    }

    /// The record is too long: a quote that has swallowed lines is taken back, else the line is discarded.
    pub(super) fn outgrown(&mut self) -> Option<Found> {
        let found = self.recover();
        if found.is_none() {
            self.state = State::Discard(BadReason::TooLong { limit: self.limits.record_bytes });
        }
        found
    }

    /// Takes back a quote that opened on an earlier line: what is before that line's end is bad, the rest is read again.
    pub(super) fn recover(&mut self) -> Option<Found> {
        let Break { at, line } = self.quote_break?;
        self.breaks = line - self.line;
        self.mask = 0;
        self.next = at + 1;
        Some(self.end_bad(at, true, BadReason::UnclosedQuote { line }))
    }

    /// All bytes have been looked at.
    fn at_end(&mut self) -> Option<Found> {
        let end = self.buffer.len();
        if self.state == State::Start && self.start < end && self.comment == Some(self.buffer[self.start]) {
            self.state = State::Comment;
        }
        match self.state {
            State::Comment => self.start = end,
            State::Discard(_) => self.drop_excess(),
            _ if end - self.start > self.limits.record_bytes => match self.outgrown() {
                None => self.drop_excess(),
                found => return found,
            },
            _ => {}
        }
        if self.ended && self.start < self.buffer.len() { self.last() } else { None }
    }

    /// The record that no line end follows.
    fn last(&mut self) -> Option<Found> {
        let end = self.buffer.len();
        match self.state {
            State::Discard(reason) => return Some(self.end_bad(end, false, reason)),
            State::Start if self.trim && is_blank(&self.buffer[self.start..]) => {
                self.start_at(end);
                return None;
            }
            State::Quoted => {
                let reason = BadReason::UnclosedQuote { line: self.line + self.breaks };
                return self.recover().or_else(|| Some(self.end_bad(end, false, reason)));
            }
            State::Closed if !self.closes_cleanly(end) => {
                if let found @ Some(_) = self.recover() {
                    return found;
                }
                self.flags |= MALFORMED;
            }
            _ => {}
        }
        Some(self.end_record(end, false))
    }

    /// Keeps of a bad record what is handed over.
    fn drop_excess(&mut self) {
        let keep = self.buffer.len().min(self.start + self.limits.record_bytes);
        self.dropped += (self.buffer.len() - keep) as u64;
        self.buffer.truncate(keep);
        self.next = keep;
    }

    /// Forgets the bytes that are done with.
    fn compact(&mut self) {
        if self.mask != 0 {
            self.next = self.block + self.mask.trailing_zeros() as usize;
            self.mask = 0;
        }
        let taken = self.start;
        self.buffer.drain(..taken);
        self.base += taken as u64;
        self.start = 0;
        self.next -= taken;
        self.field = self.field.saturating_sub(taken);
        self.closed = self.closed.saturating_sub(taken);
        self.escaped_until = self.escaped_until.saturating_sub(taken);
        if let Some(quote_break) = &mut self.quote_break {
            quote_break.at -= taken;
        }
    }
}
