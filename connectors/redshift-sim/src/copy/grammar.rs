//! The grammar of COPY (r_COPY).

use super::options::{Options, clause};
use crate::rules::{MAXERROR_LOADS_THE_REST, NO_COPY_FROM_STDIN, PARQUET_OPTIONS_ARE_FEW};
use crate::sql::{Cursor, Name};
use crate::sql_error::{SqlError, SqlResult};

/// A COPY statement.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) table: Name,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) from: String,
    pub(crate) options: Options,
}

/// With what right a file is read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A role that the cluster has, or a chain of them.
    Roles(Vec<String>),
    /// `IAM_ROLE default`.
    DefaultRole,
    /// Keys in the statement.
    Keys { access: String, secret: String, token: Option<String> },
}

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// Fields between delimiters, without quotes.
    #[default]
    Delimited,
    Csv,
    Json,
    Parquet,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delimited => "text",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }
}

/// The most errors that MAXERROR may name (copy-parameters-data-load).
const MOST_ERRORS: i64 = 100_000;
/// What is allowed beside PARQUET (copy-usage_notes-copy-from-columnar). MAXERROR 0 is nothing, and some clients say it.
const WITH_PARQUET: &[&str] =
    &["ACCEPTINVCHARS", "FILLRECORD", "EXPLICIT_IDS", "MANIFEST", "STATUPDATE", "SERIALIZETOJSON", "COMPUPDATE"];

impl Copy {
    /// Reads what follows the word COPY.
    pub(crate) fn parse(mut cursor: Cursor<'_>) -> SqlResult<Self> {
        if cursor.sees(&["("]) {
            return Err(cursor.unexpected());
        }
        let table = cursor.table()?;
        let columns = if cursor.sees(&["("]) { Some(cursor.names()?) } else { None };
        if cursor.sees(&["to"]) {
            return Err(cursor.unexpected());
        }
        cursor.expect("from")?;
        let stdin = || {
            let message = "LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)";
            SqlError::refused(&NO_COPY_FROM_STDIN, message)
        };
        let from = cursor.string().map_err(|_| stdin())?;
        if !from.starts_with("s3://") {
            return Err(stdin());
        }
        let mut options = Options::default();
        while !cursor.at_end() {
            clause(&mut cursor, &mut options)?;
        }
        check(&options)?;
        Ok(Self { table, columns, from, options })
    }
}

/// That the options go together.
fn check(options: &Options) -> SqlResult<()> {
    if options.format == Format::Parquet {
        let allowed = |name: &str| WITH_PARQUET.contains(&name) || (name == "MAXERROR" && options.max_errors == 0);
        if let Some(name) = options.named.iter().find(|name| !allowed(name)) {
            let message = format!("{name} argument is not supported for PARQUET based COPY");
            return Err(SqlError::refused(&PARQUET_OPTIONS_ARE_FEW, message));
        }
    } else if options.serialize_to_json {
        return Err(SqlError::new("42601", "SERIALIZETOJSON is only supported for columnar formats"));
    }
    if !(0..=MOST_ERRORS).contains(&options.max_errors) {
        return Err(SqlError::refused(&MAXERROR_LOADS_THE_REST, format!("MAXERROR must be from 0 to {MOST_ERRORS}")));
    }
    Ok(())
}
