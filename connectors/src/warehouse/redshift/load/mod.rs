//! The statements that bring staged files into a table, in their order.
//!
//! What COPY puts into a temporary table locks nothing that others read; the transaction that follows is short. No statement here
//! commits by itself but those of a `fast` overwrite: TRUNCATE does ("TRUNCATE", `r_TRUNCATE`), and so does ALTER TABLE APPEND
//! (`r_ALTER_TABLE_APPEND`).

use crate::sink::WriteMode;
use crate::upserts::{DELETE_TEXTS, Deletes, Upsert};
use crate::warehouse::redshift::columns::{Form, LoadColumn};
use crate::warehouse::redshift::names::{Relation, literal, quoted, quoted_list};
use crate::warehouse::redshift::options::{Overwrite, TableOptions};
use crate::warehouse::redshift::types::{ColumnType, MAX_VARCHAR};

/// The temporary table of a session.
const STAGE: &str = "\"_engine_stage\"";

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Run as it is.
    Run(String),
    /// A COPY into a table, of which the rows are counted.
    Copy { text: String, into: String },
}

/// How the rows of a COPY are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The session knows those of its last COPY.
    LastCopy,
    /// In the table that it filled, which therefore has to be one of its own.
    OwnTable,
}

/// What one load does.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// Before the transaction, in its session.
    pub(crate) prepare: Vec<Statement>,
    /// Between BEGIN and the ledger.
    pub(crate) transaction: Vec<Statement>,
    /// When all is committed; a failure changes nothing.
    pub(crate) after: Vec<String>,
}

/// A load.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(crate) table: &'a Relation,
    pub(crate) columns: &'a [LoadColumn],
    /// The statements that make the table that takes this one's place, where it has other columns.
    pub(crate) anew: Vec<String>,
    /// The key's columns, as the table calls them.
    pub(crate) key: &'a [String],
    pub(crate) mode: WriteMode,
    pub(crate) options: &'a TableOptions,
    /// The manifest's URL; `None` when there are no rows.
    pub(crate) manifest: Option<&'a str>,
    /// A role's ARN, several separated by commas, or `default`.
    pub(crate) iam_role: &'a str,
    /// The statements that give others the rights to the table that they have, for a table that takes its name.
    pub(crate) kept: &'a [String],
    pub(crate) counting: Counting,
    /// Rows need not have values for all columns that are NOT NULL, as a copy of the table would want them.
    pub(crate) lacks_required: bool,
}

