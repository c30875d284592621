//! Runs the statements of a load: what comes before the transaction, the transaction with its ledger and fence, what comes after.

use crate::error::{Error, Result};
use crate::faults::{AFTER_TABLE_COMMIT, BEFORE_TABLE_COMMIT, point};
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::ledger::{Entry, Ledger};
use crate::warehouse::redshift::load::{Statement, Statements};
use crate::warehouse::redshift::load_errors::explained;
use crate::warehouse::redshift::names::Relation;
use crate::warehouse::redshift::problem::{Problem, While};
use crate::warehouse::redshift::session::Session;
use crate::warehouse::redshift::waiting::Waiting;

/// One load in one session.
#[derive(Debug)]
pub(crate) struct Loading<'a> {
    pub(crate) session: &'a Session,
    pub(crate) waiting: Waiting<'a>,
    pub(crate) ledger: &'a Ledger,
    pub(crate) entry: &'a Entry<'a>,
    /// The last epoch of the writer when the load began.
    pub(crate) last_epoch: i64,
}

impl Loading<'_> {
    /// Runs all of them. When it fails, nothing is committed, or it is not known: the ledger knows.
    ///
    /// # Errors
    /// What the database says, with the reason of a COPY that failed; [`Fault::passes`] where somebody else was faster.
    pub(crate) async fn run(&self, statements: &Statements) -> Result<(), Problem> {
        let session = self.session;
        for statement in &statements.prepare {
            if let Err(problem) = self.step(statement).await {
                return Err(self.with_reason(problem).await);
            }
        }
        session.run("BEGIN").await.when("loading")?;
        if let Err(problem) = self.transaction(&statements.transaction).await {
            session.roll_back().await;
            return Err(self.with_reason(problem).await);
        }
        point(BEFORE_TABLE_COMMIT);
        let committed = session.run("COMMIT").await;
        point(AFTER_TABLE_COMMIT);
        committed.when("committing to")?;
        tidy(session, self.waiting.table, &statements.after).await;
        Ok(())
    }

    async fn transaction(&self, statements: &[Statement]) -> Result<(), Problem> {
        for statement in statements {
            self.step(statement).await?;
        }
        self.ask(&self.ledger.record(self.entry)).await.when("writing the ledger of")?;
        let fence = self.ledger.fence(self.entry.id, self.last_epoch);
        match self.ask(&fence).await.when("writing the ledger of")? {
            1 => Ok(()),
            _ => Err(Problem::Database(Fault::new("40001", "another engine was faster"), "committing to")),
        }
    }

    /// One statement, which may have to wait.
    async fn ask(&self, statement: &str) -> Result<u64, Fault> {
        match self.waiting.run(self.session, statement).await {
            Err(fault) => Err(self.waiting.explained(fault).await),
            changed => changed,
        }
    }

    async fn step(&self, statement: &Statement) -> Result<(), Problem> {
        let (text, into) = match statement {
            Statement::Run(text) => return self.ask(text).await.map(drop).when("loading"),
            Statement::Copy { text, into } => (text, into),
        };
        self.ask(text).await.when("COPY into")?;
        let loaded = self.session.copied(into).await.when("counting the rows of")?;
        let rows = self.entry.rows;
        if loaded.and_then(|loaded| u64::try_from(loaded).ok()) == Some(rows) {
            return Ok(());
        }
        let loaded = loaded.unwrap_or_default();
        Err(Error::data(format!("COPY into '{}' loaded {loaded} of {rows} rows; nothing was committed", self.waiting.table))
            .into())
    }

    /// Outside of the transaction that failed, where the system tables can be read.
    async fn with_reason(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Database(fault, doing) => Problem::Database(explained(self.session, fault).await, doing),
            ours @ Problem::Ours(_) => ours,
        }
    }
}

/// Runs statements that change nothing that is committed; a failure is logged.
pub(crate) async fn tidy(session: &Session, table: &Relation, statements: &[String]) {
    for statement in statements {
        if let Err(fault) = session.run(statement).await {
            tracing::warn!(%table, statement, %fault, "tidying up failed");
        }
    }
}
