//! Ad-hoc queries: room for a few at a time, limits for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::ipc::writer::StreamWriter;
use axum::http::{StatusCode, header};
use connectors::options::nearest;
use datafusion::parquet::arrow::ArrowWriter;
use tokio_util::task::AbortOnDropHandle;

use super::app::App;
use super::problem::Problem;
use crate::shell::{Answer, Format, ReadLimits, Unanswered};

/// Bytes of an answer in memory.
const MAX_BYTES: usize = 32 << 20;

/// How much later than its limit a query that did not end itself is given up.
const LEEWAY: Duration = Duration::from_millis(500);

/// How long a query waits for room.
const WAIT: Duration = Duration::from_secs(5);

/// The rows of the statement in `text`, `rows` of them at most, and how long that took.
///
/// # Errors
/// A statement that is wrong or does not only read, took too long, or found no room.
pub(super) async fn answer(app: &App, text: &str, rows: Option<usize>) -> Result<(Answer, Duration), Problem> {
    let busy = || {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many queries are running")
            .header(header::RETRY_AFTER, "5")
            .help("try again in a moment; serve.queries says how many run at the same time")
    };
    let room = tokio::time::timeout(WAIT, Arc::clone(&app.queries).acquire_owned()).await;
    let room = room.map_err(|_| busy())?.map_err(|_| busy())?;
    let _counted = Counted::new(app);
    let limits = app.settings.query;
    let limits = ReadLimits { rows: rows.unwrap_or(limits.rows).min(limits.rows), bytes: MAX_BYTES, time: limits.time };
    let begun = Instant::now();
    // Not on the threads that answer everybody else, or run pipelines. What computes without a pause is not stopped by its limit: it keeps its room,
    // and who asked does not wait for it.
    let query = {
        let (reader, text) = (app.reader.clone(), text.to_owned());
        app.workers.handle().spawn(async move {
            let _room = room;
            Box::pin(reader.answer(&text, limits)).await
        })
    };
    let answered = tokio::time::timeout(limits.time + LEEWAY, AbortOnDropHandle::new(query)).await;
    match answered.map_or(Err(Unanswered::TooSlow), |answer| answer.unwrap_or(Err(Unanswered::Broken))) {
        Ok(answer) => Ok((answer, begun.elapsed())),
        Err(Unanswered::Mistake(mistake)) => Err(Problem::of_sql(&mistake, text)),
        Err(Unanswered::TooSlow) => {
            let detail = format!("the query took longer than {} s", limits.time.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
                .help("ask for fewer rows or partitions; serve.query_timeout says how long a query may take"))
        }
        Err(Unanswered::Broken) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the query broke off")),
    }
}

/// A query that is running, until it is not, however it ends.
struct Counted<'a>(&'a App);

impl<'a> Counted<'a> {
    fn new(app: &'a App) -> Self {
        app.figures.queries.inc();
        Self(app)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.figures.queries.dec();
    }
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Json,
    Csv,
    Arrow,
    Parquet,
}

/// Every form by its name, kind and ending.
const FORMS: [(Written, &str, &str, &str); 4] = [
    (Written::Json, "json", "application/json", "json"),
    (Written::Csv, "csv", "text/csv", "csv"),
    (Written::Arrow, "arrow", "application/vnd.apache.arrow.stream", "arrows"),
    (Written::Parquet, "parquet", "application/vnd.apache.parquet", "parquet"),
];

impl Written {
    /// As `?format=` or else the `Accept` header says; JSON when neither says anything.
    ///
    /// # Errors
    /// When it says what there is not.
    pub(super) fn wanted(format: Option<&str>, accept: Option<&str>) -> Result<Self, Problem> {
        if let Some(name) = format {
            let found = FORMS.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(name));
            let names = || FORMS.map(|(_, name, ..)| name);
            return found.map(|(written, ..)| *written).ok_or_else(|| {
                let problem = Problem::bad_request(format!("there is no format '{name}'"));
                problem.help(match nearest(name, names()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("there are: {}", names().join(", ")),
                })
            });
        }
        let accepted: Vec<String> = accept
            .unwrap_or("*/*")
            .split(',')
            .filter_map(|kind| kind.split(';').next())
            .map(|kind| kind.trim().to_lowercase())
            .collect();
        let by_kind = |kind: &String| FORMS.iter().find(|(_, _, known, _)| known == kind).map(|(written, ..)| *written);
        if let Some(written) = accepted.iter().find_map(by_kind) {
            return Ok(written);
        }
        let takes = |kind: &String| matches!(kind.as_str(), "*/*" | "application/*" | "text/html" | "");
        if accepted.iter().any(takes) {
            return Ok(Self::Json);
        }
        let kinds = FORMS.map(|(_, _, kind, _)| kind).join(", ");
        let detail = format!("no answer can be '{}'", accepted.join(", "));
        Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail).help(format!("there are: {kinds}")))
    }

    pub(super) fn content_type(self) -> &'static str {
        FORMS.iter().find(|(written, ..)| *written == self).map_or("", |(_, _, kind, _)| kind)
    }

    pub(super) fn ending(self) -> &'static str {
        FORMS.iter().find(|(written, ..)| *written == self).map_or("", |(.., ending)| ending)
    }

    /// The bytes of the rows.
    ///
    /// # Errors
    /// A value that the form cannot hold.
    pub(super) fn bytes(self, answer: Answer) -> anyhow::Result<Vec<u8>> {
        let answer = if self == Self::Csv { answer } else { answer.with_distinct_names() };
        match self {
            Self::Json => Ok(answer.written(Format::Json)?),
            Self::Csv => Ok(answer.written(Format::Csv)?),
            Self::Arrow => {
                let mut writer = StreamWriter::try_new(Vec::new(), &answer.schema)?;
                for batch in &answer.batches {
                    writer.write(batch)?;
                }
                Ok(writer.into_inner()?)
            }
            Self::Parquet => {
                let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&answer.schema), None)?;
                for batch in &answer.batches {
                    writer.write(batch)?;
                }
                Ok(writer.into_inner()?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_was_asked_for() {
        for (format, accept, expected) in [
            (None, None, Ok(Written::Json)),
            (None, Some("*/*"), Ok(Written::Json)),
            (None, Some("text/csv"), Ok(Written::Csv)),
            (None, Some("text/csv;q=0.9, application/json"), Ok(Written::Csv)),
            (None, Some("text/html,application/xhtml+xml,*/*;q=0.8"), Ok(Written::Json)),
            (None, Some("application/vnd.apache.arrow.stream"), Ok(Written::Arrow)),
            (None, Some("image/png"), Err(406)),
            (Some("Parquet"), Some("text/csv"), Ok(Written::Parquet)),
            (Some("cvs"), None, Err(400)),
        ] {
            let found = Written::wanted(format, accept).map_err(|problem| problem.status.as_u16());
            assert_eq!(found, expected, "{format:?} {accept:?}");
        }
    }
}
