//! What went wrong in the database, by what to do about it.
//!
//! Redshift answers many faults with the SQLSTATE `XX000` and a number in the text, so that both are looked at. Numbers and texts
//! are those of "Serializable isolation" (`c_serial_isolation`) and of the errors that Snowplow's loader lists as not worth a retry
//! (snowplow-rdb-loader, `Retry.scala`).

use std::fmt;

use tokio_postgres::error::SqlState;

use crate::error::Error;

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another transaction was faster, or S3 or a queue was busy: the whole transaction again.
    Again,
    /// The connection is gone: whether a commit arrived is not known.
    Lost,
    /// A value or a file does not fit: the same again fails again.
    Data,
    /// A right is missing, or the password is wrong.
    Denied,
    /// A table, schema or database is not there.
    Missing,
    /// Somebody else made it first.
    Exists,
    /// The disks are full.
    Full,
    /// Anything else; not worth a retry.
    Other,
}

/// A fault and the words of whoever reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// SQLSTATE; empty when the database did not answer.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Texts of faults that pass, in lower case.
const PASSING: [&str; 12] = [
    "serializable isolation violation",
    "conflict with concurrent transaction",
    "could not serialize access",
    "deadlock detected",
    "by wlm",
    "slowdown",
    "service unavailable",
    "serviceunavailable",
    "internalerror,status 500",
    // Another engine has committed the batch and removed its files; so the ledger will say.
    "nosuchkey",
    "s3 query exception (fetch), timeout",
    "connection reset by peer",
];

/// Texts of faults of the data, in lower case.
const OF_DATA: [&str; 8] = [
    "stl_load_errors",
    "sys_load_error_detail",
    "incompatible parquet schema",
    "is longer than the length defined in the table",
    "invalid type length",
    "unmatched number of columns",
    "spectrum scan error",
    "multiple matches to update",
];

impl Fault {
    /// By what the database said.
    pub(crate) fn new(code: &str, message: &str) -> Self {
        Self { kind: kind(code, &message.to_ascii_lowercase()), code: code.to_owned(), message: message.to_owned() }
    }

    /// By what the Data API tells of it: the text alone, without an SQLSTATE.
    pub(crate) fn told(text: &str) -> Self {
        let message = text.trim().trim_start_matches("ERROR:").trim_start_matches("FATAL:").trim();
        let lower = message.to_ascii_lowercase();
        let state = state_of(&lower);
        let kind = kind(state.as_ref().map_or("", SqlState::code), &lower);
        Self { kind, code: String::new(), message: message.to_owned() }
    }

    /// A connection that is gone.
    pub(crate) fn lost(message: impl Into<String>) -> Self {
        Self { kind: Kind::Lost, code: String::new(), message: message.into() }
    }

    /// Whether the whole transaction may succeed if it is tried again.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.kind, Kind::Again | Kind::Lost | Kind::Exists)
    }

    /// For the user; `place` says what was being done to which table.
    pub(crate) fn into_error(self, place: &str) -> Error {
        let message = format!("{place}: {self}");
        match self.kind {
            Kind::Again | Kind::Lost | Kind::Exists => Error::transient(message),
            Kind::Data => Error::data(message),
            Kind::Denied => Error::auth(message),
            Kind::Full => Error::Storage { message: format!("{message}; free space in the cluster, or resize it"), source: None },
            Kind::Missing | Kind::Other => Error::config(message),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.code.is_empty() { Ok(()) } else { write!(f, " (SQLSTATE {})", self.code) }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(answer) = error.as_db_error() else { return Self::lost(crate::error::chain(&error)) };
        let mut message = answer.message().to_owned();
        for more in [answer.detail(), answer.hint()].into_iter().flatten() {
            let more = more.split_whitespace().filter(|word| !word.chars().all(|c| c == '-')).collect::<Vec<_>>().join(" ");
            if !more.is_empty() {
                message = format!("{message}: {more}");
            }
        }
        Self::new(answer.code().code(), &message)
    }
}

/// The first that applies; `message` is in lower case.
fn kind(code: &str, message: &str) -> Kind {
    let is = |states: &[SqlState]| states.iter().any(|state| state.code() == code);
    let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if is(&[SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED])
        || starts_with_number(message, &["1023", "1018"])
    {
        return Kind::Again;
    }
    if code.starts_with("08") || is(&[SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]) {
        return Kind::Lost;
    }
    if is(&[SqlState::INSUFFICIENT_PRIVILEGE]) || code.starts_with("28") || message.contains("access denied") {
        return Kind::Denied;
    }
    if has(&OF_DATA) || code.starts_with("22") {
        return Kind::Data;
    }
    if is(&[SqlState::DISK_FULL]) || message.contains("disk full") {
        return Kind::Full;
    }
    if is(&[
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_COLUMN,
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_SCHEMA,
    ]) {
        return Kind::Exists;
    }
    if is(&[SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::UNDEFINED_DATABASE]) {
        return Kind::Missing;
    }
    if has(&PASSING) || is(&[SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE, SqlState::TOO_MANY_CONNECTIONS]) {
        return Kind::Again;
    }
    Kind::Other
}

