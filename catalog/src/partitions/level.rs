//! One level of folders: which column it is and how its names become values.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::values::{DateForm, padded_integer};

/// What Hive, Spark and Glue call the folder of rows without a value.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// How the folders of a level are named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// `key=value`, with this key.
    Hive(String),
    /// By the value alone.
    Plain,
    /// All of them the same.
    Fixed(String),
}

/// The type of a partition column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionType {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// A day, written in this form.
    Date(DateForm),
}

/// The value of a partition column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionValue {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A day, counted from 1970-01-01.
    Date(i32),
}

/// One level of folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// How the folders are named.
    pub segment: Segment,
    /// The column's name; a level that is the same everywhere has none.
    pub name: Option<String>,
    /// The column's type.
    pub partition_type: PartitionType,
}

impl Level {
    /// The value of a folder of this level.
    pub(super) fn value(&self, segment: &str) -> Result<Option<PartitionValue>, String> {
        let text = match &self.segment {
            Segment::Plain => Some(Cow::Borrowed(segment)),
            Segment::Hive(key) => match hive(segment) {
                Some((found, value)) if found == *key => hive_value(value),
                _ => return Err(format!("expected '{key}=…', found '{segment}'; crawl the location again")),
            },
            Segment::Fixed(expected) if expected == segment => None,
            Segment::Fixed(expected) => {
                return Err(format!("expected '{expected}', found '{segment}'; crawl the location again"));
            }
        };
        let Some(text) = text else { return Ok(None) };
        let value = match self.partition_type {
            PartitionType::Text => Some(PartitionValue::Text(text.clone().into_owned())),
            PartitionType::Int => padded_integer(&text).map(PartitionValue::Int),
            PartitionType::Date(form) => form.parse(&text).map(PartitionValue::Date),
        };
        value.map(Some).ok_or_else(|| {
            let expected = match self.partition_type {
                PartitionType::Date(form) => format!("a date {form}"),
                PartitionType::Int | PartitionType::Text => "a whole number".to_owned(),
            };
            let name = self.name.as_deref().unwrap_or_default();
            format!("'{text}' is not {expected}, as all other values of `{name}` are; declare `{name}` as VARCHAR to keep it")
        })
    }
}

/// The key, and the value as it is written, of `key=value`.
pub(super) fn hive(segment: &str) -> Option<(&str, &str)> {
    segment.split_once('=').filter(|(key, _)| !key.is_empty())
}

/// The value of a Hive folder; an empty one is null, since Hive itself writes none.
pub(super) fn hive_value(written: &str) -> Option<Cow<'_, str>> {
    (written != HIVE_NULL && !written.is_empty()).then(|| url_decoded(written))
}

/// The text with `%2F` and the like as what they stand for; as it is, when they do not stand for UTF-8.
fn url_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match after {
            [high, low, tail @ ..] if *first == b'%' => {
                if let (Some(high), Some(low)) = (hex(*high), hex(*low)) {
                    bytes.push(high * 16 + low);
                    rest = tail;
                    continue;
                }
            }
            _ => {}
        }
        bytes.push(*first);
        rest = after;
    }
    String::from_utf8(bytes).map_or(text.into(), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_decoded_where_they_stand_for_something() {
        assert_eq!(url_decoded("a%20b%2Fc"), "a b/c");
        assert_eq!(url_decoded("K%C3%B6ln"), "Köln");
        assert_eq!(url_decoded("100%"), "100%");
        assert_eq!(url_decoded("%zz"), "%zz");
        assert_eq!(url_decoded("%ff"), "%ff");
    }
}
