//! One SQL statement: what it means in a shell, up to the rows it gives.

use std::convert::Infallible;
use std::ops::{ControlFlow, Range};

use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToStatement, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{
    DescribeAlias, Insert, ObjectName, Select, SelectFlavor, SelectItem, ShowCreateObject, Statement as SqlStatement,
    TableObject, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::catalog::{Declared, PUBLIC};
use super::summary::{self, Summary};
use super::workspace::Workspace;
use super::{describe, mistake, time_travel};
use crate::sql::{Diagnostic, script, settings};

type Result<T> = std::result::Result<T, Diagnostic>;

/// A statement, as far as it goes without reading rows.
#[derive(Debug)]
pub(super) enum Prepared {
    /// It gives rows.
    Rows(DataFrame),
    /// It gives one row, which is shown as a row per column.
    Summary(DataFrame, Summary),
    /// It is done; what it was.
    Done(String),
}

/// Plans the statement at `span`, and does what is no query.
pub(super) async fn prepare(workspace: &Workspace, text: &str, span: &Range<usize>) -> Result<Prepared> {
    let first = script::word_at(text, span.start);
    if text[first.clone()].eq_ignore_ascii_case("SUMMARIZE") {
        return summarize(workspace, text, first.end..span.end).await;
    }
    if let Some((query, whole)) = described_version(text, span) {
        return describe_version(workspace, text, &query, &whole).await;
    }
    let mut parsed = parse(text, text, span)?;
    match &mut parsed {
        Parsed::CreateExternalTable(table) => {
            workspace.declare_table(text, span, table).await?;
            return Ok(Prepared::Done("CREATE EXTERNAL TABLE".to_owned()));
        }
        Parsed::CopyTo(copy) => open_target(workspace, text, span, copy)?,
        Parsed::Statement(statement) => match statement.as_ref() {
            SqlStatement::ShowTables { show_options, .. } => {
                return describe::shown_tables(workspace, text, span, show_options).await.map(Prepared::Rows);
            }
            SqlStatement::ShowCreate { obj_type: ShowCreateObject::Table | ShowCreateObject::View, obj_name } => {
                return describe::definition(workspace, text, span, obj_name).await.map(Prepared::Rows);
            }
            SqlStatement::Drop { names, if_exists, .. } => {
                let foreign = names.iter().find(|name| !is_own(workspace, name));
                if let Some(name) = foreign.filter(|_| !*if_exists) {
                    return Err(not_dropped(text, span, name));
                }
            }
            other => refuse_writes(workspace, text, span, other)?,
        },
        _ => {}
    }
    let told = |error: DataFusionError| async move { mistake::of_datafusion(workspace, text, span, &error).await };
    match execute(workspace, text, span, parsed).await {
        Ok(prepared) => Ok(prepared),
        Err(error) => {
            let known = workspace.context.state().config_options().entries();
            Err(settings::explain(text, span, told(error).await, &known))
        }
    }
}

/// Parses `query`, which is `text` or has its length: `text` is what errors are about.
fn parse(text: &str, query: &str, span: &Range<usize>) -> Result<Parsed> {
    let readable = time_travel::clauses_as_arguments(query, span);
    let mut parsed = script::parse_statement(&readable, span).map_err(|error| mistake::of_parser(text, span, error))?;
    time_travel::functions_as_tables(text, &mut parsed)?;
    if let Parsed::Statement(statement) = &mut parsed {
        columns_as_description(statement);
        let ControlFlow::Continue(()) = statement.visit(&mut AllColumns);
    }
    Ok(parsed)
}

/// `SHOW COLUMNS FROM posts` is `DESCRIBE posts`, of files too, which DataFusion's list of columns has not.
fn columns_as_description(statement: &mut SqlStatement) {
    let name = match &*statement {
        SqlStatement::ShowColumns { show_options, .. } if show_options.filter_position.is_none() => {
            show_options.show_in.as_ref().and_then(|show_in| show_in.parent_name.clone())
        }
        _ => None,
    };
    if let Some(table_name) = name {
        *statement = SqlStatement::ExplainTable {
            describe_alias: DescribeAlias::Describe,
            hive_format: None,
            has_table_keyword: false,
            table_name,
        };
    }
}

/// `FROM posts` without a SELECT means all columns, for which DataFusion plans none.
struct AllColumns;

impl VisitorMut for AllColumns {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        if select.flavor == SelectFlavor::FromFirstNoSelect && select.projection.is_empty() {
            select.projection.push(SelectItem::Wildcard(WildcardAdditionalOptions::default()));
        }
        ControlFlow::Continue(())
    }
}

