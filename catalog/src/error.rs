//! The one error type of the catalog: a variant says what the caller can do about it.

/// What the catalog returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error by what its reader can do about it. Messages are lower case, name the thing, and carry no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name, type or setting that does not hold: the user changes the statement or the table.
    #[error("{message}")]
    Config {
        /// What is wrong, what was expected, what to try next.
        message: String,
    },
    /// The table or database asked for is not there.
    #[error("{message}")]
    NotFound {
        /// What was looked for.
        message: String,
    },
    /// Someone else changed the table since it was read: read it again and decide anew.
    #[error("{message}")]
    Conflict {
        /// Which table, and the versions.
        message: String,
    },
    /// A path or file that does not fit what was found before.
    #[error("{message}")]
    Data {
        /// The path, what it has and what was expected.
        message: String,
    },
    /// The catalog's own store cannot be used.
    #[error("{message}")]
    Store {
        /// The file, the cause, what to try.
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
    /// A wrong setting.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config { message: message.into() }
    }

    /// Nothing there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound { message: message.into() }
    }

    /// A path or file that does not fit.
    pub fn data(message: impl Into<String>) -> Self {
        Self::Data { message: message.into() }
    }

    /// A broken assumption.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }
}
