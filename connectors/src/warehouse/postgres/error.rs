//! What an error of the server means for a load.

use tokio_postgres::error::{DbError, SqlState};

use crate::error::{Error, chain};

/// Sorted by what helps: the same transaction again, or a person.
///
/// Classes are those of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn error(error: tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        // The connection broke, or never was.
        return Error::Transient { message: chain(&error), source: Some(Box::new(error)) };
    };
    let message = message(said);
    let code = said.code();
    if is_passing(code) {
        return Error::Transient { message, source: Some(Box::new(error)) };
    }
    match code.code().get(..2).unwrap_or_default() {
        "28" => Error::auth(message),
        _ if *code == SqlState::UNIQUE_VIOLATION => {
            Error::data(format!("{message}; INSERT INTO adds rows, and REPLACE INTO replaces those whose key is there"))
        }
        "22" | "23" => Error::data(message),
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Error::auth(format!(
            "{message}; a load needs USAGE and CREATE on the schema, TEMPORARY on the database, and SELECT, INSERT, UPDATE and DELETE on the \
             table; only its owner adds columns"
        )),
        _ if *code == SqlState::DISK_FULL => Error::Storage { message, source: Some(Box::new(error)) },
        _ if *code == SqlState::QUERY_CANCELED => Error::config(format!(
            "{message}; if that is the statement_timeout of the role or the database, give loads a longer one: ALTER ROLE .. SET \
             statement_timeout"
        )),
        _ => Error::config(message),
    }
}

/// The same of rows that replace others by `key`: a unique constraint that they violate is another one than the key's.
pub(super) fn replacing_error(cause: tokio_postgres::Error, key: &[String]) -> Error {
    match cause.as_db_error().filter(|said| *said.code() == SqlState::UNIQUE_VIOLATION) {
        Some(said) => Error::data(format!(
            "{}; the constraint '{}' is not that of the key ({}), by which REPLACE INTO tells rows apart: another row than the one that is \
             replaced has the value. Leave one of the two out in the query, make the columns of the constraint the key, or drop it",
            message(said),
            said.constraint().unwrap_or_default(),
            key.join(", ")
        )),
        None => error(cause),
    }
}

fn message(said: &DbError) -> String {
    let mut message = format!("{} (SQLSTATE {})", said.message(), said.code().code());
    for (what, more) in [("", said.detail()), ("hint: ", said.hint()), ("at ", said.where_())] {
        if let Some(more) = more {
            message.push_str("; ");
            message.push_str(what);
            message.push_str(more.lines().next().unwrap_or_default());
        }
    }
    message
}

/// Whether the whole transaction may succeed in a while: connections, conflicts and deadlocks, means used up but for the disk, a server
/// that is being stopped; and a statement of somebody else's under our name, behind a pool of connections.
fn is_passing(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    let is_stopped = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code);
    let is_pooled = [SqlState::DUPLICATE_PSTATEMENT, SqlState::INVALID_SQL_STATEMENT_NAME].contains(code);
    let is_full = *code == SqlState::DISK_FULL;
    matches!(class, "08" | "40") || class == "53" && !is_full || is_stopped || is_pooled || *code == SqlState::LOCK_NOT_AVAILABLE
}
