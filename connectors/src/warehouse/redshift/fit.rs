//! Makes a table, and its schema, fit a batch: before the load, and without a transaction.

use crate::error::{Error, Result};
use crate::warehouse::redshift::columns::LoadColumn;
use crate::warehouse::redshift::config::set_timeout;
use crate::warehouse::redshift::ddl::{Ddl, changes};
use crate::warehouse::redshift::fault::{Fault, Kind};
use crate::warehouse::redshift::names::{literal, quoted};
use crate::warehouse::redshift::options::TableOptions;
use crate::warehouse::redshift::problem::{Problem, While};
use crate::warehouse::redshift::session::Session;
use crate::warehouse::redshift::views;
use crate::warehouse::redshift::waiting::Waiting;

/// A table that is to have the columns of a batch.
#[derive(Debug)]
pub(crate) struct Fit<'a> {
    pub(crate) waiting: Waiting<'a>,
    pub(crate) options: &'a TableOptions,
    pub(crate) columns: &'a [LoadColumn],
    /// Bytes of the longest text of each column.
    pub(crate) longest: &'a [u64],
    /// Whether the table is there.
    pub(crate) exists: bool,
}

impl Fit<'_> {
    /// Makes it so, each change by itself. One that somebody else was faster with is no fault.
    ///
    /// # Errors
    /// What the database says; [`Error::Config`] at a column that cannot be made wider, with what a person can run.
    pub(crate) async fn make(&self, session: &Session) -> Result<(), Problem> {
        if !self.exists {
            self.make_schema(session).await?;
        }
        let changes = changes(self.waiting.table, self.columns, self.longest, self.exists, self.options);
        if !self.exists {
            return self.make_table(session, changes).await;
        }
        if changes.is_empty() {
            return Ok(());
        }
        // Whoever comes after an ALTER that waits, waits for it.
        session.run(&set_timeout(Some(self.waiting.alter_limit()))).await.when("altering")?;
        self.apply(session, changes).await?;
        session.run(&set_timeout(self.waiting.config.statement_timeout)).await.when("altering").map(drop)
    }

    /// In one transaction: a table without its grants and comments would be taken for one that was made, and never get them.
    async fn make_table(&self, session: &Session, changes: Vec<Ddl>) -> Result<(), Problem> {
        session.run("BEGIN").await.when("making")?;
        for change in changes {
            if let Err(fault) = self.waiting.run(session, &change.statement).await {
                session.roll_back().await;
                // Whoever was faster made all of it.
                let is_made = fault.kind == Kind::Exists;
                return if is_made { Ok(()) } else { Err(self.not_made(&change, self.waiting.explained(fault).await)) };
            }
        }
        session.run("COMMIT").await.when("making").map(drop)
    }

    fn not_made(&self, change: &Ddl, fault: Fault) -> Problem {
        if fault.passes() || !change.statement.starts_with("GRANT ") {
            return Problem::Database(fault, "making");
        }
        let message = format!(
            "table '{}' was not made, because {} failed: {fault}; make who is named there and run again, or correct 'grants' in its OPTIONS and \
             run with --discard-epoch",
            self.waiting.table, change.statement
        );
        Problem::Ours(Error::config_at("grants", message))
    }

    async fn apply(&self, session: &Session, changes: Vec<Ddl>) -> Result<(), Problem> {
        for change in changes {
            if let Err(fault) = self.waiting.run(session, &change.statement).await
                && fault.kind != Kind::Exists
                && !fault.message.contains("target column size should be different")
            {
                return Err(self.problem(session, change, self.waiting.explained(fault).await).await);
            }
        }
        Ok(())
    }

    async fn problem(&self, session: &Session, change: Ddl, fault: Fault) -> Problem {
        let Some((column, by_hand)) = change.widens.filter(|_| !fault.passes()) else {
            return Problem::Database(fault, "altering");
        };
        let views = views::of_column(session, self.waiting.table, &column).await.unwrap_or_default();
        // Where a view is what is in the way, the statement itself works behind it.
        let is_views = fault.message.to_ascii_lowercase().contains("view");
        let by_hand = match (views.is_empty(), is_views) {
            (true, _) => by_hand,
            (false, true) => format!("in this order: {}", views::around(&change.statement, &views)),
            (false, false) => format!("in this order: {}", views::around(&by_hand, &views)),
        };
        let longest = self.columns.iter().zip(self.longest).find(|(it, _)| it.name == column).map_or(0, |(_, longest)| *longest);
        let message = format!(
            "column '{column}' of table '{}' is too narrow for a value of {longest} bytes and could not be made wider: {fault}; a person \
             can run: {by_hand}",
            self.waiting.table
        );
        Problem::Ours(Error::config_at(column, message))
    }

    /// IF NOT EXISTS would ask for the right to make schemas also where there is one.
    async fn make_schema(&self, session: &Session) -> Result<(), Problem> {
        let schema = &self.waiting.table.schema;
        let there = format!("SELECT COUNT(*) FROM pg_namespace WHERE nspname = {}", literal(schema));
        if session.number(&there).await.when("looking for the schema of")? != Some(0) {
            return Ok(());
        }
        match session.run(&format!("CREATE SCHEMA {}", quoted(schema))).await {
            Err(fault) if fault.kind == Kind::Denied => Err(self.may_not_make_schema(session, &fault).await.into()),
            Err(fault) if fault.kind != Kind::Exists => Err(Problem::Database(fault, "making the schema of")),
            _ => Ok(()),
        }
    }

    async fn may_not_make_schema(&self, session: &Session, fault: &Fault) -> Error {
        let asked = session.rows("SELECT current_user, current_database()").await.ok();
        let mut who = asked.and_then(|rows| rows.into_iter().next()).into_iter().flatten().map(Option::unwrap_or_default);
        let mut next = |unknown: &str| quoted(&who.next().unwrap_or_else(|| unknown.to_owned()));
        let (schema, user, database) = (quoted(&self.waiting.table.schema), next("USER"), next("DATABASE"));
        Error::auth(format!(
            "table '{}': its schema is not there and could not be made: {fault}; run CREATE SCHEMA {schema} AUTHORIZATION {user}, or \
             GRANT CREATE ON DATABASE {database} TO {user}",
            self.waiting.table
        ))
    }
}
