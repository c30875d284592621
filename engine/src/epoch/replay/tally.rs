//! What became of the records of a replay, counted in bounded memory.

use std::collections::BTreeMap;

use connectors::source::BadRecord;
use serde::Serialize;

use super::triage::Left;

/// Different files or reasons that are counted each; what comes beyond is counted together.
const MOST: usize = 1_000;

/// Files or reasons that are told.
const TOLD: usize = 5;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_name: BTreeMap<String, (u64, String)>,
    /// Of names beyond those.
    others: u64,
}

/// One of the commonest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What was counted.
    pub name: String,
    /// How often.
    pub records: u64,
    /// One of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub example: String,
}

impl Counts {
    fn add(&mut self, name: String, records: u64, example: impl FnOnce() -> String) {
        if let Some((count, _)) = self.by_name.get_mut(&name) {
            *count += records;
        } else if self.by_name.len() < MOST {
            self.by_name.insert(name, (records, example()));
        } else {
            self.others += records;
        }
    }

    fn merge(&mut self, other: Self) {
        for (name, (records, example)) in other.by_name {
            self.add(name, records, || example);
        }
        self.others += other.others;
    }

    /// How many names there are, at least.
    pub fn names(&self) -> usize {
        self.by_name.len() + usize::from(self.others > 0)
    }

    /// The commonest, and how many records are of others.
    pub fn commonest(&self) -> (Vec<Count>, u64) {
        let count = |(name, (records, example)): (&String, &(u64, String))| Count {
            name: name.clone(),
            records: *records,
            example: example.clone(),
        };
        let mut all: Vec<Count> = self.by_name.iter().map(count).collect();
        all.sort_by_key(|count| std::cmp::Reverse(count.records));
        let rest = all.iter().skip(TOLD).map(|count| count.records).sum::<u64>();
        all.truncate(TOLD);
        (all, rest + self.others)
    }
}

/// What became of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that were tried.
    pub records: u64,
    /// Rows that they gave.
    pub rows: u64,
    /// Of those that were tried, records that are bad still, or in part.
    pub still_bad: u64,
    /// Of those that were tried, records that are none to the table any more, as comments.
    pub no_records: u64,
    /// Why records are bad still.
    pub reasons: Counts,
    /// Their files.
    pub files: Counts,
    /// Records that were not tried, and why.
    pub left: BTreeMap<Left, u64>,
}

impl Tally {
    /// A record is tried.
    pub(super) fn tried(&mut self, record: &BadRecord) {
        self.records += 1;
        self.files.add(record.file.clone(), 1, String::new);
    }

    /// It is bad still.
    pub(super) fn stays(&mut self, record: &BadRecord, column: Option<&str>, reason: &str) {
        self.still_bad += 1;
        let reason = without_value(reason);
        let name = column.map_or_else(|| reason.clone(), |column| format!("column '{column}': {reason}"));
        self.reasons.add(name, 1, || place(record));
    }

    /// A record is not tried.
    pub(super) fn leaves(&mut self, why: Left) {
        *self.left.entry(why).or_default() += 1;
    }

    /// What the next pass found.
    pub fn merge(&mut self, next: Self) {
        self.records += next.records;
        self.rows += next.rows;
        self.still_bad += next.still_bad;
        self.no_records += next.no_records;
        self.reasons.merge(next.reasons);
        self.files.merge(next.files);
        for (why, records) in next.left {
            *self.left.entry(why).or_default() += records;
        }
    }
}

fn place(record: &BadRecord) -> String {
    let row = record.row.map_or_else(String::new, |row| format!(" row {row}"));
    let line = record.line.map_or_else(String::new, |line| format!(" (line {line})"));
    format!("{}{row}{line}", record.file)
}

/// The reason without what differs from record to record: the value that it begins with, and the byte that it names.
fn without_value(reason: &str) -> String {
    let reason = match reason.strip_prefix('\'').and_then(|rest| rest.split_once("' ")) {
        Some((_, rest)) => format!("'…' {rest}"),
        None => reason.to_owned(),
    };
    let Some((before, after)) = reason.split_once("at byte ") else { return reason };
    format!("{before}at byte …{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(row: u64) -> BadRecord {
        BadRecord { file: "a.json".into(), row: Some(row), line: Some(row), ..BadRecord::default() }
    }

    #[test]
    fn reasons_are_one_but_for_the_value() {
        let mut tally = Tally::default();
        for row in 1..4 {
            tally.tried(&record(row));
            tally.stays(&record(row), Some("id"), &format!("'x{row}' is not a BIGINT"));
        }
        tally.stays(&record(9), None, "not JSON at byte 12 of the record: expected {, found x");
        let (commonest, others) = tally.reasons.commonest();
        assert_eq!((commonest.len(), others, tally.files.names()), (2, 0, 1));
        assert_eq!((commonest[0].name.as_str(), commonest[0].records), ("column 'id': '…' is not a BIGINT", 3));
        assert_eq!(commonest[0].example, "a.json row 1 (line 1)");
        assert_eq!(commonest[1].name, "not JSON at byte … of the record: expected {, found x");
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted_together() {
        let mut tally = Tally::default();
        for file in 0..MOST + 10 {
            tally.tried(&BadRecord { file: format!("{file:05}"), ..BadRecord::default() });
        }
        let mut both = tally.clone();
        both.merge(tally);
        let (commonest, others) = both.files.commonest();
        assert_eq!((commonest.len(), both.files.names(), both.records), (TOLD, MOST + 1, 2 * (MOST as u64 + 10)));
        assert_eq!(commonest.iter().map(|count| count.records).sum::<u64>() + others, both.records);
    }
}
