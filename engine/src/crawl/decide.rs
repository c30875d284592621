//! What becomes of a table that the catalog knows, from what was seen of it. Reads and writes nothing.

use arrow::datatypes::{FieldRef, Schema};
use catalog::crawl::Format;
use catalog::drift::{Change, Policy, compare, exchanged};
use catalog::infer::{ObservedSchema, ResolveOptions};
use catalog::store::{Registration, Statistics, Table};
use connectors::files::crawl::{KnownTable, SeenTable};

use super::choices::OptionChoice;
use super::outcome::{Decision, TableOutcome, Touched};

/// Types that had no value are none, so that they fit any.
const TO_COMPARE: ResolveOptions = ResolveOptions { decimals: false, null_types: true, majority: false };

/// A table of somebody else.
pub(super) fn leave(table: &Table, seen: SeenTable) -> TableOutcome {
    TableOutcome {
        registration: table.registration.clone(),
        decision: Decision::Leave { by: table.registration.registered_by.clone() },
        changes: Vec::new(),
        is_altered: false,
        alterations: Vec::new(),
        statistics: Statistics { rows: None, bytes: Some(seen.bytes), files: Some(seen.objects) },
        touched: Touched::default(),
        observed: None,
        evidence: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
    }
}

/// What the user chose for a table.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chosen<'a> {
    pub(super) policy: Option<Policy>,
    /// Those of other tables among them.
    pub(super) options: &'a [OptionChoice],
    /// It goes when it has lost its objects.
    pub(super) prune: bool,
}

/// A table of an earlier crawl, and what this one saw of it.
pub(super) fn decide(table: &Table, known: &KnownTable, seen: SeenTable, chosen: Chosen<'_>) -> TableOutcome {
    let policy = chosen.policy.unwrap_or(table.registration.policy);
    let mut registration = Registration { policy, ..table.registration.clone() };
    for choice in chosen.options.iter().filter(|choice| choice.table == registration.name.table) {
        choice.apply(&mut registration.options);
    }
    let observed = if seen.is_anew {
        seen.observed.clone()
    } else {
        let mut all = known.observed.clone();
        all.merge(&seen.observed);
        all
    };
    if observed.lenient && registration.connector == Format::Json.as_str() {
        registration.options.0.entry("mode".to_owned()).or_insert_with(|| "lenient".to_owned());
    }
    let (decision, changes) = drift(table, &registration, &observed, &seen, chosen.prune);
    if let Decision::Evolve { version, .. } = &decision {
        registration.schema = version.schema.clone();
    }
    let touched = Touched { new: seen.new, changed: seen.changed, gone: seen.gone };
    TableOutcome {
        is_altered: registration.policy != table.registration.policy || registration.options != table.registration.options,
        alterations: Vec::new(),
        statistics: statistics(table, &seen, &observed),
        evidence: observed.evidence_lines(&ResolveOptions::default()),
        problems: problems(&registration, &seen),
        warnings: warnings(&registration, &seen, &changes),
        observed: (seen.is_touched() || seen.is_anew).then_some(observed),
        registration,
        decision,
        changes,
        touched,
    }
}

fn drift(
    table: &Table,
    registration: &Registration,
    observed: &ObservedSchema,
    seen: &SeenTable,
    prune: bool,
) -> (Decision, Vec<Change>) {
    if seen.objects == 0 && seen.skipped.is_empty() && !seen.is_eclipsed {
        return (if prune { Decision::Prune } else { Decision::Lost }, Vec::new());
    }
    let stored = &table.registration.schema;
    let found = in_files(observed, registration);
    let drift = compare(stored, &found);
    // What new files lack, only they can say: the earlier ones have it.
    let lacking = (!seen.is_anew && seen.observed.files > 0).then(|| compare(stored, &in_files(&seen.observed, registration)));
    let mut changes: Vec<Change> = drift.changes.clone();
    let is_lack = |change: &Change| matches!(change, Change::Missing { .. } | Change::Renamed { .. });
    let lacks = lacking.into_iter().flat_map(|drift| drift.changes).filter(is_lack);
    lacks.for_each(|change| {
        if !changes.contains(&change) {
            changes.push(change);
        }
    });
    // Old files keep a name that new ones have no more.
    for change in exchanged(stored, &found, observed) {
        let is_said = |said: &Change| matches!((said, &change), (Change::Renamed { to, .. }, Change::Renamed { to: this, .. }) if to == this);
        if !changes.iter().any(is_said) {
            changes.push(change);
        }
    }
    let drift = if set_aside(registration).is_some() { drift.keeping_types() } else { drift };
    let decision = match registration.policy.decide(&registration.name.to_string(), &drift) {
        Ok(None) => Decision::Keep,
        Ok(Some(version)) => Decision::Evolve { after: table.version, version },
        Err(refusal) => Decision::Refuse { why: refusal.message },
    };
    (decision, changes)
}

