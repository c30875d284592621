//! What the key of a file asks for: `database/action/table/file`.

use std::fmt;

use connectors::options::nearest;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// The longest name of a table, in bytes: what PostgreSQL takes.
const LONGEST_NAME: usize = 63;

/// What becomes of the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They are added.
    Append,
    /// They take the place of those that are there.
    Truncate,
    /// They, and their columns, are the table from then on; a JSON file says what its columns are.
    Schema,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Append, Self::Truncate, Self::Schema];

    /// As a key has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Truncate => "truncate",
            Self::Schema => "schema",
        }
    }

    /// By its name, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandingKey {
    /// What becomes of the rows.
    pub action: Action,
    /// The table, in lower case.
    pub table: String,
}

/// Reads the key of a file in a zone of `database`.
///
/// # Errors
/// What is wrong with it, and what is right.
pub fn parse(key: &str, database: &str) -> Result<LandingKey, Refusal> {
    const FORM: &str = "database/action/table/file, as in 'dev/append/users/2026-01-01.csv'";
    let parts: Vec<&str> = key.split('/').collect();
    let [given, action, table, _, ..] = parts.as_slice() else {
        let count = parts.len();
        return Err(Refusal::new(format!("the key '{key}' has {count} of 4 parts"))
            .expected(FORM)
            .hint(format!("put it under {FORM}")));
    };
    let Some(known) = Action::parse(action) else {
        let names = Action::ALL.map(Action::as_str);
        let hint = nearest(action, names)
            .map_or_else(|| format!("there are: {}", names.join(", ")), |near| format!("did you mean '{near}'?"));
        return Err(Refusal::new(format!("'{action}' in the key '{key}' is no action")).expected(names.join(", ")).hint(hint));
    };
    if !given.eq_ignore_ascii_case(database) {
        let reason = format!("the key '{key}' names the database '{given}', and this landing zone loads into '{database}'");
        return Err(Refusal::new(reason).expected(database).hint(format!("put it under {database}/{known}/{table}/")));
    }
    let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$');
    if table.is_empty() || table.len() > LONGEST_NAME || !table.chars().all(is_plain) || table.starts_with('-') {
        let expected = format!("letters, digits, '_', '-' and '$', at most {LONGEST_NAME} bytes");
        return Err(Refusal::new(format!("'{table}' in the key '{key}' is not the name of a table")).expected(expected));
    }
    Ok(LandingKey { action: known, table: table.to_lowercase() })
}

/// The action and the table that a key has where they should be, of one that may be wrong.
pub fn parts(key: &str) -> (&str, &str) {
    let mut parts = key.split('/').skip(1);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_becomes_of_which_table() {
        for (key, action, table) in [
            ("dev/append/users/a.csv", Action::Append, "users"),
            ("DEV/Truncate/Users/2026/01/a b.csv", Action::Truncate, "users"),
            ("dev/SCHEMA/user_data/x", Action::Schema, "user_data"),
        ] {
            assert_eq!(parse(key, "dev").unwrap(), LandingKey { action, table: table.to_owned() }, "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        let refusal = |key| parse(key, "dev").unwrap_err();
        assert_eq!(refusal("dev/append/a.csv").reason, "the key 'dev/append/a.csv' has 3 of 4 parts");
        assert!(refusal("a.csv").hint.unwrap().contains("database/action/table/file"));
        assert_eq!(refusal("dev/apend/users/a.csv").hint.unwrap(), "did you mean 'append'?");
        assert_eq!(refusal("dev/upsert/users/a.csv").hint.unwrap(), "there are: append, truncate, schema");
        let other = refusal("prod/append/users/a.csv");
        assert_eq!((other.expected.as_deref(), other.hint.as_deref()), (Some("dev"), Some("put it under dev/append/users/")));
        for key in ["dev/append/a.b/x.csv", "dev/append/a b/x.csv", "dev/append//x.csv", "dev/append/\"x\"/x.csv"] {
            assert!(refusal(key).reason.contains("is not the name of a table"), "{key}");
        }
        assert!(refusal(&format!("dev/append/{}/a.csv", "x".repeat(64))).expected.unwrap().contains("63 bytes"));
    }

    proptest::proptest! {
        #[test]
        fn no_key_is_taken_for_a_name_that_sql_would_read_otherwise(key in "\\PC{0,40}", table in "\\PC{0,12}") {
            drop(parse(&key, "dev"));
            if let Ok(found) = parse(&format!("dev/append/{table}/a.csv"), "dev") {
                proptest::prop_assert!(!found.table.contains(['"', '\'', '.', ' ', ';', '\0']));
            }
        }
    }
}
