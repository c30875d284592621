//! From a flow's query to the plan whose rows are staged: slices in place of sources, the sink's columns and types, one
//! row a key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use connectors::sink::SinkPlan;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, cast, lit};

use super::Flow;
use super::source_table::SourceTable;

/// The position of a row among those that arrived in the epoch.
const ARRIVAL: &str = "__engine_arrival";
/// 1 for the row that wins among those of its key.
const RANK: &str = "__engine_rank";

/// Which rows of a query are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All.
    All,
    /// The last of each key; where `and_without`, all rows with NULL in the key too, which equals nothing.
    LastOfKey {
        /// Whether rows without a key are staged, each.
        and_without: bool,
    },
}

/// The query's columns, cast to the sink's and in its order.
///
/// # Errors
/// A cast that cannot be planned.
pub fn staged(query: LogicalPlan, sink: &SinkPlan, rows: Rows) -> Result<LogicalPlan> {
    let schema = query.schema();
    let mut columns = Vec::with_capacity(sink.schema.fields().len());
    for field in sink.schema.fields() {
        let found = schema.iter().find(|(_, column)| column.name().eq_ignore_ascii_case(field.name()));
        columns.push(match found {
            Some((qualifier, column)) => {
                let value = Expr::Column(Column::from((qualifier, column)));
                let value = if column.data_type() == field.data_type() { value } else { cast(value, field.data_type().clone()) };
                value.alias(field.name())
            }
            None => lit(ScalarValue::try_from(field.data_type())?).alias(field.name()),
        });
    }
    let projected = LogicalPlanBuilder::from(query).project(columns)?;
    match rows {
        Rows::All => projected.build(),
        Rows::LastOfKey { and_without } => last_of_each_key(projected, sink, and_without),
    }
}

fn last_of_each_key(rows: LogicalPlanBuilder, sink: &SinkPlan, and_without: bool) -> Result<LogicalPlan> {
    let column = |name: &String| Expr::Column(Column::from_name(name));
    let columns: Vec<Expr> = sink.schema.fields().iter().map(|field| column(field.name())).collect();
    let order = sink.order_by.iter().map(column).chain([Expr::Column(Column::from_name(ARRIVAL))]);
    let order: Vec<Sort> = order.map(|value| value.sort(false, false)).collect();
    let rank = row_number().partition_by(sink.key.iter().map(column).collect()).order_by(order).build()?.alias(RANK);
    let mut wanted = Expr::Column(Column::from_name(RANK)).eq(lit(1_u64));
    if and_without {
        wanted = sink.key.iter().map(|name| column(name).is_null()).fold(wanted, Expr::or);
    }
    rows.window([row_number().alias(ARRIVAL)])?.window([rank])?.filter(wanted)?.project(columns)?.build()
}

/// `plan` with every scan of a table named in `tables` reading that provider instead.
///
/// # Errors
/// None of its own.
pub fn with_tables(plan: LogicalPlan, tables: &BTreeMap<String, Arc<dyn TableProvider>>) -> Result<LogicalPlan> {
    let replaced = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source)?;
        let name = provider.downcast_ref::<SourceTable>().map(|table| table.name.clone());
        match name.and_then(|name| tables.get(&name)) {
            Some(table) => {
                scan.source = provider_as_source(Arc::clone(table));
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            None => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        }
    })?;
    Ok(replaced.data)
}

/// The columns of each source that any of `flows` uses for what it stages.
///
/// # Errors
/// When a plan cannot be optimized.
pub fn columns_of(flows: &[&Flow], state: &SessionState) -> Result<BTreeMap<String, BTreeSet<usize>>> {
    let mut columns: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for flow in flows {
        let staged = staged(flow.query.clone(), &flow.sink_plan, Rows::All)?;
        for (source, used) in used_columns(&staged, state)? {
            columns.entry(source).or_default().extend(used);
        }
    }
    Ok(columns)
}

/// The columns of each source that `plan` uses, after the optimizer has dropped those it does not.
///
/// # Errors
/// When the plan cannot be optimized.
pub fn used_columns(plan: &LogicalPlan, state: &SessionState) -> Result<BTreeMap<String, BTreeSet<usize>>> {
    let optimized = state.optimize(plan)?;
    let mut used: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    optimized.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            if let Some(table) = provider.downcast_ref::<SourceTable>() {
                let columns = used.entry(table.name.clone()).or_default();
                match &scan.projection {
                    Some(projection) => columns.extend(projection),
                    None => columns.extend(0..scan.source.schema().fields().len()),
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(used)
}

/// The query's columns as the sink sees them.
pub fn query_schema(plan: &LogicalPlan) -> SchemaRef {
    Arc::clone(plan.schema().inner())
}
