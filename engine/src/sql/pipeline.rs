//! The [`Pipeline`]: a file, read, planned and checked.
//!
//! Statements may stand in any order that makes sense to a reader: tables first, then views and flows as soon as what they
//! read is known.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use catalog::store::TableName;
use connectors::context::TableSpec;
use connectors::registry::{Connector, connector};
use connectors::source::Source;
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{CreateExternalTable, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{Insert, Statement as SqlStatement, TableObject};

use super::missing::missing_key;
use super::script::{self, Statement, find_word};
use super::settings::{PipelineOptions, pipeline_options};
use super::settle::Waiting;
use super::{Diagnostic, flows, settings, tables};
use crate::catalog::PipelineCatalog;
use crate::catalog::names::table_key;
use crate::flow::source_table::SourceTable;
use crate::flow::{Class, Flow};
use crate::serve::policy::{Mistake, Policy};
use crate::session::Session;
use crate::state::LandedFile;

/// What a table is to the pipeline.
#[derive(Debug, Clone)]
pub enum TableKind {
    /// Read incrementally.
    Source(Arc<dyn Source>),
    /// A table of the lake: written by flows, or read as it stands.
    Lake(&'static dyn Connector),
}

/// One external table.
#[derive(Debug, Clone)]
pub struct Table {
    /// As declared, `${...}` unresolved.
    pub spec: TableSpec,
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// What it is.
    pub kind: TableKind,
}

/// A statement that is run as it is, after the flows.
#[derive(Debug, Clone)]
pub struct Query {
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// The statement.
    pub statement: Parsed,
}

/// A file, ready to run.
pub struct Pipeline {
    /// The file's stem.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// `SET pipeline.*`.
    pub options: PipelineOptions,
    /// By name.
    pub tables: BTreeMap<String, Table>,
    /// `CREATE VIEW` and `CREATE TABLE`, by name.
    pub views: BTreeMap<String, SqlStatement>,
    /// In the order of the file.
    pub flows: Vec<Flow>,
    /// `SELECT`, `COPY` and `EXPLAIN`.
    pub queries: Vec<Query>,
    /// The file of a landing zone that it loads, whole and once.
    pub landed: Option<LandedFile>,
    /// All of the above, as DataFusion knows it.
    pub context: SessionContext,
    /// The catalogs beside it.
    pub(super) catalog: PipelineCatalog,
    /// Those of the tables that nobody declared, and what they are called in the lake.
    pub(super) of_the_lake: BTreeMap<String, TableName>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("name", &self.name)
            .field("tables", &self.tables)
            .field("flows", &self.flows)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Reads, plans and checks a file. Moves no data. The inner error lists everything that is wrong.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn load(path: &Path, session: &Session) -> Result<std::result::Result<Self, Vec<Diagnostic>>> {
        Ok(Self::parse(path, script::read(path)?, session).await)
    }

    /// The same of a text that need not be in a file; `path` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub async fn parse(path: &Path, text: String, session: &Session) -> std::result::Result<Self, Vec<Diagnostic>> {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Builder::new(name, path.to_owned(), text, session).build().await
    }

    /// The line of `span`, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.text[..span.start].matches('\n').count() + 1
    }

    /// The table that a flow's source name stands for.
    pub fn source(&self, name: &str) -> Option<&Arc<dyn Source>> {
        match &self.tables.get(name)?.kind {
            TableKind::Source(source) => Some(source),
            _ => None,
        }
    }

    /// Where the file declares `table`, for errors of it while it is read: `p.sql:3: source 'posts'`.
    pub fn place_of(&self, table: &str) -> String {
        let line = self.tables.get(table).map_or_else(String::new, |table| format!(":{}", self.line(&table.span)));
        format!("{}{line}: source '{table}'", self.path.display())
    }

    /// The flow against the tables as DataFusion sees them now.
    ///
    /// # Errors
    /// When it no longer fits them.
    pub async fn plan_again(&self, flow: &Flow, session: &Session) -> Result<Flow> {
        match flows::flow(self, session, &flow.span, &flow.insert).await {
            Ok(current) => Ok(Flow { id: flow.id.clone(), fingerprint: flow.fingerprint.clone(), ..current }),
            Err(diagnostic) => anyhow::bail!("{}", diagnostic.render(&self.path.display().to_string(), &self.text)),
        }
    }

    /// Makes DataFusion see the lake tables as they are now, and says which version each bounded table is at.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn refresh(&self, session: &Session) -> Result<BTreeMap<String, String>> {
        let mut versions = BTreeMap::new();
        for (name, table) in &self.tables {
            let resolved = session.resolve(&table.spec)?;
            match &table.kind {
                TableKind::Source(source) => {
                    if self.flows.iter().any(|flow| flow.class == Class::Complete && flow.bounded.contains(name)) {
                        versions.insert(name.clone(), source.version().await?);
                    }
                }
                TableKind::Lake(connector) => {
                    if let Some(found) = connector.table(&resolved, &session.context).await? {
                        self.show(name, found.provider)?;
                        versions.insert(name.clone(), found.version);
                    }
                }
            }
        }
        Ok(versions)
    }
}

