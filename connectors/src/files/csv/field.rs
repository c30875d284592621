//! A record and its fields: where they are, and their text. Finding them is [`super::records`]'s.

use std::fmt;
use std::ops::Range;

/// The field was written in quotes.
pub(super) const QUOTED: u8 = 1;
/// Doubled quotes or escapes have to be undone.
pub(super) const ESCAPED: u8 = 2;
/// Text follows the closing quote.
pub(super) const MALFORMED: u8 = 4;

/// Where a field's content is, counted from its record's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) flags: u8,
}

/// The characters that unescaping undoes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unescape {
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
}

/// One record, as long as the splitter is not asked for the next.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub(super) raw: &'a [u8],
    /// `raw`, when all of it is UTF-8: looking at a record once is cheaper than at every field.
    pub(super) text: Option<&'a str>,
    pub(super) fields: &'a [Span],
    pub(super) unescape: Unescape,
    pub(super) offset: u64,
    pub(super) number: u64,
    pub(super) line: u64,
}

impl<'a> Record<'a> {
    /// Its bytes as they are in the decoded file, without the line end.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Where it begins, in bytes of the decoded file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Which record of the file it is, from 1, bad records and the header counted.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The line it begins on, from 1, line ends within quotes counted.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many fields it has: at least one.
    #[must_use]
    pub fn width(&self) -> usize {
        self.fields.len()
    }

    /// The field of a column, from 0.
    #[must_use]
    #[inline]
    pub fn field(&self, column: usize) -> Option<Field<'a>> {
        self.fields.get(column).map(|&span| self.at(column, span))
    }

    /// All fields.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field<'a>> + use<'a> {
        let record = *self;
        self.fields.iter().enumerate().map(move |(column, &span)| record.at(column, span))
    }

    /// Some field has text behind its closing quote, see [`Field::is_malformed`].
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.fields.iter().any(|span| span.flags & MALFORMED != 0)
    }

    /// The record ends with a delimiter, so that its last field is nothing. Where the header has one name fewer, that field
    /// is none.
    #[must_use]
    pub fn ends_with_delimiter(&self) -> bool {
        self.fields.len() > 1 && self.fields.last().is_some_and(|span| span.start == span.end && span.flags & QUOTED == 0)
    }

    #[inline]
    fn at(&self, column: usize, span: Span) -> Field<'a> {
        let range = span.start as usize..span.end as usize;
        Field {
            column,
            raw: self.raw.get(range.clone()).unwrap_or_default(),
            text: self.text.and_then(|text| text.get(range)),
            flags: span.flags,
            unescape: self.unescape,
        }
    }
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    column: usize,
    raw: &'a [u8],
    /// `raw`, if the record is UTF-8.
    text: Option<&'a str>,
    flags: u8,
    unescape: Unescape,
}

impl<'a> Field<'a> {
    /// Which column of the file it is, from 0.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Its bytes as written, without the quotes around them, with escapes and doubled quotes. Tells `\N` from `N`.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// It was written in quotes: an empty text rather than nothing.
    #[must_use]
    pub fn is_quoted(&self) -> bool {
        self.flags & QUOTED != 0
    }

    /// Text follows its closing quote (`"a"b`). Its content is then all that is written, quotes included.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.flags & MALFORMED != 0
    }

    /// Whether [`Field::bytes`] differ from [`Field::raw`].
    #[must_use]
    pub fn is_escaped(&self) -> bool {
        self.flags & (ESCAPED | MALFORMED) == ESCAPED
    }

    /// Its content. `scratch` is written to only when something has to be unescaped.
    #[inline]
    pub fn bytes<'s>(&self, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        if !self.is_escaped() {
            return self.raw;
        }
        scratch.clear();
        self.unescape.append(self.raw, self.is_quoted(), scratch);
        scratch
    }

    /// Its content as text, see [`Field::bytes`].
    ///
    /// # Errors
    /// It is not UTF-8; the error names the column.
    #[inline]
    pub fn text<'s>(&self, scratch: &'s mut Vec<u8>) -> Result<&'s str, InvalidText>
    where
        'a: 's,
    {
        let column = self.column;
        if let Some(text) = self.text.filter(|_| !self.is_escaped()) {
            return Ok(text);
        }
        std::str::from_utf8(self.bytes(scratch)).map_err(|error| InvalidText { column, valid: error.valid_up_to() })
    }
}

impl Unescape {
    /// What follows an escape is taken as it is; of two quotes within quotes, one.
    fn append(self, raw: &[u8], quoted: bool, out: &mut Vec<u8>) {
        out.reserve(raw.len());
        let mut bytes = raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if Some(byte) == self.escape {
                out.push(bytes.next().unwrap_or(byte));
            } else {
                if quoted && Some(byte) == self.quote {
                    bytes.next_if_eq(&byte);
                }
                out.push(byte);
            }
        }
    }
}

/// A field whose bytes are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidText {
    /// The column of the file, from 0.
    pub column: usize,
    /// How many bytes of the field, from its start, are UTF-8.
    pub valid: usize,
}

impl fmt::Display for InvalidText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "column {}: invalid UTF-8 after {} bytes of the field", self.column + 1, self.valid)
    }
}

impl std::error::Error for InvalidText {}

/// `bytes` holds nothing but spaces and tabs.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| matches!(byte, b' ' | b'\t'))
}

/// `range` of `bytes` without the blanks at its ends.
pub(super) fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (range.start, range.end);
    while start < end && is_blank(&bytes[start..=start]) {
        start += 1;
    }
    while start < end && is_blank(&bytes[end - 1..end]) {
        end -= 1;
    }
    start..end
}
