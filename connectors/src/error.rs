//! The one error type of the connectors: a variant says what the caller can do about it, and [`Error::retry`] is the only
//! place that decides whether trying again makes sense.

use std::time::Duration;

use crate::secrets::without_secrets;

/// What a connector returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error by what its reader can do about it. Messages are lower case, name the thing, and carry no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A wrong location, option, schema or setting: the user changes the pipeline or the configuration.
    #[error("{message}")]
    Config {
        /// What is wrong, what was expected, what to try next.
        message: String,
        /// The option or column at fault, so that the caller can point at it in the file.
        subject: Option<String>,
    },
    /// Credentials missing, refused or without the right.
    #[error("{message}")]
    Auth {
        /// Who refused what, and what to check.
        message: String,
    },
    /// The thing asked for is not there.
    #[error("{message}")]
    NotFound {
        /// What was looked for, and where.
        message: String,
    },
    /// The other side asks to slow down, and kept asking until the retries were used up.
    #[error("{message}")]
    RateLimited {
        /// Who limits.
        message: String,
        /// How long the other side asked to wait.
        retry_after: Option<Duration>,
    },
    /// A fault that may be gone next time: connection, timeout, 5xx, a lost commit race.
    #[error("{message}")]
    Transient {
        /// What failed, after how many attempts.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A record that does not fit what was declared or inferred.
    #[error("{message}")]
    Data {
        /// The file or page, the row, the column, the value and what was expected.
        message: String,
    },
    /// A source has columns that it had not when the pipeline was planned. Planned anew, the pipeline has them.
    #[error("{message}")]
    SchemaChanged {
        /// Which columns of which table, and where they were found.
        message: String,
    },
    /// A resource of this machine is used up or forbids the write: disk full, read-only, no permission.
    #[error("{message}")]
    Storage {
        /// The place and the cause.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A bug of ours.
    #[error("{message} (this is a bug in engine; please report it)")]
    Internal {
        /// Which assumption did not hold.
        message: String,
    },
}

impl Error {
    /// A wrong setting; `message` says what was expected.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config { message: message.into(), subject: None }
    }

    /// A wrong setting, at an option or column that the caller can point at.
    pub fn config_at(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config { message: message.into(), subject: Some(subject.into()) }
    }

    /// Refused credentials.
    pub fn auth(message: impl Into<String>) -> Self {
        Self::Auth { message: message.into() }
    }

    /// Nothing there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound { message: message.into() }
    }

    /// A record that does not fit.
    pub fn data(message: impl Into<String>) -> Self {
        Self::Data { message: message.into() }
    }

    /// A fault that may pass, without a cause to show.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), source: None }
    }

    /// A broken assumption.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }

    /// Whether the same call may succeed if it is made again later.
    pub fn retry(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::RateLimited { .. })
    }

    /// The option or column at fault, when there is one.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Config { subject, .. } => subject.as_deref(),
            _ => None,
        }
    }

    /// The same for another who waits for what failed, without its cause.
    pub(crate) fn same(&self) -> Self {
        match self {
            Self::Config { message, subject } => Self::Config { message: message.clone(), subject: subject.clone() },
            Self::Auth { message } => Self::Auth { message: message.clone() },
            Self::NotFound { message } => Self::NotFound { message: message.clone() },
            Self::RateLimited { message, retry_after } => {
                Self::RateLimited { message: message.clone(), retry_after: *retry_after }
            }
            Self::Transient { message, .. } => Self::Transient { message: message.clone(), source: None },
            Self::Data { message } => Self::Data { message: message.clone() },
            Self::SchemaChanged { message } => Self::SchemaChanged { message: message.clone() },
            Self::Storage { message, .. } => Self::Storage { message: message.clone(), source: None },
            Self::Internal { message } => Self::Internal { message: message.clone() },
        }
    }

    /// The same error with where it happened put in front of its message.
    #[must_use]
    pub fn context(mut self, place: impl std::fmt::Display) -> Self {
        let (Self::Config { message, .. }
        | Self::Auth { message }
        | Self::NotFound { message }
        | Self::RateLimited { message, .. }
        | Self::Transient { message, .. }
        | Self::Data { message }
        | Self::SchemaChanged { message }
        | Self::Storage { message, .. }
        | Self::Internal { message }) = &mut self;
        *message = format!("{place}: {message}");
        self
    }
}

/// The whole chain of causes on one line, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}

/// Without the web page that a server sent with the error, which nobody reads in a terminal.
fn without_page(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let page = ["<!doctype html", "<html"].iter().filter_map(|tag| lower.find(tag)).min();
    page.map_or(text, |page| text[..page].trim_end_matches([':', ' ', '\n']))
}

/// The operating system's error anywhere in the chain of causes.
fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut cause = Some(error);
    while let Some(next) = cause {
        if let Some(io) = next.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        cause = next.source();
    }
    None
}

