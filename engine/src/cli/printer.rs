//! What a person reads: data on standard output, the rest on standard error.

use std::io::{self, Write};

/// Writes for a person.
#[derive(Debug)]
pub(super) struct Printer(());

impl Printer {
    pub(super) fn new() -> Self {
        Self(())
    }

    /// Data. A reader that has gone away (`| head`) is no error.
    pub(super) fn data(&mut self, text: &str) {
        ignore_gone(io::stdout().lock().write_all(text.as_bytes()));
    }

    /// A note.
    pub(super) fn note(&mut self, text: &str) {
        ignore_gone(writeln!(io::stderr().lock(), "{text}"));
    }

    /// An error, with `error:` in front unless it is there already.
    pub(super) fn error(&mut self, text: &str) {
        let prefix = if text.starts_with("error") { "" } else { "error: " };
        ignore_gone(writeln!(io::stderr().lock(), "{prefix}{text}"));
    }
}

/// There is nobody left to tell.
fn ignore_gone(result: io::Result<()>) {
    drop(result);
}
