//! What a delimiter, a quote, an escape or a line end does to the record that is being read: the rules that
//! [`super::records`] states, one mark at a time. Where records begin and end in the buffer is kept there.

use super::field::{ESCAPED, MALFORMED, QUOTED, Span, is_blank};
use super::records::{Break, Found, Splitter, State};
use super::structure::BLOCK;

impl Splitter {
    /// Ends the fields that the next marks end, as far as they are delimiters and nothing is to be heeded but them: what
    /// [`Splitter::mark`] does too, at a fraction of its cost.
    #[inline]
    pub(super) fn plain_fields(&mut self) {
        let limited =
            self.block + BLOCK - self.start > self.limits.record_bytes || self.fields.len() + BLOCK > self.limits.fields;
        if limited || self.flags != 0 || self.trim || is_line_end(self.delimiter) {
            return;
        }
        let (mut mask, mut field, start) = (self.mask, self.field, self.start);
        let bytes = &self.buffer[self.block..self.next];
        while let Some(&byte) = bytes.get(mask.trailing_zeros() as usize) {
            if byte != self.delimiter {
                break;
            }
            let at = self.block + mask.trailing_zeros() as usize;
            self.fields.push(Span { start: (field - start) as u32, end: (at - start) as u32, flags: 0 });
            field = at + 1;
            mask &= mask - 1;
        }
        (self.mask, self.field) = (mask, field);
    }

    /// What the mark `byte` does, at `at`.
    #[inline]
    pub(super) fn mark(&mut self, at: usize, byte: u8) -> Option<Found> {
        if self.state == State::Start && self.begins_with(at, byte) {
            return None;
        }
        if matches!(self.state, State::Comment | State::Discard(_)) {
            return self.unread(at, byte);
        }
        if at - self.start > self.limits.record_bytes {
            return self.outgrown().or_else(|| self.unread(at, byte));
        }
        if self.is_escaped(at, byte) {
            return None;
        }
        if self.state == State::Plain {
            return self.plain(at, byte);
        }
        if self.state == State::Closed {
            return self.behind_quote(at, byte);
        }
        if Some(byte) == self.unescape.quote {
            self.state = State::Closed;
            self.closed = at;
        } else if Some(byte) == self.unescape.escape {
            self.escape(at);
        } else if is_line_end(byte) {
            self.break_line(at, byte);
        }
        None
    }

    /// A mark of a field outside quotes.
    #[inline]
    fn plain(&mut self, at: usize, byte: u8) -> Option<Found> {
        if is_line_end(byte) {
            return Some(self.end_record(at, true));
        }
        if byte == self.delimiter {
            self.end_field(at);
        } else if Some(byte) == self.unescape.quote {
            let opens = self.flags == 0 && (at == self.field || (self.trim && is_blank(&self.buffer[self.field..at])));
            if opens {
                self.state = State::Quoted;
                self.flags = QUOTED;
                self.field = at + 1;
            }
        } else {
            self.escape(at);
        }
        None
    }

    /// The first mark behind a quote within quotes.
    fn behind_quote(&mut self, at: usize, byte: u8) -> Option<Found> {
        if Some(byte) == self.unescape.quote && at == self.closed + 1 {
            self.flags |= ESCAPED;
            self.state = State::Quoted;
            return None;
        }
        let ends_field = byte == self.delimiter || is_line_end(byte);
        if !(ends_field && self.closes_cleanly(at)) {
            if self.quote_break.is_some() {
                return self.recover();
            }
            self.flags |= MALFORMED;
        }
        self.state = State::Plain;
        self.plain(at, byte)
    }

    /// Nothing but what may stand between a closing quote and the delimiter at `at` does.
    pub(super) fn closes_cleanly(&self, at: usize) -> bool {
        at == self.closed + 1 || (self.trim && is_blank(&self.buffer[self.closed + 1..at]))
    }

    /// Looks at the first mark of a record. True if that was no record but a line end to be skipped.
    fn begins_with(&mut self, at: usize, byte: u8) -> bool {
        let after_cr = std::mem::take(&mut self.after_cr);
        if after_cr && at == self.start && byte == b'\n' {
            self.start_at(at + 1);
            return true;
        }
        if self.comment.is_some() && self.comment == self.buffer.get(self.start).copied() {
            self.state = State::Comment;
            return false;
        }
        self.state = State::Plain;
        let blank = is_line_end(byte)
            && at - self.start <= self.limits.record_bytes
            && (at == self.start || (self.trim && is_blank(&self.buffer[self.start..at])));
        if blank {
            self.skip_line(at, byte);
        }
        blank
    }

    /// A mark in a line that is not read.
    fn unread(&mut self, at: usize, byte: u8) -> Option<Found> {
        if !is_line_end(byte) {
            return None;
        }
        if let State::Discard(reason) = self.state {
            return Some(self.end_bad(at, true, reason));
        }
        self.skip_line(at, byte);
        None
    }

    fn escape(&mut self, at: usize) {
        self.flags |= ESCAPED;
        self.escaped_until = at + 2;
    }

    /// Whether an escape before it makes the mark an ordinary character.
    #[inline]
    fn is_escaped(&mut self, at: usize, byte: u8) -> bool {
        if at < self.escaped_until {
            self.escaped_cr = byte == b'\r';
        } else if !(std::mem::take(&mut self.escaped_cr) && byte == b'\n' && at == self.escaped_until) {
            return false;
        }
        if is_line_end(byte) {
            self.break_line(at, byte);
        }
        true
    }

    /// A line end within a record.
    fn break_line(&mut self, at: usize, byte: u8) {
        if byte == b'\n' && at > self.start && self.buffer[at - 1] == b'\r' {
            return;
        }
        if self.flags & QUOTED != 0 && self.quote_break.is_none() {
            self.quote_break = Some(Break { at, line: self.line + self.breaks });
        }
        self.breaks += 1;
    }
}

#[inline]
pub(super) fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}
