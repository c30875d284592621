//! Statements that PostgreSQL runs, with what goes before and after them.

use super::errors::translated;
use super::relay::Until;
use super::{Done, Session, Step};
use crate::rules::{APPEND_NOT_IN_TRANSACTION, NEW_RELATION_IS_1018};
use crate::sql::{Append, Kind, Name, Run, Token, literal};
use crate::sql_error::SqlError;
use crate::wire::{Builder, Fields};

/// How a writer keeps other writers away and lets readers read.
pub(super) const WRITE_LOCK: &str = "IN SHARE ROW EXCLUSIVE MODE";

impl Session {
    /// A statement in the simple protocol.
    pub(super) async fn run_statement(&mut self, run: &Run) -> Step<Done> {
        if self.prepare_to_run(run).await? == Done::Failed {
            return Ok(Done::Failed);
        }
        let (lock, hidden) = match &run.writes {
            // In one string with the statement, the lock comes before the snapshot, and holds to the end of the transaction.
            Some(table) => (format!("LOCK TABLE {} {WRITE_LOCK};", table.sql()), 1),
            None => (String::new(), 0),
        };
        self.backend.send(b'Q', &Builder::default().text(&format!("{lock}{}", run.sql)).build()).await?;
        self.backend.flush().await?;
        let done = self.relay(Until::Ready, hidden).await?;
        self.after(run, done).await
    }

    /// What is asked before a statement.
    pub(super) async fn prepare_to_run(&mut self, run: &Run) -> Step<Done> {
        if let Some((rule, message)) = &run.alone
            && self.backend.status != b'I'
        {
            return self.fail(&SqlError::refused(rule, *message)).await;
        }
        for guard in &run.guards {
            let answer = self.backend.query(&guard.sql).await?;
            if !answer.rows.is_empty() {
                return self.fail(&guard.error).await;
            }
        }
        if let Some(table) = &run.writes
            && self.writes(table).await? == Done::Failed
        {
            return Ok(Done::Failed);
        }
        self.not_younger(&run.reads).await
    }

    /// That no table is younger than the snapshot of the transaction: names are looked up as of now, the rows of the catalog as of the
    /// snapshot.
    async fn not_younger(&mut self, tables: &[Name]) -> Step<Done> {
        if self.backend.status != b'T' || tables.is_empty() {
            return Ok(Done::Well);
        }
        let younger = tables.iter().map(|table| {
            let relation = format!("pg_catalog.to_regclass({})", literal(&table.sql()));
            format!("({relation} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = {relation}))")
        });
        let younger = format!("SELECT 1 WHERE {}", younger.collect::<Vec<_>>().join(" OR "));
        let answer = self.backend.query(&younger).await?;
        if let Some(fields) = answer.error {
            let fields = translated(fields, self.backend.key.0);
            self.client.write(b'E', &fields.build()).await?;
            return Ok(Done::Failed);
        }
        if answer.rows.is_empty() {
            return Ok(Done::Well);
        }
        self.fail(&SqlError::refused(&NEW_RELATION_IS_1018, "1018").detail("Relation does not exist.")).await
    }

    /// Notes that a table is written. In a transaction it is locked, and must not be younger than the snapshot.
    pub(super) async fn writes(&mut self, table: &Name) -> Step<Done> {
        self.written.push(table.name.clone());
        if self.backend.status != b'T' {
            return Ok(Done::Well);
        }
        if let Some(fields) = self.lock(table).await? {
            self.client.write(b'E', &fields.build()).await?;
            return Ok(Done::Failed);
        }
        self.not_younger(std::slice::from_ref(table)).await
    }

    /// Locks a table for writing; the error if that fails.
    pub(super) async fn lock(&mut self, table: &Name) -> Step<Option<Fields>> {
        let answer = self.backend.query(&format!("LOCK TABLE {} {WRITE_LOCK}", table.sql())).await?;
        Ok(answer.error.map(|fields| translated(fields, self.backend.key.0)))
    }

    /// What is noted after a statement.
    pub(super) async fn after(&mut self, run: &Run, done: Done) -> Step<Done> {
        if done == Done::Well
            && let Some(after) = &run.after
        {
            let answer = self.backend.query(after).await?;
            if let Some(fields) = answer.error {
                let fields = translated(fields, self.backend.key.0);
                tracing::warn!(message = fields.get(b'M'), "what PostgreSQL does not keep was not noted");
            }
        }
        if self.backend.status == b'I' {
            self.written.clear();
        }
        Ok(done)
    }

    /// Makes names known that are too long for PostgreSQL, so that they can be told from what stands for them.
    pub(super) async fn register_names(&mut self, tokens: &[Token<'_>]) -> Step<()> {
        for token in tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)) {
            if let Some(name) = token.name() {
                self.shared.register(&name).await?;
            }
        }
        Ok(())
    }

    /// ALTER TABLE APPEND: the rows of one table become those of another, at once (r_ALTER_TABLE_APPEND).
    pub(super) async fn append(&mut self, append: &Append) -> Step<Done> {
        if self.backend.status != b'I' {
            let message = "ALTER TABLE APPEND cannot run inside a transaction block";
            return self.fail(&SqlError::refused(&APPEND_NOT_IN_TRANSACTION, message)).await;
        }
        let (target, source) = (self.columns(&append.target).await?, self.columns(&append.source).await?);
        let missing: Vec<&String> = target.iter().filter(|column| !source.contains(column)).collect();
        let extra: Vec<&String> = source.iter().filter(|column| !target.contains(column)).collect();
        if (!missing.is_empty() && !append.fill_target) || (!extra.is_empty() && !append.ignore_extra) {
            let message = "ALTER TABLE APPEND: source and target do not have the same columns";
            return self.fail(&SqlError::refused(&APPEND_NOT_IN_TRANSACTION, message)).await;
        }
        let shared: Vec<String> =
            target.iter().filter(|column| source.contains(column)).map(|name| crate::sql::quote(name)).collect();
        let (columns, from, to) = (shared.join(", "), append.source.sql(), append.target.sql());
        let moved = format!(
            "LOCK TABLE {to}, {from} IN ACCESS EXCLUSIVE MODE; INSERT INTO {to} ({columns}) SELECT {columns} FROM {from}; TRUNCATE TABLE {from}"
        );
        if self.silently(&moved).await? == Done::Failed {
            return Ok(Done::Failed);
        }
        self.complete("ALTER TABLE").await?;
        Ok(Done::Well)
    }

    /// The names of a table's columns; none if there is no such table.
    async fn columns(&mut self, table: &Name) -> Step<Vec<String>> {
        let sql = format!(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass({}) AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum",
            literal(&table.sql())
        );
        let answer = self.backend.query(&sql).await?;
        Ok(answer.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }
}
