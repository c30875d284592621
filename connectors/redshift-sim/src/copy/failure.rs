//! How a load fails.

use crate::sql_error::SqlError;

/// Why a load failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is told all.
    Sql(SqlError),
    /// A record of a text file: the client is referred to `stl_load_errors`.
    Record(Box<LoadError>),
    /// The connection to PostgreSQL broke.
    Io(std::io::Error),
}

/// A row of `stl_load_errors`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadError {
    pub(crate) file: String,
    pub(crate) line: i64,
    pub(crate) column: String,
    pub(crate) type_name: String,
    pub(crate) length: String,
    pub(crate) position: usize,
    pub(crate) raw_line: String,
    pub(crate) raw_value: String,
    pub(crate) code: i32,
    pub(crate) reason: String,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// An error of the scan of columnar files, in the form in which a client sees it.
pub(crate) fn spectrum(rule: &crate::rules::Rule, code: i32, context: impl std::fmt::Display) -> SqlError {
    internal(rule, "Spectrum Scan Error", code, context)
}

/// An error with the details that the leader node prints.
pub(crate) fn internal(rule: &crate::rules::Rule, error: &str, code: i32, context: impl std::fmt::Display) -> SqlError {
    let line = "-----------------------------------------------";
    let detail = format!(
        "\n  {line}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n  query:     0\n  location:  redshift-sim\n  process:   \
         redshift-sim [pid={}]\n  {line}\n",
        std::process::id()
    );
    SqlError::refused(rule, error).detail(detail)
}
