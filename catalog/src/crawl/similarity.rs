//! Whether two sets of files are of one table.

use crate::infer::{Kind, ObservedColumn, ObservedSchema};

/// The share of columns that two schemas have in common, of those of the larger one: from 0 to 1. A column is in common when its
/// name is, and it is not an object or list on one side and a plain value on the other. Columns that are named by position only
/// have nothing to go by but their number and types. A schema without columns contradicts nothing.
pub(super) fn similarity(left: &ObservedSchema, right: &ObservedSchema) -> f64 {
    share(common(left, right), left.columns.len().max(right.columns.len()))
}

/// The same share, of the columns of the smaller one: that of a file which lacks some of its table's columns, or has more, is 1.
pub(super) fn containment(left: &ObservedSchema, right: &ObservedSchema) -> f64 {
    share(common(left, right), left.columns.len().min(right.columns.len()))
}

/// Whether what is in a file may be what its table has become, though little of it is alike: they have a column in common by name, or
/// as many columns, of the same types in the same order.
pub fn may_be_drift(table: &ObservedSchema, file: &ObservedSchema) -> bool {
    let columns = || table.columns.iter().zip(file.columns.iter()).map(|((_, left), (_, right))| (left, right));
    let by_position = || table.columns.len() == file.columns.len() && columns().all(|(left, right)| same_type(left, right));
    common(table, file).is_none_or(|common| common > 0) || by_position()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of columns are small")]
fn share(common: Option<usize>, all: usize) -> f64 {
    common.map_or(1.0, |common| common as f64 / all.max(1) as f64)
}

/// How many columns both have; `None` when one has none at all.
fn common(left: &ObservedSchema, right: &ObservedSchema) -> Option<usize> {
    let (small, large) = if left.columns.len() <= right.columns.len() { (left, right) } else { (right, left) };
    if small.columns.is_empty() {
        return None;
    }
    let by_position = left.positional || right.positional;
    if by_position && !(left.positional && right.positional && left.columns.len() == right.columns.len()) {
        return Some(0);
    }
    let is_common = |(name, column): &(&str, &ObservedColumn)| {
        large.columns.get(name).is_some_and(|other| {
            if by_position {
                same_type(column, other)
            } else {
                is_nested(column) == is_nested(other) || !both_seen(column, other)
            }
        })
    };
    Some(small.columns.iter().filter(is_common).count())
}

fn is_nested(column: &ObservedColumn) -> bool {
    column.evidence.tallies().iter().any(|tally| match &tally.kind {
        Kind::Object | Kind::List => true,
        Kind::Declared(data_type) => data_type.is_nested(),
        _ => false,
    })
}

fn both_seen(left: &ObservedColumn, right: &ObservedColumn) -> bool {
    [left, right].iter().all(|column| column.evidence.nulls() < column.evidence.observed())
}

fn same_type(left: &ObservedColumn, right: &ObservedColumn) -> bool {
    let mut types = left.types.iter().map(|tally| &tally.type_name);
    types.any(|name| name.is_none() || right.types.iter().any(|tally| tally.type_name.is_none() || tally.type_name == *name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{FileObservation, ResolveOptions};

    fn file(columns: &[(&str, &str)]) -> ObservedSchema {
        let mut file = FileObservation::new("x");
        file.header(columns.iter().map(|(name, _)| *name));
        file.begin_row();
        columns.iter().enumerate().for_each(|(column, (_, cell))| file.cell(column, cell));
        file.finish(&ResolveOptions::default())
    }

    #[test]
    fn a_name_or_all_positions_in_common_may_be_drift() {
        let table = file(&[("id", "1"), ("name", "x")]);
        for (columns, expected) in [
            (&[("id", "1"), ("full_name", "x")] as &[(&str, &str)], true),
            (&[("id", "1"), ("a", "1"), ("b", "2"), ("c", "3")], true),
            (&[("ident", "1"), ("full_name", "x")], true),
            (&[("full_name", "x"), ("ident", "1")], false),
            (&[("x", "1"), ("y", "x"), ("z", "3")], false),
        ] {
            assert_eq!(may_be_drift(&table, &file(columns)), expected, "{columns:?}");
        }
    }
}
