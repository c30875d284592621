//! The borders of transactions, where faults strike.

use super::errors::conflict;
use super::relay::Until;
use super::{Done, End, Session, Step};
use crate::faults::FaultKind;
use crate::sql::{Name, Vacuum};
use crate::wire::Builder;

impl Session {
    pub(super) async fn begin(&mut self) -> Step<Done> {
        if self.implicit {
            // The client makes the transaction that the proxy opened its own.
            self.implicit = false;
            self.complete("BEGIN").await?;
            return Ok(Done::Well);
        }
        self.pass("BEGIN").await
    }

    pub(super) async fn commit(&mut self) -> Step<Done> {
        self.implicit = false;
        let written = std::mem::take(&mut self.written);
        let open = self.backend.status == b'T';
        let fault = if open { self.shared.faults.take(&written, at_commit) } else { None };
        match fault {
            Some(FaultKind::CutBeforeCommit) => Err(End::Cut),
            Some(FaultKind::CutAfterCommit) => {
                self.backend.query("COMMIT").await?;
                Err(End::Cut)
            }
            Some(_) => {
                self.backend.query("ROLLBACK").await?;
                self.client.write(b'E', &conflict(self.backend.key.0).fields().build()).await?;
                Ok(Done::Failed)
            }
            None => self.pass("COMMIT").await,
        }
    }

    pub(super) async fn rollback(&mut self) -> Step<Done> {
        self.implicit = false;
        self.written.clear();
        self.pass("ROLLBACK").await
    }

    /// Ends the transaction that the proxy opened.
    pub(super) async fn end_implicit(&mut self, done: Done) -> Step<Done> {
        self.implicit = false;
        self.written.clear();
        self.silently(if done == Done::Well { "COMMIT" } else { "ROLLBACK" }).await
    }

    /// Runs a statement of PostgreSQL that the client is told about.
    pub(super) async fn pass(&mut self, sql: &str) -> Step<Done> {
        self.backend.send(b'Q', &Builder::default().text(sql).build()).await?;
        self.backend.flush().await?;
        self.relay(Until::Ready, 0).await
    }

    /// TRUNCATE commits, with all that came before it (r_TRUNCATE).
    pub(super) async fn truncate(&mut self, table: &Name) -> Step<Done> {
        let open = self.backend.status == b'T';
        self.written.push(table.name.clone());
        if self.silently(&format!("TRUNCATE TABLE {}", table.sql())).await? == Done::Failed {
            return Ok(Done::Failed);
        }
        self.committed(open, "TRUNCATE").await
    }

    /// VACUUM commits (c_serial_isolation); there is nothing to do in PostgreSQL that a client could see.
    pub(super) async fn vacuum(&mut self, vacuum: &Vacuum) -> Step<Done> {
        let open = self.backend.status == b'T';
        let probe = match &vacuum.table {
            Some(table) => format!("SELECT FROM {} WHERE false", table.sql()),
            None => "SELECT".to_owned(),
        };
        if self.silently(&probe).await? == Done::Failed {
            return Ok(Done::Failed);
        }
        self.committed(open, "VACUUM").await
    }

    /// Commits the open transaction, if there is one, and tells the client that the statement is done.
    pub(super) async fn committed(&mut self, open: bool, tag: &str) -> Step<Done> {
        if open {
            self.implicit = false;
            self.written.clear();
            if self.silently("COMMIT").await? == Done::Failed {
                return Ok(Done::Failed);
            }
        }
        self.complete(tag).await?;
        Ok(Done::Well)
    }
}

fn at_commit(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::CutBeforeCommit | FaultKind::CutAfterCommit | FaultKind::ConflictOnCommit)
}
