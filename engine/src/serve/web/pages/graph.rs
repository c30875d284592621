//! A pipeline as a picture: sources, views, flows and sinks in columns, rows from left to right.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::words::{exact, relative, short};
use crate::serve::graph::{Graph, Node, NodeKind};
use crate::serve::view::{Live, LiveFlow};
use crate::state::LoadRecord;

const NODE_WIDTH: f64 = 190.0;
const NODE_HEIGHT: f64 = 46.0;
const GAP_X: f64 = 78.0;
const GAP_Y: f64 = 16.0;
const MARGIN: f64 = 10.0;

/// Letters that fit into a node; a longer name is cut, and whole in its title.
const LETTERS: usize = 24;

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spot {
    column: usize,
    row: usize,
    x: f64,
    y: f64,
}

/// How far the tables of a pipeline are: by their locations, when the newest of what is in them had landed.
#[derive(Debug)]
pub(super) struct Watermarks {
    landed: BTreeMap<String, DateTime<Utc>>,
    now: DateTime<Utc>,
}

impl Watermarks {
    /// By the last loads. Of what was not read from files, nobody knows when it landed.
    pub(super) fn of(loads: &[LoadRecord], now: DateTime<Utc>) -> Self {
        let mut landed = BTreeMap::new();
        for load in loads.iter().filter(|load| load.committed_at.is_some() && !load.is_refusal()) {
            let Some(at) = load.landed_at else { continue };
            let newest = landed.entry(load.table.clone()).or_insert(at);
            *newest = at.max(*newest);
        }
        Self { landed, now }
    }

    /// Into the node at the end of an edge.
    fn into(&self, graph: &Graph, to: &str) -> Option<DateTime<Utc>> {
        let sink = graph.nodes.iter().find(|node| node.kind == NodeKind::Sink && node.id == to)?;
        self.landed.get(sink.location.as_ref()?).copied()
    }

    fn drawn(&self, at: DateTime<Utc>, x: f64, y: f64) -> Markup {
        html! {
            text.watermark x=(format!("{x:.0}")) y=(format!("{y:.0}")) text-anchor="middle" {
                title { "The newest of what is in the table had landed at " (exact(at)) }
                (relative(at, self.now))
            }
        }
    }
}

/// The picture, with what flows at this moment.
pub(super) fn picture(graph: &Graph, live: Option<&Live>, watermarks: &Watermarks) -> Markup {
    if graph.nodes.is_empty() {
        return html! { p.empty { "The file has no statement that reads or writes a table." } };
    }
    let spots = layout(graph);
    let width = spots.values().map(|spot| spot.x).fold(0.0, f64::max) + NODE_WIDTH + MARGIN;
    let height = spots.values().map(|spot| spot.y).fold(0.0, f64::max) + NODE_HEIGHT + MARGIN;
    html! {
        div.graph tabindex="0" role="region" aria-label="Dataflow" {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="group" aria-label=(told(graph)) {
                @for (from, to) in &graph.edges {
                    @if let (Some(from_spot), Some(to_spot)) = (spots.get(from.as_str()), spots.get(to.as_str())) {
                        (edge(*from_spot, *to_spot, flow_of(graph, live, from, to)))
                        @if let Some(at) = watermarks.into(graph, to) {
                            @let (x, y) = middle(*from_spot, *to_spot);
                            (watermarks.drawn(at, x, y + 14.0))
                        }
                    }
                }
                @for node in &graph.nodes {
                    @if let Some(spot) = spots.get(node.id.as_str()) { (drawn(node, *spot, live)) }
                }
            }
        }
    }
}

/// The picture in words.
fn told(graph: &Graph) -> String {
    let names = |kind: NodeKind| {
        let names: Vec<&str> = graph.nodes.iter().filter(|node| node.kind == kind).map(|node| node.name.as_str()).collect();
        names.join(", ")
    };
    format!("from {} to {}", names(NodeKind::Source), names(NodeKind::Sink))
}

