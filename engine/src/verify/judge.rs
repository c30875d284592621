//! The verdict over one table, from facts alone.
//!
//! How many rows the table may have follows from its ledger: an overwrite sets the number, an append adds to it, and after an upsert
//! there are at least as many as it brought and at most as many as if all of them were new.

use std::collections::{BTreeMap, BTreeSet};

use connectors::sink::{Audit, LedgerEntry, WriteMode};

use super::report::{EpochLine, SinkReport};
use crate::state::EpochFlow;

/// What is known of one table.
pub(super) struct Facts<'a> {
    pub(super) pipeline: &'a str,
    /// What the state says that the table was given.
    pub(super) epochs: &'a [EpochFlow],
    /// What it says that any table was given: a table may have been declared in several ways.
    pub(super) all_epochs: &'a [EpochFlow],
    /// Whether an epoch was committed before the table was looked at.
    pub(super) committed: &'a dyn Fn(&EpochFlow) -> bool,
    /// What the table says; `None` when it keeps no ledger, or was not looked at.
    pub(super) audit: Option<Audit>,
}

/// A batch: its writer and epoch.
type Key = (String, u64);

/// Judges.
pub(super) fn judge(sink: String, location: String, elsewhere: Option<String>, facts: &Facts<'_>) -> SinkReport {
    let mut report = SinkReport { sink, location, ..SinkReport::default() };
    let Some(audit) = &facts.audit else {
        report.epochs = lines(facts, &BTreeMap::new(), |_| false);
        report.notes.push(match elsewhere {
            Some(place) => format!("these epochs went to {place}, which is not what [warehouse] says now; it was not looked at"),
            None => "a table of this kind keeps no ledger that is read here; only tables of the warehouse and Delta tables do"
                .to_owned(),
        });
        return report;
    };
    report.verified = audit.rows.is_some() || !audit.exists;
    let (spans, span) = spans(facts, audit);
    let then = |entry: &LedgerEntry, span: Span| entry.rows_after.map_or(span, |rows| (rows, Some(rows)));
    let ledger: Ledger<'_> = audit
        .entries
        .iter()
        .zip(&spans)
        .map(|(entry, span)| ((entry.writer.clone(), entry.epoch), (entry, then(entry, *span))))
        .collect();
    let different = |flow: &EpochFlow| difference(facts, flow, &ledger, audit);
    report.differences = facts.epochs.iter().filter_map(different).collect();
    report.differences.extend(unknown(facts, audit));
    report.differences.extend(doubled(audit));
    report.epochs = lines(facts, &ledger, |flow| different(flow).is_some());
    report.table_rows = audit.rows;
    report.expected_rows = Some(span);
    report.differences.extend(of_table(audit, span));
    report.notes.extend(audit.foreign.iter().map(|change| format!("the table was changed by somebody else: {change}")));
    if !report.verified {
        let why = if audit.is_complete {
            "a file of it does not say how many it has"
        } else {
            "its log does not go back to its beginning"
        };
        report.notes.push(format!("the table's rows are not counted: {why}"));
    }
    report
}

fn writer(facts: &Facts<'_>, flow: &EpochFlow) -> String {
    let EpochFlow { incarnation, flow, .. } = flow;
    connectors::sink::BatchId {
        pipeline: facts.pipeline.to_owned(),
        incarnation: incarnation.clone(),
        flow: flow.clone(),
        epoch: 0,
    }
    .writer()
}

fn key(facts: &Facts<'_>, flow: &EpochFlow) -> Key {
    (writer(facts, flow), flow.epoch)
}

/// Its batches, and how many rows there may have been right after each.
type Ledger<'a> = BTreeMap<Key, (&'a LedgerEntry, Span)>;

/// What does not fit in one epoch.
fn difference(facts: &Facts<'_>, flow: &EpochFlow, ledger: &Ledger<'_>, audit: &Audit) -> Option<String> {
    let EpochFlow { epoch, flow: name, rows, .. } = flow;
    match ledger.get(&key(facts, flow)) {
        Some((LedgerEntry { rows: Some(loaded), .. }, _)) if loaded != rows => {
            Some(format!("epoch {epoch} of flow {name}: rows staged {rows}, rows by the ledger {loaded}"))
        }
        Some(_) => None,
        // Nothing to add is not committed: the epoch only moved offsets.
        None if flow.files == 0 && flow.mode != WriteMode::Overwrite => None,
        None if !(facts.committed)(flow) || !audit.is_complete => None,
        None => Some(format!("epoch {epoch} of flow {name}: rows staged and committed {rows}, and the ledger has no line of it")),
    }
}

