//! Why a file is not loaded: because of what it is, which no second try changes, or because of something else.

use chrono::{DateTime, SecondsFormat, Utc};
use connectors::files::Landed;
use connectors::secrets::without_secrets;
use connectors::source::BadRecord;
use serde_json::{Value, json};

use crate::cause::one_line;
use crate::state::LandedFile;

/// What is wrong with a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// In a sentence.
    pub reason: String,
    /// The line of the file, from 1.
    pub line: Option<u64>,
    /// The column.
    pub column: Option<String>,
    /// What would have been right.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Refusal {
    /// For this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// With what would have been right.
    #[must_use]
    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// With what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Of one column.
    #[must_use]
    pub fn column(self, column: impl Into<String>) -> Self {
        Self { column: Some(column.into()), ..self }
    }

    /// Of one line.
    #[must_use]
    pub fn line(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }

    /// For a record that is no row.
    pub fn of_record(record: &BadRecord) -> Self {
        let expected = record.reason.rsplit_once(" is not ").map(|(_, expected)| expected.to_owned());
        Self { reason: plain(&record.to_string()), line: record.line, column: record.column.clone(), expected, hint: None }
    }

    /// What is put beside the file, as JSON.
    pub fn document(&self, file: &Landed, landed: &LandedFile, now: DateTime<Utc>) -> Value {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({
            "key": file.key,
            "size": file.size,
            "etag": file.etag,
            "landed_at": time(file.modified),
            "refused_at": time(now),
            "table": landed.table,
            "action": landed.action,
            "reason": without_secrets(&self.reason),
            "line": self.line,
            "column": self.column,
            "expected": self.expected,
            "hint": self.hint,
        })
    }

    /// In one line, with what to do.
    pub fn told(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        without_secrets(&format!("{}{hint}", self.reason))
    }
}

/// At what an error is that is about `[warehouse]`.
const SETTINGS: &str = "WAREHOUSE";
/// What is said of a file that is another by now.
const ANEW: &str = "was written anew since it was looked at";

/// Why a file was not loaded.
#[derive(Debug)]
pub enum Fault {
    /// It never will be.
    Refused(Refusal),
    /// It is gone, or another by now.
    Gone,
    /// It may be the next time.
    Failed(anyhow::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Fault {
    /// Of an error that came of reading a file, or of writing what is in it: what is wrong with its data, and a column that its table cannot have,
    /// is the file's fault. What is wrong with the settings, or with the warehouse, is not.
    pub fn of(error: anyhow::Error) -> Self {
        let refusal = match error.chain().find_map(|cause| cause.downcast_ref::<connectors::Error>()) {
            Some(connectors::Error::Data { message }) => Refusal::new(plain(message)),
            Some(connectors::Error::Config { message, subject: Some(subject) }) if subject != SETTINGS => {
                Refusal::new(plain(message)).column(subject)
            }
            Some(connectors::Error::NotFound { .. }) if error.chain().count() == 1 => return Self::Gone,
            Some(connectors::Error::Transient { message, source: None }) if message.ends_with(ANEW) => return Self::Gone,
            _ => return Self::Failed(error),
        };
        Self::Refused(refusal)
    }

    /// In one line.
    pub fn told(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.told(),
            Self::Gone => "it is gone".to_owned(),
            Self::Failed(error) => one_line(error),
        }
    }
}

/// A message without what only who writes a pipeline can do.
fn plain(message: &str) -> String {
    let end = ["; to put such ", "; if records may be short", "; cast it in the query"]
        .iter()
        .filter_map(|advice| message.find(advice))
        .min();
    end.map_or(message, |end| &message[..end]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_apart_from_what_may_pass() {
        let refused = |error: connectors::Error| match Fault::of(error.into()) {
            Fault::Refused(refusal) => Some(refusal),
            Fault::Gone | Fault::Failed(_) => None,
        };
        let bad =
            refused(connectors::Error::data("'a' row 3: x is not a BIGINT; to put such records aside and go on, add OPTIONS"))
                .unwrap();
        assert_eq!(bad.reason, "'a' row 3: x is not a BIGINT");
        let column = refused(connectors::Error::config_at("id", "column 'id' is of another type")).unwrap();
        assert_eq!(column.column.as_deref(), Some("id"));
        assert_eq!(refused(connectors::Error::transient("the network is down")), None);
        assert_eq!(refused(connectors::Error::auth("no")), None);
        assert_eq!(refused(connectors::Error::config("canceling statement due to statement timeout")), None);
        assert_eq!(refused(connectors::Error::config_at("WAREHOUSE", "[warehouse] url is wrong")), None);
        let anew = connectors::Error::transient("'a.csv' was written anew since it was looked at");
        assert!(matches!(Fault::of(anew.into()), Fault::Gone));
        assert!(matches!(Fault::of(connectors::Error::not_found("gone").into()), Fault::Gone));
    }

    #[test]
    fn a_record_is_told_with_its_line_column_and_what_was_expected() {
        let record = BadRecord {
            file: "s3://b/a.csv".into(),
            row: Some(2),
            line: Some(3),
            column: Some("id".into()),
            reason: "'x' is not a BIGINT".into(),
            ..BadRecord::default()
        };
        let refusal = Refusal::of_record(&record);
        assert_eq!(
            (refusal.line, refusal.column.as_deref(), refusal.expected.as_deref()),
            (Some(3), Some("id"), Some("a BIGINT"))
        );
        assert_eq!(refusal.reason, "s3://b/a.csv row 2 (line 3), column 'id': 'x' is not a BIGINT");
    }
}
