//! Which known table an object belongs to, so that a second crawl looks only at what is new.

use std::collections::HashMap;

/// The tables of a location, found by the path of an object.
#[derive(Debug)]
pub struct Owners<T> {
    /// By the folder before the first star.
    tables: HashMap<String, Vec<(String, T)>>,
}

impl<T> Default for Owners<T> {
    fn default() -> Self {
        Self { tables: HashMap::new() }
    }
}

impl<T> Owners<T> {
    /// Adds a table by its [`location`](super::TablePlan::location): a folder with a slash at its end (nothing, for everything), a
    /// file, or a pattern.
    pub fn insert(&mut self, location: &str, table: T) {
        let fixed = fixed(location);
        let folder = fixed.rfind('/').map_or("", |slash| &fixed[..=slash]);
        self.tables.entry(folder.to_owned()).or_default().push((location.to_owned(), table));
    }

    /// The table that the object is of: the one with the nearest root, and there a file or pattern rather than the whole folder.
    pub fn of(&self, path: &str) -> Option<&T> {
        let slashes = path.rmatch_indices('/').map(|(slash, _)| slash + 1).chain([0]);
        slashes.filter_map(|end| self.tables.get(&path[..end])).find_map(|tables| {
            let exact = tables.iter().find(|(location, _)| matches(location, path));
            let owner = exact.or_else(|| tables.iter().find(|(location, _)| location.is_empty() || location.ends_with('/')));
            owner.map(|(_, table)| table)
        })
    }
}

/// The location up to its first wildcard.
pub(super) fn fixed(location: &str) -> &str {
    location.split(['*', '[']).next().unwrap_or_default()
}

/// What stands for a name that begins with a digit.
const DIGIT: &str = "[0-9]*";

/// Whether a path matches a pattern whose segments are names, beginnings of names with `*`, `*`, or a digit with `*`.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) => {
                let fits = match pattern.strip_suffix('*') {
                    Some(_) if pattern == DIGIT => segment.starts_with(|first: char| first.is_ascii_digit()),
                    Some(start) => segment.starts_with(start),
                    None => pattern == segment,
                };
                if !fits {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_folder() {
        assert!(matches("x/*/orders*", "x/dt=1/orders_1.csv"));
        assert!(!matches("x/*/orders*", "x/dt=1/a/orders_1.csv"));
        assert!(!matches("x/*/orders*", "x/dt=1/users.csv"));
        assert!(!matches("x/*", "y/a"));
        assert!(matches("x/[0-9]*/*", "x/2024/a") && !matches("x/[0-9]*/*", "x/UPPER/a"));
    }

    #[test]
    fn the_nearest_table_owns_an_object() {
        let mut owners = Owners::default();
        for location in ["raw/", "raw/orders/", "raw/readme.csv", "x/*/orders*", "x/*/users*"] {
            owners.insert(location, location);
        }
        for (path, expected) in [
            ("raw/orders/dt=1/a.csv", Some("raw/orders/")),
            ("raw/other/a.csv", Some("raw/")),
            ("raw/readme.csv", Some("raw/readme.csv")),
            ("x/dt=2/users_7.csv", Some("x/*/users*")),
            ("x/dt=2/lists.csv", None),
            ("new/a.csv", None),
        ] {
            assert_eq!(owners.of(path).copied(), expected, "{path}");
        }
        owners.insert("", "all");
        assert_eq!(owners.of("new/a.csv"), Some(&"all"));
    }
}
