//! Views that are bound to a column: with them its type stays as it is, and it cannot be dropped either ("ALTER TABLE", `r_ALTER_TABLE`).
//! Whoever loads the table may not drop them, so that a person is told how it is done.

use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::names::{Relation, literal};
use crate::warehouse::redshift::session::Session;

/// Views of views of views are followed so far.
const DEEPEST: usize = 20;

/// A view, and its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: Relation,
    pub(crate) definition: String,
}

/// The views that are bound to a column of `table`, and those that are bound to these, each behind those that it shows.
///
/// # Errors
/// What the database says.
pub(crate) async fn of_column(session: &Session, table: &Relation, column: &str) -> Result<Vec<View>, Fault> {
    let mut all: Vec<Relation> = Vec::new();
    let mut last = bound(session, table, Some(column)).await?;
    for _ in 0..DEEPEST {
        // One that is come to again shows what was found last as well.
        all.retain(|view| !last.contains(view));
        all.extend(last.iter().cloned());
        let mut next: Vec<Relation> = Vec::new();
        for view in &last {
            for above in bound(session, view, None).await? {
                if !next.contains(&above) {
                    next.push(above);
                }
            }
        }
        last = next;
    }
    let mut views = Vec::with_capacity(all.len());
    for name in all {
        let (schema, view) = (literal(&name.schema), literal(&name.table));
        let definition = session
            .text(&format!("SELECT definition FROM pg_views WHERE schemaname = {schema} AND viewname = {view}"))
            .await?
            .unwrap_or_default();
        views.push(View { name, definition });
    }
    Ok(views)
}

/// The views that are bound to a table, or to a column of it.
async fn bound(session: &Session, table: &Relation, column: Option<&str>) -> Result<Vec<Relation>, Fault> {
    let of_column = column.map(|column| {
        format!(
            " AND bound.refobjsubid IN (SELECT columns.attnum FROM pg_attribute AS columns WHERE columns.attrelid = tables.oid AND \
             columns.attname = {})",
            literal(column)
        )
    });
    let query = format!(
        "SELECT DISTINCT views_of.nspname, views.relname FROM pg_depend AS bound \
         JOIN pg_rewrite AS rules ON rules.oid = bound.objid \
         JOIN pg_class AS views ON views.oid = rules.ev_class \
         JOIN pg_namespace AS views_of ON views_of.oid = views.relnamespace \
         JOIN pg_class AS tables ON tables.oid = bound.refobjid \
         JOIN pg_namespace AS tables_of ON tables_of.oid = tables.relnamespace \
         WHERE tables_of.nspname = {} AND tables.relname = {} AND views.oid <> tables.oid{} ORDER BY 1, 2",
        literal(&table.schema),
        literal(&table.table),
        of_column.unwrap_or_default()
    );
    let text = |row: &mut dyn Iterator<Item = Option<String>>| row.next().flatten().unwrap_or_default();
    let relation = |row: Vec<Option<String>>| {
        let mut row = row.into_iter();
        Relation { schema: text(&mut row), table: text(&mut row) }
    };
    Ok(session.rows(&query).await?.into_iter().map(relation).collect())
}

/// `change` of a column that `views` are bound to: they are dropped, and made again behind it. What others may do with them goes with them.
pub(crate) fn around(change: &str, views: &[View]) -> String {
    let drops = views.iter().rev().map(|view| format!("DROP VIEW {};", view.name.quoted()));
    let creations = views.iter().map(|view| {
        let definition = view.definition.trim().trim_end_matches(';');
        format!("CREATE VIEW {} AS {definition};", view.name.quoted())
    });
    let change = format!("{};", change.trim_end_matches(';'));
    let all: Vec<String> = drops.chain([change]).chain(creations).collect();
    format!("{} and GRANT on the views what was granted", all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_dropped_backwards_and_made_again_forwards() {
        let view = |table: &str, definition: &str| View {
            name: Relation { schema: "s".into(), table: table.into() },
            definition: definition.into(),
        };
        let views = [view("one", " SELECT t.v FROM s.t;"), view("two", "SELECT one.v FROM s.one;")];
        assert_eq!(
            around("ALTER TABLE t", &views),
            "DROP VIEW \"s\".\"two\"; DROP VIEW \"s\".\"one\"; ALTER TABLE t; CREATE VIEW \"s\".\"one\" AS SELECT t.v FROM s.t; CREATE VIEW \
             \"s\".\"two\" AS SELECT one.v FROM s.one; and GRANT on the views what was granted"
        );
    }
}
