//! From a flow's query to the plan whose rows are staged: slices in place of sources, the sink's columns and types, one
//! row a key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use connectors::sink::SinkPlan;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::{conjunction, disjunction};
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, TableScan, cast, lit};

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
    let mut last = rows.window([row_number().alias(ARRIVAL)])?.window([rank])?.filter(wanted)?;
    if sink.in_order {
        last = last.sort([Expr::Column(Column::from_name(ARRIVAL)).sort(true, false)])?;
    }
    last.project(columns)?.build()
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

/// What is wanted of a source.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Its columns.
    pub columns: BTreeSet<usize>,
    /// Of each scan what it wants true of its rows, which is all rows where that is nothing.
    scans: Vec<Vec<Expr>>,
}

impl Wanted {
    /// What is true of every row that any of the scans wants.
    pub fn filters(&self) -> Vec<Expr> {
        let Some((first, others)) = self.scans.split_first() else { return Vec::new() };
        let (mut all, rest): (Vec<Expr>, Vec<Expr>) =
            first.iter().cloned().partition(|filter| others.iter().all(|scan| scan.contains(filter)));
        let rests = others.iter().map(|scan| scan.iter().filter(|filter| !all.contains(filter)).cloned().collect());
        let rests: Option<Vec<Expr>> = std::iter::once(rest).chain(rests).map(conjunction).collect();
        // Of one scan nothing is left over.
        all.extend(rests.and_then(disjunction));
        all
    }

    fn scan(&mut self, scan: &TableScan) {
        match &scan.projection {
            Some(projection) => self.columns.extend(projection),
            None => self.columns.extend(0..scan.source.schema().fields().len()),
        }
        let filters: Vec<Expr> = scan.filters.iter().cloned().map(unqualified).collect();
        if !self.scans.contains(&filters) {
            self.scans.push(filters);
        }
    }
}

/// Of columns by their names alone, so that scans of one table under several names compare.
fn unqualified(filter: Expr) -> Expr {
    let named = filter.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::from_name(column.name))),
            other => Transformed::no(other),
        })
    });
    named.map_or(filter, |named| named.data)
}

/// What `flows` want of each source for what they stage, after the optimizer has dropped what they do not.
///
/// # Errors
/// When a plan cannot be optimized.
pub fn wanted(flows: &[&Flow], state: &SessionState) -> Result<BTreeMap<String, Wanted>> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for flow in flows {
        let optimized = state.optimize(&staged(flow.query.clone(), &flow.sink_plan, Rows::All)?)?;
        optimized.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(table) = source_as_provider(&scan.source)?.downcast_ref::<SourceTable>()
            {
                wanted.entry(table.name.clone()).or_default().scan(scan);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(wanted)
}

/// The query's columns as the sink sees them.
pub fn query_schema(plan: &LogicalPlan) -> SchemaRef {
    Arc::clone(plan.schema().inner())
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use datafusion::logical_expr::col;

    use super::*;

    fn of(scans: &[&[Expr]]) -> Vec<String> {
        let scans = scans.iter().map(|scan| scan.to_vec()).collect();
        Wanted { columns: BTreeSet::new(), scans }.filters().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_are_wanted_that_any_scan_wants() {
        let (paid, large, new) = (col("paid").is_true(), col("total").gt(lit(5)), col("id").gt(lit(9)));
        assert_eq!(of(&[&[paid.clone(), large.clone()]]), ["paid IS TRUE", "total > Int32(5)"]);
        assert_eq!(
            of(&[&[paid.clone(), large.clone()], &[new.clone(), paid.clone()]]),
            ["paid IS TRUE", "total > Int32(5) OR id > Int32(9)"]
        );
        assert_eq!(of(&[from_ref(&large), from_ref(&new)]), ["total > Int32(5) OR id > Int32(9)"]);
        assert_eq!(of(&[from_ref(&paid), &[new, paid.clone()]]), ["paid IS TRUE"], "one wants no more than that");
        assert!(of(&[&[paid, large], &[]]).is_empty(), "one wants all");
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn a_table_by_two_names_is_one() {
        let named = unqualified(Expr::Column(Column::new(Some("o"), "id")).gt(lit(1)));
        assert_eq!(named, col("id").gt(lit(1)));
    }
}
