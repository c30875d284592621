//! What a person reads: data on standard output, the rest on standard error.

use std::io::{self, IsTerminal, Write};

/// Writes for a person.
#[derive(Debug)]
pub(super) struct Printer {
    /// Standard error is a log of JSON objects, for a machine.
    json: bool,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether standard error is for a person to look at.
    pub(super) fn is_interactive(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Data. A reader that has gone away (`| head`) is no error.
    pub(super) fn data(&mut self, text: &str) {
        ignore_gone(io::stdout().lock().write_all(text.as_bytes()));
    }

    /// A note.
    pub(super) fn note(&mut self, text: &str) {
        self.aside("INFO", "", text);
    }

    /// An error, with `error:` in front unless it is there already.
    pub(super) fn error(&mut self, text: &str) {
        let prefix = if text.starts_with("error") { "" } else { "error: " };
        self.aside("ERROR", prefix, text);
    }

    /// A line for a person, or the same object that a log event is.
    fn aside(&self, level: &str, prefix: &str, text: &str) {
        let mut stderr = io::stderr().lock();
        ignore_gone(if self.json {
            let timestamp = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            let message = text.strip_prefix("error: ").unwrap_or(text).trim_end();
            let event = serde_json::json!({"timestamp": timestamp, "level": level, "message": message, "target": "engine"});
            writeln!(stderr, "{event}")
        } else {
            writeln!(stderr, "{prefix}{text}")
        });
    }
}

/// There is nobody left to tell.
fn ignore_gone(result: io::Result<()>) {
    drop(result);
}