impl Load<'_> {
    /// All of its statements.
    pub(crate) fn statements(&self) -> Statements {
        match self.mode {
            WriteMode::Append => self.append(),
            WriteMode::Overwrite => self.overwrite(),
            WriteMode::Upsert => self.upsert(),
        }
    }

    fn append(&self) -> Statements {
        if self.manifest.is_none() {
            // No rows: the table was made, or given columns, before.
            return Statements::default();
        }
        let is_plain = self.columns.iter().all(|column| column.form == Form::Plain && !column.marker);
        if is_plain && self.counting == Counting::LastCopy {
            return Statements { transaction: vec![self.copy(&self.table.quoted())], ..Statements::default() };
        }
        self.staged(vec![self.insert("")])
    }

    fn overwrite(&self) -> Statements {
        let delete = format!("DELETE FROM {}", self.table.quoted());
        match (self.options.overwrite, self.manifest) {
            (Overwrite::Swap, None) if !self.anew.is_empty() => self.overwrite_by_swap(),
            (_, None) => Statements { transaction: vec![Statement::Run(delete)], ..Statements::default() },
            (Overwrite::Atomic, _) => self.staged(vec![delete, self.insert("")]),
            (Overwrite::Fast, _) => self.overwrite_fast(),
            (Overwrite::Swap, _) => self.overwrite_by_swap(),
        }
    }

    /// Every step can be done again: the table and what is beside it are made anew each time.
    fn overwrite_fast(&self) -> Statements {
        let (table, stage) = (self.table.quoted(), new_table(self.table).quoted());
        let mut prepare = self.filled(&stage);
        prepare.push(Statement::Run(format!("TRUNCATE {table}")));
        prepare.push(Statement::Run(format!("ALTER TABLE {table} APPEND FROM {stage}")));
        Statements { prepare, transaction: Vec::new(), after: leftovers(self.table, self.options, self.mode) }
    }

    fn overwrite_by_swap(&self) -> Statements {
        let (table, new, old) = (self.table, new_table(self.table), old_table(self.table));
        let mut transaction = vec![
            Statement::Run(format!("ALTER TABLE {} RENAME TO {}", table.quoted(), quoted(&old.table))),
            Statement::Run(format!("ALTER TABLE {} RENAME TO {}", new.quoted(), quoted(&table.table))),
        ];
        transaction.extend(self.kept.iter().cloned().map(Statement::Run));
        Statements { prepare: self.filled(&new.quoted()), transaction, after: leftovers(table, self.options, self.mode) }
    }

    /// Makes the permanent table `stage`, with the rows.
    fn filled(&self, stage: &str) -> Vec<Statement> {
        let leftovers = leftovers(self.table, self.options, self.mode);
        let mut prepare: Vec<Statement> = leftovers.into_iter().map(Statement::Run).collect();
        let like = format!("CREATE TABLE {stage} (LIKE {} INCLUDING DEFAULTS)", self.table.quoted());
        let is_anew = !self.anew.is_empty();
        prepare.extend(if is_anew {
            self.anew.iter().cloned().map(Statement::Run).collect()
        } else {
            vec![Statement::Run(like)]
        });
        if self.manifest.is_none() {
            return prepare;
        }
        if self.columns.iter().any(|column| column.form != Form::Plain) {
            prepare.extend(self.stage_like(stage));
            prepare.push(Statement::Run(self.insert_into(stage, "")));
        } else {
            prepare.push(self.copy(stage));
        }
        prepare
    }

    fn upsert(&self) -> Statements {
        let table = self.table.quoted();
        let same_key = self.same_key();
        let delete = |more: &str| format!("DELETE FROM {table} USING {STAGE} WHERE {same_key}{more}");
        let Some(deleted) = self.deleted() else {
            return self.staged(match self.options.upserts.upsert {
                Upsert::DeleteInsert => vec![delete(""), self.insert("")],
                Upsert::Merge => vec![self.merge()],
                Upsert::Insert => {
                    vec![self.insert(&format!(" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same_key})"))]
                }
            });
        };
        match (self.options.upserts.deletes, self.options.upserts.upsert) {
            (Deletes::Soft, _) => {
                let mark = self.columns.iter().find(|column| column.deletes).map(|column| quoted(&column.name));
                let mark = mark.unwrap_or_default();
                self.staged(vec![
                    delete(&format!(" AND NOT {deleted}")),
                    self.insert(&format!(" WHERE NOT {deleted}")),
                    format!("UPDATE {table} SET {mark} = {STAGE}.{mark} FROM {STAGE} WHERE {same_key} AND {deleted}"),
                ])
            }
            (Deletes::Hard, Upsert::Merge) => self.staged(vec![
                delete(&format!(" AND {deleted}")),
                format!("DELETE FROM {STAGE} WHERE {deleted}"),
                self.merge(),
            ]),
            (Deletes::Hard, _) => self.staged(vec![delete(""), self.insert(&format!(" WHERE NOT {deleted}"))]),
        }
    }

    /// COPY into a temporary table, then `transaction`.
    fn staged(&self, transaction: Vec<String>) -> Statements {
        Statements {
            prepare: self.stage(),
            transaction: transaction.into_iter().map(Statement::Run).collect(),
            after: vec![format!("DROP TABLE IF EXISTS {STAGE}")],
        }
    }

    /// `LIKE` gives the temporary table the distribution of the other, so that rows of one key are on one node, and NOT NULL, but neither
    /// defaults nor numbers; a table made by `AS SELECT` has a distribution of its own, and no NOT NULL ("CREATE TABLE AS", `r_CTAS_usage_notes`).
    fn stage(&self) -> Vec<Statement> {
        self.stage_like(&self.table.quoted())
    }

    fn stage_like(&self, table: &str) -> Vec<Statement> {
        let create = if self.lacks_required {
            let there = quoted_list(self.columns.iter().filter(|column| column.exists).map(|column| column.name.as_str()));
            format!("CREATE TEMP TABLE {STAGE} AS SELECT {there} FROM {table} WHERE FALSE")
        } else {
            format!("CREATE TEMP TABLE {STAGE} (LIKE {table})")
        };
        let mut statements = vec![Statement::Run(format!("DROP TABLE IF EXISTS {STAGE}")), Statement::Run(create)];
        for column in self.columns {
            let is_extra = column.marker && !column.exists;
            let extra = column.copied_type().or_else(|| is_extra.then(|| marker_type(column)));
            if let Some(extra) = extra {
                let name = quoted(&column.copied_name());
                statements.push(Statement::Run(format!("ALTER TABLE {STAGE} ADD COLUMN {name} {extra}")));
            }
        }
        statements.push(self.copy(STAGE));
        statements
    }

    /// STATUPDATE needs the table's owner, and statistics are kept by Redshift itself ("COPY", `r_COPY`).
    fn copy(&self, into: &str) -> Statement {
        let names: Vec<String> = self.columns.iter().map(LoadColumn::copied_name).collect();
        let columns = quoted_list(names.iter().map(String::as_str));
        let from = literal(self.manifest.unwrap_or_default());
        let role = role(self.iam_role);
        let is_nested = self.columns.iter().any(|column| column.file_type.is_nested());
        let nested = if is_nested { " SERIALIZETOJSON" } else { "" };
        let text = format!("COPY {into} ({columns}) FROM {from} IAM_ROLE {role} FORMAT PARQUET{nested} MANIFEST STATUPDATE OFF");
        Statement::Copy { text, into: into.to_owned() }
    }

    fn insert(&self, filter: &str) -> String {
        self.insert_into(&self.table.quoted(), filter)
    }

    fn insert_into(&self, table: &str, filter: &str) -> String {
        let names = quoted_list(self.stored().map(|column| column.name.as_str()));
        let values: Vec<String> = self.stored().map(|column| column.value(STAGE)).collect();
        format!("INSERT INTO {table} ({names}) SELECT {} FROM {STAGE}{filter}", values.join(", "))
    }

    /// No alias, a table as the source, one MATCHED and one NOT MATCHED: what MERGE takes ("MERGE", `r_MERGE`).
    fn merge(&self) -> String {
        let is_key = |column: &&LoadColumn| self.key.contains(&column.name);
        let set = |column: &LoadColumn| format!("{} = {}", quoted(&column.name), column.value(STAGE));
        let mut sets: Vec<String> = self.stored().filter(|column| !is_key(column)).map(set).collect();
        if sets.is_empty() {
            sets = self.stored().take(1).map(set).collect();
        }
        let names = quoted_list(self.stored().map(|column| column.name.as_str()));
        let values: Vec<String> = self.stored().map(|column| column.value(STAGE)).collect();
        format!(
            "MERGE INTO {} USING {STAGE} ON {} WHEN MATCHED THEN UPDATE SET {} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({})",
            self.table.quoted(),
            self.same_key(),
            sets.join(", "),
            values.join(", ")
        )
    }

    /// The columns that the table has.
    fn stored(&self) -> impl Iterator<Item = &LoadColumn> {
        self.columns.iter().filter(|column| !column.marker)
    }

    fn same_key(&self) -> String {
        let table = self.table.quoted();
        let same = |name: &String| format!("{table}.{} = {STAGE}.{}", quoted(name), quoted(name));
        self.key.iter().map(same).collect::<Vec<_>>().join(" AND ")
    }

    /// The condition for a row of the temporary table to be a deletion.
    fn deleted(&self) -> Option<String> {
        let column = self.columns.iter().find(|column| column.deletes)?;
        let value = column.value(STAGE);
        Some(match column.target {
            ColumnType::Boolean => format!("COALESCE({value}, FALSE)"),
            _ => format!("UPPER(RTRIM(COALESCE({value}, ''))) IN ({})", DELETE_TEXTS.map(literal).join(", ")),
        })
    }
}

/// A role as it stands behind IAM_ROLE.
pub(crate) fn role(iam_role: &str) -> String {
    if iam_role.eq_ignore_ascii_case("default") { "default".to_owned() } else { literal(iam_role) }
}

/// The statements that remove the tables that a load makes beside its own, and that a killed one leaves.
pub(crate) fn leftovers(table: &Relation, options: &TableOptions, mode: WriteMode) -> Vec<String> {
    let drop = |table: Relation| format!("DROP TABLE IF EXISTS {}", table.quoted());
    match (mode, options.overwrite) {
        (WriteMode::Overwrite, Overwrite::Fast) => vec![drop(new_table(table))],
        (WriteMode::Overwrite, Overwrite::Swap) => vec![drop(new_table(table)), drop(old_table(table))],
        _ => Vec::new(),
    }
}

/// The table that is filled to take the place of another.
pub(crate) fn new_table(table: &Relation) -> Relation {
    table.beside("", "__engine_new")
}

/// The table whose place was taken.
fn old_table(table: &Relation) -> Relation {
    table.beside("", "__engine_old")
}

fn marker_type(column: &LoadColumn) -> ColumnType {
    match &column.target {
        ColumnType::Varchar(_) => ColumnType::Varchar(MAX_VARCHAR),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
