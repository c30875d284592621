//! What the decoders of text formats have in common: bytes in, rows and refused records out.

use catalog::infer::ObservedSchema;

use super::columns::Columns;
use super::csv::Form;
use super::misfit::Misfit;
use crate::error::Result;
pub use crate::on_error::OnError;

/// A record is at most this long; what is longer is refused, so that a file without record ends is not held in memory.
pub const LONGEST_RECORD: usize = 32 << 20;

/// What to say of a fault that `option` decides upon.
pub(super) fn how_to_put_aside(what: &str, option: &str) -> String {
    format!(
        "to put such {what} aside and go on, add OPTIONS ('{option}' 'quarantine'); of a table that was crawled, crawl with --option \
         TABLE.{option}=quarantine"
    )
}

/// A record that is no row, or is one with a NULL where it has something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its bytes.
    pub raw: Vec<u8>,
    /// Which record of the file it is, from 1.
    pub row: u64,
    /// On which line it begins, from 1.
    pub line: u64,
    /// Where it begins, in bytes of the decompressed file.
    pub offset: u64,
    /// The column at fault, if it is one column's.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// It is a row all the same.
    pub kept: bool,
    /// Its bytes are only the first of them: it is longer than a record may be.
    pub cut: bool,
    /// It stands before the header of its file: which of its cells is of which column, nobody knows.
    pub before_header: bool,
    /// Of a record that is no bytes in its file but a row: the row itself, see `row_image`.
    pub image: Option<String>,
}

/// Where in its file a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which record it is, from 1.
    pub row: u64,
    /// On which line it begins, from 1.
    pub line: u64,
    /// The byte of the decompressed file at which it begins, from 0.
    pub offset: u64,
}

impl Refused {
    /// A record of which a decoder that only looks makes a note.
    pub(super) fn noted(row: u64, line: u64, offset: u64, reason: String) -> Self {
        Self {
            raw: Vec::new(),
            row,
            line,
            offset,
            column: None,
            reason,
            kept: true,
            cut: false,
            before_header: false,
            image: None,
        }
    }
}

/// How far a decoder came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is no room for more records.
    Full,
    /// More bytes are needed.
    Hungry,
    /// The file is at its end.
    Done,
}

/// Where decoded rows go.
#[derive(Debug)]
pub struct Output<'a> {
    /// The columns that are read.
    pub columns: &'a mut Columns,
    /// Where refused records go.
    pub refused: &'a mut Vec<Refused>,
    /// The number in its file of every row.
    pub numbers: &'a mut Vec<i64>,
    /// Records that may still come: rows and refused ones.
    pub room: usize,
}

impl Output<'_> {
    /// The row under construction is complete, but for what its `misfit` says: keeps it, or takes it back and refuses it.
    ///
    /// `refused` makes the record as it is noted.
    pub fn settle(&mut self, row: u64, misfit: Option<Misfit>, on_error: OnError, refused: impl FnOnce(Misfit) -> Refused) {
        let keep = misfit.is_none() || on_error == OnError::Null;
        let missing = if keep { self.columns.end_row().err() } else { None };
        let kept = keep && missing.is_none();
        if kept {
            self.numbers.push(i64::try_from(row).unwrap_or(i64::MAX));
        } else {
            self.columns.drop_row();
        }
        if let Some(misfit) = missing.or(misfit) {
            self.refused.push(Refused { kept, ..refused(misfit) });
        }
        self.room = self.room.saturating_sub(1);
    }

    /// A record that cannot be read at all.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused.push(refused);
        self.room = self.room.saturating_sub(1);
    }
}

/// Makes rows of the bytes of one file.
pub trait Decoder: Send {
    /// Takes the next bytes of the file, decompressed.
    fn push(&mut self, bytes: &[u8]);

    /// No more bytes come.
    fn finish(&mut self);

    /// Decodes what it has.
    ///
    /// # Errors
    /// What makes the whole file unreadable; a record that cannot be read is no error but refused.
    fn decode(&mut self, output: &mut Output<'_>) -> Result<Progress>;

    /// Records passed so far, rows and refused ones.
    fn records(&self) -> u64;

    /// Names in the file of columns that the table has not, as far as it was decoded.
    fn unknown(&self) -> Vec<String>;

    /// Goes on with the bytes from `offset` of the decompressed file on, where a line begins, of a decoder that only looks. Says
    /// whether it can: only where a line is a record, and its bytes are read as they are.
    fn jump(&mut self, offset: u64) -> bool;

    /// How the file is written, where that has to be found out; none before it was.
    fn form(&self) -> Option<Form> {
        None
    }

    /// What was seen, of a decoder that only looks.
    fn observed(self: Box<Self>) -> ObservedSchema;
}
