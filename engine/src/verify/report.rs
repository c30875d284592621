//! What was found, for people and for machines.

use std::fmt;

use serde::Serialize;

/// Epochs that are shown unless all are asked for; those that are wrong are shown always.
const SHOWN: usize = 20;

/// What was found of a pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// The pipeline.
    pub pipeline: String,
    /// An epoch that is staged and not known to be committed everywhere.
    pub pending: Option<u64>,
    /// By table.
    pub sinks: Vec<SinkReport>,
}

/// What was found of one table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SinkReport {
    /// Its name in the pipeline.
    pub sink: String,
    /// Where it is.
    pub location: String,
    /// Whether the table was looked at and counted.
    pub verified: bool,
    /// The epochs since the pipeline's progress was forgotten last, the oldest first.
    pub epochs: Vec<EpochLine>,
    /// Rows that are in the table.
    pub table_rows: Option<u64>,
    /// The fewest and the most rows that the ledger allows it to have.
    pub expected_rows: Option<(u64, Option<u64>)>,
    /// What does not fit, each in a sentence; empty when all fits.
    pub differences: Vec<String>,
    /// What could not be looked at, or should be known.
    pub notes: Vec<String>,
}

/// One epoch of one flow, side by side.
#[derive(Debug, Clone, Serialize)]
pub struct EpochLine {
    /// The epoch.
    pub epoch: u64,
    /// The flow.
    pub flow: String,
    /// How the table was written.
    pub mode: String,
    /// Rows that the flow read.
    pub source_rows: u64,
    /// Rows that were staged.
    pub staged_rows: u64,
    /// Rows that the ledger has; `None` when it has no line, or the line says none.
    pub ledger_rows: Option<u64>,
    /// Whether the ledger has a line.
    pub in_ledger: bool,
    /// Rows in the table right after the epoch; `None` when its ledger does not tell, as after an upsert that may have replaced rows.
    pub rows_after: Option<u64>,
    /// The most rows that there can have been then: all of an upsert's may have been new.
    pub rows_after_at_most: Option<u64>,
    /// Whether something is wrong with it.
    pub differs: bool,
}

impl Verification {
    /// Whether everything fits.
    pub fn agrees(&self) -> bool {
        self.sinks.iter().all(|sink| sink.differences.is_empty())
    }

    /// For a person; all epochs, or the last ones and those that are wrong.
    pub fn text(&self, all: bool) -> String {
        let mut text = String::new();
        for sink in &self.sinks {
            text.push_str(&sink.text(all));
            text.push('\n');
        }
        if let Some(epoch) = self.pending {
            text.push_str(&format!("epoch {epoch} is staged and not committed everywhere yet: the next run commits it\n"));
        }
        let different = self.sinks.iter().filter(|sink| !sink.differences.is_empty()).count();
        let verified = self.sinks.iter().filter(|sink| sink.verified).count();
        let (name, count) = (&self.pipeline, self.sinks.len());
        text.push_str(&match different {
            0 if verified == count => format!("{name}: all {count} tables agree\n"),
            0 => format!("{name}: {verified} of {count} tables agree, the others could not be counted\n"),
            _ => format!("{name}: {different} of {count} tables differ\n"),
        });
        text
    }
}

impl SinkReport {
    fn text(&self, all: bool) -> String {
        let mut text = format!("{}: {}\n", self.sink, self.location);
        let hidden = if all { 0 } else { self.epochs.len().saturating_sub(SHOWN) };
        let shown: Vec<&EpochLine> = self
            .epochs
            .iter()
            .enumerate()
            .filter(|(index, line)| *index >= hidden || line.differs)
            .map(|(_, line)| line)
            .collect();
        if !shown.is_empty() {
            text.push_str(&format!(
                "  {:>8}  {:<9}  {:>12}  {:>12}  {:>12}  {:>12}\n",
                "epoch", "mode", "source rows", "staged rows", "ledger rows", "rows then"
            ));
        }
        for line in &shown {
            text.push_str(&format!("{line}\n"));
        }
        if shown.len() < self.epochs.len() {
            text.push_str(&format!("  {} epochs more, which agree; --all shows them\n", self.epochs.len() - shown.len()));
        }
        if let Some(rows) = self.table_rows {
            text.push_str(&format!("  rows in the table now: {rows}{}\n", self.expected()));
        }
        for note in &self.notes {
            text.push_str(&format!("  note: {note}\n"));
        }
        for difference in &self.differences {
            text.push_str(&format!("  DIFFERS: {difference}\n"));
        }
        if self.verified && self.differences.is_empty() {
            text.push_str("  agrees\n");
        }
        text
    }

    fn expected(&self) -> String {
        match self.expected_rows {
            Some((fewest, Some(most))) if fewest == most => format!(", by the ledger: {most}"),
            Some((fewest, Some(most))) => format!(", by the ledger: {fewest} to {most}"),
            Some((fewest, None)) => format!(", by the ledger: at least {fewest}"),
            None => String::new(),
        }
    }
}

impl fmt::Display for EpochLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let ledger = match (self.in_ledger, self.ledger_rows) {
            (true, None) => "yes".to_owned(),
            (_, rows) => number(rows),
        };
        let Self { epoch, mode, source_rows, staged_rows, .. } = self;
        let then = match (self.rows_after, self.rows_after_at_most) {
            (None, Some(most)) => format!("<= {most}"),
            (rows, _) => number(rows),
        };
        let mark = if self.differs { "  <-" } else { "" };
        write!(f, "  {epoch:>8}  {mode:<9}  {source_rows:>12}  {staged_rows:>12}  {ledger:>12}  {then:>12}{mark}")
    }
}
