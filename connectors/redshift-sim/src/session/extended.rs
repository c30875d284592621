//! The extended protocol: statements that are prepared, bound and run in separate messages.
//!
//! PostgreSQL knows every statement and portal by a name that is never empty, so that a simple query of the proxy's own in between does
//! not drop it. A statement that the proxy runs itself is an empty one to PostgreSQL.

use std::sync::Arc;

use bytes::Bytes;

use super::execute::WRITE_LOCK;
use super::relay::{Until, declared_types};
use super::simple::check_length;
use super::{Done, Session, Step};
use crate::sql::{Plan, Run, plan, statements_of};
use crate::sql_error::SqlError;
use crate::wire::{Builder, Reader};

/// A statement: what it is to the proxy, and its name in PostgreSQL.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    plan: Option<Arc<Plan>>,
    name: String,
}

impl Prepared {
    /// The statement that PostgreSQL runs, if it is one.
    fn run(&self) -> Option<&Run> {
        match self.plan.as_deref() {
            Some(Plan::Run(run)) => Some(run),
            _ => None,
        }
    }

    /// What PostgreSQL is told to prepare. In a transaction that has failed it binds nothing but the end of that.
    fn sql(&self) -> &str {
        match self.plan.as_deref() {
            Some(Plan::Run(run)) => &run.sql,
            Some(Plan::Commit) => "COMMIT",
            Some(Plan::Rollback) => "ROLLBACK",
            _ => "",
        }
    }
}

/// The name of a statement or portal in PostgreSQL.
fn inner(name: &str) -> String {
    if name.is_empty() { "redshift_sim_unnamed".to_owned() } else { name.to_owned() }
}

impl Session {
    pub(super) async fn parse(&mut self, body: Bytes) -> Step<()> {
        let mut reader = Reader::new(body);
        let (name, text) = (reader.text()?, reader.text()?);
        let types = declared_types(reader.rest())?;
        let plan = match self.understand(&text).await? {
            Ok(plan) => plan,
            Err(error) => return self.refuse(&error).await,
        };
        let prepared = Prepared { plan: plan.map(Arc::new), name: inner(&name) };
        if let Some(table) = prepared.run().and_then(|run| run.writes.clone())
            && self.backend.status == b'T'
            && self.writes(&table).await? == Done::Failed
        {
            self.skipping = true;
            return Ok(());
        }
        if name.is_empty() {
            self.close_inner(b'S', &prepared.name).await?;
        }
        let sql = prepared.sql();
        let message = Builder::default().text(&prepared.name).text(sql).bytes(&types).build();
        self.backend.send(b'P', &message).await?;
        self.backend.send(b'H', &[]).await?;
        self.backend.flush().await?;
        let done = self.relay(Until::Tags(b"1"), 0).await?;
        if done == Done::Well {
            self.statements.insert(name, prepared);
            self.forget_snapshot().await?;
        }
        Ok(())
    }

    /// What a text is: nothing at all, or one statement.
    async fn understand(&mut self, text: &str) -> Step<Result<Option<Plan>, SqlError>> {
        let parts = match check_length(text).and_then(|()| statements_of(text, self.exact)) {
            Ok(parts) => parts,
            Err(error) => return Ok(Err(error)),
        };
        match parts.as_slice() {
            [] => Ok(Ok(None)),
            [tokens] => {
                self.register_names(tokens).await?;
                Ok(plan(tokens).map(Some))
            }
            _ => Ok(Err(SqlError::new("42601", "cannot insert multiple commands into a prepared statement"))),
        }
    }

    async fn refuse(&mut self, error: &SqlError) -> Step<()> {
        self.fail(error).await?;
        self.skipping = true;
        Ok(())
    }

    /// Outside a transaction, preparing has taken a snapshot that a lock must come before: Sync lets it go.
    async fn forget_snapshot(&mut self) -> Step<()> {
        if self.backend.status == b'I' && !self.implicit {
            self.backend.send(b'S', &[]).await?;
            self.backend.flush().await?;
            while self.backend.read().await?.tag != b'Z' {}
        }
        Ok(())
    }

