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
use crate::upserts::{DELETE_TEXTS, Deletes, Upsert, Upserts};
use crate::warehouse::TableName;

/// The temporary table: gone with its transaction.
pub(super) const STAGE: &str = "pg_temp.\"_engine_stage\"";

/// Makes [`STAGE`] with the types of the target's columns, and none of its constraints; and with the column that only says which rows are
/// deleted.
pub(super) fn create_stage(name: &TableName, columns: &[Column], marker: Option<&Column>) -> String {
    let marker = marker.map(|marker| format!("NULL::{} AS {}", marker.data_type.name, quoted(&marker.name)));
    let columns = columns.iter().map(|column| quoted(&column.name)).chain(marker).collect::<Vec<_>>().join(", ");
    format!("CREATE TEMPORARY TABLE \"_engine_stage\" ON COMMIT DROP AS SELECT {columns} FROM {} WITH NO DATA", qualified(name))
}

/// Lets the join of [`STAGE`] with the target keep more in memory than the 4 MB that PostgreSQL comes with, for this transaction; who has set
/// more keeps that.
const MEMORY: &str =
    "SELECT set_config('work_mem', '64MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')";

/// The rows of [`STAGE`] on their way into the target.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    pub(super) name: &'a TableName,
    pub(super) target: &'a Target,
    /// The columns that the target takes.
    pub(super) columns: &'a [Column],
    /// The column beside them that says which rows are deleted.
    pub(super) marker: Option<&'a Column>,
    pub(super) key: &'a [String],
    /// Of rows that the database holds equal by the key the last by these columns is taken, then the last to come.
    pub(super) order_by: &'a [String],
    pub(super) upserts: &'a Upserts,
    /// The target has a unique index over the key.
    pub(super) is_unique: bool,
}

