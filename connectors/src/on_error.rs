//! `on_error`: what becomes of a value or a row that does not fit.

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use serde::Serializer as _;

use crate::error::{Error, Result};
use crate::options::Options;

/// The share of bad records that is tolerated when they do not fail the run, when the table does not say.
pub(crate) const MAX_BAD_RATIO: f64 = 0.1;

/// What a bad value does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The run fails.
    Fail,
    /// The record goes to the table's bad records.
    Quarantine,
    /// The value becomes NULL, and the record is noted among the bad ones as one that was kept. A record that cannot be read at all is
    /// quarantined.
    Null,
}

impl OnError {
    /// From the options `on_error` and `max_bad_ratio`, with the share of the rows that may be bad.
    ///
    /// # Errors
    /// [`Error::Config`] at the option that makes no sense.
    pub(crate) fn read(options: &Options) -> Result<(Self, f64)> {
        let on_error = match options.choice("on_error", &["fail", "quarantine", "null"])? {
            Some("quarantine") => Self::Quarantine,
            Some("null") => Self::Null,
            _ => Self::Fail,
        };
        let ratio = options.ratio("max_bad_ratio")?;
        if on_error == Self::Fail && ratio.is_some() {
            let message = "option 'max_bad_ratio' applies only with on_error 'quarantine' or 'null': with 'fail', the first bad row \
                           ends the run";
            return Err(Error::config_at("max_bad_ratio", message));
        }
        Ok((on_error, ratio.unwrap_or(if on_error == Self::Fail { 0.0 } else { MAX_BAD_RATIO })))
    }
}

/// A row as a JSON object of texts, columns in their order, for a reader of the bad records: there are no bytes of its own to show.
pub(crate) fn shown<'a>(names: impl Iterator<Item = &'a str>, columns: &[ArrayRef], row: usize) -> Vec<u8> {
    let cell = |column: &ArrayRef| match column.is_null(row) {
        true => None,
        false => array_value_to_string(column, row).ok(),
    };
    let mut text = Vec::new();
    match serde_json::Serializer::new(&mut text).collect_map(names.zip(columns.iter().map(cell))) {
        Ok(()) => text,
        Err(error) => error.to_string().into_bytes(),
    }
}