/// The columns that are in the files and not in their folders.
fn in_files(observed: &ObservedSchema, registration: &Registration) -> Schema {
    let partitions = registration.partitioning.fields();
    let is_partition = |field: &FieldRef| partitions.iter().any(|partition| partition.name() == field.name());
    let schema = observed.schema(&TO_COMPARE);
    Schema::new(schema.fields().iter().filter(|field| !is_partition(field)).cloned().collect::<Vec<_>>())
}

/// Rows are known as long as every file was read whole, and none was read twice or is gone.
fn statistics(table: &Table, seen: &SeenTable, observed: &ObservedSchema) -> Statistics {
    let is_sum = seen.is_anew || (table.statistics.rows.is_some() && seen.changed + seen.gone == 0);
    let rows = (is_sum && observed.sampled == 0).then_some(observed.rows);
    Statistics { rows, bytes: Some(seen.bytes), files: Some(seen.objects) }
}

/// What becomes of values that a column does not hold, if the table does not fail on them.
fn set_aside(registration: &Registration) -> Option<&'static str> {
    match registration.options.0.get("on_error").map(|value| value.to_ascii_lowercase()).as_deref() {
        Some("quarantine") => Some("puts rows with other values aside"),
        Some("null") => Some("makes other values NULL"),
        _ => None,
    }
}

fn warnings(registration: &Registration, seen: &SeenTable, changes: &[Change]) -> Vec<String> {
    let kept = |change: &Change| match (change, set_aside(registration)) {
        (Change::Incompatible { column, from, .. }, Some(does)) => Some(format!("`{column}` stays {from}: on_error {does}")),
        _ => None,
    };
    let eclipsed = seen.is_eclipsed.then(|| {
        "another table of the same location and format has all its objects; move the files of one to a folder of their own"
            .to_owned()
    });
    changes.iter().filter_map(kept).chain(eclipsed).collect()
}