    /// Closes a statement or portal of PostgreSQL without the client's knowledge.
    async fn close_inner(&mut self, kind: u8, name: &str) -> Step<()> {
        self.backend.send(b'C', &Builder::default().byte(kind).text(name).build()).await?;
        self.backend.send(b'H', &[]).await?;
        self.backend.flush().await?;
        while self.backend.read().await?.tag != b'3' {}
        Ok(())
    }

    pub(super) async fn bind(&mut self, body: Bytes) -> Step<()> {
        let mut reader = Reader::new(body);
        let (portal, name) = (reader.text()?, reader.text()?);
        let Some(prepared) = self.statements.get(&name).cloned() else {
            return self.refuse(&SqlError::new("26000", format!("prepared statement \"{name}\" does not exist"))).await;
        };
        if let Some(run) = prepared.run().cloned()
            && self.open_for(&run).await? == Done::Failed
        {
            self.skipping = true;
            return Ok(());
        }
        if portal.is_empty() {
            self.close_inner(b'P', &inner(&portal)).await?;
        }
        let message = Builder::default().text(&inner(&portal)).text(&prepared.name).bytes(&reader.rest()).build();
        self.backend.send(b'B', &message).await?;
        self.backend.send(b'H', &[]).await?;
        self.backend.flush().await?;
        if self.relay(Until::Tags(b"2"), 0).await? == Done::Well {
            self.portals.insert(portal, prepared);
        }
        Ok(())
    }

    /// Locks what a statement writes before it is bound, in a transaction that lasts until Sync if the client has none.
    async fn open_for(&mut self, run: &Run) -> Step<Done> {
        if self.backend.status == b'I'
            && let Some(table) = &run.writes
        {
            let lock = format!("BEGIN; LOCK TABLE {} {WRITE_LOCK}", table.sql());
            self.implicit = true;
            if self.silently(&lock).await? == Done::Failed {
                return Ok(Done::Failed);
            }
        }
        self.prepare_to_run(run).await
    }

    pub(super) async fn describe(&mut self, body: Bytes) -> Step<()> {
        let mut reader = Reader::new(body);
        let (kind, name) = (reader.byte()?, reader.text()?);
        self.backend.send(b'D', &Builder::default().byte(kind).text(&inner(&name)).build()).await?;
        self.backend.send(b'H', &[]).await?;
        self.backend.flush().await?;
        self.relay(Until::Tags(b"Tn"), 0).await?;
        Ok(())
    }

    pub(super) async fn execute_portal(&mut self, body: Bytes) -> Step<()> {
        let mut reader = Reader::new(body);
        let (portal, rows) = (reader.text()?, reader.int32()?);
        let Some(prepared) = self.portals.get(&portal).cloned() else {
            return self.refuse(&SqlError::new("34000", format!("portal \"{portal}\" does not exist"))).await;
        };
        match prepared.plan.as_deref() {
            None | Some(Plan::Run(_)) => {
                self.backend.send(b'E', &Builder::default().text(&inner(&portal)).int32(rows).build()).await?;
                self.backend.send(b'H', &[]).await?;
                self.backend.flush().await?;
                let done = self.relay(Until::Tags(b"CIs"), 0).await?;
                match prepared.run().filter(|run| done == Done::Well && run.after.is_some()) {
                    Some(run) => self.after(run, done).await.map(|_| ()),
                    None => Ok(()),
                }
            }
            Some(plan) => {
                let done = Box::pin(self.execute(plan)).await?;
                self.skipping = done == Done::Failed;
                Ok(())
            }
        }
    }

    pub(super) async fn close(&mut self, body: Bytes) -> Step<()> {
        let mut reader = Reader::new(body);
        let (kind, name) = (reader.byte()?, reader.text()?);
        self.close_inner(kind, &inner(&name)).await?;
        if kind == b'S' {
            self.statements.remove(&name);
        } else {
            self.portals.remove(&name);
        }
        Ok(self.client.write(b'3', &[]).await?)
    }

    pub(super) async fn sync(&mut self) -> Step<()> {
        self.backend.send(b'S', &[]).await?;
        self.backend.flush().await?;
        while self.backend.read().await?.tag != b'Z' {}
        let failed = std::mem::take(&mut self.skipping);
        if self.implicit {
            self.end_implicit(if failed { Done::Failed } else { Done::Well }).await?;
        }
        if self.backend.status == b'I' {
            self.portals.clear();
            self.written.clear();
        }
        self.ready().await
    }
}
