//! What a person reads: data on standard output, the rest on standard error.

use std::io::{self, IsTerminal, Write};

use connectors::secrets::without_values;
use indicatif::{MultiProgress, ProgressDrawTarget};

/// Writes for a person.
#[derive(Debug)]
pub(crate) struct Printer {
    /// Standard error is a log of JSON objects, for a machine.
    json: bool,
    lines: MultiProgress,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        let interactive = !json && io::stderr().is_terminal();
        let target = if interactive { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { json, lines: MultiProgress::with_draw_target(target) }
    }

    /// Where progress lines go; hidden unless a person looks at standard error.
    pub(crate) fn lines(&self) -> MultiProgress {
        self.lines.clone()
    }

    /// Data. A reader that has gone away (`| head`) is no error.
    pub(crate) fn data(&mut self, text: &str) {
        ignore_gone(io::stdout().lock().write_all(text.as_bytes()));
    }

    /// A note.
    pub(crate) fn note(&mut self, text: &str) {
        self.aside("INFO", "", text);
    }

    /// A warning.
    pub(crate) fn warning(&mut self, text: &str) {
        self.aside("WARN", "warning: ", text);
    }

    /// An error, with `error:` in front unless it is there already.
    pub(crate) fn error(&mut self, text: &str) {
        let prefix = if text.starts_with("error") { "" } else { "error: " };
        self.aside("ERROR", prefix, text);
    }

    /// A line for a person, or the same object that a log event is.
    fn aside(&self, level: &str, prefix: &str, text: &str) {
        let mut stderr = Aside(self.lines());
        ignore_gone(if self.json {
            let timestamp = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            let message = text.strip_prefix("error: ").unwrap_or(text).trim_end();
            let event = serde_json::json!({"timestamp": timestamp, "level": level, "message": message, "target": "engine"});
            stderr.write_all(format!("{event}\n").as_bytes())
        } else {
            stderr.write_all(format!("{prefix}{text}\n").as_bytes())
        });
    }
}

/// Standard error above the progress lines, which make way for what is written. No secret is.
#[derive(Debug, Clone)]
pub(super) struct Aside(pub(super) MultiProgress);

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = without_values(&String::from_utf8_lossy(bytes));
        self.0.suspend(|| io::stderr().lock().write_all(text.as_bytes())).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// There is nobody left to tell.
fn ignore_gone(result: io::Result<()>) {
    drop(result);
}
