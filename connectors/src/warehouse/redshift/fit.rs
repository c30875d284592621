//! Makes a table, and its schema, fit a batch: before the load, and without a transaction.

use crate::error::{Error, Result};
use crate::postgres::ConnectionConfig;
use crate::warehouse::redshift::columns::LoadColumn;
use crate::warehouse::redshift::ddl::{Ddl, changes};
use crate::warehouse::redshift::fault::{Fault, Kind};
use crate::warehouse::redshift::names::{Relation, literal, quoted};
use crate::warehouse::redshift::options::TableOptions;
use crate::warehouse::redshift::problem::{Problem, While};
use crate::warehouse::redshift::session::Session;

/// A table that is to have the columns of a batch.
#[derive(Debug)]
pub(crate) struct Fit<'a> {
    pub(crate) table: &'a Relation,
    pub(crate) options: &'a TableOptions,
    pub(crate) columns: &'a [LoadColumn],
    /// Bytes of the longest text of each column.
    pub(crate) longest: &'a [u64],
    /// Whether the table is there.
    pub(crate) exists: bool,
    /// Who makes it.
    pub(crate) connection: &'a ConnectionConfig,
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
        for change in changes(self.table, self.columns, self.longest, self.exists, self.options) {
            if let Err(fault) = session.run(&change.statement).await
                && fault.kind != Kind::Exists
                && !fault.message.contains("target column size should be different")
            {
                return Err(self.problem(change, fault));
            }
        }
        Ok(())
    }

    fn problem(&self, change: Ddl, fault: Fault) -> Problem {
        let Some((column, by_hand)) = change.widens.filter(|_| !fault.passes()) else {
            return Problem::Database(fault, "altering");
        };
        let longest = self.columns.iter().zip(self.longest).find(|(it, _)| it.name == column).map_or(0, |(_, longest)| *longest);
        let message = format!(
            "column '{column}' of table '{}' is too narrow for a value of {longest} bytes and could not be made wider: {fault}; a person \
             can run: {by_hand}",
            self.table
        );
        Problem::Ours(Error::config_at(column, message))
    }

    /// IF NOT EXISTS would ask for the right to make schemas also where there is one.
    async fn make_schema(&self, session: &Session) -> Result<(), Problem> {
        let schema = &self.table.schema;
        let there = format!("SELECT COUNT(*) FROM pg_namespace WHERE nspname = {}", literal(schema));
        if session.number(&there).await.when("looking for the schema of")? != Some(0) {
            return Ok(());
        }
        match session.run(&format!("CREATE SCHEMA {}", quoted(schema))).await {
            Err(fault) if fault.kind == Kind::Denied => Err(self.may_not_make_schema(&fault).into()),
            Err(fault) if fault.kind != Kind::Exists => Err(Problem::Database(fault, "making the schema of")),
            _ => Ok(()),
        }
    }

    fn may_not_make_schema(&self, fault: &Fault) -> Error {
        let (schema, user) = (quoted(&self.table.schema), quoted(&self.connection.user));
        Error::auth(format!(
            "table '{}': its schema is not there and could not be made: {fault}; run CREATE SCHEMA {schema} AUTHORIZATION {user}, or \
             GRANT CREATE ON DATABASE {} TO {user}",
            self.table,
            quoted(&self.connection.database)
        ))
    }
}
