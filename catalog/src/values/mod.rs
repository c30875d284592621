//! From text to values: one set of parsers for inference and for the readers, so that what is inferred is exactly what can be
//! read.
//!
//! All of them are strict: they take the whole text, without blanks around it ([`trimmed`] takes those away), allocate nothing,
//! and answer `None` for what they do not read. Times of day and UUIDs stay text; [`is_uuid`] only recognises them.

mod calendar;
mod date;
mod number;
mod rfc2822;
mod temporal;
mod timestamp;

pub use date::{DateForm, DateForms};
pub use number::{Number, boolean, decimal, float, integer, number, padded_integer};
pub use temporal::{Temporal, temporal};
pub use timestamp::TimestampForm;

/// The text of a form that no one defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownForm(pub String);

impl std::fmt::Display for UnknownForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown form '{}' of a date or timestamp, expected one such as 'Y-M-D', 'D/M/Y' or 'M/D/Y h:m:s'", self.0)
    }
}

impl std::error::Error for UnknownForm {}

/// The text without the blanks around it, as inference sees a cell of a text file and as a reader of a typed column must.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether the text is a UUID in its usual form, `8-4-4-4-12` hexadecimal digits.
pub fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_recognised_by_shape() {
        assert!(is_uuid("123e4567-e89b-12d3-a456-426614174000"));
        assert!(!is_uuid("123e4567-e89b-12d3-a456-42661417400"));
        assert!(!is_uuid("123e4567ae89b-12d3-a456-426614174000"));
    }

    #[test]
    fn blanks_go_and_line_ends_stay() {
        assert_eq!(trimmed(" \t5 "), "5");
        assert_eq!(trimmed("5\n"), "5\n");
    }
}
