//! The log of a run: what is told while it goes on, kept in a file of its own.
//!
//! What is told on the way of a run's own task is its; a file is written line by line, each a JSON object, and read while it grows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use chrono::Utc;
use connectors::secrets::without_secrets;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::view::{LogLine, LogPart};

/// Bytes of a log; what comes behind them is only counted.
const LARGEST: u64 = 8 << 20;
/// Bytes of a log that are read at once.
const PART: u64 = 256 << 10;
/// Whose events are of interest to who reads the log of a run.
const OURS: [&str; 3] = ["engine", "connectors", "catalog"];

tokio::task_local! {
    static CURRENT: Arc<RunLog>;
}

/// A log that is written.
#[derive(Debug)]
pub(super) struct RunLog {
    file: Mutex<(File, u64)>,
}

impl RunLog {
    /// Begins the log of a run.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn begin(folder: &Path, pipeline: &str, run: i64) -> Result<Arc<Self>> {
        let path = path(folder, pipeline, run);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Arc::new(Self { file: Mutex::new((file, 0)) }))
    }

    /// Does `work`; what it tells goes into this log.
    pub(super) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    /// Adds a line. A disk that is full costs the log, not the run.
    pub(super) fn write(&self, line: &LogLine) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.1 < LARGEST && file.0.write_all(text.as_bytes()).is_ok() {
            file.1 += text.len() as u64;
        }
    }
}

/// Removes the logs that nothing was written to since `before`.
pub(super) fn prune(folder: &Path, before: SystemTime) {
    let pipelines = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for file in pipelines.flat_map(|pipeline| std::fs::read_dir(pipeline.path()).into_iter().flatten().flatten()) {
        let is_old = file.metadata().and_then(|meta| meta.modified()).is_ok_and(|modified| modified < before);
        if is_old && let Err(error) = std::fs::remove_file(file.path()) {
            tracing::debug!(file = %file.path().display(), %error, "a log was not removed");
        }
    }
}

fn path(folder: &Path, pipeline: &str, run: i64) -> PathBuf {
    // A name that leads elsewhere is none of a file's.
    let name = Path::new(pipeline).file_name().unwrap_or_default();
    folder.join(name).join(format!("{run}.jsonl"))
}

/// Reads on in the log of a run from byte `from`, and says whether that is all that is there by now; nothing of one that there is none of.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(folder: &Path, pipeline: &str, run: i64, from: u64) -> Result<LogPart> {
    let path = path(folder, pipeline, run);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(LogPart { next: from, is_end: true, ..LogPart::default() });
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    file.seek(SeekFrom::Start(from)).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut part, mut reader) = (LogPart { next: from, ..LogPart::default() }, BufReader::new(file));
    let mut text = String::new();
    while part.next - from < PART {
        text.clear();
        let read = reader.read_line(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
        // A line without its end is still being written.
        if read == 0 || !text.ends_with('\n') {
            part.is_end = true;
            break;
        }
        part.next += read as u64;
        part.lines.extend(serde_json::from_str::<LogLine>(&text).ok());
    }
    Ok(part)
}

/// Passes what is told on to the log of the run in whose task it is told.
#[derive(Debug)]
pub struct RunLogs;

impl<S: Subscriber> Layer<S> for RunLogs {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let target = metadata.target().split("::").next().unwrap_or_default();
        if *metadata.level() > Level::INFO || !OURS.contains(&target) {
            return;
        }
        // Outside a run there is no such log.
        let _outside = CURRENT.try_with(|log| {
            let mut fields = Fields(BTreeMap::new());
            event.record(&mut fields);
            let message = fields.0.remove("message").and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
            log.write(&LogLine { at: Utc::now(), level: metadata.level().to_string(), message, fields: fields.0 });
        });
    }
}

struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.insert(field, without_secrets(&format!("{value:?}")).into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, without_secrets(value).into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test]
    async fn what_a_run_tells_is_in_its_own_log_and_can_be_read_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(RunLogs));
        let (one, two) = (RunLog::begin(folder.path(), "a", 1).unwrap(), RunLog::begin(folder.path(), "a", 2).unwrap());
        one.scope(async { tracing::info!(rows = 3, url = "postgres://u:secret@h/db", "committed") }).await;
        two.scope(async { tracing::warn!("odd") }).await;
        tracing::info!("of no run");
        let first = read(folder.path(), "a", 1, 0).unwrap();
        assert_eq!(first.lines.len(), 1);
        assert_eq!(first.lines[0].message, "committed");
        assert_eq!(first.lines[0].fields["rows"], 3);
        assert!(!first.lines[0].fields["url"].to_string().contains("secret"), "{:?}", first.lines[0]);
        one.scope(async { tracing::info!("more") }).await;
        let next = read(folder.path(), "a", 1, first.next).unwrap();
        assert_eq!(next.lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["more"]);
        assert!(read(folder.path(), "a", 3, 0).unwrap().lines.is_empty());
        assert_eq!(read(folder.path(), "a", 2, 0).unwrap().lines[0].level, "WARN");
        prune(folder.path(), SystemTime::now() - Duration::from_secs(60));
        assert!(!read(folder.path(), "a", 1, 0).unwrap().lines.is_empty());
        prune(folder.path(), SystemTime::now() + Duration::from_secs(60));
        assert!(read(folder.path(), "a", 1, 0).unwrap().lines.is_empty());
    }
}
