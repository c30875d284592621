//! Tables whose locations take in files of other tables: not to be hidden, since reading would mix them.

use super::format::Format;
use super::owners::{fixed, is_folder, matches};
use super::plan::TablePlan;

/// So many other tables are named for one.
const MOST_NAMED: usize = 5;

/// A table, as far as it tells which files it takes in.
#[derive(Debug, Clone, Copy)]
pub struct PlacedTable<'a> {
    /// Its name.
    pub name: &'a str,
    /// As [`TablePlan::location`] has it.
    pub location: &'a str,
    /// Of its files.
    pub format: Format,
    /// Its first file.
    pub first: &'a str,
    /// The first of its files whose name does not say what is in it, if there is one: tables of other formats read it too.
    pub unnamed: Option<&'a str>,
}

impl<'a> From<&'a TablePlan> for PlacedTable<'a> {
    fn from(plan: &'a TablePlan) -> Self {
        let TablePlan { name, location, format, first, unnamed, .. } = plan;
        Self { name, location, format: *format, first, unnamed: unnamed.as_deref() }
    }
}

/// By table, the files of other tables that whoever reads it reads as well, a line each.
pub fn overlaps(tables: &[PlacedTable<'_>]) -> Vec<Vec<String>> {
    let mut files: Vec<(&str, usize, bool)> = Vec::with_capacity(tables.len());
    for (index, table) in tables.iter().enumerate() {
        files.push((table.first, index, true));
        files.extend(table.unnamed.map(|unnamed| (unnamed, index, false)));
    }
    files.sort_unstable();
    tables.iter().enumerate().map(|(index, table)| of_table(index, table, tables, &files)).collect()
}

/// `files` are the files of all tables in their order, each with its table, and whether it is the first of that.
fn of_table(index: usize, table: &PlacedTable<'_>, tables: &[PlacedTable<'_>], files: &[(&str, usize, bool)]) -> Vec<String> {
    let (location, fixed) = (table.location, fixed(table.location));
    let is_file = fixed == location && !is_folder(location);
    if table.format == Format::Delta || is_file {
        return Vec::new();
    }
    let from = files.partition_point(|(path, ..)| *path < fixed);
    let below = files[from..].iter().take_while(|(path, ..)| path.starts_with(fixed));
    let is_read = |(path, other, is_first): &&(&str, usize, bool)| {
        // Of another format, only what its name does not tell.
        *other != index
            && *is_first == (tables[*other].format == table.format)
            && (is_folder(location) || matches(location, path))
    };
    let mut taken_in = below.filter(is_read);
    let named = taken_in.by_ref().take(MOST_NAMED);
    let mut lines: Vec<String> = named
        .map(|(file, other, _)| {
            let other = tables[*other].name;
            format!("the location matches `{file}` of table {other} as well; move it to a folder of its own")
        })
        .collect();
    lines.extend(taken_in.next().map(|_| "the location matches files of further tables".to_owned()));
    lines
}
