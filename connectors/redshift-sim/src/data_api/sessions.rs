//! Sessions that are kept between statements (`SessionKeepAliveSeconds`, `SessionId`): one statement at a time, and an end.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;

use super::request::text;
use super::{Fault, Front};
use crate::shared::Shared;
use crate::wire::Backend;

/// The longest time that a session is kept (ExecuteStatement: "The maximum time a session can keep alive is 24 hours").
const LONGEST_SECONDS: i64 = 86_400;
/// The most sessions of a warehouse (Management Guide, `amazon-redshift-limits`).
const MOST_SESSIONS: usize = 500;
/// What a request may not have beside SessionId, which stands for all of it.
const OF_A_NEW_SESSION: [&str; 5] = ["Database", "ClusterIdentifier", "WorkgroupName", "DbUser", "SecretArn"];

/// A connection to the stand-in.
pub(super) type Connected = Backend<TcpStream>;

/// A session that is kept.
#[derive(Debug)]
struct Kept {
    /// The connection, while nothing runs in it.
    connection: Option<Connected>,
    keep_alive: Duration,
    /// When it ends, unless a statement comes.
    until: Instant,
}

/// Those that are kept, and those that were.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    kept: Mutex<HashMap<String, Option<Kept>>>,
}

/// What a statement runs in.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: Option<Connected>,
    pub(super) database: String,
    pub(super) user: String,
    /// The session that is kept afterwards.
    pub(super) session: Option<String>,
}

impl Sessions {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Option<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the statements of `request` run in: the session it names, a new one that is kept, or one of their own.
    pub(super) fn enter(&self, request: &Value, front: &Front, id: impl Fn() -> String) -> Result<Place, Fault> {
        let keep_alive = match request.get("SessionKeepAliveSeconds") {
            None | Some(Value::Null) => None,
            Some(seconds) => {
                let seconds = seconds.as_i64().filter(|seconds| (0..=LONGEST_SECONDS).contains(seconds));
                let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
                Some(seconds.ok_or_else(|| Fault::invalid("SessionKeepAliveSeconds must be a number from 0 to 86400"))?)
            }
        };
        if let Some(session) = text(request, "SessionId") {
            return self.again(request, session, keep_alive);
        }
        let (cluster, workgroup) = (text(request, "ClusterIdentifier"), text(request, "WorkgroupName"));
        if cluster.is_some() == workgroup.is_some() {
            return Err(Fault::invalid("one of ClusterIdentifier and WorkgroupName is needed"));
        }
        let db_user = text(request, "DbUser");
        if db_user.is_some() && workgroup.is_some() {
            return Err(Fault::invalid("DbUser is for clusters: a workgroup takes its user from the IAM identity"));
        }
        let database = super::request::required(request, "Database")?.to_owned();
        let user = db_user.unwrap_or(&front.user).to_owned();
        let session = keep_alive.map(|seconds| self.begin(id(), seconds)).transpose()?;
        Ok(Place { connection: None, database, user, session })
    }

    fn begin(&self, id: String, seconds: u64) -> Result<String, Fault> {
        let mut kept = self.kept();
        if kept.values().flatten().count() >= MOST_SESSIONS {
            let message = format!("more than {MOST_SESSIONS} active sessions");
            return Err(Fault { kind: "ActiveSessionsExceededException", message });
        }
        let keep_alive = Duration::from_secs(seconds);
        kept.insert(id.clone(), Some(Kept { connection: None, keep_alive, until: Instant::now() + keep_alive }));
        Ok(id)
    }

    /// The session that is named. The words are those that were seen (awslabs/mcp#4587); for one that is busy no source has any.
    fn again(&self, request: &Value, session: &str, keep_alive: Option<u64>) -> Result<Place, Fault> {
        if let Some(other) = OF_A_NEW_SESSION.iter().find(|name| text(request, name).is_some()) {
            return Err(Fault::invalid(format!("{other} must not be given with SessionId")));
        }
        let mut kept = self.kept();
        let found = kept.get_mut(session).ok_or_else(|| Fault::invalid(format!("Session with Id: {session} is invalid")))?;
        let available = found.as_mut().filter(|kept| kept.connection.is_some());
        let available = available.ok_or_else(|| Fault::invalid("Session is not available"))?;
        if let Some(seconds) = keep_alive {
            available.keep_alive = Duration::from_secs(seconds);
        }
        let connection = available.connection.take();
        Ok(Place { connection, database: String::new(), user: String::new(), session: Some(session.to_owned()) })
    }

    /// A statement of a session has ended: how long it stays now, if its connection is still there.
    pub(super) fn rest(&self, session: &str, connection: Option<Connected>) -> Option<Duration> {
        let mut kept = self.kept();
        let found = kept.get_mut(session)?;
        let Some(connection) = connection else {
            *found = None;
            return None;
        };
        let resting = found.as_mut()?;
        resting.connection = Some(connection);
        resting.until = Instant::now() + resting.keep_alive;
        Some(resting.keep_alive)
    }

    /// Ends a session if its time has come. Its connection goes, and with it what was not committed.
    pub(super) fn expire(&self, session: &str) {
        if let Some(found) = self.kept().get_mut(session)
            && found.as_ref().is_some_and(|kept| kept.connection.is_some() && kept.until <= Instant::now())
        {
            *found = None;
        }
    }
}

/// Connects to the stand-in, as one whom the service vouches for.
pub(super) async fn connect(front: &Front, shared: &Arc<Shared>, place: &Place) -> io::Result<Connected> {
    let stream = TcpStream::connect(front.address).await?;
    let parameters =
        [("user", place.user.as_str()), ("database", place.database.as_str()), (Shared::VOUCHED, shared.voucher.as_str())];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let connected = Backend::over(stream, &parameters, "").await?;
    connected.map_err(|fields| io::Error::other(format!("FATAL: {}", fields.get(b'M'))))
}
