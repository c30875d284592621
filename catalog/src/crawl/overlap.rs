//! Tables whose patterns take in files of other tables: not to be hidden, since reading would mix them.

use super::plan::TablePlan;

/// So many other tables are named for one.
const MOST_NAMED: usize = 5;

/// Adds a line of evidence to each table whose location matches the first file of another one. The tables are in the order of
/// their roots.
pub(super) fn report(tables: &mut [TablePlan]) {
    for at in 0..tables.len() {
        let table = &tables[at];
        if !table.location.ends_with('*') {
            continue;
        }
        // Everything below a root comes after it, and right after it.
        let from = tables.partition_point(|other| other.root < table.root);
        let below = tables[from..].iter().enumerate().take_while(|(_, other)| other.root.starts_with(&table.root));
        let lines: Vec<String> = below
            .filter(|(index, other)| from + index != at && matches(&table.location, &other.first))
            .take(MOST_NAMED)
            .map(|(_, other)| {
                format!("the location matches `{}` of table {} as well; move it to a folder of its own", other.first, other.name)
            })
            .collect();
        tables[at].evidence.extend(lines);
    }
}

/// Whether a path matches a pattern whose segments are names, beginnings of names with `*`, or `*`.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) => {
                let fits = pattern.strip_suffix('*').map_or(pattern == segment, |start| segment.starts_with(start));
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
    }
}
