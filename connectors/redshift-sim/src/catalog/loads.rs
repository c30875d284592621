//! What loads leave in the system tables.

use std::time::Duration;

use crate::copy::{Copy, LoadError, Target};
use crate::sql::literal;

/// A row of `stl_load_errors` and `sys_load_error_detail`.
pub(crate) fn load_error_sql(error: &LoadError, target: &Target, query: i64, session: i32, user: &str) -> String {
    let shortened = |text: &str| literal(&text.chars().filter(|c| *c != '\0').take(1_024).collect::<String>());
    format!(
        "INSERT INTO redshift_sim.load_errors (user_name, query, session, table_id, table_name, file_name, line_number, column_name, \
         column_type, column_length, position, raw_line, raw_value, error_code, error_message) \
         VALUES ({}, {query}, {session}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
        literal(user),
        target.relation,
        literal(&target.table.name),
        shortened(&error.file),
        error.line,
        shortened(&error.column),
        shortened(&error.type_name),
        literal(&error.length),
        error.position,
        shortened(&error.raw_line),
        shortened(&error.raw_value),
        error.code,
        shortened(&error.reason),
    )
}

/// A row of `sys_load_history`.
pub(crate) fn load_history_sql(
    copy: &Copy,
    query: i64,
    session: i32,
    user: &str,
    status: &str,
    elapsed: Duration,
    (rows, files, bytes): (u64, usize, u64),
) -> String {
    format!(
        "INSERT INTO redshift_sim.load_history (user_name, query, session, status, table_name, data_source, file_format, duration, \
         loaded_rows, source_file_count, source_file_bytes) VALUES ({}, {query}, {session}, {}, {}, {}, {}, {}, {rows}, {files}, {bytes})",
        literal(user),
        literal(status),
        literal(&copy.table.name),
        literal(&copy.from),
        literal(copy.options.format.name()),
        elapsed.as_micros(),
    )
}
