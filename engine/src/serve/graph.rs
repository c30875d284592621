//! What a pipeline reads and writes, as a graph: sources, views, flows, sinks.

use std::collections::BTreeSet;

use connectors::sink::WriteMode;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use serde::Serialize;

use crate::flow::Flow;
use crate::sql::script::find_word;
use crate::sql::{Pipeline, Table, TableKind};

/// A pipeline's tables and statements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Sources first, sinks last.
    pub nodes: Vec<Node>,
    /// By the nodes' ids, in the direction of the rows.
    pub edges: Vec<(String, String)>,
}

/// A table or a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Not the same for any two.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// The table's or view's name; of a flow, that of the table it feeds.
    pub name: String,
    /// Of a table.
    pub connector: Option<String>,
    /// Of a table, `${...}` unresolved.
    pub location: Option<String>,
    /// Where it stands in the file, from 1; 0: it is not declared in it.
    pub line: usize,
    /// Of a flow: `INSERT INTO`, `INSERT OVERWRITE`, `REPLACE INTO`.
    pub verb: Option<String>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A table that is read.
    Source,
    /// A view.
    View,
    /// A statement that writes.
    Flow,
    /// A table that is written.
    Sink,
}

impl Graph {
    /// Of a pipeline.
    pub fn of(pipeline: &Pipeline) -> Self {
        let mut graph = Self::default();
        let sinks: BTreeSet<&str> = pipeline.flows.iter().map(|flow| flow.table.name.as_str()).collect();
        for (name, table) in &pipeline.tables {
            graph.nodes.push(table_node(pipeline, name, table, sinks.contains(name.as_str())));
        }
        for (name, statement) in &pipeline.views {
            graph.nodes.push(Node {
                id: format!("view:{name}"),
                kind: NodeKind::View,
                name: name.clone(),
                connector: None,
                location: None,
                line: find_word(&pipeline.text, &(0..pipeline.text.len()), name).map_or(0, |span| pipeline.line(&span)),
                verb: None,
            });
            graph.connect(statement, &format!("view:{name}"), Some(name));
        }
        for flow in &pipeline.flows {
            graph.add_flow(pipeline, flow);
        }
        graph.nodes.sort_by_key(|node| node.kind);
        graph.edges.sort();
        graph.edges.dedup();
        graph
    }

    fn add_flow(&mut self, pipeline: &Pipeline, flow: &Flow) {
        let id = format!("flow:{}", flow.id);
        let sink = &flow.table;
        self.nodes.push(Node {
            id: id.clone(),
            kind: NodeKind::Flow,
            name: sink.name.clone(),
            connector: None,
            location: None,
            line: pipeline.line(&flow.span),
            verb: Some(verb(flow.mode).to_owned()),
        });
        self.connect(&SqlStatement::Insert(flow.insert.as_ref().clone()), &id, Some(&sink.name));
        // One of the catalog, which the file only names.
        self.table(&sink.name, NodeKind::Sink);
        self.edges.push((id, format!("table:{}", sink.name)));
    }

    /// Draws what `statement` reads to node `to`; the name of what it makes is none of that.
    fn connect(&mut self, statement: &SqlStatement, to: &str, made: Option<&str>) {
        let Ok((read, _)) = resolve_table_references(&Parsed::Statement(Box::new(statement.clone())), true) else { return };
        for name in read.iter().map(ToString::to_string).filter(|name| Some(name.as_str()) != made) {
            let is_view = self.nodes.iter().any(|node| node.id == format!("view:{name}"));
            let from = if is_view { format!("view:{name}") } else { self.table(&name, NodeKind::Source) };
            self.edges.push((from, to.to_owned()));
        }
    }

    /// The id of a table, which is added if nothing has declared it.
    fn table(&mut self, name: &str, kind: NodeKind) -> String {
        let id = format!("table:{name}");
        if !self.nodes.iter().any(|node| node.id == id) {
            let (name, line) = (name.to_owned(), 0);
            self.nodes.push(Node { id: id.clone(), kind, name, connector: None, location: None, line, verb: None });
        }
        id
    }
}

fn verb(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Append => "INSERT INTO",
        WriteMode::Overwrite => "INSERT OVERWRITE",
        WriteMode::Upsert => "REPLACE INTO",
    }
}

fn table_node(pipeline: &Pipeline, name: &str, table: &Table, is_written: bool) -> Node {
    let kind = match &table.kind {
        TableKind::Lake(_) if is_written => NodeKind::Sink,
        _ => NodeKind::Source,
    };
    Node {
        id: format!("table:{name}"),
        kind,
        name: name.to_owned(),
        connector: Some(table.spec.connector.clone()),
        location: Some(connectors::secrets::without_secrets(&table.spec.location)),
        line: pipeline.line(&table.span),
        verb: None,
    }
}