/// The SQLSTATE of faults with such a text, in lower case, where the text tells it.
fn state_of(message: &str) -> Option<SqlState> {
    let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    let is_thing = ["relation ", "schema ", "database ", "table "].iter().any(|thing| message.starts_with(thing));
    let states = [
        (is_thing && has(&["does not exist"]) || has(&["into nonexistent table"]), SqlState::UNDEFINED_TABLE),
        (has(&["already exists"]), SqlState::DUPLICATE_TABLE),
        (has(&["permission denied", "must be owner", "authentication failed"]), SqlState::INSUFFICIENT_PRIVILEGE),
        (has(&["value too long", "out of range", "invalid input syntax", "overflow"]), SqlState::DATA_EXCEPTION),
        (has(&["on user's request", "canceling statement due to"]), SqlState::QUERY_CANCELED),
        (has(&["terminating connection", "connection to server"]), SqlState::ADMIN_SHUTDOWN),
        (has(&["too many connections", "connection limit"]), SqlState::TOO_MANY_CONNECTIONS),
    ];
    states.into_iter().find(|(applies, _)| *applies).map(|(_, state)| state)
}

/// Whether the text begins with one of Redshift's own numbers.
fn starts_with_number(message: &str, numbers: &[&str]) -> bool {
    let number = message.trim_start_matches("error:").trim_start();
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    numbers.contains(&&number[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_tried_again_and_data_is_not() {
        for (code, message, expected) in [
            (
                "XX000",
                "1023 DETAIL: Serializable isolation violation on table - 102031, transactions forming the cycle",
                Kind::Again,
            ),
            ("40001", "could not serialize access due to concurrent update", Kind::Again),
            ("XX000", "1018 DETAIL: Relation does not exist", Kind::Again),
            ("40P01", "deadlock detected", Kind::Again),
            ("57014", "Query (1204) cancelled on user's request", Kind::Again),
            ("XX000", "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown", Kind::Again),
            ("57P01", "terminating connection due to administrator command", Kind::Lost),
            ("XX000", "Load into table 't' failed.  Check 'stl_load_errors' system table for details.", Kind::Data),
            ("XX000", "Spectrum Scan Error: code 15007: has an incompatible Parquet schema for column 's3://b/k.n'", Kind::Data),
            ("22003", "value out of range", Kind::Data),
            ("XX000", "Found multiple matches to update the same tuple.", Kind::Data),
            ("42501", "permission denied for relation t", Kind::Denied),
            ("XX000", "S3ServiceException:Access Denied,Status 403,Error AccessDenied", Kind::Denied),
            ("42P01", "relation \"s.t\" does not exist", Kind::Missing),
            ("3F000", "schema \"s\" does not exist", Kind::Missing),
            ("42P07", "Relation \"t\" already exists", Kind::Exists),
            ("53100", "Disk Full", Kind::Full),
            ("42601", "syntax error at or near \"1023\"", Kind::Other),
        ] {
            assert_eq!(Fault::new(code, message).kind, expected, "{message}");
        }
    }

    #[test]
    fn text_alone_tells_the_same() {
        for (message, expected) in [
            (
                "ERROR: 1023 Detail: Serializable isolation violation on table - 102031, transactions forming the cycle",
                Kind::Again,
            ),
            ("ERROR: 1018 Detail: Relation does not exist", Kind::Again),
            ("ERROR: could not complete because of conflict with concurrent transaction", Kind::Again),
            ("ERROR: Query (150) canceled on user's request", Kind::Again),
            ("FATAL: terminating connection due to administrator command", Kind::Lost),
            ("ERROR: Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.", Kind::Data),
            (
                "ERROR: Spectrum Scan Error Detail: code: 15007: has an incompatible Parquet schema for column 's3://b/k.n'",
                Kind::Data,
            ),
            ("ERROR: value too long for type character varying(4)", Kind::Data),
            ("ERROR: permission denied for relation t", Kind::Denied),
            ("ERROR: relation \"s.t\" does not exist", Kind::Missing),
            ("ERROR: schema \"s\" does not exist", Kind::Missing),
            ("ERROR: column \"c\" does not exist", Kind::Other),
            ("ERROR: Relation \"t\" already exists", Kind::Exists),
            ("ERROR: Disk Full", Kind::Full),
            ("ERROR: syntax error at or near \"1023\"", Kind::Other),
            ("ERROR: current transaction is aborted, commands ignored until end of transaction block", Kind::Other),
        ] {
            let fault = Fault::told(message);
            assert_eq!((fault.kind, fault.code.as_str()), (expected, ""), "{message}");
            assert!(!fault.message.starts_with("ERROR"), "{message}");
        }
    }

    #[test]
    fn what_the_caller_may_do_follows_from_the_kind() {
        let error = |code, message| Fault::new(code, message).into_error("COPY into 's.t'");
        assert!(error("40001", "could not serialize access").retry());
        assert!(!error("22003", "value out of range").retry());
        assert!(matches!(error("42501", "permission denied"), Error::Auth { .. }));
        assert_eq!(error("22003", "out of range").to_string(), "COPY into 's.t': out of range (SQLSTATE 22003)");
    }
}
