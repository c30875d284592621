//! The one error of the package: what was being done, and what the program we started had to say about it.

use std::path::PathBuf;

/// What went wrong while a stand-in was set up or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path or program.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A program that was started failed.
    #[error("{what} failed ({status}): {stderr}")]
    Program {
        /// The program and its arguments.
        what: String,
        /// Its exit status.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// A program answered something other than what it was asked for.
    #[error("{what} answered unexpectedly: {answer}")]
    Answer {
        /// The program or server.
        what: String,
        /// The beginning of its answer.
        answer: String,
    },
    /// A program is not on this machine: what it is for can be skipped.
    #[error("there is no {what}; looked at: {looked_at}; {hint}")]
    Missing {
        /// What it is.
        what: String,
        /// Where it would have been.
        looked_at: String,
        /// How to get it.
        hint: String,
    },
    /// The test binary does not lie in a cargo target directory.
    #[error("{} is not in a cargo target directory (no parent of it holds a folder named `deps`)", executable.display())]
    NoTargetDirectory {
        /// The running executable.
        executable: PathBuf,
    },
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

/// The last characters of a program's output, enough to see why it failed.
pub(crate) fn tail(output: &[u8]) -> String {
    const CHARACTERS: usize = 2_000;
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(CHARACTERS);
    text.chars().skip(skipped).collect()
}
