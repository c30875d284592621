//! What a replay did, or would do: for people in words, for machines as one JSON object.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use connectors::replay::Purpose;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use crate::epoch::replay::{Count, Left, Tally};
use crate::run::summary::peak_memory_bytes;

/// What a replay did.
#[derive(Debug, Clone)]
pub struct ReplaySummary {
    /// The pipeline.
    pub pipeline: String,
    /// The source whose bad records were replayed.
    pub source: String,
    /// The Delta table that they are in.
    pub location: String,
    /// Whether it was done, or only looked at.
    pub purpose: Purpose,
    /// What became of them.
    pub tally: Tally,
    /// Records that were not tried because the replay was interrupted.
    pub untried: u64,
    /// Rows written, by sink.
    pub sinks: BTreeMap<String, u64>,
    /// Epochs that it took.
    pub epochs: u64,
    /// The newest committed epoch.
    pub last_epoch: u64,
    started: Instant,
}

impl ReplaySummary {
    pub(super) fn new(pipeline: &str, source: &str, location: &str, purpose: Purpose) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            source: source.to_owned(),
            location: location.to_owned(),
            purpose,
            tally: Tally::default(),
            untried: 0,
            sinks: BTreeMap::new(),
            epochs: 0,
            last_epoch: 0,
            started: Instant::now(),
        }
    }

    pub(super) fn written(&mut self, sink: &str, rows: u64) {
        *self.sinks.entry(sink.to_owned()).or_default() += rows;
    }

    /// How many rows a query makes of them is not known before it is run.
    pub(super) fn would_go_to<'a>(&mut self, sinks: impl Iterator<Item = &'a str>, rows: u64) {
        for sink in sinks {
            self.written(sink, rows);
        }
    }

    /// As one object.
    pub fn json(&self) -> Value {
        let (files, other_files) = self.tally.files.commonest();
        let (reasons, other_reasons) = self.tally.reasons.commonest();
        json!({
            "pipeline": self.pipeline,
            "table": self.source,
            "location": self.location,
            "done": self.purpose == Purpose::Commit,
            "records": self.tally.records,
            "rows": self.tally.rows,
            "still_bad": self.tally.still_bad,
            "no_records": self.tally.no_records,
            "reasons": reasons,
            "records_of_other_reasons": other_reasons,
            "files": self.tally.files.names(),
            "commonest_files": files,
            "records_of_other_files": other_files,
            "not_tried": self.tally.left,
            "not_tried_yet": self.untried,
            "sinks": self.sinks,
            "epochs": self.epochs,
            "last_epoch": self.last_epoch,
            "seconds": self.started.elapsed().as_secs_f64(),
            "peak_memory_bytes": peak_memory_bytes(),
        })
    }

    fn sinks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sink, rows) in &self.sinks {
            match self.purpose {
                Purpose::Commit => writeln!(f, "{:>9}  written to {sink}", count(*rows))?,
                Purpose::Look => writeln!(f, "{:>9}  through the query of {sink}", count(*rows))?,
            }
        }
        Ok(())
    }
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 row`, `2 rows`.
fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

fn counts(f: &mut fmt::Formatter<'_>, (told, others): (Vec<Count>, u64)) -> fmt::Result {
    for Count { name, records, example } in told {
        let example = if example.is_empty() { example } else { format!(", as in {example}") };
        writeln!(f, "{:>9}  {name}{example}", count(records))?;
    }
    if others > 0 {
        writeln!(f, "{:>9}  others", count(others))?;
    }
    Ok(())
}

/// Why records are not tried, and what can be done about it.
fn advice(left: Left) -> &'static str {
    match left {
        Left::Kept => {
            "are rows already, with NULL for the value, in tables that INSERT INTO appends to: their rows would be there twice. A table \
             that REPLACE INTO writes by key takes them"
        }
        Left::Forgotten => {
            "were put aside before --from-scratch, which read all files again that were there still: what was bad of those was put aside \
             once more. The records of files that were gone stay to be looked at"
        }
        Left::Whole => {
            "are of reads of the whole table, which no replay repeats: the next run that reads the table reads all of it, and those \
             that are rows by then are gone"
        }
        Left::NoFlow => "wait for flows that are not in the file, or whose query does not read the table any more",
    }
}

impl fmt::Display for ReplaySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipeline, source, location, tally, .. } = self;
        let left = tally.left.values().sum::<u64>();
        let is_look = self.purpose == Purpose::Look;
        if tally.records == 0 && self.untried > 0 {
            writeln!(f, "{source}: nothing was replayed")?;
        } else if tally.records == 0 {
            let what = if left == 0 { "there is no bad record in" } else { "none can be of those in" };
            writeln!(f, "{source}: nothing to replay: {what} {location}")?;
        } else {
            let files = counted(tally.files.names() as u64, "file");
            let be = if is_look { "would be replayed" } else { "replayed" };
            writeln!(f, "{source}: {} of {files} {be}:", counted(tally.records, "bad record"))?;
            counts(f, tally.files.commonest())?;
            let made = if is_look { "would make" } else { "made" };
            writeln!(f, "{made} {}{}", counted(tally.rows, "row"), if self.sinks.is_empty() { "" } else { ":" })?;
            self.sinks(f)?;
            if tally.no_records > 0 {
                let what = "hold nothing as the table is declared now (comments, blank lines), and are gone";
                writeln!(f, "{} {what}", counted(tally.no_records, "record"))?;
            }
            if tally.still_bad > 0 {
                let still = if is_look { "would still be bad" } else { "still bad" };
                writeln!(f, "{} {still}, in {location}:", counted(tally.still_bad, "record"))?;
                counts(f, tally.reasons.commonest())?;
            }
        }
        if left > 0 {
            let tried = if is_look { "would not be tried" } else { "not tried" };
            writeln!(f, "{} {tried}:", counted(left, "record"))?;
        }
        for (why, records) in &tally.left {
            writeln!(f, "{:>9}  {}", count(*records), advice(*why))?;
        }
        if self.untried > 0 {
            writeln!(f, "interrupted: {} not tried yet; replay again to go on", counted(self.untried, "record"))?;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let memory = peak_memory_bytes().map_or_else(|| "unknown".to_owned(), |bytes| HumanBytes(bytes).to_string());
        writeln!(f, "{pipeline}: up to epoch {} in {seconds:.2} s, peak memory {memory}", self.last_epoch)
    }
}
