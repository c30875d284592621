//! Which class a query belongs to, or why it cannot be streamed and what to write instead.
//!
//! Decided from the logical plan alone.

use std::collections::{BTreeMap, BTreeSet};

use connectors::sink::WriteMode;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::{JoinType, LogicalPlan};

use super::source_table::SourceTable;
use crate::catalog::names::table_key;

/// How a flow is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Row by row over the slices: the plan as it is.
    Stateless,
    /// Computed anew whenever one of its bounded tables changed.
    Complete,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stateless => "stateless",
            Self::Complete => "complete",
        })
    }
}

/// Why a query is refused, and the rewrite that would work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What does not work.
    pub message: String,
    /// What does.
    pub help: String,
    /// A word of the statement to point at.
    pub word: &'static str,
}

/// The tables a plan reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Read incrementally.
    pub sources: BTreeSet<String>,
    /// Read as they stand.
    pub bounded: BTreeSet<String>,
    /// Some of the sources cannot be read as a whole.
    pub unbounded: bool,
    /// Some tables could be read incrementally, and their user wants them as a whole.
    pub is_whole: bool,
}

/// The tables that `plan` reads, in subqueries too.
///
/// # Errors
/// None of its own.
pub fn inputs(plan: &LogicalPlan) -> Result<Inputs> {
    inputs_beside(plan, &lookups(plan)?)
}

/// The tables that a part of a plan reads, when the whole plan looks up in `lookups`.
fn inputs_beside(plan: &LogicalPlan, lookups: &BTreeSet<String>) -> Result<Inputs> {
    let mut inputs = Inputs::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            let table = provider.downcast_ref::<SourceTable>();
            inputs.is_whole |= table.is_some_and(|table| table.source.is_whole());
            match table {
                Some(table) if !table.source.is_whole() && !lookups.contains(&table.name) => {
                    inputs.unbounded |= !table.source.is_bounded();
                    inputs.sources.insert(table.name.clone())
                }
                _ => inputs.bounded.insert(table_key(&scan.table_name)),
            };
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(inputs)
}

