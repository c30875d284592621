//! Why a COPY failed, as the system tables tell it: the client is only told to look there.
//!
//! Every user sees the rows of his own loads, and a session's rows outlive its transaction ("SYS_LOAD_ERROR_DETAIL",
//! `SYS_LOAD_ERROR_DETAIL`; "STL_LOAD_ERRORS", `r_STL_LOAD_ERRORS`). Serverless has only the first, which has no values.

use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::session::{Session, TextRow};

pub(crate) const DETAIL: &str = "SELECT file_name, line_number, column_name, column_type, column_length, error_code, error_message, '' \
    FROM sys_load_error_detail WHERE session_id = pg_backend_pid() ORDER BY start_time DESC LIMIT 1";
pub(crate) const STL: &str = "SELECT filename, line_number, colname, type, col_length, err_code, err_reason, raw_field_value \
    FROM stl_load_errors WHERE session = pg_backend_pid() ORDER BY starttime DESC LIMIT 1";

/// The fault with the reason of the load that failed last in this session, where the message only says where to look.
pub(crate) async fn explained(session: &Session, fault: Fault) -> Fault {
    let message = fault.message.to_ascii_lowercase();
    if !message.contains("load_error") {
        return fault;
    }
    for query in [STL, DETAIL] {
        // A user may lack the right to look, and serverless lacks one of the tables: then the other, then the plain message.
        if let Some(reason) = told(session, query).await {
            return Fault { message: reason, ..fault };
        }
    }
    fault
}

/// The reason of the load that failed last in this session, as one of the tables has it.
pub(crate) async fn told(session: &Session, query: &str) -> Option<String> {
    let rows = session.rows(query).await.ok()?;
    rows.first().map(reason)
}

fn reason(row: &TextRow) -> String {
    let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default().trim();
    let [file, line, column, data_type, length, code, message, value] = std::array::from_fn(text);
    let mut reason = message.to_owned();
    if !code.is_empty() {
        reason = format!("{reason} (error {code})");
    }
    let mut place = Vec::new();
    if !column.is_empty() {
        let length = if length.is_empty() { String::new() } else { format!("({length})") };
        place.push(format!("column '{column}' {}{length}", data_type.to_uppercase()));
    }
    if !value.is_empty() {
        place.push(format!("value '{value}'"));
    }
    if !line.is_empty() && line != "0" {
        place.push(format!("row {line}"));
    }
    if !file.is_empty() {
        place.push(format!("file {file}"));
    }
    if place.is_empty() { reason } else { format!("{}: {reason}", place.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_names_column_value_row_and_file() {
        let row: TextRow = [
            "s3://b/k.csv   ",
            "7",
            "title  ",
            "varchar ",
            "16",
            "1204",
            "String length exceeds DDL length  ",
            "too long for it",
        ]
        .map(|value| Some(value.to_owned()))
        .to_vec();
        assert_eq!(
            reason(&row),
            "column 'title' VARCHAR(16), value 'too long for it', row 7, file s3://b/k.csv: String length exceeds DDL length (error 1204)"
        );
        let bare: TextRow = vec![None, None, None, None, None, Some("1224".into()), Some("Invalid".into()), None];
        assert_eq!(reason(&bare), "Invalid (error 1224)");
    }
}
