//! The form in which a column's values are written, kept with the column so that the reader parses what inference saw.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use arrow_schema::Field;

use crate::values::{DateForm, TimestampForm, UnknownForm};

/// The key of a field's metadata under which the form is kept, when there is one.
pub const FORM_KEY: &str = "engine.form";

/// How a column's values are written. Columns without one are written the usual way: ISO 8601 for dates and timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Dates.
    Date(DateForm),
    /// Timestamps.
    Timestamp(TimestampForm),
    /// Text that is JSON: the values were objects or lists that have no common type.
    Json,
}

impl Form {
    /// The form of a field.
    ///
    /// # Errors
    /// [`UnknownForm`] when the metadata has one that this version does not know.
    pub fn of(field: &Field) -> Result<Option<Self>, UnknownForm> {
        field.metadata().get(FORM_KEY).map(|text| text.parse()).transpose()
    }

    /// The metadata of a field of this form; empty when the form is ISO 8601.
    pub fn metadata(form: Option<Self>) -> HashMap<String, String> {
        form.filter(|form| !form.is_iso()).map(|form| (FORM_KEY.to_owned(), form.to_string())).into_iter().collect()
    }

    /// Whether it is ISO 8601, which needs no mention.
    pub fn is_iso(self) -> bool {
        match self {
            Self::Date(form) => form == DateForm::YearDash,
            Self::Timestamp(form) => form.is_iso(),
            Self::Json => false,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(form) => form.fmt(f),
            Self::Timestamp(form) => form.fmt(f),
            Self::Json => f.write_str("json"),
        }
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        if text == "json" {
            return Ok(Self::Json);
        }
        text.parse().map(Self::Date).or_else(|_| text.parse().map(Self::Timestamp))
    }
}
