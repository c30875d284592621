//! `INSERT INTO`, `INSERT OVERWRITE` and `REPLACE INTO`: from the statement to a [`Flow`], or what is wrong with it.

use std::collections::BTreeSet;
use std::ops::Range;

use catalog::store::Table as CatalogTable;
use connectors::context::{TableComments, TableSpec};
use connectors::options::nearest;
use connectors::sink::{Change, WriteMode};
use datafusion::common::TableReference;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Insert, Statement as SqlStatement};
use sha2::{Digest, Sha256};

use super::comments::{Comments, comments};
use super::pipeline::{Pipeline, Table, TableKind, target};
use super::script::find_word;
use super::{Diagnostic, tables};
use crate::catalog::names::{lake_name, lake_reference, table_key};
use crate::catalog::taken;
use crate::flow::classify::{classify, inputs};
use crate::flow::{self, Class, Flow, plan};
use crate::session::Session;

/// Plans one statement against what is known so far.
pub(super) async fn flow(
    pipeline: &Pipeline,
    session: &Session,
    span: &Range<usize>,
    insert: &Insert,
) -> Result<Flow, Diagnostic> {
    let text = &pipeline.text;
    let from_datafusion = |error| pipeline.planning_error(span, &error);
    let mode = mode(insert);
    let name = target(insert).ok_or_else(|| Diagnostic::new("expected the name of a table after INTO", Some(span.clone())))?;
    let table = pipeline.tables.get(&name).ok_or_else(|| unknown_table(pipeline, span, &name))?;
    // What is wrong may stand in the query or, as a key does, in the table's own statement.
    let from_connector = |error: connectors::Error| {
        let in_table = error.subject().filter(|subject| find_word(text, span, subject).is_none());
        let at = in_table.and_then(|subject| find_word(text, &table.span, subject));
        let told = tables::not_reached(text, span, &table.spec, session, &error);
        Diagnostic { span: at.or(told.span.clone()), ..told }
    };
    let TableKind::Lake(connector) = &table.kind else {
        let at = find_word(text, span, &name);
        return Err(Diagnostic::new(format!("table '{name}' ({}) can only be read", table.spec.connector), at));
    };
    let query = query(pipeline, insert).await.map_err(from_datafusion)?;
    let class = classify(&query, mode).map_err(from_datafusion)?.map_err(|refusal| {
        let at = find_word(text, span, refusal.word).or_else(|| find_word(text, span, &name));
        Diagnostic::new(refusal.message, at).help(refusal.help)
    })?;
    let mut reads = inputs(&query).map_err(from_datafusion)?;
    if class == Class::Complete {
        reads.bounded.append(&mut reads.sources);
    }
    let spec = TableSpec { comments: said(pipeline, table, &query).map_err(from_datafusion)?, ..table.spec.clone() };
    let resolved = session.resolve(&spec).map_err(from_connector)?;
    let place = connector.place(&resolved, &session.context).map_err(from_connector)?;
    let sink = connector.sink(&resolved, &session.context).await.map_err(from_connector)?;
    let sink_plan = sink.plan(&plan::query_schema(&query), mode).await.map_err(from_connector)?;
    let rows = if mode == WriteMode::Upsert { plan::Rows::LastOfKey { and_without: false } } else { plan::Rows::All };
    // What the optimizer computes beforehand may fail: better here, with the place, than when rows were read.
    let staged = plan::staged(query.clone(), &sink_plan, rows).map_err(from_datafusion)?;
    pipeline.context.state().optimize(&staged).map_err(from_datafusion)?;
    if sink_plan.changes.contains(&Change::Create) {
        let lookup = pipeline.catalog.index.catalog();
        let other = taken::other(lookup, session, &pipeline.name, &table.spec).await.map_err(from_connector)?;
        if let Some(other) = other {
            let at = find_word(text, &table.span, &table.spec.location).or_else(|| find_word(text, span, &name));
            return Err(has_the_name(&name, &other, at));
        }
    }
    let siblings = pipeline.flows.iter().filter(|flow| flow.table.name == name).count();
    let id = file_safe(&name);
    Ok(Flow {
        id: if siblings == 0 { id } else { format!("{id}-{}", siblings + 1) },
        span: span.clone(),
        mode,
        class,
        sources: reads.sources,
        bounded: reads.bounded,
        fingerprint: fingerprint(pipeline, insert),
        query,
        insert: Box::new(insert.clone()),
        table: spec,
        place,
        sink,
        sink_plan,
    })
}

