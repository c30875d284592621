//! Which known table an object belongs to, so that a second crawl looks only at what is new.

use std::collections::HashMap;

/// The tables of a location, found by the path of an object.
#[derive(Debug)]
pub struct Owners<T> {
    /// Those of one file, by its path.
    files: HashMap<String, T>,
    /// The others by the folder before the first star; in each the most specific first.
    folders: HashMap<String, Vec<(String, T)>>,
}

impl<T> Default for Owners<T> {
    fn default() -> Self {
        Self { files: HashMap::new(), folders: HashMap::new() }
    }
}

impl<T> Owners<T> {
    /// Adds a table by its [`location`](super::TablePlan::location): a folder with a slash at its end (nothing, for everything), a
    /// file, or a pattern. Of several tables at one location the first that was added has the objects.
    pub fn insert(&mut self, location: &str, table: T) {
        let fixed = fixed(location);
        if fixed == location && !is_folder(location) {
            self.files.entry(location.to_owned()).or_insert(table);
            return;
        }
        let folder = fixed.rfind('/').map_or("", |slash| &fixed[..=slash]);
        let tables = self.folders.entry(folder.to_owned()).or_default();
        let place = tables.partition_point(|(other, _)| specificity(other) >= specificity(location));
        tables.insert(place, (location.to_owned(), table));
    }

    /// The table that the object is of: that of this one file, else the one with the nearest root, and there a pattern rather than the
    /// whole folder, and of patterns the one that says more of the path.
    pub fn of(&self, path: &str) -> Option<&T> {
        let slashes = || path.rmatch_indices('/').map(|(slash, _)| slash + 1).chain([0]);
        let nearest = || slashes().filter_map(|end| self.folders.get(&path[..end])).find_map(|tables| owner(tables, path));
        self.files.get(path).or_else(nearest)
    }
}

fn owner<'a, T>(tables: &'a [(String, T)], path: &str) -> Option<&'a T> {
    tables.iter().find(|(location, _)| is_folder(location) || matches(location, path)).map(|(_, table)| table)
}

/// Whether a location is a folder with all that is in it.
pub(super) fn is_folder(location: &str) -> bool {
    location.is_empty() || location.ends_with('/')
}

/// How much a location says of the paths of its objects.
fn specificity(location: &str) -> (bool, usize, usize) {
    (!is_folder(location), fixed(location).len(), location.len())
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

    #[test]
    fn the_most_specific_location_owns_an_object_whatever_comes_first() {
        let locations = ["in/", "in/*", "in/t*", "in/three*", "in/three.csv", "in/*/a*"];
        for turned in 0..locations.len() {
            let mut owners = Owners::default();
            locations.iter().cycle().skip(turned).take(locations.len()).for_each(|location| owners.insert(location, *location));
            for (path, expected) in [
                ("in/three.csv", "in/three.csv"),
                ("in/three_2.csv", "in/three*"),
                ("in/two.csv", "in/t*"),
                ("in/one.csv", "in/*"),
                ("in/x/a.csv", "in/*/a*"),
                ("in/x/b.csv", "in/"),
            ] {
                assert_eq!(owners.of(path), Some(&expected), "{path}");
            }
        }
    }
}
