//! Tables whose patterns take in files of other tables: not to be hidden, since reading would mix them.

use super::format::Format;
use super::owners::{fixed, matches};
use super::plan::TablePlan;

/// So many other tables are named for one.
const MOST_NAMED: usize = 5;

/// Adds a line of evidence to each table whose location matches the first file of another one. The tables are in the order of
/// their roots.
pub(super) fn report(tables: &mut [TablePlan]) {
    for at in 0..tables.len() {
        let table = &tables[at];
        let is_folder = table.location == table.root;
        let is_delta = table.format == Format::Delta;
        if is_delta || (!is_folder && !table.location.ends_with('*')) {
            continue;
        }
        // Everything below a root comes after it, and right after it.
        let from = tables.partition_point(|other| other.root < table.root);
        let below = tables[from..].iter().enumerate().take_while(|(_, other)| other.root.starts_with(&table.root));
        let fixed = fixed(&table.location);
        let read = |other: &TablePlan| {
            // Of another format, only what its name does not tell.
            let file = if other.format == table.format { Some(&other.first) } else { other.unnamed.as_ref() };
            file.filter(|file| is_folder || (file.starts_with(fixed) && matches(&table.location, file))).cloned()
        };
        let others = below.filter(|(index, _)| from + index != at);
        let mut taken_in = others.filter_map(|(_, other)| Some((read(other)?, &other.name)));
        let named = taken_in
            .by_ref()
            .take(MOST_NAMED)
            .map(|(file, name)| format!("the location matches `{file}` of table {name} as well; move it to a folder of its own"));
        let mut lines: Vec<String> = named.collect();
        lines.extend(taken_in.next().map(|_| "the location matches files of further tables".to_owned()));
        tables[at].evidence.extend(lines);
    }
}
