//! A session that the service keeps: its statements one after another, temporary tables and a transaction between them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::warehouse::redshift::data_api::DataApi;
use crate::warehouse::redshift::data_api::idle::{self, Kept};
use crate::warehouse::redshift::data_api::service::token;
use crate::warehouse::redshift::data_api::values::rows;
use crate::warehouse::redshift::fault::{Fault, Kind};
use crate::warehouse::redshift::session::TextRow;

/// The longest statement, in bytes ("The maximum query statement size is 100 KB", `data-api`).
const LONGEST_STATEMENT: usize = 100_000;
/// The first and the longest pause between two looks at a statement that runs.
const LOOKS_MS: (u64, u64) = (20, 1_000);
/// A session that will expire in less is not begun with.
const MARGIN_SECONDS: i64 = 5;
/// Pages of an answer that is wanted whole.
const MOST_PAGES: usize = 1_000;

/// A session. When it is dropped in the middle, its statement is cancelled and its transaction given up.
#[derive(Debug)]
pub(crate) struct DataSession {
    api: Arc<DataApi>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    /// The statement that runs.
    running: Option<String>,
    in_transaction: bool,
    /// Whether the next statement needs what an earlier one left in the session.
    is_bound: bool,
    /// Whether it was set to something that others do not expect.
    is_altered: bool,
}

/// A statement that has ended well.
#[derive(Debug)]
struct Ended {
    id: String,
    rows: i64,
    has_result: bool,
}

/// The rows of a statement, which the service has, page by page.
#[derive(Debug)]
pub(crate) struct Pages {
    session: DataSession,
    /// The statement, and the page that comes next; `None` after the last.
    next: Option<(String, Option<String>)>,
}