/// Disk full, read-only and forbidden are the user's to repair; trying again at once does not help.
fn storage_hint(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("no space left: free some, or point [lake] url (tables) or [state] url (temporary files) elsewhere")
        }
        ErrorKind::ReadOnlyFilesystem => Some("the file system is read-only: point [lake] url at a place that can be written"),
        ErrorKind::PermissionDenied => Some("permission denied: check who owns the folder and its mode"),
        _ => None,
    }
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::Internal { message } => Self::Internal { message },
            catalog::Error::Data { message } => Self::Data { message },
            other => Self::config(other.to_string()),
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        let all = chain(&error);
        let shown = without_page(&all);
        let message = without_secrets(shown);
        let is_secret = message != shown;
        if let Some(hint) = io_cause(&error).and_then(storage_hint) {
            return Self::Storage { message: format!("{message} ({hint})"), source: Some(Box::new(error)) };
        }
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound { message },
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Self::Auth { message },
            object_store::Error::InvalidPath { .. } => Self::Data {
                message: format!(
                    "{message}; an object whose key has '//' in it, '/' at its beginning, or control characters can be neither read nor \
                     listed: rename it, or choose a LOCATION that it is not in"
                ),
            },
            _ if is_secret => Self::Transient { message, source: None },
            _ => Self::Transient { message, source: Some(Box::new(error)) },
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let hint = storage_hint(&error).map_or_else(String::new, |hint| format!(" ({hint})"));
        Self::Storage { message: format!("{error}{hint}"), source: Some(Box::new(error)) }
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError;
        if let Some(hint) = io_cause(&error).and_then(storage_hint) {
            return Self::Storage { message: format!("{} ({hint})", chain(&error)), source: Some(Box::new(error)) };
        }
        match error {
            DataFusionError::External(cause) => match cause.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::Data { message: chain(other.as_ref()) },
            },
            DataFusionError::ObjectStore(cause) => (*cause).into(),
            DataFusionError::ResourcesExhausted(message) => {
                Self::Config { message: format!("{message}; raise [run] memory, or lower pipeline.epoch_rows"), subject: None }
            }
            DataFusionError::Context(place, cause) => Self::from(*cause).context(place),
            // What several parts of a plan wait for fails for all of them.
            DataFusionError::Shared(cause) => match cause.find_root() {
                DataFusionError::External(inner) => match inner.downcast_ref::<Self>() {
                    Some(ours) => ours.same(),
                    None => Self::Data { message: chain(cause.as_ref()) },
                },
                _ => Self::Data { message: chain(cause.as_ref()) },
            },
            DataFusionError::Internal(message) => Self::Internal { message },
            other => Self::Data { message: chain(&other) },
        }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        datafusion::error::DataFusionError::from(error).into()
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        if let parquet::errors::ParquetError::External(cause) = error {
            return match cause.downcast::<object_store::Error>() {
                Ok(store) => (*store).into(),
                Err(cause) => match cause.downcast::<std::io::Error>() {
                    Ok(io) => (*io).into(),
                    Err(other) => Self::Data { message: chain(other.as_ref()) },
                },
            };
        }
        Self::Data { message: chain(&error) }
    }
}

impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::error::DataFusionError;

    use super::*;

    #[test]
    fn an_error_that_several_wait_for_is_the_same_to_all() {
        for error in [
            Error::config_at("LOCATION", "m"),
            Error::auth("m"),
            Error::not_found("m"),
            Error::RateLimited { message: "m".into(), retry_after: Some(Duration::from_secs(7)) },
            Error::transient("m"),
            Error::data("m"),
            Error::SchemaChanged { message: "m".into() },
            Error::Storage { message: "m".into(), source: None },
            Error::internal("m"),
        ] {
            let shown = format!("{error:?}");
            let shared = DataFusionError::Shared(Arc::new(DataFusionError::External(Box::new(error))));
            assert_eq!(format!("{:?}", Error::from(shared)), shown);
        }
    }

    #[test]
    fn a_web_page_is_not_part_of_an_error() {
        let said = "GET http://h/x.csv: 404 Not Found:\n<!DOCTYPE HTML><html><head></head></html>";
        assert_eq!(without_page(said), "GET http://h/x.csv: 404 Not Found");
        let said = "403: <?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
        assert_eq!(without_page(said), said);
    }

    #[test]
    fn a_key_that_is_no_path_is_a_fault_of_the_bucket_and_not_of_the_network() {
        let key = object_store::path::Path::parse("in//a.json").unwrap_err();
        let error = Error::from(object_store::Error::from(key));
        assert!(
            matches!(&error, Error::Data { message } if message.contains("in//a.json") && message.contains("rename it")),
            "{error:?}"
        );
    }
}