async fn execute(workspace: &Workspace, text: &str, span: &Range<usize>, parsed: Parsed) -> datafusion::error::Result<Prepared> {
    let state = workspace.context.state();
    if state.resolve_table_references(&parsed)?.iter().any(|table| table.schema() == Some("information_schema")) {
        // Its tables are made from names that DataFusion asks for without waiting.
        workspace.index.tables().await?;
    }
    let view = match &parsed {
        Parsed::Statement(statement) => match statement.as_ref() {
            SqlStatement::CreateView(view) => Some(name_of(&view.name)),
            _ => None,
        },
        _ => None,
    };
    let plan = Box::pin(state.statement_to_plan(parsed.clone())).await?;
    if let LogicalPlan::DescribeTable(table) = &plan {
        return describe::columns(workspace, &table.schema).map(Prepared::Rows);
    }
    let changes_names = matches!(plan, LogicalPlan::Ddl(_));
    let own = changes_names.then(|| workspace.names.only_own());
    let frame = Box::pin(workspace.context.execute_logical_plan(plan)).await?;
    drop(own);
    if let Some(name) = view {
        let sql = text[span.clone()].to_owned();
        workspace.names.declare(&name, Declared::View { statement: Box::new(parsed), sql });
    }
    if frame.schema().fields().is_empty() {
        let words: Vec<String> = text[span.clone()].split_whitespace().take(2).map(str::to_uppercase).collect();
        let one = words.first().is_some_and(|word| word == "SET" || word == "RESET");
        return Ok(Prepared::Done(if one { words[0].clone() } else { words.join(" ") }));
    }
    Ok(Prepared::Rows(frame))
}

/// The name as DataFusion keeps it.
pub(super) fn name_of(name: &ObjectName) -> String {
    TableReference::parse_str(&name.to_string()).table().to_owned()
}

/// `SUMMARIZE posts`, `SUMMARIZE 'x.csv'`, `SUMMARIZE SELECT ...`.
async fn summarize(workspace: &Workspace, text: &str, rest: Range<usize>) -> Result<Prepared> {
    let subject = subject(text, rest.clone());
    if subject.is_empty() {
        return Err(Diagnostic::new("SUMMARIZE takes a table or a query", Some(rest.start.saturating_sub(1)..rest.start)));
    }
    let word = text[script::word_at(text, subject.start)].to_uppercase();
    let is_query = text[subject.clone()].starts_with('(') || matches!(word.as_str(), "SELECT" | "WITH" | "VALUES" | "FROM");
    // The word before it makes room for a query over the table, in the same bytes.
    let query = if is_query { text.to_owned() } else { with_query(text, &subject) };
    let span = if is_query { subject.clone() } else { query_start(text, &subject)..subject.end };
    let parsed = parse(text, &query, &span)?;
    let state = workspace.context.state();
    let planned = async {
        let plan = Box::pin(state.statement_to_plan(parsed)).await?;
        summary::of(DataFrame::new(state.clone(), plan))
    };
    match planned.await {
        Ok((frame, summary)) => Ok(Prepared::Summary(frame, summary)),
        Err(error) => Err(mistake::of_datafusion(workspace, text, &subject, &error).await),
    }
}

/// What follows the verb, without the blanks before it.
fn subject(text: &str, rest: Range<usize>) -> Range<usize> {
    let blanks = text[rest.clone()].len() - text[rest.clone()].trim_start().len();
    rest.start + blanks..rest.end
}

