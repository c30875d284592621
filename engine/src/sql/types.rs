//! Names of SQL types that there are not: which one was probably meant.

use connectors::options::nearest;

/// What DataFusion's planner says of a type that it has not.
const REFUSAL: &str = "This feature is not implemented: Unsupported SQL type ";

/// The types that columns are declared with and values cast to; others are other words for one of these.
const TYPES: [&str; 18] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "REAL",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "CHAR",
    "VARCHAR",
    "TEXT",
    "BYTEA",
    "DATE",
    "TIME",
    "TIMESTAMP",
];

/// What other systems call some of them.
const ELSEWHERE: [(&str, &str); 20] = [
    ("DATETIME", "TIMESTAMP"),
    ("TIMESTAMPZ", "TIMESTAMP WITH TIME ZONE"),
    ("TIMETZ", "TIME"),
    ("NUMBER", "DECIMAL"),
    ("DEC", "DECIMAL"),
    ("MONEY", "DECIMAL"),
    ("LONG", "BIGINT"),
    ("INT64", "BIGINT"),
    ("INT32", "INT"),
    ("MEDIUMINT", "INT"),
    ("FLOAT64", "DOUBLE"),
    ("FLOAT32", "REAL"),
    ("UUID", "VARCHAR"),
    ("JSON", "VARCHAR"),
    ("JSONB", "VARCHAR"),
    ("NVARCHAR", "VARCHAR"),
    ("CHARACTER", "VARCHAR"),
    ("VARBINARY", "BYTEA"),
    ("BINARY", "BYTEA"),
    ("BLOB", "BYTEA"),
];

/// The type that `message` of DataFusion says it has not: without what stands in brackets behind it.
pub(super) fn unknown_type(message: &str) -> Option<&str> {
    let given = message.strip_prefix(REFUSAL)?;
    let end = given.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(given.len());
    Some(&given[..end]).filter(|name| !name.is_empty())
}

/// What to write in place of `given`.
pub(super) fn hint(given: &str) -> String {
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| name.eq_ignore_ascii_case(given)).map(|(_, own)| *own);
    match elsewhere.or_else(|| nearest(given, TYPES)) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("there are: {}", TYPES.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_type_is_meant_and_what_others_call_it_is_known() {
        for (given, hinted) in [
            ("BIGNT", "did you mean BIGINT?"),
            ("vachar", "did you mean VARCHAR?"),
            ("DATETIME", "did you mean TIMESTAMP?"),
            ("jsonb", "did you mean VARCHAR?"),
        ] {
            assert_eq!(hint(given), hinted);
        }
        assert!(hint("geometry").starts_with("there are: BOOLEAN, "), "{}", hint("geometry"));
        assert_eq!(unknown_type("This feature is not implemented: Unsupported SQL type BIGNT(3)"), Some("BIGNT"));
        assert_eq!(unknown_type("This feature is not implemented: something else"), None);
    }
}