/// Every node in the column behind the last of those that it reads; in a column, near what it reads.
fn layout(graph: &Graph) -> BTreeMap<&str, Spot> {
    let columns = columns(graph);
    let mut spots: BTreeMap<&str, Spot> = BTreeMap::new();
    let last = columns.values().copied().max().unwrap_or_default();
    for column in 0..=last {
        let mut nodes: Vec<&Node> = graph.nodes.iter().filter(|node| columns.get(node.id.as_str()) == Some(&column)).collect();
        let middle = |node: &Node| {
            let before: Vec<usize> = sources_of(graph, &node.id).filter_map(|id| spots.get(id)).map(|spot| spot.row).collect();
            if before.is_empty() { usize::MAX } else { before.iter().sum::<usize>() * 100 / before.len() }
        };
        nodes.sort_by_key(|node| (middle(node), node.line));
        let placed: Vec<(&str, Spot)> = nodes
            .iter()
            .enumerate()
            .map(|(row, node)| {
                let (x, y) = (column as f64 * (NODE_WIDTH + GAP_X), row as f64 * (NODE_HEIGHT + GAP_Y));
                (node.id.as_str(), Spot { column, row, x: x + MARGIN, y: y + MARGIN })
            })
            .collect();
        spots.extend(placed);
    }
    spots
}

fn sources_of<'a>(graph: &'a Graph, id: &'a str) -> impl Iterator<Item = &'a str> {
    graph.edges.iter().filter(move |(_, to)| to == id).map(|(from, _)| from.as_str())
}

/// The column of each node. Sinks that are not read again are all in the last one. A circle, which no pipeline has, ends where it began.
fn columns(graph: &Graph) -> BTreeMap<&str, usize> {
    fn depth<'a>(
        graph: &'a Graph,
        id: &'a str,
        known: &mut BTreeMap<&'a str, usize>,
        on_the_way: &mut BTreeSet<&'a str>,
    ) -> usize {
        if let Some(depth) = known.get(id) {
            return *depth;
        }
        if !on_the_way.insert(id) {
            return 0;
        }
        let before: Vec<&str> = sources_of(graph, id).collect();
        let found = before.into_iter().map(|from| depth(graph, from, known, on_the_way) + 1).max().unwrap_or_default();
        on_the_way.remove(id);
        known.insert(id, found);
        found
    }
    let mut columns = BTreeMap::new();
    for node in &graph.nodes {
        depth(graph, &node.id, &mut columns, &mut BTreeSet::new());
    }
    let last = columns.values().copied().max().unwrap_or_default();
    // One that is read again stands where it is written.
    let is_end =
        |node: &&Node| !graph.edges.iter().any(|(from, _)| *from == node.id) && sources_of(graph, &node.id).next().is_some();
    for node in graph.nodes.iter().filter(|node| node.kind == NodeKind::Sink).filter(is_end) {
        columns.insert(node.id.as_str(), last);
    }
    columns
}

/// What flows along an edge into or out of a flow.
fn flow_of<'a>(graph: &Graph, live: Option<&'a Live>, from: &str, to: &str) -> Option<&'a LiveFlow> {
    let end = graph.nodes.iter().find(|node| node.kind == NodeKind::Flow && (node.id == from || node.id == to))?;
    flow_at(live?, end)
}

fn flow_at<'a>(live: &'a Live, node: &Node) -> Option<&'a LiveFlow> {
    live.flows.iter().find(|flow| flow.flow == node.name || flow.sink == node.name)
}

/// Where an edge's words are.
fn middle(from: Spot, to: Spot) -> (f64, f64) {
    (f64::midpoint(from.x + NODE_WIDTH, to.x), f64::midpoint(from.y, to.y) + NODE_HEIGHT / 2.0)
}

fn edge(from: Spot, to: Spot, flow: Option<&LiveFlow>) -> Markup {
    let (x1, y1) = (from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2.0);
    let (x2, y2) = (to.x, to.y + NODE_HEIGHT / 2.0);
    let bend = (x2 - x1) / 2.0;
    let path = format!("M{x1:.0} {y1:.0} C{:.0} {y1:.0} {:.0} {y2:.0} {x2:.0} {y2:.0}", x1 + bend, x2 - bend);
    let is_moving = flow.is_some_and(|flow| flow.rows_per_second > 0.0);
    let (x, y) = middle(from, to);
    html! {
        path.edge.moving[is_moving] d=(path) {}
        @if let Some(flow) = flow.filter(|_| is_moving) {
            text.rate x=(format!("{x:.0}")) y=(format!("{:.0}", y - 5.0)) text-anchor="middle" {
                (short(flow.rows_per_second)) "/s"
            }
        }
    }
}