impl DataSession {
    /// A session that begins with its first statement.
    pub(crate) fn new(api: &Arc<DataApi>) -> Self {
        let kept = idle::take(&api.name(), api.clock.now());
        Self { api: Arc::clone(api), state: Mutex::new(State { kept, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one statement; how many rows it changed.
    ///
    /// # Errors
    /// What the database or the service says.
    pub(crate) async fn run(&self, statement: &str) -> Result<u64, Fault> {
        let ended = self.execute(statement).await?;
        Ok(u64::try_from(ended.rows).unwrap_or_default())
    }

    /// Runs one query.
    ///
    /// # Errors
    /// What the database or the service says.
    pub(crate) async fn rows(&self, query: &str) -> Result<Vec<TextRow>, Fault> {
        let ended = self.execute(query).await?;
        let (mut all, mut next) = (Vec::new(), ended.has_result.then_some(None));
        for _ in 0..MOST_PAGES {
            let Some(from) = next.take() else { return Ok(all) };
            let (rows, following) = self.page(&ended.id, from.as_deref()).await?;
            all.extend(rows);
            next = following.map(Some);
        }
        Err(other(format!("an answer has more than {MOST_PAGES} pages: {query}")))
    }

    /// Runs one query whose rows are fetched page by page.
    ///
    /// # Errors
    /// What the database or the service says.
    pub(crate) async fn pages(self, query: &str) -> Result<Pages, Fault> {
        let ended = self.execute(query).await?;
        Ok(Pages { next: ended.has_result.then_some((ended.id, None)), session: self })
    }

    async fn execute(&self, statement: &str) -> Result<Ended, Fault> {
        if statement.len() > LONGEST_STATEMENT {
            let beginning: String = statement.chars().take(60).collect();
            return Err(other(format!(
                "a statement of {} bytes ('{beginning}...') is longer than the {LONGEST_STATEMENT} bytes that the Data API takes: the table has \
                 too many columns for it, or too long names; use [warehouse] url = \"redshift://...\"",
                statement.len()
            )));
        }
        self.forget_if_expired();
        match self.in_session(statement).await {
            Err(fault) if is_gone(&fault) => {
                let is_bound = {
                    let mut state = self.state();
                    state.kept = None;
                    state.is_bound
                };
                if is_bound {
                    // With the session went its transaction, unless that was committed just before.
                    return Err(Fault::lost(fault.message));
                }
                tracing::debug!(%fault, "another session is begun");
                self.in_session(statement).await
            }
            other => other,
        }
    }

    /// Forgets a session that may have expired, if nobody needs that one.
    fn forget_if_expired(&self) {
        let now = self.api.clock.now();
        let mut state = self.state();
        if !state.is_bound && state.kept.as_ref().is_some_and(|kept| kept.until <= now) {
            state.kept = None;
        }
    }

    async fn in_session(&self, statement: &str) -> Result<Ended, Fault> {
        if self.state().kept.is_none() {
            for first in self.api.first() {
                self.run_one(first).await?;
            }
        }
        self.run_one(statement).await
    }

    async fn run_one(&self, statement: &str) -> Result<Ended, Fault> {
        let id = self.submit(statement).await?;
        self.state().running = Some(id.clone());
        let seen = self.wait(id).await;
        self.note(statement, &seen);
        seen?
    }

    /// Hands a statement over; its id.
    async fn submit(&self, statement: &str) -> Result<String, Fault> {
        let kept = self.state().kept.as_ref().map(|kept| kept.id.clone());
        let mut request = match &kept {
            Some(session) => json!({"SessionId": session}),
            None => self.api.target(),
        };
        request["Sql"] = json!(statement);
        request["ClientToken"] = json!(token());
        let answer = self.api.ask("ExecuteStatement", &request).await?;
        let id = text(&answer, "Id").ok_or_else(|| other("ExecuteStatement answered without an Id".to_owned()))?;
        if kept.is_none() {
            let session = text(&answer, "SessionId");
            let session = session.ok_or_else(|| other("ExecuteStatement began no session that is kept".to_owned()))?;
            self.state().kept = Some(Kept { id: session, until: self.until() });
        }
        Ok(id)
    }

    /// Looks at a statement until it has ended, well or not; the outer error when that cannot be seen.
    async fn wait(&self, id: String) -> Result<Result<Ended, Fault>, Fault> {
        let mut pause = LOOKS_MS.0;
        loop {
            let described = self.api.ask("DescribeStatement", &json!({"Id": id})).await.map_err(not_seen)?;
            let said = || text(&described, "Error").unwrap_or_else(|| "the service gives no reason".to_owned());
            match described.get("Status").and_then(Value::as_str).unwrap_or_default() {
                "FINISHED" => {
                    let rows = described.get("ResultRows").and_then(Value::as_i64).unwrap_or_default();
                    let has_result = described.get("HasResultSet").and_then(Value::as_bool).unwrap_or_default();
                    return Ok(Ok(Ended { id, rows, has_result }));
                }
                "FAILED" => return Ok(Err(Fault::told(&said()))),
                "ABORTED" => return Ok(Err(Fault::lost(format!("the statement was stopped: {}", said())))),
                _ => self.api.clock.sleep(Duration::from_millis(pause)).await,
            }
            pause = (pause * 3 / 2).min(LOOKS_MS.1);
        }
    }

    /// Notes what the session is in after a statement.
    fn note(&self, statement: &str, seen: &Result<Result<Ended, Fault>, Fault>) {
        let word = statement.split_whitespace().next().unwrap_or_default();
        let is_set = word == "SET" && !self.api.first().iter().any(|first| first == statement);
        let until = self.until();
        let mut state = self.state();
        if seen.is_ok() {
            state.running = None;
        }
        if let Some(kept) = &mut state.kept {
            kept.until = until;
        }
        match word {
            "BEGIN" => state.in_transaction = true,
            // One that fails has ended its transaction as well.
            "COMMIT" | "ROLLBACK" => state.in_transaction = false,
            _ => {}
        }
        state.is_bound |= state.in_transaction || is_set || statement.starts_with("CREATE TEMP");
        // Nobody else is to have a session that is set to something, or whose connection to the database may be gone.
        let is_lost = matches!(seen, Err(_) | Ok(Err(Fault { kind: Kind::Lost, .. })));
        state.is_altered |= is_set || is_lost;
    }

    fn until(&self) -> DateTime<Utc> {
        self.api.clock.now() + TimeDelta::seconds(i64::from(self.api.url().keep_alive) - MARGIN_SECONDS)
    }

    /// The rows of a page, and the token of the one that follows.
    async fn page(&self, id: &str, from: Option<&str>) -> Result<(Vec<TextRow>, Option<String>), Fault> {
        let mut request = json!({"Id": id});
        if let Some(from) = from {
            request["NextToken"] = json!(from);
        }
        let page = self.api.ask("GetStatementResult", &request).await?;
        let rows = rows(&page).ok_or_else(|| other("GetStatementResult answered rows of a kind that is not known".to_owned()))?;
        Ok((rows, text(&page, "NextToken")))
    }
}

impl Drop for DataSession {
    fn drop(&mut self) {
        let mut state = self.state();
        let State { kept, running, in_transaction, is_altered, .. } = std::mem::take(&mut *state);
        drop(state);
        match kept {
            Some(kept) if running.is_some() || in_transaction => self.api.leave(kept.id, running),
            Some(kept) if !is_altered => idle::keep(&self.api.name(), kept),
            // It expires.
            _ => {}
        }
    }
}

impl Pages {
    /// The rows of the next page that has some; none after the last.
    ///
    /// # Errors
    /// What the service says.
    pub(crate) async fn next(&mut self) -> Result<Vec<TextRow>, Fault> {
        while let Some((id, from)) = self.next.take() {
            let (rows, following) = self.session.page(&id, from.as_deref()).await?;
            self.next = following.map(|token| (id, Some(token)));
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
        Ok(Vec::new())
    }
}

fn text(answer: &Value, name: &str) -> Option<String> {
    answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn other(message: String) -> Fault {
    Fault { kind: Kind::Other, code: String::new(), message }
}

fn not_seen(fault: Fault) -> Fault {
    Fault { message: format!("how the statement ended is not known: {}", fault.message), ..fault }
}

/// Whether a session has expired, was ended with its cluster, or never was: "Session is not available", "Session with Id: .. is invalid"
/// (awslabs/mcp#4587). The statement has not run.
fn is_gone(fault: &Fault) -> bool {
    fault.message.contains("ValidationException: Session ")
}