/// Of `DESCRIBE posts VERSION AS OF 3` the query whose columns it asks for, in a text of the same bytes.
pub(super) fn described_version(text: &str, span: &Range<usize>) -> Option<(String, Range<usize>)> {
    let first = script::word_at(text, span.start);
    ["DESCRIBE", "DESC"].iter().find(|word| text[first.clone()].eq_ignore_ascii_case(word))?;
    let subject = subject(text, first.end..span.end);
    let whole = query_start(text, &subject)..subject.end;
    time_travel::is_earlier_version(text, &subject).then(|| (with_query(text, &subject), whole))
}

async fn describe_version(workspace: &Workspace, text: &str, query: &str, subject: &Range<usize>) -> Result<Prepared> {
    let parsed = parse(text, query, subject)?;
    let planned = Box::pin(workspace.context.state().statement_to_plan(parsed)).await;
    match planned.and_then(|plan| describe::columns(workspace, plan.schema().as_arrow())) {
        Ok(frame) => Ok(Prepared::Rows(frame)),
        Err(error) => Err(mistake::of_datafusion(workspace, text, subject, &error).await),
    }
}

/// No longer than `SUMMARIZE ` and `DESC `, which it takes the place of.
const QUERY: &str = "FROM ";

/// Where it begins; what is before may be blanks of several bytes.
fn query_start(text: &str, subject: &Range<usize>) -> usize {
    text.floor_char_boundary(subject.start.saturating_sub(QUERY.len()))
}

fn with_query(text: &str, subject: &Range<usize>) -> String {
    let room = query_start(text, subject)..subject.start;
    format!("{}{QUERY:<width$}{}", &text[..room.start], &text[room.end..], width = room.len())
}

/// Makes the store of a `COPY ... TO` known; the lake is written by runs.
fn open_target(workspace: &Workspace, text: &str, span: &Range<usize>, copy: &CopyToStatement) -> Result<()> {
    let at = || script::find_word(text, span, &copy.target);
    if copy.target.starts_with("lake://") {
        return Err(Diagnostic::new("COPY does not write to the lake", at()).help(RUN));
    }
    if !copy.target.contains("://") {
        return Ok(());
    }
    let place = workspace.session.context.locate(&copy.target);
    let place = place.map_err(|error| Diagnostic::from_connector(text, span, &error))?;
    let mut root = place.url.clone();
    root.set_path("");
    workspace.context.register_object_store(&root, place.store);
    Ok(())
}

const RUN: &str = "rows get into the lake once and whole by epochs: put the INSERT into a pipeline file and `engine run` it";

/// Everything that would change rows, but for tables that only this session has.
fn refuse_writes(workspace: &Workspace, text: &str, span: &Range<usize>, statement: &SqlStatement) -> Result<()> {
    let target = match statement {
        SqlStatement::Insert(Insert { table: TableObject::TableName(name), .. }) => Some(name),
        SqlStatement::Insert(_)
        | SqlStatement::Update(_)
        | SqlStatement::Delete(_)
        | SqlStatement::Merge(_)
        | SqlStatement::Truncate(_)
        | SqlStatement::AlterTable(_) => None,
        _ => return Ok(()),
    };
    let is_rows = |name: &ObjectName| is_own(workspace, name) && workspace.names.declared(&name_of(name)).is_none();
    if target.is_some_and(is_rows) {
        return Ok(());
    }
    let word = script::word_at(text, span.start);
    let verb = text[word.clone()].to_uppercase();
    Err(Diagnostic::new(format!("the shell does not {verb}: it reads"), Some(word)).help(RUN))
}

/// Whether the session declared it, or holds its rows.
fn is_own(workspace: &Workspace, name: &ObjectName) -> bool {
    let reference = TableReference::parse_str(&name.to_string());
    matches!(reference.schema(), None | Some(PUBLIC)) && workspace.names.owns(reference.table())
}

fn not_dropped(text: &str, span: &Range<usize>, name: &ObjectName) -> Diagnostic {
    let at = script::find_word(text, span, TableReference::parse_str(&name.to_string()).table());
    Diagnostic::new(format!("'{name}' is not of this session"), at)
        .help("the shell drops what was declared in it, and nothing of the lake; \\dt lists what there is")
}