/// What the ledger has of this pipeline that the state does not know. Epochs before the first of the record are older than it.
fn unknown(facts: &Facts<'_>, audit: &Audit) -> Vec<String> {
    let mut first: BTreeMap<String, u64> = BTreeMap::new();
    for flow in facts.epochs {
        let known = first.entry(writer(facts, flow)).or_insert(flow.epoch);
        *known = flow.epoch.min(*known);
    }
    let known: BTreeSet<Key> = facts.all_epochs.iter().map(|flow| key(facts, flow)).collect();
    let is_unknown = |entry: &&LedgerEntry| {
        first.get(&entry.writer).is_some_and(|first| entry.epoch >= *first)
            && !known.contains(&(entry.writer.clone(), entry.epoch))
    };
    let entries = audit.entries.iter().filter(is_unknown);
    entries
        .map(|entry| format!("the ledger has epoch {} of {}, which the state does not know", entry.epoch, entry.writer))
        .collect()
}

/// Batches that the ledger has more than once.
fn doubled(audit: &Audit) -> Vec<String> {
    let mut times: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for entry in &audit.entries {
        *times.entry((&entry.writer, entry.epoch)).or_default() += 1;
    }
    let doubled = times.into_iter().filter(|(_, times)| *times > 1);
    doubled.map(|((writer, epoch), times)| format!("the ledger has epoch {epoch} of {writer} {times} times")).collect()
}

/// Whether a batch is of this pipeline before its progress was forgotten last: its rows may have been removed since, with good reason.
fn is_earlier(facts: &Facts<'_>, entry: &LedgerEntry) -> bool {
    let mine = format!("engine:{}:", facts.pipeline);
    let incarnation = facts.all_epochs.first().map(|flow| format!("{mine}{}:", flow.incarnation));
    entry.writer.starts_with(&mine) && incarnation.is_some_and(|incarnation| !entry.writer.starts_with(&incarnation))
}

/// The rows that a table may have: the fewest, and the most unless they are not known.
type Span = (u64, Option<u64>);

/// What holds after each batch, and now.
fn spans(facts: &Facts<'_>, audit: &Audit) -> (Vec<Span>, Span) {
    let mine = format!("engine:{}:", facts.pipeline);
    let mut span: Span = (0, audit.is_complete.then_some(0));
    let mut spans = Vec::with_capacity(audit.entries.len());
    for entry in &audit.entries {
        let fewest = span.0;
        // What others do with their rows is not known.
        let deletes = audit.deletes || !entry.writer.starts_with(&mine);
        span = after(span, entry, deletes);
        if is_earlier(facts, entry) {
            span.0 = if entry.mode == WriteMode::Overwrite { 0 } else { fewest };
        }
        spans.push(span);
    }
    (spans, span)
}

fn after((fewest, most): Span, entry: &LedgerEntry, deletes: bool) -> Span {
    let added = |most: Option<u64>| Some(most? + entry.rows?);
    match entry.mode {
        WriteMode::Overwrite => (entry.rows.unwrap_or_default(), entry.rows),
        WriteMode::Append => (fewest + entry.rows.unwrap_or_default(), added(most)),
        WriteMode::Upsert if deletes => (0, added(most)),
        WriteMode::Upsert => (fewest.max(entry.rows.unwrap_or_default()), added(most)),
    }
}

/// What does not fit between the ledger and the table.
fn of_table(audit: &Audit, (fewest, most): Span) -> Vec<String> {
    let mut differences = Vec::new();
    if !audit.exists && !audit.entries.is_empty() {
        differences.push("the ledger has batches, and there is no table".to_owned());
    }
    if let Some(rows) = audit.rows {
        if rows < fewest {
            differences.push(format!(
                "missing rows: {}; the table has {rows}, by the ledger there are at least {fewest}",
                fewest - rows
            ));
        }
        if let Some(most) = most.filter(|most| rows > *most) {
            let more = rows - most;
            differences.push(format!("rows too many: {more}; the table has {rows}, by the ledger there are at most {most}"));
        }
    }
    match audit.repeated_keys {
        None | Some(0) => {}
        Some(1) => differences.push("1 key is in several rows, and the table is upserted by it".to_owned()),
        Some(keys) => differences.push(format!("{keys} keys are in several rows each, and the table is upserted by them")),
    }
    differences
}

