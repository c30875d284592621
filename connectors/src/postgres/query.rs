//! The statements that read a table, and what an error says of names that are not there.

use super::literal;
use super::offset::{Progress, Resume};
use super::types::{ColumnType, Wire};
use crate::options::nearest;

/// Names that an error lists.
const MOST_NAMES: usize = 12;

/// A column as a statement asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) read_as: ColumnType,
    /// The type as the server writes it, for values of it.
    pub(super) sql_type: String,
    pub(super) nullable: bool,
    /// Texts that differ may be equal by its collation.
    pub(super) folds: bool,
}

/// Which rows a statement asks for, and how.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) progress: &'a Progress,
    /// Of rows that nobody wants, those that need not come at all.
    pub(super) filter: Option<String>,
    /// At most so many.
    pub(super) limit: Option<u64>,
    /// By position: a read of all rows needs no order.
    pub(super) in_order: bool,
}

/// What is read: a table, and which of its rows, in which order.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// In quotes.
    pub(super) table: String,
    /// A condition of the user's.
    pub(super) filter: Option<String>,
    /// The cursor, then the columns of the key that it is not; none for a table that is read as a whole.
    pub(super) position: Vec<Asked>,
}

impl Query {
    pub(super) fn cursor(&self) -> Option<&Asked> {
        self.position.first()
    }