fn drawn(node: &Node, spot: Spot, live: Option<&Live>) -> Markup {
    let (class, what) = match node.kind {
        NodeKind::Source => ("source", node.connector.clone().unwrap_or_else(|| "table".to_owned())),
        NodeKind::View => ("view", "view".to_owned()),
        NodeKind::Flow => ("flow", node.verb.clone().unwrap_or_else(|| "INSERT".to_owned())),
        NodeKind::Sink => ("sink", node.connector.clone().unwrap_or_else(|| "table".to_owned())),
    };
    let flow = live.filter(|_| node.kind == NodeKind::Flow).and_then(|live| flow_at(live, node));
    let detail = match flow {
        Some(flow) => format!("{} · {} rows", flow.step, short(flow.rows as f64)),
        None => what,
    };
    let title = node.location.as_ref().map_or_else(|| node.name.clone(), |location| format!("{}: {location}", node.name));
    let title = connectors::secrets::without_secrets(&title);
    let href = (node.line > 0).then(|| format!("#L{}", node.line));
    html! {
        a.node.(class).busy[flow.is_some()] href=[href] {
            title { (title) }
            rect x=(spot.x) y=(spot.y) width=(NODE_WIDTH) height=(NODE_HEIGHT) rx="7" {}
            text.name x=(spot.x + 12.0) y=(spot.y + 19.0) { (cut(&node.name)) }
            text.what x=(spot.x + 12.0) y=(spot.y + 36.0) { (cut(&detail)) }
            @if let Some(flow) = flow.filter(|flow| flow.bad_rows > 0) {
                text.bad x=(spot.x + NODE_WIDTH - 10.0) y=(spot.y + 36.0) text-anchor="end" { (short(flow.bad_rows as f64)) " bad" }
            }
        }
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, kind: NodeKind) -> Node {
        let name = format!("{id}<b>");
        Node { id: id.to_owned(), kind, name, connector: None, location: None, line: 1, verb: None }
    }

    fn graph(edges: &[(&str, &str)]) -> Graph {
        Graph {
            nodes: vec![
                node("s1", NodeKind::Source),
                node("s2", NodeKind::Source),
                node("v", NodeKind::View),
                node("f1", NodeKind::Flow),
                node("f2", NodeKind::Flow),
                node("t1", NodeKind::Sink),
                node("t2", NodeKind::Sink),
            ],
            edges: edges.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        }
    }

    #[test]
    fn rows_go_from_left_to_right_and_nodes_do_not_overlap() {
        let graph = graph(&[("s1", "v"), ("v", "f1"), ("s2", "f2"), ("f1", "t1"), ("f2", "t2"), ("s2", "v")]);
        let spots = layout(&graph);
        for (from, to) in &graph.edges {
            assert!(spots[from.as_str()].x < spots[to.as_str()].x, "{from} {to}");
        }
        assert_eq!(spots["t1"].column, spots["t2"].column);
        let mut places: Vec<(usize, usize)> = spots.values().map(|spot| (spot.column, spot.row)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), graph.nodes.len());
    }

    #[test]
    fn a_circle_is_drawn_too() {
        let graph = graph(&[("s1", "v"), ("v", "s1")]);
        assert_eq!(layout(&graph).len(), graph.nodes.len());
    }

    #[test]
    fn names_are_no_markup() {
        let drawn = picture(&graph(&[("s1", "f1")]), None, &Watermarks::of(&[], Utc::now())).into_string();
        assert!(drawn.contains("s1&lt;b&gt;") && !drawn.contains("s1<b>"), "{drawn}");
    }

    #[test]
    fn an_edge_into_a_table_says_how_far_it_is() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let at = |minutes: i64| now - chrono::TimeDelta::minutes(minutes);
        let load = |minutes, is_committed: bool| LoadRecord {
            position: 1,
            pipeline: "p".to_owned(),
            run: None,
            epoch: 1,
            table: "lake://t1".to_owned(),
            connector: "DELTA".to_owned(),
            mode: connectors::sink::WriteMode::Append,
            rows: 1,
            bytes: 1,
            files: 1,
            bad_rows: 0,
            landed_at: Some(at(minutes)),
            recorded_at: now,
            committed_at: is_committed.then_some(now),
            landed: None,
        };
        let mut graph = graph(&[("s1", "f1"), ("f1", "t1"), ("s2", "f2"), ("f2", "t2")]);
        graph.nodes.iter_mut().find(|node| node.id == "t1").unwrap().location = Some("lake://t1".to_owned());
        let marks = Watermarks::of(&[load(1, false), load(7, true), load(90, true)], now);
        let drawn = picture(&graph, None, &marks).into_string();
        assert_eq!(drawn.matches("class=\"watermark\"").count(), 1, "{drawn}");
        assert!(drawn.contains("had landed at 2026-11-22 11:53:00 UTC</title>7 min ago"), "{drawn}");
    }
}
