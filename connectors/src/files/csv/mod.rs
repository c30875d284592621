//! CSV as it is found: bytes to UTF-8 ([`encoding`]), which separators a file uses ([`mod@sniff`]), records and fields
//! ([`records`]), and which column of the file is which of the table ([`header`]).
//!
//! Nothing here knows of Arrow, object stores or types: it turns bytes into text cells with their places in the file. The
//! rules are those of RFC 4180 and, where files break them, the reading that loses the least and says so.
//!
//! In order of use: [`encoding::detect`] on a sample, [`sniff::sniff`] on the sample decoded, a
//! [`encoding::Transcoder`] (none for UTF-8) feeding a [`records::Splitter`], [`header::Header`] from its first record.

pub mod bad;
pub mod decode;
pub mod dialect;
pub mod encoding;
pub mod field;
mod first_record;
mod form;
pub mod fuzz;
pub mod header;
mod kind;
mod reading;
pub mod records;
pub mod sniff;
mod structure;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod sniff_tests;
#[cfg(test)]
mod tests;

pub use bad::{BadReason, BadRecord, Limits};
pub use dialect::Dialect;
pub use field::{Field, InvalidText, Record};
pub use form::Form;
pub use header::{Header, Matching, Renames};
pub use records::Splitter;
pub use sniff::{Hints, Sniffed, sniff};
