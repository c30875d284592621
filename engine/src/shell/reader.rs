//! One statement of somebody who may read, and nothing else: what `engine serve` answers over HTTP.
//!
//! A reader sees the catalogs and no place: `FROM 'x.csv'`, which at a terminal opens a file with the rights of who typed it, would over
//! HTTP open it with the rights of the server. It runs a query, and what is told about tables; nothing is declared, set or written, also
//! not within `EXPLAIN ANALYZE`. Every statement has a session of its own.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{ObjectName, Query, Select, SetExpr, Statement as SqlStatement, Visit, Visitor};
use futures::StreamExt;

use super::catalog::{LAKE, LakeIndex, looks_like_a_place};
use super::input::{self, Item};
use super::output::{Format, TableLimits, cells_of};
use super::statement::{self, Prepared};
use super::workspace::{Named, Workspace};
use super::{mistake, time_travel};
use crate::catalog::{SYSTEM, WAREHOUSE};
use crate::session::Session;
use crate::sql::{Diagnostic, script};

/// What is told to who would write.
const READS: &str = "only SELECT, SUMMARIZE, SHOW, DESCRIBE and EXPLAIN are answered here; what changes rows is a pipeline's";

/// What is told to who names a file.
const NO_PLACES: &str =
    "files are not read by path here: ask for a table of the catalog, or let `engine crawl` register the place";

/// Where a result ends, whatever is left of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimits {
    /// Rows of the answer.
    pub(crate) rows: usize,
    /// Bytes of the answer in memory.
    pub(crate) bytes: usize,
    /// From the statement to its last row.
    pub(crate) time: Duration,
}

/// The rows of a statement.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Their columns.
    pub(crate) schema: SchemaRef,
    /// The rows.
    pub(crate) batches: Vec<RecordBatch>,
    /// How many.
    pub(crate) rows: usize,
    /// There are more than the limits let through.
    pub(crate) is_cut: bool,
}

impl Answer {
    /// The rows as text.
    ///
    /// # Errors
    /// When a value has no text.
    pub(crate) fn written(&self, format: Format) -> io::Result<Vec<u8>> {
        let limits = TableLimits { rows: usize::MAX, cell_width: usize::MAX };
        let mut text = Vec::new();
        let mut writer = format.writer(&self.schema, limits);
        for batch in &self.batches {
            writer.write(batch, &mut text)?;
        }
        writer.finish(&mut text)?;
        Ok(text)
    }

    /// The cells, row by row; `None` is NULL.
    ///
    /// # Errors
    /// When a value has no text.
    pub(crate) fn cells(&self) -> io::Result<Vec<Vec<Option<String>>>> {
        cells_of(&self.batches)
    }

    /// The same rows with columns of different names: of two columns `id`, an object would have one only.
    pub(crate) fn with_distinct_names(mut self) -> Self {
        let mut seen = std::collections::HashSet::new();
        let mut renamed = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let mut name = field.name().clone();
            let mut number = 2;
            while !seen.insert(name.clone()) {
                name = format!("{}_{number}", field.name());
                number += 1;
            }
            renamed.push(field.as_ref().clone().with_name(name));
        }
        let schema = Arc::new(Schema::new(renamed));
        let same = |batch: &RecordBatch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec());
        if let Ok(batches) = self.batches.iter().map(same).collect::<Result<Vec<_>, _>>() {
            self.batches = batches;
            self.schema = schema;
        }
        self
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The statement is wrong, or is none that reads.
    Mistake(Diagnostic),
    /// It took longer than it may.
    TooSlow,
    /// The answer broke off.
    Broken,
}

impl From<Diagnostic> for Unanswered {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Mistake(diagnostic)
    }
}

/// Answers statements.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    session: Session,
    index: Arc<LakeIndex>,
}