/// A name as DataFusion's registry takes it, whatever letters it has.
pub(super) fn quoted(name: &str) -> TableReference {
    TableReference::bare(name.to_owned())
}

/// A pipeline that is being made.
pub(super) struct Builder<'a> {
    pub(super) pipeline: Pipeline,
    pub(super) session: &'a Session,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) targets: BTreeSet<String>,
    /// Tables whose own statement is wrong: what uses them is not reported as well.
    pub(super) broken: BTreeSet<String>,
    pub(super) waiting: Vec<Waiting>,
    /// It is not known which tables are written: some statements could not be parsed, or write one that is not declared.
    unsure: bool,
}

impl<'a> Builder<'a> {
    fn new(name: String, path: PathBuf, text: String, session: &'a Session) -> Self {
        let context = session.datafusion();
        let pipeline = Pipeline {
            name,
            path,
            text,
            options: PipelineOptions::default(),
            tables: BTreeMap::new(),
            views: BTreeMap::new(),
            flows: Vec::new(),
            queries: Vec::new(),
            landed: None,
            catalog: PipelineCatalog::install(&context, session),
            of_the_lake: BTreeMap::new(),
            context,
        };
        let (targets, broken) = (BTreeSet::new(), BTreeSet::new());
        Self { pipeline, session, errors: Vec::new(), targets, broken, waiting: Vec::new(), unsure: false }
    }

    async fn build(mut self) -> std::result::Result<Pipeline, Vec<Diagnostic>> {
        let script = script::parse(&self.pipeline.text);
        self.unsure = !script.errors.is_empty();
        self.errors.extend(script.errors);
        if script.statements.is_empty() && self.errors.is_empty() {
            let help = "an example is queries/reddit.sql: tables, and an INSERT INTO from one into the other";
            return Err(vec![Diagnostic::new("there is no statement in this file", None).help(help)]);
        }
        self.targets = script.statements.iter().filter_map(|statement| insert_target(&statement.parsed)).collect();
        let known: BTreeSet<String> = script.statements.iter().filter_map(|statement| declared(&statement.parsed)).collect();
        self.unsure |= self.targets.iter().any(|name| !name.contains('.') && !known.contains(name));
        let (first, second): (Vec<Statement>, Vec<Statement>) = script
            .statements
            .into_iter()
            .partition(|statement| matches!(statement.parsed, Parsed::CreateExternalTable(_)) || is_set(&statement.parsed));
        self.open_registered(&second).await;
        for statement in first.into_iter().chain(second) {
            let table = declared(&statement.parsed);
            if let Err(error) = self.add(statement).await {
                self.errors.push(error);
                self.broken.extend(table);
            }
        }
        self.settle().await;
        self.check_places();
        self.check_queries().await;
        self.pipeline.options = pipeline_options(self.pipeline.context.state().config_options());
        self.check_policy();
        if self.errors.is_empty() {
            Ok(self.pipeline)
        } else {
            self.hint_at_tables().await;
            self.errors.sort_by_key(|error| error.span.as_ref().map_or(0, |span| span.start));
            Err(self.errors)
        }
    }