/// What the table that `query` fills is said to be.
fn said(pipeline: &Pipeline, table: &Table, query: &LogicalPlan) -> PlanResult<TableComments> {
    let written = |table: &Table| {
        let Comments { table, columns } = comments(&pipeline.text, &table.span);
        TableComments { table, columns: columns.into_iter().collect() }
    };
    let of_source = |(name, table): (&String, &Table)| {
        let TableKind::Source(source) = &table.kind else { return None };
        let (written, found) = (written(table), source.comments());
        let columns = found.columns.into_iter().chain(written.columns).collect();
        Some((name.clone(), TableComments { table: written.table.or(found.table), columns }))
    };
    flow::comments::comments(query, written(table), &pipeline.tables.iter().filter_map(of_source).collect())
}

fn mode(insert: &Insert) -> WriteMode {
    if insert.replace_into {
        WriteMode::Upsert
    } else if insert.overwrite {
        WriteMode::Overwrite
    } else {
        WriteMode::Append
    }
}

/// Hash of the query and of the views it reads, one through the other. Of the statements, not of the plan: a plan also
/// depends on whether a table exists yet.
fn fingerprint(pipeline: &Pipeline, insert: &Insert) -> String {
    let mut texts = vec![insert.columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")];
    let mut open: Vec<SqlStatement> = insert.source.iter().map(|query| SqlStatement::Query(query.clone())).collect();
    let mut seen = BTreeSet::new();
    while let Some(statement) = open.pop() {
        texts.push(statement.to_string());
        let references =
            pipeline.context.state().resolve_table_references(&Parsed::Statement(Box::new(statement))).unwrap_or_default();
        for name in references.iter().map(table_key) {
            if let Some(view) = pipeline.views.get(&name)
                && seen.insert(name)
            {
                open.push(view.clone());
            }
        }
    }
    hex::encode(&Sha256::digest(texts.join("\n"))[..8])
}

/// Letters, digits, `_` and `-`; anything else becomes `_`.
fn file_safe(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// The query, with the names of the column list (`INSERT INTO t (a, b) SELECT ...`) when there is one.
async fn query(pipeline: &Pipeline, insert: &Insert) -> PlanResult<LogicalPlan> {
    let Some(source) = &insert.source else { return datafusion::common::plan_err!("expected a query after INSERT INTO") };
    let statement = Parsed::Statement(Box::new(SqlStatement::Query(source.clone())));
    let plan = pipeline.context.state().statement_to_plan(statement).await?;
    if insert.columns.is_empty() {
        return Ok(plan);
    }
    let names: Vec<String> = insert.columns.iter().map(|name| tables::table_name(&name.to_string())).collect();
    if names.len() != plan.schema().fields().len() {
        return datafusion::common::plan_err!(
            "{} columns are named, but the query has {}",
            names.len(),
            plan.schema().fields().len()
        );
    }
    let columns: Vec<Expr> =
        plan.schema().columns().into_iter().zip(names).map(|(column, name)| Expr::Column(column).alias(name)).collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// What a table is told that would be asked for by the name of `other`.
fn has_the_name(name: &str, other: &CatalogTable, at: Option<Range<usize>>) -> Diagnostic {
    let (registration, reference) = (&other.registration, lake_reference(other.name()));
    let message = format!(
        "table '{name}' would be {reference}, which is the {} table at {}, registered by {}: queries would read that one",
        registration.connector, registration.location, registration.registered_by
    );
    let forget =
        format!("write to another folder of the lake, or let go of the other table: engine catalog forget {}", other.name());
    Diagnostic::new(message, at).help(forget)
}

fn unknown_table(pipeline: &Pipeline, span: &Range<usize>, name: &str) -> Diagnostic {
    let reference = TableReference::parse_str(name);
    let at = find_word(&pipeline.text, span, name).or_else(|| find_word(&pipeline.text, span, reference.table()));
    let diagnostic = Diagnostic::new(format!("table '{name}' not found"), at);
    match nearest(name, pipeline.tables.keys().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
        None => {
            let place =
                lake_name(&reference).map_or_else(|| "...".to_owned(), |name| format!("{}/{}", name.database, name.table));
            let own = reference.table();
            diagnostic.help(format!(
                "declare it: CREATE EXTERNAL TABLE {own} STORED AS DELTA LOCATION 'lake://{place}', and write to {own}"
            ))
        }
    }
}