    /// `COPY` of these columns of the rows that are wanted.
    pub(super) fn copy(&self, columns: &[Asked], wanted: &Wanted<'_>) -> String {
        let columns: Vec<String> = columns.iter().map(expression).collect();
        let mut select = format!("SELECT {} FROM {}", columns.join(", "), self.table);
        let own = self.filter.iter().map(|filter| format!("({filter})"));
        let conditions: Vec<String> = own.chain(self.after(wanted.progress)).chain(wanted.filter.clone()).collect();
        if !conditions.is_empty() {
            select.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        if wanted.in_order && !self.position.is_empty() {
            select.push_str(&format!(" ORDER BY {}", self.names().join(", ")));
        }
        if let Some(limit) = wanted.limit {
            select.push_str(&format!(" LIMIT {limit}"));
        }
        format!("COPY ({select}) TO STDOUT (FORMAT binary)")
    }

    fn names(&self) -> Vec<String> {
        self.position.iter().map(|column| literal::name(&column.name)).collect()
    }

    /// The rows that have a position, and one that is not read yet.
    fn after(&self, progress: &Progress) -> Vec<String> {
        let Some(cursor) = self.cursor() else { return Vec::new() };
        let name = literal::name(&cursor.name);
        let value = |column: &Asked, text: &str| format!("{}::{}", literal::text(text), column.sql_type);
        let mut conditions = Vec::new();
        match progress.resume {
            Resume::Window => {
                let floor = progress.floor().and_then(|rank| literal::of_rank(&cursor.read_as.wire, rank));
                let lowest = floor.as_ref().or(progress.at.first());
                conditions.extend(lowest.map(|lowest| format!("{name} >= {}", value(cursor, lowest))));
            }
            Resume::After if !progress.at.is_empty() => {
                let values: Vec<String> =
                    self.position.iter().zip(&progress.at).map(|(column, text)| value(column, text)).collect();
                conditions.push(format!("({}) > ({})", self.names().join(", "), values.join(", ")));
            }
            Resume::After => {}
        }
        let nullable = self.position.iter().filter(|column| column.nullable);
        conditions.extend(nullable.map(|column| format!("{} IS NOT NULL", literal::name(&column.name))));
        if has_infinity(&cursor.read_as.wire) {
            conditions.push(format!("isfinite({name})"));
        }
        conditions
    }

    /// `SELECT` of the greatest value of the cursor; `None` for a type that has no distances.
    pub(super) fn greatest(&self) -> Option<String> {
        let cursor = self.cursor().filter(|cursor| is_ranked(&cursor.read_as.wire))?;
        let name = literal::name(&cursor.name);
        let finite = has_infinity(&cursor.read_as.wire).then(|| format!("isfinite({name})"));
        let conditions: Vec<String> = self.filter.iter().map(|filter| format!("({filter})")).chain(finite).collect();
        let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        Some(format!("COPY (SELECT max({name}) FROM {}{condition}) TO STDOUT (FORMAT binary)", self.table))
    }

    /// The condition of a row that lies so near the end that it is remembered ([`super::window`]): from `floor` on, or where cursors have
    /// no distances, with the greatest cursor.
    pub(super) fn is_near(&self, floor: Option<i128>) -> Option<String> {
        let cursor = self.cursor()?;
        let name = literal::name(&cursor.name);
        if is_ranked(&cursor.read_as.wire) {
            let lowest = literal::of_rank(&cursor.read_as.wire, floor?)?;
            return Some(format!("{name} >= {}::{}", literal::text(&lowest), cursor.sql_type));
        }
        let own = self.filter.as_ref().map_or_else(String::new, |filter| format!("({filter}) AND "));
        let greatest = format!("SELECT {name} FROM {} WHERE {own}{name} IS NOT NULL ORDER BY {name} DESC LIMIT 1", self.table);
        Some(format!("{name} >= ({greatest})"))
    }

    /// `SELECT` of how many rows have no position, `most` at most; `None` when none can be without.
    pub(super) fn placeless(&self, most: u64) -> Option<String> {
        let cursor = self.cursor()?;
        let nullable = self.position.iter().filter(|column| column.nullable);
        let mut cases: Vec<String> = nullable.map(|column| format!("{} IS NULL", literal::name(&column.name))).collect();
        if has_infinity(&cursor.read_as.wire) {
            // Not by isfinite(): these two an index finds.
            cases.push(format!("{} IN ('infinity', '-infinity')", literal::name(&cursor.name)));
        }
        let filter = self.filter.as_ref().map_or_else(String::new, |filter| format!("({filter}) AND "));
        let condition = format!("{filter}({})", cases.join(" OR "));
        let select = format!("SELECT count(*) FROM (SELECT FROM {} WHERE {condition} LIMIT {most}) AS placeless", self.table);
        (!cases.is_empty()).then_some(select)
    }

    /// `SELECT` of what is equal as long as the rows are: how many there are, and the sum of their hashes.
    pub(super) fn version(&self, columns: &[Asked]) -> String {
        let columns: Vec<String> = columns.iter().map(|column| literal::name(&column.name)).collect();
        let filter = self.filter.as_ref().map_or_else(String::new, |filter| format!(" WHERE ({filter})"));
        let row = format!("hashtextextended(ROW({})::text, 0)", columns.join(", "));
        format!("SELECT count(*), coalesce(sum({row}), 0) FROM {}{filter}", self.table)
    }
}

fn expression(column: &Asked) -> String {
    let name = literal::name(&column.name);
    match column.read_as.cast {
        Some(cast) => format!("{name}::{cast}"),
        None => name,
    }
}

/// Whether a type has `infinity`.
fn has_infinity(wire: &Wire) -> bool {
    matches!(wire, Wire::Date | Wire::Timestamp { .. })
}

/// Whether values of a type have a distance from each other.
pub(super) fn is_ranked(wire: &Wire) -> bool {
    matches!(wire, Wire::Int16 | Wire::Int32 | Wire::Int64 | Wire::Date | Wire::Timestamp { .. } | Wire::Decimal128 { .. })
}

/// `"did you mean 'orders'?"`, or which ones there are.
pub(super) fn meant(given: &str, kind: &str, known: &[String]) -> String {
    match nearest(given, known.iter().map(String::as_str)) {
        Some(name) => format!("did you mean '{name}'?"),
        None if known.is_empty() => format!("there are no {kind} that you may see"),
        None => {
            let more = if known.len() > MOST_NAMES { format!(" and {} more", known.len() - MOST_NAMES) } else { String::new() };
            let shown: Vec<&str> = known.iter().take(MOST_NAMES).map(String::as_str).collect();
            format!("{kind}: {}{more}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::Equality;
    use super::*;

    fn wanted(progress: &Progress, limit: Option<u64>) -> Wanted<'_> {
        Wanted { progress, filter: None, limit, in_order: true }
    }

    fn asked(name: &str, wire: Wire, sql_type: &str, nullable: bool) -> Asked {
        let read_as = ColumnType { wire, cast: None, equality: Equality::default() };
        Asked { name: name.into(), read_as, sql_type: sql_type.into(), nullable, folds: false }
    }

    fn query() -> Query {
        let moment = asked("at", Wire::Timestamp { zoned: true }, "timestamp with time zone", true);
        let position = vec![moment, asked("Id", Wire::Int64, "bigint", false)];
        Query { table: "\"public\".\"t\"".into(), filter: Some("kind = 1 OR kind = 2".into()), position }
    }

    #[test]
    fn what_follows_a_position_is_asked_for_by_position_and_in_order() {
        let mut progress = Progress::default();
        progress.at = vec!["2026-01-01 00:00:00+00".into(), "7".into()];
        let columns = [query().position[1].clone()];
        assert_eq!(
            query().copy(&columns, &wanted(&progress, Some(10))),
            "COPY (SELECT \"Id\" FROM \"public\".\"t\" WHERE (kind = 1 OR kind = 2) AND (\"at\", \"Id\") > \
             ('2026-01-01 00:00:00+00'::timestamp with time zone, '7'::bigint) AND \"at\" IS NOT NULL AND isfinite(\"at\") \
             ORDER BY \"at\", \"Id\" LIMIT 10) TO STDOUT (FORMAT binary)"
        );
        progress.resume = Resume::Window;
        progress.set_floor(Some(0));
        let text = query().copy(&columns, &wanted(&progress, None));
        assert!(
            text.contains("\"at\" >= '2000-01-01 00:00:00.000000+00'::timestamp with time zone") && !text.contains("LIMIT"),
            "{text}"
        );
    }

    #[test]
    fn a_whole_table_is_read_as_it_lies() {
        let whole = Query { table: "t".into(), filter: None, position: Vec::new() };
        assert_eq!(whole.copy(&[], &wanted(&Progress::default(), None)), "COPY (SELECT  FROM t) TO STDOUT (FORMAT binary)");
        assert_eq!((whole.greatest(), whole.placeless(5)), (None, None));
    }

    #[test]
    fn a_read_of_all_rows_has_no_order_and_rows_near_the_end_are_told_by_cursor() {
        let progress = Progress::default();
        let all = Wanted { filter: Some("(x = 1)".into()), in_order: false, ..wanted(&progress, Some(5)) };
        let text = query().copy(&[], &all);
        assert!(text.ends_with("AND (x = 1) LIMIT 5) TO STDOUT (FORMAT binary)") && !text.contains("ORDER BY"), "{text}");
        assert_eq!(query().is_near(Some(0)).unwrap(), "\"at\" >= '2000-01-01 00:00:00.000000+00'::timestamp with time zone");
        assert_eq!(query().is_near(None), None);
        let texts = Query { position: vec![asked("c", Wire::Text, "text", false)], filter: None, table: "t".into() };
        assert_eq!(
            texts.is_near(None).unwrap(),
            "\"c\" >= (SELECT \"c\" FROM t WHERE \"c\" IS NOT NULL ORDER BY \"c\" DESC LIMIT 1)"
        );
    }

    #[test]
    fn names_that_are_near_are_proposed_and_few_are_listed() {
        let known: Vec<String> = (0..20).map(|number| format!("table_{number:02}")).collect();
        assert_eq!(meant("tabel_07", "tables", &known), "did you mean 'table_07'?");
        assert!(meant("zzz", "tables", &known).ends_with("and 8 more"));
    }
}
