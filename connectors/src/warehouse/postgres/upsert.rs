//! `REPLACE INTO`: the statements that take rows from the temporary table into the target.
//!
//! With a unique index over the key it is `INSERT .. ON CONFLICT DO UPDATE`: rows that others refer to stay the rows that they are, a writer
//! of another kind that inserts the same key at the same time is waited for, and rows that do not change are not touched. Without one,
//! PostgreSQL has no such statement, and rows are deleted by the key and inserted. Both leave the same table: a row of the key
//! is replaced whole, and columns that the query does not have get their default, as in the lake, but for
//! a number that the database gave the row.
//!
//! Rows of one epoch are unique by the bytes of their key. Where the database holds keys equal that have other bytes (`citext`, `char(n)`, `uuid`
//! in capitals), the last of them to come is taken, as it is among those with the same bytes.

use super::ddl::{Column, has_loose_key, list, qualified, quoted};
use super::target::Target;
use super::types::Kind;
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

/// Takes the rows of [`STAGE`] into the target. Of rows that the database holds equal by the key the last by `order_by` is taken, then the
/// last to come.
pub(super) fn merge(
    name: &TableName,
    target: &Target,
    columns: &[Column],
    key: &[String],
    order_by: &[String],
    is_unique: bool,
) -> Vec<String> {
    let last = has_loose_key(columns, key).then(|| last_of_each_key(columns, key, order_by));
    last.into_iter().chain(take(name, target, columns, key, is_unique)).collect()
}

/// Leaves one row of each key in [`STAGE`], whose rows are where they are in the order in which they came.
fn last_of_each_key(columns: &[Column], key: &[String], order_by: &[String]) -> String {
    let wanted = order_by.iter().filter_map(|name| columns.iter().find(|column| column.name == *name));
    let order = wanted.filter(|column| column.data_type.kind.is_comparable()).map(|column| {
        // As the engine orders them: texts by their bytes, and NULL before all others.
        let bytes = if matches!(column.data_type.kind, Kind::Text(_)) { "::text COLLATE \"C\"" } else { "" };
        format!("{}{bytes} DESC NULLS LAST, ", quoted(&column.name))
    });
    format!(
        "DELETE FROM {STAGE} AS stage USING (SELECT ctid AS place, row_number() OVER (PARTITION BY {} ORDER BY {}ctid DESC) AS nth \
         FROM {STAGE}) AS ranked WHERE stage.ctid = ranked.place AND ranked.nth > 1",
        list(key),
        order.collect::<String>()
    )
}

fn take(name: &TableName, target: &Target, columns: &[Column], key: &[String], is_unique: bool) -> Vec<String> {
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
    // A key that equals the one that is there may be spelt otherwise; a UUID is kept as one number however it is spelt.
    let is_respelt = |column: &&Column| column.is_loose && column.data_type.kind != Kind::Uuid && key.contains(&column.name);
    let respelt: Vec<&Column> = columns.iter().filter(is_respelt).collect();
    let is_comparable = is_comparable && respelt.is_empty();
    let set = respelt.iter().chain(&values);
    let sets = set.map(|column| format!("{0} = excluded.{0}", quoted(&column.name))).chain(others);
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
            is_loose: false,
        };
        Target { oid: 1, columns: names.iter().map(column).collect() }
    }

    fn merged(there: &[&str], written: &[&str], key: &str, is_unique: bool) -> String {
        let name = TableName { schema: "s".into(), table: "t".into() };
        let columns: Vec<Column> = written.iter().map(|name| column(name)).collect();
        let statements = merge(&name, &target(there), &columns, &[key.to_owned()], &[], is_unique);
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
    fn of_keys_that_the_database_holds_equal_the_last_is_taken() {
        let name = TableName { schema: "s".into(), table: "t".into() };
        let loose = Column { is_loose: true, ..column("id") };
        let columns = [loose, column("v"), Column::new("n", PgType::new(Kind::BigInt), arrow::datatypes::DataType::Int64)];
        let (key, order) = (["id".to_owned()], ["v".to_owned(), "n".to_owned()]);
        for is_unique in [true, false] {
            let statements = merge(&name, &target(&["id", "v", "n"]), &columns, &key, &order, is_unique);
            assert_eq!(
                statements[0],
                "DELETE FROM pg_temp.\"_engine_stage\" AS stage USING (SELECT ctid AS place, row_number() OVER (PARTITION BY \"id\" \
                 ORDER BY \"v\"::text COLLATE \"C\" DESC NULLS LAST, \"n\" DESC NULLS LAST, ctid DESC) AS nth FROM \
                 pg_temp.\"_engine_stage\") AS ranked WHERE stage.ctid = ranked.place AND ranked.nth > 1"
            );
            // The row that is there gets the key as it is spelt now.
            let is_set = statements.last().unwrap().ends_with(
                "ON CONFLICT (\"id\") DO UPDATE SET \"id\" = excluded.\"id\", \"v\" = excluded.\"v\", \"n\" = excluded.\"n\"",
            );
            assert_eq!(is_set, is_unique, "{statements:?}");
        }
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
