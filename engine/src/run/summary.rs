//! What a run did, in a table for people and one JSON object for machines.

use std::collections::BTreeMap;
use std::fmt;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

/// Totals of one sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SinkSummary {
    /// Rows its flows read.
    pub rows_in: u64,
    /// Rows it committed.
    pub rows_written: u64,
    /// Records of its sources that are no rows, and rows that it cannot hold, which were put aside. Those that were kept with a NULL or
    /// a text that was cut are written.
    pub bad_rows: u64,
    /// Bytes of the data files.
    pub bytes: u64,
    /// Data files.
    pub files: u64,
    /// Epochs.
    pub epochs: u64,
    /// Seconds its commits took.
    pub seconds: f64,
}

/// The bad records of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BadSummary {
    /// Records.
    pub rows: u64,
    /// The Delta table they are in.
    pub location: String,
    /// How they become rows.
    #[serde(skip)]
    pub remedy: Remedy,
}

/// How bad records become rows after a fix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Remedy {
    /// `engine replay` makes rows of them.
    #[default]
    Replay,
    /// They are of a table that is read whole, and read again.
    ReadAgain,
    /// They are rows that a sink refused.
    LoadAnew,
}

/// Totals of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The pipeline.
    pub pipeline: String,
    /// Its file, as a person would type it.
    #[serde(skip)]
    pub file: String,
    /// The newest committed epoch, of this run or an earlier one; 0: none.
    pub last_epoch: u64,
    /// No epoch has brought a row yet.
    #[serde(skip)]
    pub had_nothing: bool,
    /// By sink.
    pub sinks: BTreeMap<String, SinkSummary>,
    /// Bad records that were put aside, by table.
    pub bad: BTreeMap<String, BadSummary>,
    /// Seconds the run took.
    pub seconds: f64,
    /// The most memory the process had resident; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// Why it ended before its end; what was committed by then stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Summary {
    /// Whether anything was committed, if only bad records.
    pub fn is_new(&self) -> bool {
        self.sinks.values().any(|sink| sink.epochs > 0) || !self.bad.is_empty()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.peak_memory_bytes.map_or_else(|| "unknown".to_owned(), |bytes| HumanBytes(bytes).to_string());
        if !self.is_new() {
            let what = match self.last_epoch {
                _ if self.sinks.is_empty() => "nothing to write".to_owned(),
                _ if self.had_nothing => "nothing yet: no source has had a row".to_owned(),
                last => format!("nothing new since epoch {last}"),
            };
            return writeln!(f, "{}: {what} ({:.2} s, peak memory {memory})", self.pipeline, self.seconds);
        }
        let width = self.sinks.keys().map(String::len).max().unwrap_or(0).max("sink".len());
        writeln!(
            f,
            "{:width$}  {:>10}  {:>12}  {:>8}  {:>10}  {:>6}  {:>6}  {:>8}",
            "sink", "rows in", "rows written", "bad rows", "bytes", "files", "epochs", "commit s"
        )?;
        for (name, sink) in &self.sinks {
            let bytes = HumanBytes(sink.bytes).to_string();
            let bad_rows = HumanCount(sink.bad_rows).to_string();
            let (rows_in, rows_written) = (HumanCount(sink.rows_in).to_string(), HumanCount(sink.rows_written).to_string());
            writeln!(
                f,
                "{name:width$}  {rows_in:>10}  {rows_written:>12}  {bad_rows:>8}  {bytes:>10}  {:>6}  {:>6}  {:>8.2}",
                sink.files, sink.epochs, sink.seconds
            )?;
        }
        for (table, bad) in &self.bad {
            let (rows, location, source) = (bad.rows, &bad.location, table.trim_end_matches("$bad"));
            let are = if rows == 1 { "record is" } else { "records are" };
            write!(f, "{rows} bad {are} in the Delta table {location}, with what is wrong with them; ")?;
            let file = &self.file;
            match bad.remedy {
                Remedy::Replay => writeln!(f, "when {source} is repaired, `engine replay {file} {source}` makes rows of them")?,
                Remedy::ReadAgain => {
                    writeln!(f, "{source} is read whole: repaired, the next run that reads it makes rows of them")?;
                }
                Remedy::LoadAnew => writeln!(
                    f,
                    "{source} cannot hold them: change the query or the table; `engine run {file} --from-scratch` loads anew what is \
                     written by REPLACE INTO"
                )?,
            }
        }
        writeln!(f, "{}: up to epoch {} in {:.2} s, peak memory {memory}", self.pipeline, self.last_epoch, self.seconds)
    }
}

/// The peak of resident memory, as Linux tells it in `/proc/self/status` (`VmHWM`, in KiB).
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