/// How often `plan` reads each of its sources, and whether the source may be looked up in.
fn scans(plan: &LogicalPlan) -> Result<BTreeMap<String, (usize, bool)>> {
    let mut scans: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = source_as_provider(&scan.source)?.downcast_ref::<SourceTable>()
            && !table.source.is_whole()
        {
            scans.entry(table.name.clone()).or_insert((0, table.source.is_lookup())).0 += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(scans)
}

/// The sources that are read as a whole here because everything that reads them is joined with a source that is not: a file of
/// codes beside a folder of facts.
fn lookups(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let mut joined: BTreeMap<String, usize> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::Join(join) = node else { return Ok(TreeNodeRecursion::Continue) };
        let sides = [scans(&join.left)?, scans(&join.right)?];
        let is_lookup = |side: &BTreeMap<String, (usize, bool)>| !side.is_empty() && side.values().all(|(_, lookup)| *lookup);
        let chosen = match sides.each_ref().map(is_lookup) {
            [true, false] if !sides[1].is_empty() => &sides[0],
            [false, true] if !sides[0].is_empty() => &sides[1],
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        for (name, (times, _)) in chosen {
            *joined.entry(name.clone()).or_default() += times;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let all = scans(plan)?;
    Ok(joined
        .into_iter()
        .filter(|(name, times)| all.get(name).is_some_and(|(scans, _)| scans == times))
        .map(|(name, _)| name)
        .collect())
}

/// The class of `plan` when written by `mode`.
///
/// # Errors
/// A [`Refusal`] in the inner result; the outer one has no errors of its own.
pub fn classify(plan: &LogicalPlan, mode: WriteMode) -> Result<std::result::Result<Class, Refusal>> {
    let reads = inputs(plan)?;
    if mode == WriteMode::Overwrite && !reads.unbounded {
        return Ok(Ok(Class::Complete));
    }
    if reads.sources.is_empty() {
        return Ok(match mode {
            WriteMode::Overwrite | WriteMode::Upsert => Ok(Class::Complete),
            WriteMode::Append => Err(refusal(
                "the query reads no incremental source, so every run would append all of its rows again",
                if reads.is_whole {
                    "name a column that grows in OPTIONS ('cursor' 'updated_at') of a table of a database, or drop OPTIONS ('read' 'whole') \
                     of files; or write INSERT OVERWRITE to replace the table, or REPLACE INTO to upsert by key"
                } else {
                    "write INSERT OVERWRITE to replace the table, or REPLACE INTO to upsert by key"
                },
                "INSERT",
            )),
        });
    }
    if mode == WriteMode::Overwrite {
        return Ok(Err(refusal(
            "INSERT OVERWRITE replaces the whole table, but the query sees only what is new of its source",
            "write REPLACE INTO (upsert by key) or INSERT INTO (append); or overwrite from a lake table that collects the source",
            "OVERWRITE",
        )));
    }
    let lookups = lookups(plan)?;
    let mut found = None;
    plan.apply(|node| {
        found = refuse(node, &lookups)?;
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found.map_or(Ok(Class::Stateless), Err))
}

fn refusal(message: &str, help: &str, word: &'static str) -> Refusal {
    Refusal { message: message.to_owned(), help: help.to_owned(), word }
}

/// Why this node cannot be computed slice by slice, when a source is below it.
fn refuse(node: &LogicalPlan, lookups: &BTreeSet<String>) -> Result<Option<Refusal>> {
    let streams = |node: &LogicalPlan| -> Result<bool> { Ok(!inputs_beside(node, lookups)?.sources.is_empty()) };
    let over_source = || streams(node);
    let collect = "collect the rows in a lake table first (INSERT INTO or REPLACE INTO), then INSERT OVERWRITE from that table";
    let refused = match node {
        LogicalPlan::Aggregate(_) if over_source()? => {
            Some(refusal("GROUP BY over an incremental source would see only the new rows of each epoch", collect, "GROUP"))
        }
        LogicalPlan::Distinct(_) if over_source()? => Some(refusal(
            "DISTINCT over an incremental source would see only the new rows of each epoch",
            "write REPLACE INTO a table with a key: a row seen twice is then one row",
            "DISTINCT",
        )),
        LogicalPlan::Window(_) if over_source()? => Some(refusal(
            "a window function over an incremental source would see only the new rows of each epoch",
            collect,
            "OVER",
        )),
        LogicalPlan::Limit(_) if over_source()? => Some(refusal(
            "LIMIT over an incremental source would apply to each epoch on its own",
            "drop it; to read less, use the source's own option ('limit')",
            "LIMIT",
        )),
        LogicalPlan::Sort(_) if over_source()? => Some(refusal(
            "ORDER BY has no meaning for rows that keep arriving",
            "drop it, and sort when the table is read",
            "ORDER",
        )),
        LogicalPlan::RecursiveQuery(_) if over_source()? => Some(refusal(
            "a recursive query over an incremental source would see only the new rows of each epoch",
            collect,
            "RECURSIVE",
        )),
        LogicalPlan::Join(join) => {
            let left = streams(&join.left)?;
            let right = streams(&join.right)?;
            refuse_join(join.join_type, left, right)
        }
        LogicalPlan::Subquery(_) if over_source()? => Some(subquery()),
        _ => None,
    };
    if refused.is_some() {
        return Ok(refused);
    }
    let mut in_expression = None;
    node.apply_subqueries(|inner| {
        if streams(inner)? {
            in_expression = Some(subquery());
        }
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(in_expression)
}

fn subquery() -> Refusal {
    refusal(
        "a subquery over an incremental source would see only the new rows of each epoch",
        "collect the rows in a lake table first, and use that table in the subquery",
        "SELECT",
    )
}

/// A join is computed slice by slice when only one side is a source, and that side decides which rows there are.
fn refuse_join(join_type: JoinType, left: bool, right: bool) -> Option<Refusal> {
    use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
    let works = match (left, right) {
        (false, false) => true,
        (true, true) => false,
        (true, false) => matches!(join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark | RightSemi),
        (false, true) => matches!(join_type, Inner | Right | RightSemi | RightAnti | RightMark | LeftSemi),
    };
    // A semi join that keeps the bounded side would emit a bounded row again in every epoch that matches it.
    let keeps_bounded = matches!((left, join_type), (true, RightSemi) | (false, LeftSemi)) && (left != right);
    if works && !keeps_bounded {
        return None;
    }
    let both = "of files, declare the table that is only looked up with OPTIONS ('read' 'whole'); or collect the rows in a lake table \
                first (INSERT INTO or REPLACE INTO), then INSERT OVERWRITE from that table";
    let message = if left && right {
        "a join of two incremental sources would match only rows that arrive in the same epoch"
    } else {
        "this join keeps rows of the bounded table that match no new row, in every epoch anew"
    };
    Some(refusal(
        message,
        if left && right { both } else { "put the incremental source on the side that the join keeps" },
        "JOIN",
    ))
}
