//! The kinds of values, and how often and where each was seen.

use std::borrow::Cow;

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

use super::place::{Grouped, Place};
use crate::values::{DateForms, Number, Temporal, boolean, is_uuid, number, temporal};

/// What a value is, as finely as the choice of a type needs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No value: JSON's null, a null marker, a missing cell.
    Null,
    /// An empty cell of a text file, which any type may have. An empty JSON string is text.
    Empty,
    /// A truth value.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// A larger whole number.
    BigInteger,
    /// Digits that are no number: with leading zeros, or a phone number.
    Padded,
    /// A number with a decimal point.
    Decimal,
    /// A number with an exponent, or one that is not finite.
    Float,
    /// A day, in any of these forms.
    Date(DateForms),
    /// A timestamp without zone.
    Local(DateForms),
    /// A timestamp with zone.
    Zoned(DateForms),
    /// A timestamp as in mails.
    Rfc2822,
    /// A UUID.
    Uuid,
    /// Any other text.
    Text,
    /// A JSON object.
    Object,
    /// A JSON array.
    List,
    /// A value of a file that declares its types.
    Declared(DataType),
}

impl Kind {
    /// The kind of a text file's cell, which may be anything; blanks around it are already gone.
    pub(super) fn of_cell(text: &str) -> (Self, Option<Number>) {
        if text.is_empty() {
            return (Self::Empty, None);
        }
        if let Some(number) = number(text) {
            return (Self::of_number(number), Some(number));
        }
        if boolean(text).is_some() {
            return (Self::Boolean, None);
        }
        (Self::of_string(text), None)
    }

    /// The kind of a text that is known not to be a number or a truth value.
    pub(super) fn of_string(text: &str) -> Self {
        match temporal(text) {
            Some(Temporal::Date(forms)) => Self::Date(forms),
            Some(Temporal::Local(forms)) => Self::Local(forms),
            Some(Temporal::Zoned(forms)) => Self::Zoned(forms),
            Some(Temporal::Rfc2822) => Self::Rfc2822,
            None if is_uuid(text) => Self::Uuid,
            None => Self::Text,
        }
    }

    pub(super) fn of_number(number: Number) -> Self {
        match number {
            Number::Integer(_) => Self::Integer,
            Number::BigInteger(_) => Self::BigInteger,
            Number::Padded => Self::Padded,
            Number::Decimal { .. } => Self::Decimal,
            Number::Float => Self::Float,
        }
    }

    /// Whether there is no value, so that it says nothing about the type.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Empty | Self::Declared(DataType::Null))
    }

    /// The word for one and for several.
    fn nouns(&self) -> (Cow<'static, str>, Cow<'static, str>) {
        let fixed = |one: &'static str, many: &'static str| (one.into(), many.into());
        match self {
            Self::Null => fixed("null", "nulls"),
            Self::Empty => fixed("empty cell", "empty cells"),
            Self::Boolean => fixed("boolean", "booleans"),
            Self::Integer => fixed("integer", "integers"),
            Self::BigInteger => fixed("integer beyond 64 bits", "integers beyond 64 bits"),
            Self::Padded => fixed("number with leading zeros or plus sign", "numbers with leading zeros or plus sign"),
            Self::Decimal => fixed("decimal number", "decimal numbers"),
            Self::Float => fixed("floating-point number", "floating-point numbers"),
            Self::Date(forms) => (format!("date {forms}").into(), format!("dates {forms}").into()),
            Self::Local(forms) => (format!("timestamp {forms}").into(), format!("timestamps {forms}").into()),
            Self::Zoned(forms) => (format!("timestamp {forms} with zone").into(), format!("timestamps {forms} with zone").into()),
            Self::Rfc2822 => fixed("RFC 2822 timestamp", "RFC 2822 timestamps"),
            Self::Uuid => fixed("UUID", "UUIDs"),
            Self::Text => fixed("text", "texts"),
            Self::Object => fixed("object", "objects"),
            Self::List => fixed("list", "lists"),
            Self::Declared(data_type) => {
                let name = crate::sql_type(data_type);
                (format!("declared {name}").into(), format!("declared {name}").into())
            }
        }
    }
}

/// How often a kind was seen, where first, and an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What was seen.
    pub kind: Kind,
    /// How often.
    pub count: u64,
    /// Where first.
    pub first: Place,
    /// The value there, cut to [`EXAMPLE_CHARS`] characters.
    pub example: Box<str>,
}

/// How much of an example is kept.
pub const EXAMPLE_CHARS: usize = 40;

/// The beginning of a value.
pub(super) fn example(text: &str) -> Box<str> {
    match text.char_indices().nth(EXAMPLE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

impl Tally {
    /// `11,998 integers`.
    pub fn summary(&self) -> String {
        let (one, many) = self.kind.nouns();
        format!("{} {}", Grouped(self.count), if self.count == 1 { one } else { many })
    }

    /// `first 'n/a' in s3://b/x.csv, row 91,233`.
    pub fn first_seen(&self) -> String {
        if self.example.is_empty() {
            format!("first in {}", self.first)
        } else {
            format!("first '{}' in {}", self.example, self.first)
        }
    }

    /// Adds what another tally of the same kind counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        if (&other.first, &other.example) < (&self.first, &self.example) {
            self.first = other.first.clone();
            self.example = other.example.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_sorted_by_kind() {
        let kind = |text| Kind::of_cell(text).0;
        assert_eq!(kind(""), Kind::Empty);
        assert_eq!(kind("12"), Kind::Integer);
        assert_eq!(kind("00123"), Kind::Padded);
        assert_eq!(kind("yes"), Kind::Boolean);
        assert_eq!(kind("20261121"), Kind::Integer);
        assert_eq!(kind("123e4567-e89b-12d3-a456-426614174000"), Kind::Uuid);
        assert_eq!(kind("Python"), Kind::Text);
        assert!(matches!(kind("2026-11-21"), Kind::Date(_)));
        assert!(matches!(kind("2026-11-21T10:11:12Z"), Kind::Zoned(_)));
    }

    #[test]
    fn examples_are_cut_between_characters() {
        assert_eq!(&*example("short"), "short");
        assert_eq!(example(&"ü".repeat(50)).chars().count(), EXAMPLE_CHARS + 1);
    }
}