impl Reader {
    /// Over the catalogs of `session`, with `memory` bytes for all its statements together: those of runs are not theirs.
    ///
    /// # Errors
    /// When DataFusion cannot be set up, which is a bug.
    pub(crate) fn new(session: &Session, memory: usize) -> datafusion::error::Result<Self> {
        let mut session = session.clone();
        let pool = Arc::new(datafusion::execution::memory_pool::FairSpillPool::new(memory));
        let runtime: Arc<RuntimeEnv> =
            RuntimeEnvBuilder::from_runtime_env(&session.context.runtime).with_memory_pool(pool).build_arc()?;
        session.context.runtime = runtime;
        let index = Arc::new(LakeIndex::new(&session));
        Ok(Self { session, index })
    }

    /// The tables that can be named.
    pub(crate) async fn tables(&self) -> Vec<Named> {
        self.workspace().tables().await
    }

    /// The functions that can be called, sorted.
    pub(crate) fn functions(&self) -> Vec<String> {
        let state = self.session.datafusion().state();
        let scalar = state.scalar_functions().keys();
        let mut names: Vec<String> =
            scalar.chain(state.aggregate_functions().keys()).chain(state.window_functions().keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The rows of the one statement in `text`.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) async fn answer(&self, text: &str, limits: ReadLimits) -> Result<Answer, Unanswered> {
        let span = only_statement(text)?;
        let workspace = self.workspace();
        check(text, &span)?;
        tokio::time::timeout(limits.time, run(&workspace, text, &span, limits)).await.unwrap_or(Err(Unanswered::TooSlow))
    }

    fn workspace(&self) -> Workspace {
        let workspace = Workspace::over(&self.session, Arc::clone(&self.index));
        workspace.names.only_tables();
        super::bounded::bound(&workspace.context);
        workspace
    }
}

/// The statement, which is the only one.
fn only_statement(text: &str) -> Result<Range<usize>, Diagnostic> {
    let mut statements = Vec::new();
    for item in input::split(text).0 {
        match item {
            Item::Statement(span) => statements.push(span),
            Item::Command(span) => {
                return Err(
                    Diagnostic::new("commands with a backslash are the shell's", Some(span)).help("write SQL: SHOW TABLES")
                );
            }
        }
    }
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Diagnostic::new("there is no statement", None).help("for example: SELECT * FROM system.runs LIMIT 10")),
        (_, Some(second)) => Err(Diagnostic::new("a second statement begins here", Some(script::word_at(text, second.start)))
            .help("one statement is answered at a time")),
    }
}

/// Whether the statement does nothing but read tables.
fn check(text: &str, span: &Range<usize>) -> Result<(), Diagnostic> {
    let first = script::word_at(text, span.start);
    let word = text[first.clone()].to_uppercase();
    // What it is about is checked by who looks names up.
    if word == "SUMMARIZE" {
        return Ok(());
    }
    let described = statement::described_version(text, span);
    let (query, span) = described.as_ref().map_or((text, span), |(query, whole)| (query.as_str(), whole));
    let readable = time_travel::clauses_as_arguments(query, span);
    let parsed = script::parse_statement(&readable, span).map_err(|error| mistake::of_parser(text, span, error))?;
    match ReadsOnly.judge(&parsed) {
        Verdict::Reads => Ok(()),
        Verdict::Writes => Err(Diagnostic::new(format!("{word} is not answered here"), Some(first)).help(READS)),
        Verdict::Place(name) => Err(refused_place(text, span, &name)),
    }
}

fn refused_place(text: &str, span: &Range<usize>, name: &str) -> Diagnostic {
    Diagnostic::new(format!("'{name}' is a path, and no table"), script::find_word(text, span, name)).help(NO_PLACES)
}

enum Verdict {
    Reads,
    Writes,
    Place(String),
}

/// Looks for what is no reading of tables.
#[derive(Debug)]
struct ReadsOnly;

