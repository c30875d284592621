//! What a table that is written is said to be: what its statement says, and else what is said of what the query takes over as it is.

use std::collections::BTreeMap;

use connectors::context::TableComments;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, TableScan, Union};

use super::source_table::SourceTable;

/// The column of a source that a column of a query is, unchanged: the source's name and the column's.
type Origin = Option<(String, String)>;

/// The comments of a sink that `plan` fills. `own` are those of its statement, `sources` those of the sources, by name.
///
/// # Errors
/// None of its own.
pub fn comments(plan: &LogicalPlan, own: TableComments, sources: &BTreeMap<String, TableComments>) -> Result<TableComments> {
    let mut comments = own;
    if comments.table.is_none() {
        comments.table = only_table(plan)?.and_then(|name| sources.get(&name)?.table.clone());
    }
    for (field, origin) in plan.schema().fields().iter().zip(origins(plan)?) {
        let said = origin.and_then(|(source, column)| sources.get(&source)?.column(&column).map(str::to_owned));
        if let Some(said) = said.filter(|_| comments.column(field.name()).is_none()) {
            comments.columns.insert(field.name().clone(), said);
        }
    }
    Ok(comments)
}

/// The source that `plan` reads, if it reads nothing else.
fn only_table(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut scans = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            scans.push(source_of(scan)?);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(match scans.as_mut_slice() {
        [only] => only.take(),
        _ => None,
    })
}

fn source_of(scan: &TableScan) -> Result<Option<String>> {
    let provider = source_as_provider(&scan.source)?;
    Ok(provider.downcast_ref::<SourceTable>().map(|table| table.name.clone()))
}

/// Where each column of `plan` comes from, if it is that column as it is.
fn origins(plan: &LogicalPlan) -> Result<Vec<Origin>> {
    Ok(match plan {
        LogicalPlan::TableScan(scan) => {
            let source = source_of(scan)?;
            let names = plan.schema().fields().iter().map(|field| field.name().clone());
            names.map(|name| source.clone().map(|source| (source, name))).collect()
        }
        LogicalPlan::Projection(projection) => projected(projection)?,
        LogicalPlan::SubqueryAlias(alias) => origins(&alias.input)?,
        LogicalPlan::Union(union) => united(union)?,
        other => passed_through(other)?,
    })
}

fn projected(projection: &Projection) -> Result<Vec<Origin>> {
    let (schema, below) = (projection.input.schema(), origins(&projection.input)?);
    let origin = |expr: &Expr| match expr.clone().unalias() {
        Expr::Column(column) => below.get(schema.maybe_index_of_column(&column)?)?.clone(),
        _ => None,
    };
    Ok(projection.expr.iter().map(origin).collect())
}

/// A column of a union is a source's if it is that in all of its parts.
fn united(union: &Union) -> Result<Vec<Origin>> {
    let parts = union.inputs.iter().map(|part| origins(part)).collect::<Result<Vec<_>>>()?;
    let Some((first, others)) = parts.split_first() else { return Ok(Vec::new()) };
    let same = |(index, origin): (usize, &Origin)| {
        origin.clone().filter(|_| others.iter().all(|other| other.get(index) == Some(origin)))
    };
    Ok(first.iter().enumerate().map(same).collect())
}

/// Columns that a node has from below under the same name and type: a filter's, both sides' of a join.
fn passed_through(plan: &LogicalPlan) -> Result<Vec<Origin>> {
    let below = plan.inputs().into_iter().map(|input| Ok((input.schema(), origins(input)?))).collect::<Result<Vec<_>>>()?;
    let origin = |column: &datafusion::common::Column, field: &arrow::datatypes::Field| {
        below.iter().find_map(|(schema, origins)| {
            let index = schema.maybe_index_of_column(column)?;
            (schema.field(index).data_type() == field.data_type()).then(|| origins.get(index).cloned().flatten())?
        })
    };
    let schema = plan.schema();
    Ok(schema.columns().iter().zip(schema.fields()).map(|(column, field)| origin(column, field)).collect())
}
