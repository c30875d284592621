//! What tables are called: after their folder or file, lower-case, plain, and unlike any other.

use std::collections::HashMap;

use super::candidate::without_number;
use super::format::{Format, stem};
use crate::partitions::{Likeness, likeness};

/// Folders that say nothing about what is in them.
const GENERIC: [&str; 8] = ["data", "files", "parts", "raw", "output", "latest", "current", "export"];

/// Names given so far.
#[derive(Debug)]
pub(super) struct TableNames {
    location: String,
    /// With the formats of the tables, where they are known.
    taken: HashMap<String, Option<Format>>,
    /// By name, the number that the next table gets which would have it.
    next: HashMap<String, u32>,
    format: Option<Format>,
}

impl TableNames {
    /// `taken` are names that others have.
    pub(super) fn new(location: &str, taken: HashMap<String, Option<Format>>) -> Self {
        Self { location: location.to_owned(), taken, next: HashMap::new(), format: None }
    }

    /// The next table is of this format, which tells it from others of the same folder.
    pub(super) fn set_format(&mut self, format: Format) {
        self.format = Some(format);
    }

    /// A name for the table of a folder, relative to the location.
    pub(super) fn of_folder(&mut self, folder: &str) -> String {
        let telling: Vec<&str> = folder.split('/').filter(|name| !name.is_empty() && likeness(name) == Likeness::Name).collect();
        let special = telling.iter().rposition(|name| !GENERIC.contains(&name.to_ascii_lowercase().as_str()));
        let last = special.or(telling.len().checked_sub(1));
        match last {
            Some(last) => {
                let parent = last.checked_sub(1).map(|parent| telling[parent]);
                self.take(telling[last], parent)
            }
            None => self.take(&self.location.clone(), None),
        }
    }

    /// A name for the table of a file, or of files that begin alike.
    pub(super) fn of_files(&mut self, path: &str, folder: &str) -> String {
        let parent = folder.split('/').rfind(|name| !name.is_empty());
        let name = without_number(stem(path));
        if safe(name) == FALLBACK { self.of_folder(folder) } else { self.take(name, parent) }
    }

    fn take(&mut self, name: &str, parent: Option<&str>) -> String {
        let plain = safe(name);
        let with_parent = parent.map(|parent| safe(&format!("{parent}_{name}")));
        let first = self.next.get(&plain).copied().unwrap_or(2);
        let numbered = (first..).map(|number| (Some(number), format!("{plain}_{number}")));
        let taken = &self.taken;
        // What tells it from a table of another format is the format.
        let is_other = |other: &Option<Format>| other.is_some() && *other != self.format;
        let format = self.format.filter(|_| taken.get(&plain).is_some_and(is_other));
        let with_format = format.map(|format| safe(&format!("{name}_{format}")));
        let telling = std::iter::once(plain.clone()).chain(with_format).chain(with_parent);
        let mut choices = telling.map(|name| (None, name)).chain(numbered);
        let choice = choices.find(|(_, name)| !taken.contains_key(name));
        let (number, choice) = choice.unwrap_or_else(|| (None, plain.clone()));
        if let Some(number) = number {
            self.next.insert(plain, number + 1);
        }
        self.taken.insert(choice.clone(), self.format);
        choice
    }
}

/// What a table is called whose name has no letters.
const FALLBACK: &str = "files";

/// The name in lower case, with `_` for what SQL would have to quote.
fn safe(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for next in name.chars().flat_map(char::to_lowercase) {
        if next.is_ascii_alphanumeric() {
            safe.push(next);
        } else if !safe.is_empty() && !safe.ends_with('_') {
            safe.push('_');
        }
    }
    let safe = safe.trim_end_matches('_');
    match safe.chars().next() {
        None => FALLBACK.to_owned(),
        Some(first) if first.is_ascii_digit() => format!("t_{safe}"),
        Some(_) => safe.to_owned(),
    }
}

/// What tables of a file may be called after: its folders, and itself.
pub fn table_names(path: &str) -> Vec<String> {
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folders = folders.split('/').filter(|name| !name.is_empty()).map(safe);
    folders.chain([safe(without_number(stem(file)))]).collect()
}

/// Whether a table that was called after `name` may be called `table`: with its parent before it, a format or a number behind.
pub fn may_be_of(table: &str, name: &str) -> bool {
    table.starts_with(name) || table.ends_with(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_table_is_called_may_be_told_from_its_path() {
        for (table, path) in [
            ("orders", "shop/Orders/2026/1.csv"),
            ("shop_orders", "shop/Orders/1.csv"),
            ("orders_csv", "Orders/1.csv"),
            ("orders_2", "Orders/1.csv"),
            ("customers", "Customers_01.csv.gz"),
            ("t_3d", "3d/1.csv"),
        ] {
            assert!(table_names(path).iter().any(|name| may_be_of(table, name)), "{table} {path}");
        }
        assert!(!table_names("orders/1.csv").iter().any(|name| may_be_of("order", name)));
    }

    #[test]
    fn names_are_plain_and_unlike() {
        let others = [("one".to_owned(), Some(Format::Json)), ("two".to_owned(), None)];
        let mut names = TableNames::new("My Bucket", HashMap::from(others));
        names.set_format(Format::Csv);
        assert_eq!(names.of_folder("a/one/"), "one_csv");
        assert_eq!(names.of_folder("a/two/"), "a_two");
        assert_eq!(names.of_folder("shop/Orders-2026/"), "orders_2026");
        assert_eq!(names.of_folder("crm/orders 2026/"), "crm_orders_2026");
        assert_eq!(names.of_folder("crm/orders.2026/"), "orders_2026_2");
        assert_eq!(names.of_folder("sales/data/"), "sales");
        assert_eq!(names.of_folder("2026/11/"), "my_bucket");
        assert_eq!(names.of_files("a/Customers_01.csv.gz", "a/"), "customers");
        assert_eq!(names.of_files("a/2026.csv", "a/"), "a");
        assert_eq!(names.of_folder("ÄÖ/"), "files");
        assert_eq!(names.of_folder("3d/"), "t_3d");
    }
}
