//! The types that the columns of a schema have, and what they are called.

use std::fmt;
use std::str::FromStr;

use connectors::options::nearest;
use serde::{Deserialize, Serialize};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// `BOOLEAN`.
    Boolean,
    /// `SMALLINT`.
    SmallInt,
    /// `INTEGER`.
    Integer,
    /// `BIGINT`.
    BigInt,
    /// `REAL`.
    Real,
    /// `DOUBLE PRECISION`.
    Double,
    /// `DECIMAL(p, s)`.
    Decimal(u8, u8),
    /// `VARCHAR(n)`; without a number, of any length.
    Varchar(Option<u32>),
    /// `DATE`.
    Date,
    /// `TIMESTAMP`.
    Timestamp,
    /// `TIMESTAMPTZ`.
    TimestampTz,
}

/// Words for types, each with the one that it stands for.
const WORDS: [(&str, &str); 22] = [
    ("boolean", "boolean"),
    ("bool", "boolean"),
    ("smallint", "smallint"),
    ("int2", "smallint"),
    ("integer", "integer"),
    ("int", "integer"),
    ("int4", "integer"),
    ("bigint", "bigint"),
    ("int8", "bigint"),
    ("real", "real"),
    ("float4", "real"),
    ("double", "double"),
    ("double precision", "double"),
    ("float", "double"),
    ("float8", "double"),
    ("decimal", "decimal"),
    ("numeric", "decimal"),
    ("varchar", "varchar"),
    ("char", "varchar"),
    ("text", "varchar"),
    ("date", "date"),
    ("timestamp", "timestamp"),
];
/// Longer words, and `DATETIME` which is no type of ours but of many others.
const MORE_WORDS: [(&str, &str); 6] = [
    ("character varying", "varchar"),
    ("character", "varchar"),
    ("string", "varchar"),
    ("timestamp without time zone", "timestamp"),
    ("timestamptz", "timestamptz"),
    ("timestamp with time zone", "timestamptz"),
];
/// The types that are named when none is near.
pub(super) const TYPES: &str =
    "BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, DECIMAL(p, s), VARCHAR(n), TEXT, DATE, TIMESTAMP, TIMESTAMPTZ";

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, arguments) = match text.split_once('(') {
            None => (text.trim(), Vec::new()),
            Some((word, rest)) => {
                let inner = rest.trim_end().strip_suffix(')').ok_or_else(|| format!("'{text}' has no ')' at its end"))?;
                (word.trim(), inner.split(',').map(str::trim).collect())
            }
        };
        let lower = word.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let all = || WORDS.iter().chain(&MORE_WORDS);
        let Some((_, known)) = all().find(|(name, _)| *name == lower) else {
            let near = nearest(&lower, all().map(|(name, _)| *name)).map(str::to_uppercase);
            return Err(format!(
                "there is no type '{text}'; {}",
                near.map_or_else(|| format!("there are: {TYPES}"), |near| format!("did you mean {near}?"))
            ));
        };
        let number = |text: &str| text.parse::<u32>().ok();
        let wrong = |expected: &str| format!("'{text}': expected {expected}");
        let plain = |column_type: Self| if arguments.is_empty() { Ok(column_type) } else { Err(wrong("nothing in brackets")) };
        match *known {
            "boolean" => plain(Self::Boolean),
            "smallint" => plain(Self::SmallInt),
            "integer" => plain(Self::Integer),
            "bigint" => plain(Self::BigInt),
            "real" => plain(Self::Real),
            "double" => plain(Self::Double),
            "date" => plain(Self::Date),
            "timestamp" => plain(Self::Timestamp),
            "timestamptz" => plain(Self::TimestampTz),
            "varchar" => match arguments.as_slice() {
                [] => Ok(Self::Varchar(None)),
                [length] => number(length)
                    .filter(|length| *length > 0)
                    .map(|length| Self::Varchar(Some(length)))
                    .ok_or_else(|| wrong("a length above zero, as in VARCHAR(255)")),
                _ => Err(wrong("one length, as in VARCHAR(255)")),
            },
            _ => {
                let numbers: Option<Vec<u8>> = arguments.iter().map(|text| text.parse().ok()).collect();
                match numbers.as_deref() {
                    Some([]) => Ok(Self::Decimal(18, 0)),
                    Some([precision]) if (1..=38).contains(precision) => Ok(Self::Decimal(*precision, 0)),
                    Some([precision, scale]) if (1..=38).contains(precision) && scale <= precision => {
                        Ok(Self::Decimal(*precision, *scale))
                    }
                    _ => Err(wrong("up to 38 digits and how many of them are behind the point, as in DECIMAL(10, 2)")),
                }
            }
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::Decimal(precision, scale) => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Varchar(None) => f.write_str("VARCHAR"),
            Self::Varchar(Some(length)) => write!(f, "VARCHAR({length})"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
        }
    }
}

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

impl ColumnType {
    /// As a pipeline's statement has it.
    pub fn sql(self) -> String {
        match self {
            Self::Double => "DOUBLE".to_owned(),
            Self::Integer => "INT".to_owned(),
            Self::Varchar(_) => "VARCHAR".to_owned(),
            Self::TimestampTz => "TIMESTAMP WITH TIME ZONE".to_owned(),
            other => other.to_string(),
        }
    }

    /// The longest text.
    pub fn length(self) -> Option<u32> {
        match self {
            Self::Varchar(length) => length,
            _ => None,
        }
    }

    /// Whether every value of `other` is one of it, and the type the same but for a length.
    pub(super) fn holds(self, other: Self) -> bool {
        match (self, other) {
            (Self::Varchar(None), Self::Varchar(_)) => true,
            (Self::Varchar(Some(length)), Self::Varchar(Some(other))) => length >= other,
            _ => self == other,
        }
    }
}
