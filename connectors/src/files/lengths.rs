//! The options `length.<column>`: how long the texts of declared columns may be. Values are held against them while they are decoded, so that
//! one that is too long is told like any other that does not fit: by file, line and column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::options::unknown;

/// What the names of these options begin with.
pub(super) const PREFIX: &str = "length.";

/// Where a field says so, as the option has it.
const KEY: &str = "engine.length";

/// How long a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Longest {
    Letters(usize),
    Bytes(usize),
}

impl Longest {
    /// From `255`, `255 letters`, `255 bytes`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, unit) = text.split_once(char::is_whitespace).unwrap_or((text, "letters"));
        let number = number.parse().ok().filter(|number| *number > 0)?;
        match unit.trim() {
            "letters" | "letter" => Some(Self::Letters(number)),
            "bytes" | "byte" => Some(Self::Bytes(number)),
            _ => None,
        }
    }

    /// Of a column, if it has one.
    pub(super) fn of(field: &Field) -> Option<Self> {
        field.metadata().get(KEY).and_then(|text| Self::parse(text))
    }

    /// What is wrong with a text; none if it is not too long.
    pub(super) fn refuses(self, text: &str) -> Option<String> {
        let (has, most, unit) = match self {
            Self::Bytes(most) => (text.len(), most, "bytes"),
            // No text has more letters than bytes.
            Self::Letters(most) if text.len() <= most => return None,
            Self::Letters(most) => (text.chars().count(), most, "letters"),
        };
        (has > most).then(|| format!("has {has} {unit}, and the column takes {most}"))
    }
}

/// `columns` with the lengths that `options` give them.
///
/// # Errors
/// [`Error::Config`] for a column that is not declared or holds no text, and a length that is none.
pub(super) fn applied(columns: &SchemaRef, options: &[(String, String)]) -> Result<SchemaRef> {
    if options.is_empty() {
        return Ok(Arc::clone(columns));
    }
    let mut fields: Vec<Field> = columns.fields().iter().map(|field| field.as_ref().clone()).collect();
    for (name, text) in options {
        let wrong = |message: String| Error::config_at(name, message);
        let given = &name[PREFIX.len()..];
        let exact = fields.iter().position(|field| field.name() == given);
        let found = exact.or_else(|| fields.iter().position(|field| field.name().eq_ignore_ascii_case(given)));
        let Some(index) = found else {
            let known = fields.iter().map(|field| field.name().as_str());
            return Err(wrong(unknown("column", given, &format!("option '{name}'"), known)));
        };
        if !matches!(fields[index].data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            let is = catalog::sql_type(fields[index].data_type());
            return Err(wrong(format!("option '{name}': column '{given}' is {is}; only texts have a length")));
        }
        if Longest::parse(text).is_none() {
            return Err(wrong(format!("option '{name}' is '{text}', expected a number above zero, as in '255' or '255 bytes'")));
        }
        let mut metadata = fields[index].metadata().clone();
        metadata.insert(KEY.to_owned(), text.clone());
        fields[index] = fields[index].clone().with_metadata(metadata);
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, columns.metadata().clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_of_letters_or_of_bytes() {
        let refuses = |length: &str, text: &str| Longest::parse(length).unwrap().refuses(text);
        assert_eq!(refuses("3", "äöü"), None);
        assert_eq!(refuses("3 bytes", "äöü").unwrap(), "has 6 bytes, and the column takes 3");
        assert_eq!(refuses("2 letters", "äöü").unwrap(), "has 3 letters, and the column takes 2");
        assert_eq!([Longest::parse("0"), Longest::parse("3 words"), Longest::parse("x")], [None; 3]);
    }

    #[test]
    fn what_is_no_length_is_told_with_the_column() {
        let columns: SchemaRef =
            Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]).into();
        let applied = |name: &str, length: &str| applied(&columns, &[(name.to_owned(), length.to_owned())]);
        let with = applied("length.NAME", "3").unwrap();
        assert_eq!(Longest::of(with.field(1)), Some(Longest::Letters(3)));
        assert!(applied("length.nam", "3").unwrap_err().to_string().contains("did you mean 'name'?"));
        assert!(applied("length.id", "3").unwrap_err().to_string().contains("is BIGINT"));
        assert!(applied("length.name", "long").unwrap_err().to_string().contains("as in '255'"));
    }
}
