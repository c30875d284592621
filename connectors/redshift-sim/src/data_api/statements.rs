//! Statements that were submitted: begun, run, described, cancelled.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::request::{batch, required, statement, text};
use super::sessions::{Connected, Place, Sessions, connect};
use super::submission::{Part, Status, Submission};
use super::{Fault, Front};
use crate::shared::Shared;
use crate::wire::Answer;

/// The most statements that are remembered; the service forgets them after a day.
const MOST_STATEMENTS: usize = 10_000;

/// All statements.
#[derive(Debug)]
pub(super) struct Statements {
    inner: Arc<Inner>,
    /// What was answered to requests with a token.
    tokens: Mutex<HashMap<String, Value>>,
    running: tokio::sync::Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Inner {
    front: Front,
    shared: Arc<Shared>,
    known: Mutex<HashMap<String, Submission>>,
    sessions: Sessions,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Statements {
    pub(super) fn new(front: Front, shared: Arc<Shared>) -> Self {
        let inner = Inner { front, shared, known: Mutex::default(), sessions: Sessions::default() };
        Self { inner: Arc::new(inner), tokens: Mutex::default(), running: tokio::sync::Mutex::default() }
    }

    pub(super) async fn execute(&self, request: &Value) -> Result<Value, Fault> {
        let sql = statement(request)?;
        self.submit(request, vec![sql], false).await
    }

    pub(super) async fn execute_batch(&self, request: &Value) -> Result<Value, Fault> {
        let sqls = batch(request)?;
        self.submit(request, sqls, true).await
    }

    /// Begins to run statements, unless a request with the same token has done so.
    async fn submit(&self, request: &Value, sqls: Vec<String>, is_batch: bool) -> Result<Value, Fault> {
        let token = text(request, "ClientToken");
        let mut running = self.running.lock().await;
        if let Some(earlier) = token.and_then(|token| lock(&self.tokens).get(token).cloned()) {
            return Ok(earlier);
        }
        if lock(&self.inner.known).len() >= MOST_STATEMENTS {
            let message = format!("more than {MOST_STATEMENTS} statements");
            return Err(Fault { kind: "ActiveStatementsExceededException", message });
        }
        let place = self.inner.sessions.enter(request, &self.inner.front, uuid)?;
        let id = uuid();
        let submitted = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
        let submission = Submission::new(&sqls, is_batch, place.session.clone(), submitted);
        lock(&self.inner.known).insert(id.clone(), submission);
        let mut answer = json!({"Id": id, "CreatedAt": submitted, "DbUser": self.inner.front.user});
        for name in ["Database", "WorkgroupName", "ClusterIdentifier", "SecretArn"] {
            if let Some(value) = text(request, name) {
                answer[name] = json!(value);
            }
        }
        if let Some(session) = &place.session {
            answer["SessionId"] = json!(session);
        }
        if let Some(token) = token {
            lock(&self.tokens).insert(token.to_owned(), answer.clone());
        }
        while running.try_join_next().is_some() {}
        let inner = Arc::clone(&self.inner);
        running.spawn(async move { inner.run(&id, place, &sqls, is_batch).await });
        Ok(answer)
    }

    pub(super) fn describe(&self, request: &Value) -> Result<Value, Fault> {
        let id = required(request, "Id")?;
        let known = lock(&self.inner.known);
        let (submission, part) = find(&known, id)?;
        Ok(submission.described(id, part, &self.inner.front))
    }

    pub(super) fn result(&self, request: &Value) -> Result<Value, Fault> {
        let id = required(request, "Id")?;
        let known = lock(&self.inner.known);
        let (submission, part) = find(&known, id)?;
        submission.page(id, part, text(request, "NextToken"))
    }

    pub(super) async fn cancel(&self, request: &Value) -> Result<Value, Fault> {
        let id = required(request, "Id")?;
        let process = {
            let mut known = lock(&self.inner.known);
            let submission = known.get_mut(id).ok_or_else(|| Fault::not_found(id))?;
            if submission.status() != Status::Started {
                return Err(Fault::invalid(format!(
                    "Could not cancel a query that is already in {} state with ID: {id}",
                    submission.status().name()
                )));
            }
            submission.cancelled = true;
            submission.process
        };
        if let Some(key) = process {
            self.inner.shared.cancel(key).await.map_err(|error| Fault::invalid(error.to_string()))?;
        }
        Ok(json!({"Status": true}))
    }
}

impl Inner {
    /// Runs statements where they belong, and keeps their session for as long as was asked.
    async fn run(&self, id: &str, mut place: Place, sqls: &[String], is_batch: bool) {
        let connection = match place.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.front, &self.shared, &place).await,
        };
        let (result, connection) = match connection {
            Err(error) => (Err(error.to_string()), None),
            Ok(mut connection) => {
                if let Some(submission) = lock(&self.known).get_mut(id) {
                    submission.process = Some(connection.key);
                }
                match run_all(&mut connection, sqls, is_batch).await {
                    Ok(result) => (result, Some(connection)),
                    Err(error) => (Err(format!("FATAL: connection to server was lost: {error}")), None),
                }
            }
        };
        // Before the statement is seen to have ended: the next one may come at once.
        let stays = place.session.as_ref().and_then(|session| self.sessions.rest(session, connection));
        if let Some(submission) = lock(&self.known).get_mut(id) {
            submission.end(result);
        }
        if let (Some(session), Some(stays)) = (&place.session, stays) {
            tokio::time::sleep(stays).await;
            self.sessions.expire(session);
        }
    }
}

/// Runs statements; those of a batch are one transaction. The outer error is that of a connection that is gone.
async fn run_all(connection: &mut Connected, sqls: &[String], is_batch: bool) -> io::Result<Result<Vec<Answer>, String>> {
    if is_batch {
        connection.query("BEGIN").await?;
    }
    let mut answers = Vec::new();
    for sql in sqls {
        let answer = connection.query(sql).await?;
        if let Some(error) = &answer.error {
            let detail = Some(error.get(b'D')).filter(|detail| !detail.is_empty()).map(|detail| format!(" Detail: {detail}"));
            let message = format!("ERROR: {}{}", error.get(b'M'), detail.unwrap_or_default());
            if is_batch {
                connection.query("ROLLBACK").await?;
            }
            return Ok(Err(message));
        }
        answers.push(answer);
    }
    if is_batch {
        connection.must("COMMIT").await?;
    }
    Ok(Ok(answers))
}

/// A submission, and the part of it that `id` names by a number after a colon.
fn find<'k>(known: &'k HashMap<String, Submission>, id: &str) -> Result<(&'k Submission, Option<&'k Part>), Fault> {
    let (whole, number) = id.split_once(':').map_or((id, None), |(whole, number)| (whole, number.parse::<usize>().ok()));
    let submission = known.get(whole).ok_or_else(|| Fault::not_found(id))?;
    let part = number.and_then(|number| submission.part(number));
    if number.is_some() && part.is_none() { Err(Fault::not_found(id)) } else { Ok((submission, part)) }
}

/// A random identifier in the form of a UUID of version 4.
fn uuid() -> String {
    let random = (rand::random::<u128>() & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{random:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