fn problems(registration: &Registration, seen: &SeenTable) -> Vec<String> {
    let Registration { name, connector, partitioning, .. } = registration;
    let mut problems = Vec::new();
    let (objects, examples) = &seen.misplaced;
    if *objects > 0 {
        let (does, is) =
            if *objects == 1 { ("1 object does".to_owned(), "is") } else { (format!("{objects} objects do"), "are") };
        let template = partitioning.template();
        let examples = examples.join("; ");
        problems.push(format!("table {name}: {does} not fit its partitions '{template}' and {is} not taken in: {examples}"));
    }
    let (objects, examples) = &seen.misread;
    if *objects > 0 {
        let (is, them) =
            if *objects == 1 { ("1 object is".to_owned(), "it") } else { (format!("{objects} objects are"), "them") };
        problems.push(format!(
            "table {name}: {is} of another format, and no ending says so, so that who reads the table reads {them} as {connector}; rename or \
             move {them}: {}",
            examples.join("; ")
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use catalog::infer::FileObservation;
    use catalog::partitions::Partitioning;
    use catalog::store::{TableName, TableOptions};
    use chrono::DateTime;

    use super::*;

    fn observed(columns: &[(&str, &str)]) -> ObservedSchema {
        let mut file = FileObservation::new("a.csv");
        file.header(columns.iter().map(|(name, _)| *name));
        file.begin_row();
        columns.iter().enumerate().for_each(|(index, (_, cell))| file.cell(index, cell));
        file.finish(&ResolveOptions::default())
    }

    fn table(policy: Policy) -> Table {
        let now = DateTime::from_timestamp(1_795_255_872, 0).unwrap();
        let schema = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]);
        let registration = Registration {
            name: TableName::new("raw", "t"),
            connector: "CSV".into(),
            location: "/data/t/".into(),
            options: TableOptions::default(),
            schema,
            partitioning: Partitioning::default(),
            key: Vec::new(),
            policy,
            comment: None,
            registered_by: "crawl".into(),
        };
        let statistics = Statistics { rows: Some(1), bytes: Some(1), files: Some(1) };
        Table { registration, version: 3, column_comments: Default::default(), statistics, created_at: now, updated_at: now }
    }

    fn decided(policy: Policy, new: &[(&str, &str)]) -> TableOutcome {
        decided_with(policy, new, &[])
    }

    fn decided_with(policy: Policy, new: &[(&str, &str)], options: &[&str]) -> TableOutcome {
        let known = KnownTable {
            location: "t/".into(),
            format: Some(Format::Csv),
            partitioning: Partitioning::default(),
            ledger: Some("x".into()),
            observed: observed(&[("id", "1"), ("name", "x")]),
        };
        let seen = if new.is_empty() {
            SeenTable { objects: 1, ..SeenTable::default() }
        } else {
            SeenTable { objects: 2, new: 1, observed: observed(new), ..SeenTable::default() }
        };
        let options: Vec<OptionChoice> = options.iter().map(|option| option.parse().unwrap()).collect();
        decide(&table(policy), &known, seen, Chosen { options: &options, ..Chosen::default() })
    }

    fn shown(outcome: &TableOutcome) -> Vec<String> {
        outcome.changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_new_changes_nothing_and_is_not_written_again() {
        let kept = decided(Policy::Evolve, &[]);
        assert_eq!((&kept.decision, &kept.observed, kept.is_altered), (&Decision::Keep, &None, false));
        assert_eq!(kept.statistics.rows, Some(1));
    }

    #[test]
    fn a_new_column_and_a_wider_type_follow_the_policy() {
        let wider = &[("id", "1.5"), ("name", "x"), ("lane", "a")];
        let evolved = decided(Policy::Evolve, wider);
        let Decision::Evolve { after: 3, version } = &evolved.decision else { panic!("{evolved:?}") };
        assert_eq!(version.schema, evolved.registration.schema);
        assert_eq!(shown(&evolved), ["`id` was BIGINT and becomes DOUBLE", "`lane` is new, VARCHAR"]);
        for policy in [Policy::Widen, Policy::Freeze] {
            let refused = decided(policy, wider);
            assert!(matches!(&refused.decision, Decision::Refuse { .. }), "{policy}: {refused:?}");
            assert_eq!(refused.registration.schema, table(policy).registration.schema);
            assert!(refused.observed.is_some(), "what was refused is remembered");
        }
    }

    #[test]
    fn what_new_files_lack_is_said_and_taken_from_nobody() {
        let lacking = decided(Policy::Freeze, &[("id", "7")]);
        assert_eq!(lacking.decision, Decision::Keep);
        assert_eq!(shown(&lacking), ["`name` is missing; it reads as null"]);
    }

    #[test]
    fn a_value_that_no_type_holds_is_refused_under_each_policy() {
        let refused = decided(Policy::Evolve, &[("id", "n/a"), ("name", "x")]);
        assert_eq!(shown(&refused), ["`id` is BIGINT, and VARCHAR in the files"]);
        assert!(refused.refusals().next().unwrap().contains("declare id as VARCHAR"), "{refused:?}");
    }

    #[test]
    fn a_table_that_sets_bad_values_aside_follows_all_other_drift() {
        let new = &[("id", "n/a"), ("name", "x"), ("lane", "a")];
        for (value, expected) in [("quarantine", "puts rows with other values aside"), ("NULL", "makes other values NULL")] {
            let kept = decided_with(Policy::Evolve, new, &[&format!("t.on_error={value}"), "other.on_error=fail"]);
            let Decision::Evolve { version, .. } = &kept.decision else { panic!("{kept:?}") };
            let columns: Vec<String> =
                version.schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
            assert_eq!(columns, ["id Int64", "name Utf8", "lane Utf8"]);
            assert_eq!(version.changes.len(), 1, "what did not change is no part of the version");
            assert_eq!(shown(&kept), ["`id` is BIGINT, and VARCHAR in the files", "`lane` is new, VARCHAR"]);
            assert_eq!(kept.warnings, [format!("`id` stays BIGINT: on_error {expected}")]);
            assert!(kept.refusals().next().is_none() && kept.is_altered, "{kept:?}");
        }
        let failing = decided_with(Policy::Evolve, new, &["t.on_error=fail"]);
        assert!(matches!(failing.decision, Decision::Refuse { .. }) && failing.warnings.is_empty(), "{failing:?}");
    }

    #[test]
    fn a_table_whose_objects_are_counted_for_another_is_not_lost() {
        let known = KnownTable {
            location: "t/*".into(),
            format: Some(Format::Csv),
            partitioning: Partitioning::default(),
            ledger: Some("x".into()),
            observed: observed(&[("id", "1"), ("name", "x")]),
        };
        let prune = Chosen { prune: true, ..Chosen::default() };
        let eclipsed = decide(&table(Policy::Evolve), &known, SeenTable { is_eclipsed: true, ..SeenTable::default() }, prune);
        assert_eq!((&eclipsed.decision, eclipsed.warnings.len()), (&Decision::Keep, 1));
        assert_eq!(decide(&table(Policy::Evolve), &known, SeenTable::default(), prune).decision, Decision::Prune);
    }
}
