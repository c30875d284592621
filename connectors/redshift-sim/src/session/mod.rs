//! One client's session: it is answered as Redshift would, with a connection to PostgreSQL of its own behind it.
//!
//! Everything is done in step: a message of the client is passed on, and its answer relayed, before the next one is looked at. So the
//! proxy always knows where PostgreSQL stands, and can run statements of its own in between, in the client's transaction.

mod errors;
mod execute;
mod extended;
mod load;
mod relay;
mod simple;
mod startup;
mod transaction;
mod unload;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::shared::Shared;
use crate::sql::Plan;
use crate::wire::{Backend, Builder, Connection};

pub(crate) use startup::serve;

/// Why a session ends before the client ends it.
#[derive(Debug)]
pub(crate) enum End {
    /// A connection broke.
    Io(io::Error),
    /// A fault that was ordered.
    Cut,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The result of a step of the session.
pub(crate) type Step<T> = Result<T, End>;

/// Whether a statement succeeded. If not, the client has the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Well,
    Failed,
}

/// A session.
struct Session {
    client: Connection<TcpStream>,
    backend: Backend,
    shared: Arc<Shared>,
    user: String,
    database: String,
    /// Whether names in double quotes are kept as they are.
    exact: bool,
    /// Whether it is one of the Data API.
    by_data_api: bool,
    /// Statements of the extended protocol, by the client's name.
    statements: HashMap<String, extended::Prepared>,
    /// Portals, by the client's name: the statement each is of.
    portals: HashMap<String, extended::Prepared>,
    /// After an error in the extended protocol everything is passed over until Sync.
    skipping: bool,
    /// Whether the open transaction is one that the proxy opened for what is one unit to the client.
    implicit: bool,
    /// The tables that the open transaction wrote.
    written: Vec<String>,
    /// Rung when the client asks to cancel what runs.
    cancelled: Arc<Notify>,
}

impl Session {
    /// Serves the client until it goes.
    async fn run(&mut self) -> Step<()> {
        while let Some(frame) = self.client.read().await? {
            match frame.tag {
                b'X' => return Ok(()),
                b'S' => self.sync().await?,
                b'H' => self.client.flush().await?,
                _ if self.skipping => {}
                b'Q' => self.simple(frame.body).await?,
                b'P' => self.parse(frame.body).await?,
                b'B' => self.bind(frame.body).await?,
                b'D' => self.describe(frame.body).await?,
                b'E' => self.execute_portal(frame.body).await?,
                b'C' => self.close(frame.body).await?,
                // What is left of a COPY that was refused.
                b'd' | b'c' | b'f' => {}
                other => {
                    let message = format!("a message of type {other:#x}");
                    self.client.write(b'E', &crate::sql_error::SqlError::unknown(message).fields().build()).await?;
                    self.client.flush().await?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tells the client that the next statement may come.
    async fn ready(&mut self) -> Step<()> {
        self.client.write(b'Z', &[self.backend.status]).await?;
        Ok(self.client.flush().await?)
    }

    /// The tag that ends a statement.
    async fn complete(&mut self, tag: &str) -> Step<()> {
        Ok(self.client.write(b'C', &Builder::default().text(tag).build()).await?)
    }

    /// Runs a statement that was understood.
    async fn execute(&mut self, plan: &Plan) -> Step<Done> {
        match plan {
            Plan::Run(run) => self.run_statement(run).await,
            Plan::Begin => self.begin().await,
            Plan::Commit => self.commit().await,
            Plan::Rollback => self.rollback().await,
            Plan::Truncate(table) => self.truncate(table).await,
            Plan::Vacuum(vacuum) => self.vacuum(vacuum).await,
            Plan::Append(append) => self.append(append).await,
            Plan::Copy(copy) => self.copy(copy).await,
            Plan::Unload(unload) => self.unload(unload).await,
            Plan::Fault(fault) => {
                self.shared.faults.push(fault.clone());
                self.complete("SET").await?;
                Ok(Done::Well)
            }
        }
    }
}
