//! Tables whose patterns take in files of other tables: not to be hidden, since reading would mix them.

use super::owners::matches;
use super::plan::TablePlan;

/// So many other tables are named for one.
const MOST_NAMED: usize = 5;

/// Adds a line of evidence to each table whose location matches the first file of another one. The tables are in the order of
/// their roots.
pub(super) fn report(tables: &mut [TablePlan]) {
    for at in 0..tables.len() {
        let table = &tables[at];
        let is_folder = table.location == table.root;
        if !is_folder && !table.location.ends_with('*') {
            continue;
        }
        // Everything below a root comes after it, and right after it.
        let from = tables.partition_point(|other| other.root < table.root);
        let below = tables[from..].iter().enumerate().take_while(|(_, other)| other.root.starts_with(&table.root));
        let mut taken_in = below.filter(|(index, other)| {
            from + index != at && other.format == table.format && (is_folder || matches(&table.location, &other.first))
        });
        let named = taken_in.by_ref().take(MOST_NAMED).map(|(_, other)| {
            format!("the location matches `{}` of table {} as well; move it to a folder of its own", other.first, other.name)
        });
        let mut lines: Vec<String> = named.collect();
        lines.extend(taken_in.next().map(|_| "the location matches files of further tables".to_owned()));
        tables[at].evidence.extend(lines);
    }
}
