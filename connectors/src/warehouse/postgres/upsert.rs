//! `REPLACE INTO`: the statements that take rows from the temporary table into the target.
//!
//! With a unique index over the key it is `INSERT .. ON CONFLICT DO UPDATE`: rows that others refer to stay the rows that they are, a writer
//! of another kind that inserts the same key at the same time is waited for, and rows that do not change are not touched. Without one,
//! PostgreSQL has no such statement, and rows are deleted by the key and inserted. Both leave the same table: a row of the key
//! is replaced whole, and columns that the query does not have get their default, as in the lake, but for
//! a number that the database gave the row.

use super::ddl::{Column, list, qualified, quoted};
use super::target::Target;
use crate::warehouse::TableName;

/// The temporary table: gone with its transaction.
pub(super) const STAGE: &str = "pg_temp.\"_engine_stage\"";

/// Makes [`STAGE`] with the types of the target's columns, and none of its constraints.
pub(super) fn create_stage(name: &TableName, columns: &[Column]) -> String {
    let columns = list(columns.iter().map(|column| &column.name));
    format!("CREATE TEMPORARY TABLE \"_engine_stage\" ON COMMIT DROP AS SELECT {columns} FROM {} WITH NO DATA", qualified(name))
}

/// Lets the join of [`STAGE`] with the target keep more in memory than the 4 MB that PostgreSQL comes with, for this transaction; who has set
/// more keeps that.
const MEMORY: &str =
    "SELECT set_config('work_mem', '64MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')";

/// Takes the rows of [`STAGE`] into the target.
pub(super) fn merge(name: &TableName, target: &Target, columns: &[Column], key: &[String], is_unique: bool) -> Vec<String> {
    let insert = insert(name, target, columns);
    let same = |column: &String| format!("target.{0} = stage.{0}", quoted(column));
    let same_key = key.iter().map(same).collect::<Vec<_>>().join(" AND ");
    let name = qualified(name);
    // Otherwise the planner guesses how many keys there are, and how wide.
    let analyze = format!("ANALYZE {STAGE} ({})", list(key));
    if !is_unique {
        return vec![
            MEMORY.to_owned(),
            analyze,
            format!("DELETE FROM {name} AS target USING {STAGE} AS stage WHERE {same_key}"),
            insert,
        ];
    }
    let values: Vec<&Column> = columns.iter().filter(|column| !key.contains(&column.name)).collect();
    let others = defaults(target, columns);
    let row = |of: &str| values.iter().map(|column| format!("{of}.{}", quoted(&column.name))).collect::<Vec<_>>().join(", ");
    // json, unlike jsonb, cannot be compared, nor can some types that this sink knows nothing of.
    let is_comparable = others.is_empty() && values.iter().all(|column| column.data_type.kind.is_comparable());
    let sets = values.iter().map(|column| format!("{0} = excluded.{0}", quoted(&column.name))).chain(others);
    let sets = sets.collect::<Vec<_>>().join(", ");
    let conflict = format!("ON CONFLICT ({})", list(key));
    if sets.is_empty() {
        return vec![format!("{insert} {conflict} DO NOTHING")];
    }
    if !is_comparable {
        return vec![format!("{insert} {conflict} DO UPDATE SET {sets}")];
    }
    // The conflict alone would lock the rows that stay as they are too, which writes to their pages and to the log.
    let merge = format!(
        "{insert} WHERE NOT EXISTS (SELECT FROM {name} AS target WHERE {same_key} AND ({0}) IS NOT DISTINCT FROM ({1})) {conflict} \
         DO UPDATE SET {sets} WHERE ({0}) IS DISTINCT FROM ({2})",
        row("target"),
        row("stage"),
        row("excluded")
    );
    vec![MEMORY.to_owned(), analyze, merge]
}

fn insert(name: &TableName, target: &Target, columns: &[Column]) -> String {
    let is_numbered = |column: &Column| target.columns.iter().any(|there| there.is_identity && there.name == column.name);
    let overriding = if columns.iter().any(is_numbered) { " OVERRIDING SYSTEM VALUE" } else { "" };
    let columns = list(columns.iter().map(|column| &column.name));
    format!("INSERT INTO {} AS target ({columns}){overriding} SELECT {columns} FROM {STAGE} AS stage", qualified(name))
}

/// What columns that are not written get.
fn defaults(target: &Target, columns: &[Column]) -> Vec<String> {
    let is_written = |name: &String| columns.iter().any(|column| column.name == *name);
    let others = target.columns.iter().filter(|column| !is_written(&column.name) && !column.is_generated && !column.is_identity);
    others.map(|column| format!("{} = DEFAULT", quoted(&column.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::target::TargetColumn;
    use super::super::types::{Kind, PgType};
    use super::*;

    fn column(name: &str) -> Column {
        Column::new(name, PgType::new(Kind::Text(None)), arrow::datatypes::DataType::Utf8)
    }

    fn target(names: &[&str]) -> Target {
        let column = |name: &&str| TargetColumn {
            name: (*name).into(),
            data_type: PgType::new(Kind::Text(None)),
            is_required: false,
            has_default: false,
            is_generated: false,
            is_identity: false,
        };
        Target { oid: 1, columns: names.iter().map(column).collect() }
    }

    fn merged(there: &[&str], written: &[&str], key: &str, is_unique: bool) -> String {
        let name = TableName { schema: "s".into(), table: "t".into() };
        let columns: Vec<Column> = written.iter().map(|name| column(name)).collect();
        let statements = merge(&name, &target(there), &columns, &[key.to_owned()], is_unique);
        statements.into_iter().filter(|statement| statement != MEMORY).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn rows_that_stay_as_they_are_are_not_touched() {
        assert_eq!(
            merged(&["id", "v"], &["id", "v"], "id", true),
            "ANALYZE pg_temp.\"_engine_stage\" (\"id\"); \
             INSERT INTO \"s\".\"t\" AS target (\"id\", \"v\") SELECT \"id\", \"v\" FROM pg_temp.\"_engine_stage\" AS stage \
             WHERE NOT EXISTS (SELECT FROM \"s\".\"t\" AS target WHERE target.\"id\" = stage.\"id\" \
             AND (target.\"v\") IS NOT DISTINCT FROM (stage.\"v\")) \
             ON CONFLICT (\"id\") DO UPDATE SET \"v\" = excluded.\"v\" WHERE (target.\"v\") IS DISTINCT FROM (excluded.\"v\")"
        );
        assert!(merged(&["id"], &["id"], "id", true).ends_with("ON CONFLICT (\"id\") DO NOTHING"));
    }

    #[test]
    fn columns_that_the_query_does_not_have_get_their_default() {
        let text = merged(&["id", "v", "old"], &["id", "v"], "id", true);
        assert!(text.ends_with("DO UPDATE SET \"v\" = excluded.\"v\", \"old\" = DEFAULT"), "{text}");
    }

    #[test]
    fn without_an_index_rows_are_deleted_and_inserted() {
        let text = merged(&["id", "v"], &["id", "v"], "id", false);
        assert!(
            text.contains(
                "DELETE FROM \"s\".\"t\" AS target USING pg_temp.\"_engine_stage\" AS stage WHERE target.\"id\" = stage.\"id\""
            ),
            "{text}"
        );
        assert!(!text.contains("ON CONFLICT"), "{text}");
    }
}
