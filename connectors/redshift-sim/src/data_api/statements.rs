//! Statements that were submitted, while they run and after.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::request::{batch, required, statement, text};
use super::values::{metadata, records};
use super::{Fault, Front};
use crate::shared::Shared;
use crate::wire::{Answer, Backend};

/// The most statements that are remembered; the service forgets them after a day.
const MOST_STATEMENTS: usize = 10_000;

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Started,
    Finished,
    Failed,
    Aborted,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }
}

/// One statement of a submission.
#[derive(Debug)]
struct Part {
    sql: String,
    status: Status,
    answer: Option<Answer>,
    error: Option<String>,
}

/// What was submitted at once.
#[derive(Debug)]
struct Submission {
    parts: Vec<Part>,
    is_batch: bool,
    submitted: f64,
    started: Instant,
    nanoseconds: u128,
    session: Option<(i32, i32)>,
    cancelled: bool,
}

impl Submission {
    fn status(&self) -> Status {
        let any = |status| self.parts.iter().any(|part| part.status == status);
        match () {
            () if any(Status::Aborted) => Status::Aborted,
            () if any(Status::Failed) => Status::Failed,
            () if any(Status::Started) => Status::Started,
            () => Status::Finished,
        }
    }
}

/// All statements.
#[derive(Debug)]
pub(super) struct Statements {
    front: Front,
    shared: Arc<Shared>,
    known: Arc<Mutex<HashMap<String, Submission>>>,
    tokens: Mutex<HashMap<String, String>>,
    running: tokio::sync::Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Statements {
    pub(super) fn new(front: Front, shared: Arc<Shared>) -> Self {
        Self { front, shared, known: Arc::default(), tokens: Mutex::default(), running: tokio::sync::Mutex::default() }
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
        if text(request, "SessionKeepAliveSeconds").is_some() || request.get("SessionId").is_some() {
            return Err(Fault::invalid("sessions that are kept are not known to redshift-sim"));
        }
        if text(request, "ClusterIdentifier").is_none() && text(request, "WorkgroupName").is_none() {
            return Err(Fault::invalid("either ClusterIdentifier or WorkgroupName is needed"));
        }
        let database = required(request, "Database")?.to_owned();
        let id = uuid();
        if let Some(token) = text(request, "ClientToken") {
            let earlier = lock(&self.tokens).insert(token.to_owned(), id.clone());
            if let Some(earlier) = earlier {
                lock(&self.tokens).insert(token.to_owned(), earlier.clone());
                return Ok(json!({"Id": earlier, "Database": database}));
            }
        }
        let submitted = self.begin(&id, &sqls, is_batch)?;
        let (front, known, own) = (self.front.clone(), Arc::clone(&self.known), id.clone());
        let asked = database.clone();
        let mut running = self.running.lock().await;
        while running.try_join_next().is_some() {}
        running.spawn(async move { run(&front, &known, &own, &asked, &sqls, is_batch).await });
        Ok(json!({"Id": id, "Database": database, "DbUser": self.front.user, "CreatedAt": submitted}))
    }

    /// Notes a submission that is about to run; returns when it came.
    fn begin(&self, id: &str, sqls: &[String], is_batch: bool) -> Result<f64, Fault> {
        let part = |sql: &String| Part { sql: sql.clone(), status: Status::Started, answer: None, error: None };
        let submitted = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
        let (parts, started, nanoseconds) = (sqls.iter().map(part).collect(), Instant::now(), 0);
        let submission = Submission { parts, is_batch, submitted, started, nanoseconds, session: None, cancelled: false };
        let mut known = lock(&self.known);
        if known.len() >= MOST_STATEMENTS {
            let message = format!("more than {MOST_STATEMENTS} statements");
            return Err(Fault { kind: "ActiveStatementsExceededException", message });
        }
        known.insert(id.to_owned(), submission);
        Ok(submitted)
    }

    pub(super) fn describe(&self, request: &Value) -> Result<Value, Fault> {
        let id = required(request, "Id")?;
        let known = lock(&self.known);
        let (submission, part) = find(&known, id)?;
        let shown = part.or(submission.parts.first());
        let status = part.map_or(submission.status(), |part| part.status);
        let has_result = shown.and_then(|part| part.answer.as_ref()).is_some_and(|answer| !answer.columns.is_empty());
        let mut described = json!({
            "Id": id, "Status": status.name(), "CreatedAt": submission.submitted, "UpdatedAt": submission.submitted,
            "Database": self.front.database, "DbUser": self.front.user, "Duration": submission.nanoseconds as u64,
            "HasResultSet": has_result && !submission.is_batch, "RedshiftPid": submission.session.map_or(0, |(pid, _)| pid),
            "ResultRows": shown.map_or(-1, affected), "QueryString": shown.map_or("", |part| &part.sql), "RedshiftQueryId": 0,
        });
        if let Some(error) = submission.parts.iter().find_map(|part| part.error.as_ref()) {
            described["Error"] = json!(error);
        }
        if submission.is_batch && part.is_none() {
            described["SubStatements"] =
                submission.parts.iter().enumerate().map(|(number, part)| sub_statement(id, number, part)).collect();
        }
        Ok(described)
    }

    pub(super) fn result(&self, request: &Value) -> Result<Value, Fault> {
        let id = required(request, "Id")?;
        let known = lock(&self.known);
        let (submission, part) = find(&known, id)?;
        let part = part.or(submission.parts.first().filter(|_| !submission.is_batch)).ok_or_else(|| Fault::not_found(id))?;
        match &part.answer {
            Some(answer) if part.status == Status::Finished && !answer.columns.is_empty() => Ok(json!({
                "Records": records(answer), "ColumnMetadata": metadata(answer), "TotalNumRows": answer.rows.len(),
            })),
            _ => Err(Fault {
                kind: "ResourceNotFoundException",
                message: "Query does not have result. Please check query status with DescribeStatement.".to_owned(),
            }),
        }
    }

    pub(super) async fn cancel(&self, request: &Value) -> Result<Value, Fault> {
        let id = required(request, "Id")?;
        let session = {
            let mut known = lock(&self.known);
            let submission = known.get_mut(id).ok_or_else(|| Fault::not_found(id))?;
            if submission.status() != Status::Started {
                return Err(Fault::invalid(format!(
                    "Could not cancel a query that is already in {} state with ID: {id}",
                    submission.status().name()
                )));
            }
            submission.cancelled = true;
            submission.session
        };
        if let Some(key) = session {
            self.shared.cancel(key).await.map_err(|error| Fault::invalid(error.to_string()))?;
        }
        Ok(json!({"Status": true}))
    }
}

/// A submission, and the part of it that `id` names by a number after a colon.
fn find<'k>(known: &'k HashMap<String, Submission>, id: &str) -> Result<(&'k Submission, Option<&'k Part>), Fault> {
    let (whole, number) = id.split_once(':').map_or((id, None), |(whole, number)| (whole, number.parse::<usize>().ok()));
    let submission = known.get(whole).ok_or_else(|| Fault::not_found(id))?;
    let part = number.and_then(|number| submission.parts.get(number.checked_sub(1)?));
    if number.is_some() && part.is_none() { Err(Fault::not_found(id)) } else { Ok((submission, part)) }
}

