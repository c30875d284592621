//! Views that show a column: while they do, PostgreSQL gives it no other type. Whoever loads the table may not drop them, so that a person is
//! told how it is done.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use super::ddl::{alter_type, qualified};
use super::error::error;
use super::ledger::Parameter;
use super::target::Target;
use crate::error::{Error, Result};
use crate::sink::Change;
use crate::warehouse::TableName;

/// The views that show some columns of a table, and those that show these, each behind those that it shows.
const VIEWS: &str = "
WITH RECURSIVE showing (view, depth) AS (
    SELECT rule.ev_class, 1
    FROM pg_catalog.pg_depend used
    JOIN pg_catalog.pg_rewrite rule ON rule.oid = used.objid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = used.refobjid AND a.attnum = used.refobjsubid
    WHERE used.classid = 'pg_catalog.pg_rewrite'::regclass AND used.refclassid = 'pg_catalog.pg_class'::regclass
    AND used.refobjid = $1 AND a.attname::text = ANY ($2) AND rule.ev_class <> $1
    UNION
    SELECT rule.ev_class, showing.depth + 1
    FROM showing
    JOIN pg_catalog.pg_depend used ON used.refobjid = showing.view
    JOIN pg_catalog.pg_rewrite rule ON rule.oid = used.objid
    WHERE used.classid = 'pg_catalog.pg_rewrite'::regclass AND used.refclassid = 'pg_catalog.pg_class'::regclass
    AND rule.ev_class <> showing.view
)
SELECT c.relkind = 'm', n.nspname::text, c.relname::text, pg_catalog.pg_get_viewdef(c.oid)
FROM (SELECT view, max(depth) AS depth FROM showing GROUP BY view) showing
JOIN pg_catalog.pg_class c ON c.oid = showing.view
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm')
ORDER BY showing.depth, n.nspname, c.relname";

/// A view.
#[derive(Debug)]
struct View {
    is_materialized: bool,
    name: TableName,
    definition: String,
}

/// Looks for views in the way of `changes` of the table's columns.
///
/// # Errors
/// [`Error::Config`] at the first column whose type is to change and that a view shows, with the statements to run.
pub(super) async fn check(client: &impl GenericClient, name: &TableName, target: &Target, changes: &[Change]) -> Result<()> {
    let widened = |change: &Change| match change {
        Change::WidenColumn { name, to, .. } => Some((name.clone(), to.clone())),
        _ => None,
    };
    let widened: Vec<(String, String)> = changes.iter().filter_map(widened).collect();
    let Some((first, _)) = widened.first() else { return Ok(()) };
    let columns: Vec<&str> = widened.iter().map(|(column, _)| column.as_str()).collect();
    let parameters: [Parameter<'_>; 2] = [(&target.oid, Type::OID), (&columns, Type::TEXT_ARRAY)];
    let rows = client.query_typed(VIEWS, &parameters).await.map_err(error)?;
    let view = |row: &tokio_postgres::Row| View {
        is_materialized: row.get(0),
        name: TableName { schema: row.get(1), table: row.get(2) },
        definition: row.get(3),
    };
    let views: Vec<View> = rows.iter().map(view).collect();
    if views.is_empty() {
        return Ok(());
    }
    let message = format!(
        "table {}: the query gives {}, which PostgreSQL does not change while views show it: {}; run, in this order: {}",
        qualified(name),
        widened.iter().map(|(column, to)| format!("'{column}' as {to}")).collect::<Vec<_>>().join(", "),
        views.iter().map(|view| qualified(&view.name)).collect::<Vec<_>>().join(", "),
        by_hand(name, &widened, &views)
    );
    Err(Error::config_at(first, message))
}

/// All at once or not at all. What others may do with the views goes with them.
fn by_hand(name: &TableName, widened: &[(String, String)], views: &[View]) -> String {
    let kind = |view: &View| if view.is_materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    let drops = views.iter().rev().map(|view| format!("DROP {} {};", kind(view), qualified(&view.name)));
    let alterations = widened.iter().map(|(column, to)| format!("{};", alter_type(name, column, to)));
    let creations = views.iter().map(|view| {
        let definition = view.definition.trim().trim_end_matches(';');
        format!("CREATE {} {} AS {definition};", kind(view), qualified(&view.name))
    });
    let all: Vec<String> = drops.chain(alterations).chain(creations).collect();
    format!("BEGIN; {} COMMIT; and GRANT on the views what was granted", all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_dropped_backwards_and_made_again_forwards() {
        let name = |table: &str| TableName { schema: "s".into(), table: table.into() };
        let view = |table: &str, is_materialized, definition: &str| View {
            is_materialized,
            name: name(table),
            definition: definition.into(),
        };
        let views = [view("one", false, " SELECT t.id\n   FROM s.t;"), view("two", true, "SELECT one.id FROM s.one;")];
        assert_eq!(
            by_hand(&name("t"), &[("id".to_owned(), "bigint".to_owned())], &views),
            "BEGIN; DROP MATERIALIZED VIEW \"s\".\"two\"; DROP VIEW \"s\".\"one\"; ALTER TABLE \"s\".\"t\" ALTER COLUMN \"id\" TYPE bigint; \
             CREATE VIEW \"s\".\"one\" AS SELECT t.id\n   FROM s.t; CREATE MATERIALIZED VIEW \"s\".\"two\" AS SELECT one.id FROM s.one; \
             COMMIT; and GRANT on the views what was granted"
        );
    }
}
