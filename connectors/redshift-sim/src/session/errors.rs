//! Errors of PostgreSQL in Redshift's words.

use crate::rules::{
    CONFLICT_IS_1023, IDENTITY_IS_NOT_SET, MERGE_REFUSES_DUPLICATES, NO_JSON_OPERATORS, Rule, STATEMENT_TIMEOUT_CANCELS,
    VARBYTE_COUNTS_BYTES,
};
use crate::sql_error::SqlError;
use crate::wire::Fields;

/// What an error or notice of PostgreSQL is to the client. Positions are left out: they are those of the text as it was rewritten.
pub(super) fn translated(fields: Fields, process: i32) -> Fields {
    let fields = b"PpqWFLR".iter().fold(fields, |fields, code| fields.without(*code));
    let message = fields.get(b'M').to_owned();
    let with = |rule: &Rule, message: String| SqlError::refused(rule, message).fields();
    match fields.get(b'C') {
        "40001" => conflict(process).fields(),
        "21000" if message.starts_with("MERGE command cannot affect row a second time") => {
            with(&MERGE_REFUSES_DUPLICATES, "Found multiple matches to update the same tuple.".to_owned())
        }
        "57014" if message.contains("statement timeout") => {
            with(&STATEMENT_TIMEOUT_CANCELS, format!("Query ({process}) canceled on user's request"))
        }
        // The only constraints that are checked.
        "23514" => with(&VARBYTE_COUNTS_BYTES, "value too long for type binary varying".to_owned()),
        "428C9" => with(&IDENTITY_IS_NOT_SET, "cannot set an identity column to a value".to_owned()),
        "42501" => match message
            .strip_prefix("permission denied for function ")
            .or(message.strip_prefix("permission denied for aggregate "))
        {
            Some(function) => with(&NO_JSON_OPERATORS, format!("function {function}() does not exist")),
            None => fields,
        },
        _ => fields,
    }
}

/// The error of a transaction that cannot be serialized. The numbers of the transactions are not known to PostgreSQL.
pub(super) fn conflict(process: i32) -> SqlError {
    let detail =
        format!("Serializable isolation violation on table - 0, transactions forming the cycle are: 0, 0 (pid:{process})");
    SqlError::refused(&CONFLICT_IS_1023, "1023").detail(detail)
}