fn sub_statement(id: &str, number: usize, part: &Part) -> Value {
    let has_result = part.answer.as_ref().is_some_and(|answer| !answer.columns.is_empty());
    json!({"Id": format!("{id}:{}", number + 1), "Status": part.status.name(), "QueryString": part.sql, "HasResultSet": has_result,
           "ResultRows": affected(part), "Error": part.error})
}

/// Rows of the result, or rows that were changed; -1 if there is no such number.
fn affected(part: &Part) -> i64 {
    let Some(answer) = &part.answer else { return -1 };
    answer.tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Runs statements in a session of their own; those of a batch are one transaction.
async fn run(
    front: &Front,
    known: &Mutex<HashMap<String, Submission>>,
    id: &str,
    database: &str,
    sqls: &[String],
    is_batch: bool,
) {
    let result = run_in_session(front, known, id, database, sqls, is_batch).await;
    let mut known = lock(known);
    let Some(submission) = known.get_mut(id) else { return };
    submission.nanoseconds = submission.started.elapsed().as_nanos();
    let status = if submission.cancelled { Status::Aborted } else { Status::Failed };
    let error = result.err().map(|error| error.to_string());
    for part in submission.parts.iter_mut().filter(|part| part.status == Status::Started) {
        (part.status, part.error) = (status, error.clone());
    }
}

async fn run_in_session(
    front: &Front,
    known: &Mutex<HashMap<String, Submission>>,
    id: &str,
    database: &str,
    sqls: &[String],
    is_batch: bool,
) -> io::Result<()> {
    let stream = TcpStream::connect(front.address).await?;
    let parameters = [("user".to_owned(), front.user.clone()), ("database".to_owned(), database.to_owned())];
    let connected = Backend::over(stream, &parameters, &front.password).await?;
    let mut session = connected.map_err(|fields| io::Error::other(format!("FATAL: {}", fields.get(b'M'))))?;
    if let Some(submission) = lock(known).get_mut(id) {
        submission.session = Some(session.key);
    }
    if is_batch {
        session.query("BEGIN").await?;
    }
    let mut answers = Vec::new();
    for sql in sqls {
        let answer = session.query(sql).await?;
        if let Some(error) = &answer.error {
            let detail = Some(error.get(b'D')).filter(|detail| !detail.is_empty()).map(|detail| format!(" Detail: {detail}"));
            return Err(io::Error::other(format!("ERROR: {}{}", error.get(b'M'), detail.unwrap_or_default())));
        }
        answers.push(answer);
    }
    if is_batch {
        session.must("COMMIT").await?;
    }
    if let Some(submission) = lock(known).get_mut(id) {
        for (part, answer) in submission.parts.iter_mut().zip(answers) {
            (part.status, part.answer) = (Status::Finished, Some(answer));
        }
    }
    Ok(())
}

/// A random identifier in the form of a UUID of version 4.
fn uuid() -> String {
    let random = (rand::random::<u128>() & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{random:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