    async fn add(&mut self, statement: Statement) -> std::result::Result<(), Diagnostic> {
        let Statement { span, parsed } = statement;
        match &parsed {
            Parsed::CreateExternalTable(table) => self.add_table(span, table).await,
            Parsed::Explain(_) | Parsed::CopyTo(_) => {
                self.pipeline.queries.push(Query { span, statement: parsed });
                Ok(())
            }
            Parsed::Statement(sql) => match sql.as_ref() {
                SqlStatement::Query(_)
                | SqlStatement::ShowVariable { .. }
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. } => {
                    self.pipeline.queries.push(Query { span, statement: parsed });
                    Ok(())
                }
                SqlStatement::Set(_) => self.execute(&span, parsed).await,
                SqlStatement::CreateView { .. } | SqlStatement::Insert(_) | SqlStatement::CreateTable(_) => {
                    self.waiting.push(Waiting { span, statement: parsed, error: None });
                    Ok(())
                }
                _ => Err(self.not_here(&span)),
            },
            _ => Err(self.not_here(&span)),
        }
    }

    fn not_here(&self, span: &Range<usize>) -> Diagnostic {
        let word = script::word_at(&self.pipeline.text, span.start);
        let name = self.pipeline.text[word.clone()].to_uppercase();
        Diagnostic::new(format!("{name} is not a statement of a pipeline"), Some(word)).help(
            "there are: SET, CREATE EXTERNAL TABLE, CREATE TABLE, CREATE VIEW, INSERT INTO, INSERT OVERWRITE, REPLACE INTO, SELECT, COPY, EXPLAIN, SHOW",
        )
    }

    /// Statements that change the session at once.
    async fn execute(&self, span: &Range<usize>, statement: Parsed) -> std::result::Result<(), Diagnostic> {
        let text = &self.pipeline.text;
        let run = async {
            let plan = self.pipeline.context.state().statement_to_plan(statement).await?;
            self.pipeline.context.execute_logical_plan(plan).await
        };
        match run.await {
            Ok(_) => Ok(()),
            Err(error) => {
                let diagnostic = self.pipeline.planning_error(span, &error);
                let known = self.pipeline.context.state().config_options().entries();
                Err(settings::explain(text, span, diagnostic, &known))
            }
        }
    }

    async fn add_table(&mut self, span: Range<usize>, statement: &CreateExternalTable) -> std::result::Result<(), Diagnostic> {
        let text = &self.pipeline.text;
        let named = TableReference::parse_str(&statement.name.to_string());
        if let Some(schema) = named.schema() {
            let message = format!("table '{named}' is declared in a schema; the tables of a pipeline file are in none");
            let help = format!(
                "CREATE EXTERNAL TABLE {} ...; its LOCATION says where it is kept, as in 'lake://{schema}/{0}'",
                named.table()
            );
            return Err(Diagnostic::new(message, find_word(text, &span, schema)).help(help));
        }
        let spec = tables::spec(statement, &self.pipeline.context)
            .await
            .map_err(|error| Diagnostic::from_datafusion(text, &span, &error))?;
        if let Some(other) = self.pipeline.tables.get(&spec.name) {
            let line = self.pipeline.line(&other.span);
            let at = find_word(text, &span, &spec.name);
            return Err(Diagnostic::new(format!("table '{}' is declared twice; the first time on line {line}", spec.name), at));
        }
        let kind = self.open(&spec, &span).await?;
        self.pipeline.tables.insert(spec.name.clone(), Table { spec, span, kind });
        Ok(())
    }

    pub(super) async fn open(&self, spec: &TableSpec, span: &Range<usize>) -> std::result::Result<TableKind, Diagnostic> {
        let text = &self.pipeline.text;
        let from_connector = |error: connectors::Error| tables::not_reached(text, span, spec, self.session, &error);
        let from_datafusion = |error| Diagnostic::from_datafusion(text, span, &error);
        let resolved = self.session.resolve(spec).map_err(from_connector)?;
        let is_target = self.targets.contains(&spec.name);
        let connector = connector(&spec.connector).map_err(from_connector)?;
        if is_target && !connector.is_sink() {
            let at = find_word(text, span, &spec.connector);
            let message = format!("table '{}' is written, but {} can only be read", spec.name, connector.name());
            return Err(Diagnostic::new(message, at));
        }
        if connector.is_source() && !is_target {
            // Of what a connector can both read and write, a table that it wrote is one of the lake.
            let written = if connector.is_sink() && spec.options.is_empty() {
                connector.table(&resolved, &self.session.context).await.map_err(from_connector)?
            } else {
                None
            };
            let Some(table) = written else { return self.open_source(&resolved, connector, span).await };
            self.pipeline.show(&spec.name, table.provider).map_err(from_datafusion)?;
            return Ok(TableKind::Lake(connector));
        }
        if is_target {
            // Options are checked here also when no flow that writes the table can be planned.
            connector.sink(&resolved, &self.session.context).await.map_err(from_connector)?;
        }
        match connector.table(&resolved, &self.session.context).await.map_err(from_connector)? {
            Some(table) => {
                self.pipeline.show(&spec.name, table.provider).map_err(from_datafusion)?;
            }
            None if is_target || self.unsure => {}
            None => {
                let at = find_word(text, span, &spec.location);
                let message = format!("table '{}': there is no {} table at '{}'", spec.name, connector.name(), spec.location);
                return Err(Diagnostic::new(message, at).help("check the location, or write the table with INSERT INTO"));
            }
        }
        Ok(TableKind::Lake(connector))
    }

    async fn open_source(
        &self,
        resolved: &TableSpec,
        connector: &dyn Connector,
        span: &Range<usize>,
    ) -> std::result::Result<TableKind, Diagnostic> {
        let text = &self.pipeline.text;
        let from_connector = |error: connectors::Error| tables::not_reached(text, span, resolved, self.session, &error);
        let home = self.session.source_folder(&self.pipeline.name, &resolved.name).map_err(from_connector)?;
        let source = connector.source(resolved, home, &self.session.context).await.map_err(from_connector)?;
        let table = SourceTable::new(resolved.name.clone(), Arc::clone(&source));
        let shown = self.pipeline.show(&resolved.name, Arc::new(table));
        shown.map_err(|error| Diagnostic::from_datafusion(text, span, &error))?;
        Ok(TableKind::Source(source))
    }

    /// Whether `error` is only that a table is missing whose own statement is reported already.
    pub(super) fn follows_from_broken(&self, error: &Diagnostic) -> bool {
        missing_key(error).is_some_and(|missing| self.broken.contains(&missing))
    }

    pub(super) async fn plan(&mut self, item: &Waiting) -> std::result::Result<(), Diagnostic> {
        let Parsed::Statement(sql) = &item.statement else { return Ok(()) };
        let SqlStatement::Insert(insert) = sql.as_ref() else {
            self.execute(&item.span, item.statement.clone()).await?;
            self.pipeline.views.extend(created(sql).map(|name| (name, sql.as_ref().clone())));
            return Ok(());
        };
        let flow = flows::flow(&self.pipeline, self.session, &item.span, insert).await?;
        // A table that is not there yet is known, and empty, to whatever reads it further on.
        let name = quoted(&flow.table.name);
        let is_of_the_lake = self.pipeline.of_the_lake.contains_key(&flow.table.name);
        if !is_of_the_lake && !self.pipeline.context.table_exist(name.clone()).unwrap_or(false) {
            let empty = Arc::new(EmptyTable::new(Arc::clone(&flow.sink_plan.schema)));
            let registered = self.pipeline.context.register_table(name, empty);
            registered.map_err(|error| Diagnostic::from_datafusion(&self.pipeline.text, &item.span, &error))?;
        }
        self.pipeline.flows.push(flow);
        Ok(())
    }

    async fn check_queries(&mut self) {
        for query in &self.pipeline.queries {
            let state = self.pipeline.context.state();
            let planned = state.statement_to_plan(query.statement.clone()).await;
            if let Err(error) = planned.and_then(|plan| state.optimize(&plan)) {
                let error = self.pipeline.planning_error(&query.span, &error);
                if !self.follows_from_broken(&error) {
                    self.errors.push(error);
                }
            }
        }
    }

    /// What the file sets of when it is run.
    fn check_policy(&mut self) {
        let text = &self.pipeline.text;
        let mistakes = match Policy::new(&self.pipeline.options) {
            Ok(policy) if policy.after.contains(&self.pipeline.name) => {
                let value = self.pipeline.options.after.clone().unwrap_or_default();
                let message =
                    format!("pipeline.after: '{}' is this pipeline; each run would make the next one due", self.pipeline.name);
                vec![Mistake { value, message }]
            }
            Ok(_) => return,
            Err(mistakes) => mistakes,
        };
        for mistake in mistakes {
            let at = find_word(text, &(0..text.len()), &mistake.value);
            // What is expected is what to try.
            let (message, help) = match mistake.message.split_once("; ") {
                Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
                None => (mistake.message, None),
            };
            let diagnostic = Diagnostic::new(message, at);
            self.errors.push(match help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            });
        }
    }
}

fn is_set(statement: &Parsed) -> bool {
    matches!(statement, Parsed::Statement(sql) if matches!(sql.as_ref(), SqlStatement::Set(_)))
}

/// The external table that the statement declares.
fn declared(statement: &Parsed) -> Option<String> {
    match statement {
        Parsed::CreateExternalTable(table) => Some(tables::table_name(&table.name.to_string())),
        _ => None,
    }
}

/// The name that the statement gives to what it creates.
pub(super) fn created(statement: &SqlStatement) -> Option<String> {
    match statement {
        SqlStatement::CreateView(view) => Some(tables::table_name(&view.name.to_string())),
        SqlStatement::CreateTable(table) => Some(tables::table_name(&table.name.to_string())),
        _ => None,
    }
}

pub(super) fn insert_target(statement: &Parsed) -> Option<String> {
    match statement {
        Parsed::Statement(sql) => match sql.as_ref() {
            SqlStatement::Insert(insert) => target(insert),
            _ => None,
        },
        _ => None,
    }
}

/// The name of the table that is written.
pub(super) fn target(insert: &Insert) -> Option<String> {
    match &insert.table {
        TableObject::TableName(name) => Some(table_key(&TableReference::parse_str(&name.to_string()))),
        _ => None,
    }
}