/// The epochs, side by side with the ledger.
fn lines(facts: &Facts<'_>, ledger: &Ledger<'_>, differs: impl Fn(&EpochFlow) -> bool) -> Vec<EpochLine> {
    let line = |flow: &EpochFlow| {
        let found = ledger.get(&key(facts, flow));
        let (fewest, most) = found.map_or((0, None), |(_, span)| *span);
        EpochLine {
            epoch: flow.epoch,
            flow: flow.flow.clone(),
            mode: flow.mode.to_string(),
            source_rows: flow.rows_in,
            staged_rows: flow.rows,
            ledger_rows: found.and_then(|(entry, _)| entry.rows),
            in_ledger: found.is_some(),
            rows_after: most.filter(|most| *most == fewest),
            rows_after_at_most: most,
            differs: differs(flow),
        }
    };
    facts.epochs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use connectors::context::TableSpec;

    use super::*;

    fn epoch(number: u64, mode: WriteMode, rows: u64) -> EpochFlow {
        let sink = TableSpec::new("t", "DELTA", "lake://t");
        EpochFlow {
            incarnation: "i".into(),
            epoch: number,
            flow: "f".into(),
            sink,
            place: None,
            mode,
            rows_in: rows,
            rows,
            files: u64::from(rows > 0),
            bytes: 0,
            bad_rows: 0,
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            committed_at: Some(chrono::DateTime::UNIX_EPOCH),
            run: None,
        }
    }

    fn entry(number: u64, mode: WriteMode, rows: u64) -> LedgerEntry {
        LedgerEntry { writer: "engine:p:i:f".into(), epoch: number, mode, rows: Some(rows), rows_after: None }
    }

    fn audit(entries: &[LedgerEntry], rows: u64) -> Audit {
        Audit { entries: entries.to_vec(), is_complete: true, rows: Some(rows), exists: true, ..Audit::default() }
    }

    fn differences(epochs: &[EpochFlow], audit: Audit) -> Vec<String> {
        let facts = Facts {
            pipeline: "p",
            epochs,
            all_epochs: epochs,
            committed: &|flow: &EpochFlow| flow.is_committed(),
            audit: Some(audit),
        };
        judge("t".into(), "lake://t".into(), None, &facts).differences
    }

    use WriteMode::{Append, Overwrite, Upsert};

    #[test]
    fn an_append_table_has_the_sum_of_its_batches_and_nothing_else() {
        let epochs = [epoch(1, Append, 3), epoch(2, Append, 0), epoch(3, Append, 4)];
        let entries = [entry(1, Append, 3), entry(3, Append, 4)];
        assert_eq!(differences(&epochs, audit(&entries, 7)), [""; 0]);
        let fewer = differences(&epochs, audit(&entries, 6));
        assert_eq!(fewer, ["missing rows: 1; the table has 6, by the ledger there are at least 7"]);
        let more = differences(&epochs, audit(&entries, 9));
        assert_eq!(more, ["rows too many: 2; the table has 9, by the ledger there are at most 7"]);
    }

    #[test]
    fn a_line_that_is_gone_or_says_another_number_is_named() {
        let epochs = [epoch(1, Append, 3), epoch(2, Append, 4)];
        let gone = differences(&epochs, audit(&[entry(1, Append, 3)], 7));
        assert_eq!(gone.len(), 2, "{gone:?}");
        assert_eq!(gone[0], "epoch 2 of flow f: rows staged and committed 4, and the ledger has no line of it");
        let other = differences(&epochs, audit(&[entry(1, Append, 3), entry(2, Append, 5)], 8));
        assert_eq!(other, ["epoch 2 of flow f: rows staged 4, rows by the ledger 5"]);
    }

    #[test]
    fn what_is_pending_is_not_missed() {
        let mut pending = epoch(2, Append, 4);
        pending.committed_at = None;
        assert_eq!(differences(&[epoch(1, Append, 3), pending], audit(&[entry(1, Append, 3)], 3)), [""; 0]);
    }

    #[test]
    fn an_epoch_that_the_state_does_not_know_is_named_unless_it_is_older_than_the_record() {
        let entries = [entry(1, Append, 1), entry(2, Append, 2), entry(3, Append, 3)];
        assert_eq!(differences(&[epoch(2, Append, 2), epoch(3, Append, 3)], audit(&entries, 6)), [""; 0]);
        let unknown = differences(&[epoch(1, Append, 1), epoch(2, Append, 2)], audit(&entries, 6));
        assert_eq!(unknown, ["the ledger has epoch 3 of engine:p:i:f, which the state does not know"]);
    }

    #[test]
    fn an_upsert_leaves_at_least_what_it_brought_and_at_most_all_of_it_more() {
        let epochs = [epoch(1, Upsert, 3), epoch(2, Upsert, 4)];
        let entries = [entry(1, Upsert, 3), entry(2, Upsert, 4)];
        for (rows, fits) in [(3, false), (4, true), (7, true), (8, false)] {
            assert_eq!(differences(&epochs, audit(&entries, rows)).is_empty(), fits, "{rows}");
        }
        let deleting = Audit { deletes: true, ..audit(&entries, 0) };
        assert_eq!(differences(&epochs, deleting), [""; 0]);
        // Another pipeline may delete what this one brought.
        let [first, second] = entries.clone();
        let other = LedgerEntry { writer: "engine:q:i:f".to_owned(), ..entry(1, Upsert, 2) };
        assert_eq!(differences(&epochs, audit(&[first, second, other], 1)), [""; 0]);
        let repeated = Audit { repeated_keys: Some(2), ..audit(&entries, 5) };
        assert_eq!(differences(&epochs, repeated), ["2 keys are in several rows each, and the table is upserted by them"]);
    }

    #[test]
    fn rows_after_an_upsert_are_a_bound_and_no_number() {
        let epochs = [epoch(1, Upsert, 3), epoch(2, Upsert, 2), epoch(3, Overwrite, 4)];
        let entries = [entry(1, Upsert, 3), entry(2, Upsert, 2), entry(3, Overwrite, 4)];
        let facts = Facts {
            pipeline: "p",
            epochs: &epochs,
            all_epochs: &epochs,
            committed: &|flow: &EpochFlow| flow.is_committed(),
            audit: Some(audit(&entries, 4)),
        };
        let report = judge("t".into(), "lake://t".into(), None, &facts);
        let then: Vec<_> = report.epochs.iter().map(|line| (line.rows_after, line.rows_after_at_most)).collect();
        assert_eq!(then, [(Some(3), Some(3)), (None, Some(5)), (Some(4), Some(4))]);
        let lines: Vec<String> = report.epochs.iter().map(ToString::to_string).collect();
        assert!(lines[0].ends_with(" 3") && lines[1].ends_with(" <= 5") && lines[2].ends_with(" 4"), "{lines:?}");
        // A ledger that counts the rows says how many there were.
        let counted = LedgerEntry { rows_after: Some(4), ..entry(2, Upsert, 2) };
        let audit = audit(&[entry(1, Upsert, 3), counted], 4);
        let report = judge("t".into(), "lake://t".into(), None, &Facts { epochs: &epochs[..2], audit: Some(audit), ..facts });
        assert_eq!(report.epochs[1].rows_after, Some(4));
    }

    #[test]
    fn an_overwrite_forgets_what_was_before() {
        let epochs = [epoch(1, Append, 9), epoch(2, Overwrite, 2), epoch(3, Append, 1)];
        let entries = [entry(1, Append, 9), entry(2, Overwrite, 2), entry(3, Append, 1)];
        assert_eq!(differences(&epochs, audit(&entries, 3)), [""; 0]);
        assert_eq!(differences(&epochs, audit(&entries, 12)).len(), 1);
        // Of a log that was shortened, what came before an overwrite does not matter.
        let short = Audit { is_complete: false, ..audit(&entries[1..], 3) };
        assert_eq!(differences(&epochs, short), [""; 0]);
    }

    #[test]
    fn a_batch_that_was_loaded_twice_is_named() {
        let entries = [entry(1, Append, 3), entry(2, Append, 4), entry(2, Append, 4)];
        let twice = differences(&[epoch(1, Append, 3), epoch(2, Append, 4)], audit(&entries, 11));
        assert_eq!(twice, ["the ledger has epoch 2 of engine:p:i:f 2 times"]);
    }

    #[test]
    fn what_an_earlier_beginning_brought_may_be_gone() {
        let earlier = LedgerEntry { writer: "engine:p:h:f".into(), ..entry(1, Append, 3) };
        let entries = [earlier, entry(1, Append, 3)];
        for (rows, fits) in [(2, false), (3, true), (6, true), (7, false)] {
            assert_eq!(differences(&[epoch(1, Append, 3)], audit(&entries, rows)).is_empty(), fits, "{rows}");
        }
    }

    #[test]
    fn a_table_whose_rows_nobody_counted_is_not_said_to_agree() {
        let uncounted = Audit { rows: None, ..audit(&[entry(1, Append, 3)], 0) };
        let epochs = [epoch(1, Append, 3)];
        let facts = Facts {
            pipeline: "p",
            epochs: &epochs,
            all_epochs: &epochs,
            committed: &|flow: &EpochFlow| flow.is_committed(),
            audit: Some(uncounted),
        };
        let report = judge("t".into(), "lake://t".into(), None, &facts);
        assert!(!report.verified && report.notes[0].contains("a file of it does not say"), "{report:?}");
    }

    #[test]
    fn a_table_that_is_gone_is_named() {
        let gone = Audit { exists: false, rows: None, ..audit(&[entry(1, Append, 3)], 0) };
        assert_eq!(differences(&[epoch(1, Append, 3)], gone), ["the ledger has batches, and there is no table"]);
    }
}