impl Merge<'_> {
    /// All of its statements.
    pub(super) fn statements(&self) -> Vec<String> {
        let last = has_loose_key(self.columns, self.key).then(|| self.last_of_each_key());
        let taken = if self.is_unique { self.take() } else { self.take_without_index() };
        last.into_iter().chain(self.planned(taken)).collect()
    }

    /// Leaves one row of each key in [`STAGE`], whose rows are where they are in the order in which they came.
    fn last_of_each_key(&self) -> String {
        let find = |name: &String| self.columns.iter().chain(self.marker).find(|column| column.name == *name);
        let wanted = self.order_by.iter().filter_map(find);
        let order = wanted.filter(|column| column.data_type.kind.is_comparable()).map(|column| {
            // As the engine orders them: texts by their bytes, and NULL before all others.
            let bytes = if matches!(column.data_type.kind, Kind::Text(_)) { "::text COLLATE \"C\"" } else { "" };
            format!("{}{bytes} DESC NULLS LAST, ", quoted(&column.name))
        });
        format!(
            "DELETE FROM {STAGE} AS stage USING (SELECT ctid AS place, row_number() OVER (PARTITION BY {} ORDER BY {}ctid DESC) AS nth \
             FROM {STAGE}) AS ranked WHERE stage.ctid = ranked.place AND ranked.nth > 1",
            list(self.key),
            order.collect::<String>()
        )
    }

    /// Joins are told how many keys there are, and how wide: otherwise the planner guesses.
    fn planned(&self, statements: Vec<String>) -> Vec<String> {
        if !statements.iter().any(|statement| statement.contains(&self.same_key())) {
            return statements;
        }
        let analyze = format!("ANALYZE {STAGE} ({})", list(self.key));
        [MEMORY.to_owned(), analyze].into_iter().chain(statements).collect()
    }

    fn take(&self) -> Vec<String> {
        let conflict = format!("ON CONFLICT ({})", list(self.key));
        let live = self.deleted().map(|deleted| format!("NOT {deleted}"));
        let insert = |more: Option<String>| self.insert(live.iter().cloned().chain(more));
        if self.upserts.upsert == Upsert::Insert {
            return vec![format!("{} {conflict} DO NOTHING", insert(None))];
        }
        let (values, others) = (self.values(), self.others());
        let row = |of: &str| values.iter().map(|column| format!("{of}.{}", quoted(&column.name))).collect::<Vec<_>>().join(", ");
        // json, unlike jsonb, cannot be compared, nor can some types that this sink knows nothing of.
        let is_comparable = others.is_empty() && values.iter().all(|column| column.data_type.kind.is_comparable());
        // A key that equals the one that is there may be spelt otherwise; a UUID is kept as one number however it is spelt.
        let is_respelt =
            |column: &&Column| column.is_loose && column.data_type.kind != Kind::Uuid && self.key.contains(&column.name);
        let respelt: Vec<&Column> = self.columns.iter().filter(is_respelt).collect();
        let is_comparable = is_comparable && respelt.is_empty();
        let set = respelt.iter().chain(&values);
        let sets = set.map(|column| format!("{0} = excluded.{0}", quoted(&column.name))).chain(others);
        let sets = sets.collect::<Vec<_>>().join(", ");
        let upsert = if sets.is_empty() {
            format!("{} {conflict} DO NOTHING", insert(None))
        } else if is_comparable {
            // The conflict alone would lock the rows that stay as they are too, which writes to their pages and to the log.
            let is_same = format!(
                "NOT EXISTS (SELECT FROM {} AS target WHERE {} AND ({}) IS NOT DISTINCT FROM ({}))",
                qualified(self.name),
                self.same_key(),
                row("target"),
                row("stage")
            );
            format!(
                "{} {conflict} DO UPDATE SET {sets} WHERE ({}) IS DISTINCT FROM ({})",
                insert(Some(is_same)),
                row("target"),
                row("excluded")
            )
        } else {
            format!("{} {conflict} DO UPDATE SET {sets}", insert(None))
        };
        self.deletion().into_iter().chain([upsert]).collect()
    }

    /// Without an index, two loads of others at once may insert one key twice; those of the engine come one after another.
    fn take_without_index(&self) -> Vec<String> {
        let live = self.deleted().map(|deleted| format!("NOT {deleted}"));
        let is_new = format!("NOT EXISTS (SELECT FROM {} AS target WHERE {})", qualified(self.name), self.same_key());
        let if_live = |alone: &str| live.as_ref().map_or_else(String::new, |live| format!("{alone}{live}"));
        match self.upserts.upsert {
            Upsert::Insert => vec![self.insert([is_new])],
            Upsert::Merge => {
                let sets =
                    self.values().iter().map(|column| format!("{0} = stage.{0}", quoted(&column.name))).collect::<Vec<_>>();
                let update = format!(
                    "UPDATE {} AS target SET {} FROM {STAGE} AS stage WHERE {}{}",
                    qualified(self.name),
                    sets.join(", "),
                    self.same_key(),
                    if_live(" AND ")
                );
                let update = (!sets.is_empty()).then_some(update);
                let insert = self.insert(live.iter().cloned().chain([is_new]));
                self.deletion().into_iter().chain(update).chain([insert]).collect()
            }
            // What is marked stays as it is, and other rows of the batch's keys go.
            Upsert::DeleteInsert => {
                let is_soft = self.upserts.deletes == Deletes::Soft;
                let gone = self.delete(if is_soft { if_live(" AND ") } else { String::new() });
                let marked = self.deletion().filter(|_| is_soft);
                [gone, self.insert(live.clone())].into_iter().chain(marked).collect()
            }
        }
    }

    /// What becomes of the rows whose key the batch says to be deleted.
    fn deletion(&self) -> Option<String> {
        let deleted = self.deleted()?;
        if self.upserts.deletes == Deletes::Hard {
            return Some(self.delete(format!(" AND {deleted}")));
        }
        let mark = quoted(&self.mark()?.name);
        Some(format!(
            "UPDATE {} AS target SET {mark} = stage.{mark} FROM {STAGE} AS stage WHERE {} AND {deleted} AND target.{mark} IS DISTINCT \
             FROM stage.{mark}",
            qualified(self.name),
            self.same_key()
        ))
    }

    fn delete(&self, more: String) -> String {
        format!("DELETE FROM {} AS target USING {STAGE} AS stage WHERE {}{more}", qualified(self.name), self.same_key())
    }

    fn same_key(&self) -> String {
        let same = |column: &String| format!("target.{0} = stage.{0}", quoted(column));
        self.key.iter().map(same).collect::<Vec<_>>().join(" AND ")
    }

    /// The column of [`STAGE`] that says which rows are deleted.
    fn mark(&self) -> Option<&Column> {
        let deleted = self.upserts.deleted.as_deref()?;
        self.marker.or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(deleted)))
    }

    /// The condition for a row of [`STAGE`] to be a deletion.
    fn deleted(&self) -> Option<String> {
        let mark = self.mark()?;
        let value = format!("stage.{}", quoted(&mark.name));
        Some(match mark.data_type.kind {
            Kind::Boolean => format!("coalesce({value}, false)"),
            _ => {
                let texts = DELETE_TEXTS.map(|text| format!("'{text}'")).join(", ");
                format!("(upper(rtrim(coalesce({value}::text, ''))) IN ({texts}))")
            }
        })
    }

    fn values(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| !self.key.contains(&column.name)).collect()
    }

    /// Of [`STAGE`], the rows for which all of `conditions` hold.
    fn insert(&self, conditions: impl IntoIterator<Item = String>) -> String {
        let is_numbered =
            |column: &Column| self.target.columns.iter().any(|there| there.is_identity && there.name == column.name);
        let overriding = if self.columns.iter().any(is_numbered) { " OVERRIDING SYSTEM VALUE" } else { "" };
        let columns = list(self.columns.iter().map(|column| &column.name));
        let conditions = conditions.into_iter().collect::<Vec<_>>().join(" AND ");
        let only = if conditions.is_empty() { String::new() } else { format!(" WHERE {conditions}") };
        format!(
            "INSERT INTO {} AS target ({columns}){overriding} SELECT {columns} FROM {STAGE} AS stage{only}",
            qualified(self.name)
        )
    }

    /// What columns that are not written get.
    fn others(&self) -> Vec<String> {
        if self.upserts.upsert == Upsert::Merge {
            return Vec::new();
        }
        let is_written = |name: &String| self.columns.iter().any(|column| column.name == *name);
        let others =
            self.target.columns.iter().filter(|column| !is_written(&column.name) && !column.is_generated && !column.is_identity);
        others.map(|column| format!("{} = DEFAULT", quoted(&column.name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::TargetColumn;
    use super::super::types::{Kind, PgType};
    use super::*;
    use crate::sink::WriteMode;

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
        merged_so(there, written, key, is_unique, &Upserts::default())
    }

    fn merged_so(there: &[&str], written: &[&str], key: &str, is_unique: bool, upserts: &Upserts) -> String {
        let columns: Vec<Column> = written.iter().map(|name| column(name)).collect();
        let op = column("op");
        let merge = Merge {
            name: &TableName { schema: "s".into(), table: "t".into() },
            target: &target(there),
            columns: &columns,
            marker: (upserts.marker(WriteMode::Upsert).is_some()).then_some(&op),
            key: &[key.to_owned()],
            order_by: &[],
            upserts,
            is_unique,
        };
        let statements = merge.statements().into_iter().filter(|statement| statement != MEMORY);
        statements.collect::<Vec<_>>().join("\n").replace(STAGE, "STAGE").replace("\"s\".\"t\"", "T").replace('"', "")
    }

    #[test]
    fn rows_that_stay_as_they_are_are_not_touched() {
        assert_eq!(
            merged(&["id", "v"], &["id", "v"], "id", true),
            "ANALYZE STAGE (id)\n\
             INSERT INTO T AS target (id, v) SELECT id, v FROM STAGE AS stage \
             WHERE NOT EXISTS (SELECT FROM T AS target WHERE target.id = stage.id AND (target.v) IS NOT DISTINCT FROM (stage.v)) \
             ON CONFLICT (id) DO UPDATE SET v = excluded.v WHERE (target.v) IS DISTINCT FROM (excluded.v)"
        );
        assert!(merged(&["id"], &["id"], "id", true).ends_with("ON CONFLICT (id) DO NOTHING"));
    }

    #[test]
    fn rows_that_are_deleted_go_or_are_marked() {
        let so = |deletes, written: &[&str], is_unique| {
            let upserts = Upserts { deleted: Some("Op".into()), deletes, upsert: Upsert::DeleteInsert };
            merged_so(&["id", "v", "op"], written, "id", is_unique, &upserts)
        };
        let (is, hit) =
            ("(upper(rtrim(coalesce(stage.op::text, ''))) IN ('D', 'DELETE'))", "STAGE AS stage WHERE target.id = stage.id");
        let hard = so(Deletes::Hard, &["id", "v"], true);
        let insert = format!("INSERT INTO T AS target (id, v) SELECT id, v FROM STAGE AS stage WHERE NOT {is}");
        assert_eq!(
            hard,
            format!(
                "ANALYZE STAGE (id)\nDELETE FROM T AS target USING {hit} AND {is}\n{insert} ON CONFLICT (id) DO UPDATE SET v = \
                 excluded.v, op = DEFAULT"
            )
        );
        assert_eq!(
            so(Deletes::Hard, &["id", "v"], false),
            format!("ANALYZE STAGE (id)\nDELETE FROM T AS target USING {hit}\n{insert}")
        );
        let mark = format!("UPDATE T AS target SET op = stage.op FROM {hit} AND {is} AND target.op IS DISTINCT FROM stage.op");
        let insert = format!("INSERT INTO T AS target (id, v, op) SELECT id, v, op FROM STAGE AS stage WHERE NOT {is}");
        assert_eq!(
            so(Deletes::Soft, &["id", "v", "op"], false),
            format!("ANALYZE STAGE (id)\nDELETE FROM T AS target USING {hit} AND NOT {is}\n{insert}\n{mark}")
        );
        let soft = so(Deletes::Soft, &["id", "v", "op"], true);
        assert!(soft.starts_with(&format!("ANALYZE STAGE (id)\n{mark}\n{insert} AND NOT EXISTS (SELECT FROM T")), "{soft}");
    }

    #[test]
    fn a_merge_keeps_what_the_query_does_not_have_and_an_insert_all_that_is_there() {
        let so = |upsert, is_unique| {
            merged_so(&["id", "v", "old"], &["id", "v"], "id", is_unique, &Upserts { upsert, ..Upserts::default() })
        };
        let (insert, key) = ("INSERT INTO T AS target (id, v) SELECT id, v FROM STAGE AS stage", "target.id = stage.id");
        let merge = so(Upsert::Merge, true);
        assert!(merge.contains("DO UPDATE SET v = excluded.v WHERE (target.v) IS DISTINCT FROM (excluded.v)"), "{merge}");
        assert_eq!(
            so(Upsert::Merge, false),
            format!(
                "ANALYZE STAGE (id)\nUPDATE T AS target SET v = stage.v FROM STAGE AS stage WHERE {key}\n{insert} WHERE NOT EXISTS (SELECT \
                 FROM T AS target WHERE {key})"
            )
        );
        assert_eq!(so(Upsert::Insert, true), format!("{insert} ON CONFLICT (id) DO NOTHING"));
        assert!(so(Upsert::Insert, false).ends_with(&format!("{insert} WHERE NOT EXISTS (SELECT FROM T AS target WHERE {key})")));
    }

    #[test]
    fn columns_that_the_query_does_not_have_get_their_default() {
        let text = merged(&["id", "v", "old"], &["id", "v"], "id", true);
        assert!(text.ends_with("DO UPDATE SET v = excluded.v, old = DEFAULT"), "{text}");
    }

    #[test]
    fn of_keys_that_the_database_holds_equal_the_last_is_taken() {
        let name = TableName { schema: "s".into(), table: "t".into() };
        let loose = Column { is_loose: true, ..column("id") };
        let columns = [loose, column("v"), Column::new("n", PgType::new(Kind::BigInt), arrow::datatypes::DataType::Int64)];
        let (key, order) = (["id".to_owned()], ["v".to_owned(), "n".to_owned()]);
        for is_unique in [true, false] {
            let (target, upserts) = (target(&["id", "v", "n"]), Upserts::default());
            let (columns, key, order_by, upserts) = (&columns, &key, &order, &upserts);
            let merge = Merge { name: &name, target: &target, columns, marker: None, key, order_by, upserts, is_unique };
            let statements = merge.statements();
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
        assert!(text.contains("DELETE FROM T AS target USING STAGE AS stage WHERE target.id = stage.id\n"), "{text}");
        assert!(!text.contains("ON CONFLICT"), "{text}");
    }
}