impl ReadsOnly {
    fn judge(mut self, parsed: &Parsed) -> Verdict {
        let statement = match parsed {
            Parsed::Explain(explain) => return self.judge(&explain.statement),
            Parsed::Statement(statement) => statement,
            _ => return Verdict::Writes,
        };
        match statement.visit(&mut self) {
            ControlFlow::Continue(()) => Verdict::Reads,
            ControlFlow::Break(verdict) => verdict,
        }
    }
}

impl Visitor for ReadsOnly {
    type Break = Verdict;

    fn pre_visit_statement(&mut self, statement: &SqlStatement) -> ControlFlow<Verdict> {
        match statement {
            SqlStatement::Query(_)
            | SqlStatement::Explain { .. }
            | SqlStatement::ExplainTable { .. }
            | SqlStatement::ShowTables { .. }
            | SqlStatement::ShowColumns { .. }
            | SqlStatement::ShowFunctions { .. }
            | SqlStatement::ShowVariable { .. }
            | SqlStatement::ShowCreate { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Verdict::Writes),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Verdict> {
        fn reads(body: &SetExpr) -> bool {
            match body {
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
                SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
                _ => false,
            }
        }
        if reads(&query.body) { ControlFlow::Continue(()) } else { ControlFlow::Break(Verdict::Writes) }
    }

    /// `SELECT ... INTO` makes a table.
    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Verdict> {
        if select.into.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(Verdict::Writes) }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Verdict> {
        let names = relation.0.iter().filter_map(|part| part.as_ident());
        let last = relation.0.len().saturating_sub(1);
        for (at, ident) in names.enumerate() {
            let name = ident.value.as_str();
            let is_catalog = at < last && [LAKE, SYSTEM, WAREHOUSE].contains(&name);
            // A schema of the lake may be folders within folders; what begins with a dot is hidden there.
            let is_hidden = name.split('/').any(|part| part.starts_with('.'));
            if !is_catalog && (is_hidden || at == last && looks_like_a_place(name)) {
                return ControlFlow::Break(Verdict::Place(name.to_owned()));
            }
        }
        ControlFlow::Continue(())
    }
}

async fn run(workspace: &Workspace, text: &str, span: &Range<usize>, limits: ReadLimits) -> Result<Answer, Unanswered> {
    let prepared = Box::pin(statement::prepare(workspace, text, span)).await;
    let prepared = prepared.map_err(|mistake| without_places(workspace, mistake))?;
    let (frame, summary) = match prepared {
        Prepared::Rows(frame) => (frame, None),
        Prepared::Summary(frame, summary) => (frame, Some(summary)),
        Prepared::Done(what) => return Err(Diagnostic::new(format!("{what} is not answered here"), None).help(READS).into()),
    };
    let wrong = |error: DataFusionError| async move {
        Unanswered::Mistake(without_places(workspace, mistake::of_datafusion(workspace, text, span, &error).await))
    };
    let only_reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    if let Err(error) = only_reads.verify_plan(frame.logical_plan()) {
        return Err(wrong(error).await);
    }
    let answer = match collect(frame, limits).await {
        Ok(answer) => answer,
        Err(Failed::Query(error)) => return Err(wrong(error).await),
        Err(Failed::Broken) => return Err(Unanswered::Broken),
    };
    let Some(summary) = summary else { return Ok(answer) };
    match summary.pivot(&answer.batches) {
        Ok(batch) => Ok(Answer { schema: batch.schema(), rows: batch.num_rows(), batches: vec![batch], is_cut: false }),
        Err(error) => Err(wrong(error).await),
    }
}

/// The help of a missing file is the name of another one.
fn without_places(workspace: &Workspace, mut mistake: Diagnostic) -> Diagnostic {
    if workspace.names.refused_a_place() {
        mistake.helps = vec![NO_PLACES.to_owned()];
    }
    mistake
}

enum Failed {
    Query(DataFusionError),
    Broken,
}

impl From<DataFusionError> for Failed {
    fn from(error: DataFusionError) -> Self {
        Self::Query(error)
    }
}

/// Rows up to the limits. The query runs in a task of its own, which ends with this future.
async fn collect(frame: DataFrame, limits: ReadLimits) -> Result<Answer, Failed> {
    let task = Arc::new(frame.task_ctx());
    let plan = Box::pin(frame.create_physical_plan()).await?;
    let mut stream = execute_stream(plan, task)?;
    let mut query = tokio::task::JoinSet::new();
    query.spawn(async move {
        let mut answer = Answer { schema: stream.schema(), batches: Vec::new(), rows: 0, is_cut: false };
        let mut bytes = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let fits = batch.num_rows().min(limits.rows - answer.rows);
            bytes += batch.get_array_memory_size();
            answer.is_cut = fits < batch.num_rows() || bytes > limits.bytes;
            if fits > 0 && (bytes <= limits.bytes || answer.batches.is_empty()) {
                answer.batches.push(batch.slice(0, fits));
                answer.rows += fits;
            }
            if answer.is_cut {
                break;
            }
        }
        Ok::<_, DataFusionError>(answer)
    });
    match query.join_next().await {
        Some(Ok(answer)) => Ok(answer?),
        _ => Err(Failed::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<(), String> {
        let judged = only_statement(text).and_then(|span| check(text, &span));
        judged.map_err(|error| error.message)
    }

    #[test]
    fn statements_that_read_tables_are_answered() {
        for text in [
            "SELECT 1",
            "select * from lake.reddit.posts;",
            "WITH a AS (SELECT 1 x) SELECT * FROM a UNION ALL SELECT 2",
            "FROM reddit.posts",
            "VALUES (1), (2)",
            "SHOW TABLES",
            "DESCRIBE lake.reddit.posts",
            "DESCRIBE lake.reddit.posts VERSION AS OF 3;",
            "EXPLAIN ANALYZE SELECT * FROM t",
            "SUMMARIZE t",
            "SELECT * FROM t VERSION AS OF 3",
            "SELECT * FROM lake.\"a/b\".t",
            "SELECT 'x.csv', '/etc/passwd'",
        ] {
            assert_eq!(judged(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "INSERT INTO t VALUES (1)",
            "COPY t TO '/tmp/x.csv'",
            "COPY (SELECT 1) TO 's3://bucket/x'",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
            "DROP TABLE t",
            "SET datafusion.execution.batch_size = 1",
            "SELECT 1 INTO t",
            "WITH x AS (INSERT INTO t VALUES (1)) SELECT 1",
            "EXPLAIN ANALYZE COPY t TO '/tmp/x.csv'",
            "EXPLAIN ANALYZE INSERT INTO t SELECT 1",
            "PREPARE p AS SELECT 1",
            "TRUNCATE TABLE t",
        ] {
            let message = judged(text).unwrap_err();
            assert!(message.ends_with("is not answered here") || message.contains("expected"), "{text}: {message}");
        }
    }

    #[test]
    fn no_place_is_read_however_it_is_written() {
        for text in [
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM \"/etc/passwd\"",
            "SELECT * FROM 'x.csv'",
            "SELECT * FROM (SELECT * FROM 's3://b/k/') AS x",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM '../state/*')",
            "SELECT * FROM '${secret:file:/etc/passwd}'",
            "SELECT * FROM '/data/table' VERSION AS OF 3",
            "SELECT * FROM lake.\".engine\".posts",
            "SELECT * FROM lake.\"..\".posts",
            "EXPLAIN SELECT * FROM 'a/b.parquet'",
            "DESCRIBE 'a/b.parquet'",
            "DESC '/data/table' VERSION AS OF 3",
        ] {
            let message = judged(text).unwrap_err();
            assert!(message.ends_with("is a path, and no table"), "{text}: {message}");
        }
    }

    #[test]
    fn one_statement_is_answered() {
        assert!(judged("SELECT 1; SELECT 2").unwrap_err().starts_with("a second statement"));
        assert!(judged(" -- nothing\n").unwrap_err().starts_with("there is no statement"));
        assert!(judged("\\dt").unwrap_err().contains("backslash"));
    }
}
