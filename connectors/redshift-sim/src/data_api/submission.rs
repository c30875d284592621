//! What was submitted at once: one statement or a batch, while it runs and after.

use std::time::Instant;

use serde_json::{Value, json};

use super::values::{metadata, records};
use super::{Fault, Front};
use crate::wire::Answer;

/// Records of a page. The service's pages are of about a megabyte: these are short, so that whoever reads them has to turn some.
const PAGE_RECORDS: usize = 500;

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Started,
    Finished,
    Failed,
    Aborted,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
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
pub(super) struct Part {
    sql: String,
    status: Status,
    answer: Option<Answer>,
    error: Option<String>,
}

/// What was submitted at once.
#[derive(Debug)]
pub(super) struct Submission {
    parts: Vec<Part>,
    is_batch: bool,
    submitted: f64,
    started: Instant,
    nanoseconds: u128,
    /// The kept session that it runs in.
    session: Option<String>,
    /// The process that runs it, and what it is cancelled by.
    pub(super) process: Option<(i32, i32)>,
    pub(super) cancelled: bool,
}

impl Submission {
    /// One that begins now.
    pub(super) fn new(sqls: &[String], is_batch: bool, session: Option<String>, submitted: f64) -> Self {
        let part = |sql: &String| Part { sql: sql.clone(), status: Status::Started, answer: None, error: None };
        let parts = sqls.iter().map(part).collect();
        Self { parts, is_batch, submitted, started: Instant::now(), nanoseconds: 0, session, process: None, cancelled: false }
    }

    pub(super) fn status(&self) -> Status {
        let any = |status| self.parts.iter().any(|part| part.status == status);
        match () {
            () if any(Status::Aborted) => Status::Aborted,
            () if any(Status::Failed) => Status::Failed,
            () if any(Status::Started) => Status::Started,
            () => Status::Finished,
        }
    }

    /// Notes how it ended.
    pub(super) fn end(&mut self, result: Result<Vec<Answer>, String>) {
        self.nanoseconds = self.started.elapsed().as_nanos();
        match result {
            Ok(answers) => {
                for (part, answer) in self.parts.iter_mut().zip(answers) {
                    (part.status, part.answer) = (Status::Finished, Some(answer));
                }
            }
            Err(error) => {
                let status = if self.cancelled { Status::Aborted } else { Status::Failed };
                for part in &mut self.parts {
                    (part.status, part.error) = (status, Some(error.clone()));
                }
            }
        }
    }

    /// The part with this number, from 1.
    pub(super) fn part(&self, number: usize) -> Option<&Part> {
        self.parts.get(number.checked_sub(1)?)
    }

    /// What DescribeStatement says of it, or of a part of it.
    pub(super) fn described(&self, id: &str, part: Option<&Part>, front: &Front) -> Value {
        let shown = part.or(self.parts.first());
        let status = part.map_or(self.status(), |part| part.status);
        let has_result = shown.is_some_and(Part::has_result);
        let mut described = json!({
            "Id": id, "Status": status.name(), "CreatedAt": self.submitted, "UpdatedAt": self.submitted,
            "Database": front.database, "DbUser": front.user, "Duration": self.nanoseconds as u64,
            "HasResultSet": has_result && (!self.is_batch || part.is_some()),
            "RedshiftPid": self.process.map_or(0, |(process, _)| process), "RedshiftQueryId": 0,
            "ResultRows": shown.map_or(-1, Part::rows), "QueryString": shown.map_or("", |part| &part.sql),
        });
        if let Some(error) = self.parts.iter().find_map(|part| part.error.as_ref()) {
            described["Error"] = json!(error);
        }
        if let Some(session) = &self.session {
            described["SessionId"] = json!(session);
        }
        if self.is_batch && part.is_none() {
            described["SubStatements"] =
                self.parts.iter().enumerate().map(|(number, part)| part.described(&format!("{id}:{}", number + 1))).collect();
        }
        described
    }

    /// A page of the result of a part, or of the one statement.
    pub(super) fn page(&self, id: &str, part: Option<&Part>, from: Option<&str>) -> Result<Value, Fault> {
        if self.is_batch && part.is_none() {
            return Err(Fault::invalid("BatchExecuteStatement result can only be retrieved with sub-statement id."));
        }
        let part = part.or(self.parts.first()).ok_or_else(|| Fault::not_found(id))?;
        let answer = part.answer.as_ref().filter(|_| part.has_result()).ok_or_else(|| Fault {
            kind: "ResourceNotFoundException",
            message: "Query does not have result. Please check query status with DescribeStatement.".to_owned(),
        })?;
        let from = match from.map(str::parse::<usize>) {
            None => 0,
            Some(Ok(from)) if from < answer.rows.len() => from,
            Some(_) => return Err(Fault::invalid("NextToken is invalid")),
        };
        let until = (from + PAGE_RECORDS).min(answer.rows.len());
        let mut page = json!({
            "Records": records(answer, from..until), "ColumnMetadata": metadata(answer), "TotalNumRows": answer.rows.len(),
        });
        if until < answer.rows.len() {
            page["NextToken"] = json!(until.to_string());
        }
        Ok(page)
    }
}

impl Part {
    fn has_result(&self) -> bool {
        self.status == Status::Finished && self.answer.as_ref().is_some_and(|answer| !answer.columns.is_empty())
    }

    /// Rows of the result, or rows that were changed; -1 if there is no such number. Of a COPY it is 0 (aws/aws-sdk#356).
    fn rows(&self) -> i64 {
        let Some(answer) = &self.answer else { return -1 };
        answer.tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn described(&self, id: &str) -> Value {
        json!({"Id": id, "Status": self.status.name(), "QueryString": self.sql, "HasResultSet": self.has_result(),
               "ResultRows": self.rows(), "Error": self.error})
    }
}
