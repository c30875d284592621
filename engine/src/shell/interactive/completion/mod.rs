//! Completion: names of the lake, of the session, of columns, functions and files.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use datafusion::catalog::SchemaProvider;
use reedline::{Completer, CompletionResult, Span, Suggestion};
use tokio::runtime::Handle;

use super::context::{Context, Expected, plain, typed};
use super::keywords::KEYWORDS;
use crate::catalog::{SYSTEM, WAREHOUSE, system};
use crate::shell::catalog::LAKE;
use crate::shell::command::COMMANDS;
use crate::shell::output::Format;
use crate::shell::time_travel;
use crate::shell::workspace::Workspace;

/// A name is waited for this long, then the menu shows what is known.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a table's columns are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Suggestions for what is being typed.
pub(super) struct Names {
    workspace: Workspace,
    runtime: Handle,
    functions: BTreeSet<String>,
    columns: HashMap<String, (Instant, Vec<(String, String)>)>,
}

/// A suggestion, and what it is.
struct Found {
    value: String,
    what: String,
    /// More is typed behind it at once: a dot, a slash.
    goes_on: bool,
}

impl Found {
    fn new(value: impl Into<String>, what: impl Into<String>) -> Self {
        Self { value: value.into(), what: what.into(), goes_on: false }
    }
}

impl Names {
    pub(super) fn new(workspace: &Workspace) -> Self {
        let state = workspace.context.state();
        let names =
            state.scalar_functions().keys().chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
        let functions = names.cloned().collect();
        Self { workspace: workspace.clone(), runtime: Handle::current(), functions, columns: HashMap::new() }
    }

    fn found(&mut self, context: &Context, word: &str) -> Vec<Found> {
        match &context.expected {
            Expected::Nothing => Vec::new(),
            Expected::Command => COMMANDS.iter().map(|(name, _, purpose)| Found::new(*name, *purpose)).collect(),
            Expected::Argument(command) => self.arguments(command, word),
            Expected::Path => paths(word),
            Expected::Table(qualifier) => self.tables(qualifier.as_deref()),
            Expected::ColumnOf(name) => {
                let table = context.tables.get(&plain(name)).cloned().unwrap_or_else(|| name.clone());
                let columns = self.columns(&table);
                // `reddit.` may also go on to a table.
                if columns.is_empty() { self.tables(Some(name)) } else { columns }
            }
            Expected::Expression => self.expression(context, word),
        }
    }

    fn arguments(&mut self, command: &str, word: &str) -> Vec<Found> {
        match command {
            "\\d" | "\\dt" | "\\dv" | "\\summarize" => self.tables(None),
            "\\i" | "\\o" | "\\e" => paths(word),
            "\\format" => Format::names().iter().map(|name| Found::new(*name, "")).collect(),
            "\\x" | "\\timing" => ["on", "off"].map(|word| Found::new(word, "")).into(),
            _ => Vec::new(),
        }
    }

    fn expression(&mut self, context: &Context, word: &str) -> Vec<Found> {
        let tables: BTreeSet<&String> = context.tables.values().collect();
        let mut found: Vec<Found> = tables.into_iter().flat_map(|table| self.columns(table)).collect();
        found
            .extend(context.tables.keys().filter(|name| !name.contains(['.', '/'])).map(|name| Found::new(typed(name), "table")));
        // Nobody looks through hundreds of functions for one that begins with nothing.
        if !word.is_empty() || found.is_empty() {
            found.extend(KEYWORDS.iter().map(|keyword| Found::new(cased(keyword, word), "")));
        }
        if !word.is_empty() {
            found.extend(self.functions.iter().map(|name| Found {
                value: format!("{name}("),
                what: "function".into(),
                goes_on: true,
            }));
        }
        found
    }

    /// Tables and schemas below `qualifier`.
    fn tables(&self, qualifier: Option<&str>) -> Vec<Found> {
        let walked = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.workspace.index.tables()).await });
        let lake = walked.ok().and_then(Result::ok).unwrap_or_else(|| self.workspace.index.known());
        let schemas: BTreeSet<&str> = lake.iter().map(|table| table.schema()).collect();
        let schema = |name: &str| Found { value: format!("{}.", typed(name)), what: "schema".into(), goes_on: true };
        match qualifier {
            None => {
                let own = self.workspace.names.table_names();
                let mut found: Vec<Found> = own.iter().map(|name| Found::new(typed(name), "this session")).collect();
                let mut names: Vec<(&str, usize)> = Vec::new();
                for table in lake.iter().filter(|table| !table.is_bad()) {
                    match names.iter_mut().find(|(name, _)| *name == table.name) {
                        Some((_, count)) => *count += 1,
                        None => names.push((&table.name, 1)),
                    }
                }
                found.extend(names.iter().filter(|(_, count)| *count == 1).map(|(name, _)| Found::new(typed(name), "lake")));
                let bad = lake.iter().filter(|table| table.is_bad());
                found.extend(bad.map(|table| Found::new(typed(&format!("{}$bad", table.name)), "bad records")));
                found.extend(schemas.into_iter().map(schema));
                let catalog = |name: &str| Found { value: format!("{name}."), what: "catalog".into(), goes_on: true };
                found.extend([LAKE, SYSTEM, WAREHOUSE].map(catalog));
                found.push(Found { value: "information_schema.".into(), what: "schema".into(), goes_on: true });
                found.push(Found {
                    value: format!("{}(", time_travel::FUNCTION),
                    what: "an earlier version".into(),
                    goes_on: true,
                });
                found
            }
            Some(LAKE) => schemas.into_iter().map(schema).collect(),
            Some(SYSTEM | "system.public") => system::TABLES.map(|name| Found::new(name, "system")).into(),
            Some("information_schema") => ["tables", "views", "columns", "df_settings", "schemata", "routines", "parameters"]
                .map(|name| Found::new(name, ""))
                .into(),
            Some(qualifier) => {
                let folder = plain(qualifier.strip_prefix("lake.").unwrap_or(qualifier));
                let inside = lake.iter().filter(|table| table.schema() == folder);
                inside.map(|table| Found::new(typed(&table.name), "lake")).collect()
            }
        }
    }

    /// Columns of a table as a statement writes it; none when it cannot be opened soon.
    fn columns(&mut self, table: &str) -> Vec<Found> {
        let fresh = self.columns.get(table).filter(|(at, _)| at.elapsed() < REMEMBERED);
        if fresh.is_none() {
            let reference = reference(table);
            let context = self.workspace.context.clone();
            let opened = async move { tokio::time::timeout(PATIENCE, context.table_provider(reference)).await };
            let Ok(Ok(provider)) = self.runtime.block_on(opened) else { return Vec::new() };
            let fields =
                provider.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect();
            self.columns.insert(table.to_owned(), (Instant::now(), fields));
        }
        let known = self.columns.get(table).map(|(_, columns)| columns.as_slice()).unwrap_or_default();
        known.iter().map(|(name, data_type)| Found::new(typed(name), data_type.clone())).collect()
    }
}

/// As DataFusion looks a name up; one in single quotes is a place.
fn reference(table: &str) -> datafusion::common::TableReference {
    match table.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')) {
        Some(place) => datafusion::common::TableReference::bare(place.to_owned()),
        None => datafusion::common::TableReference::parse_str(table),
    }
}

/// A keyword in the case that the user types in.
fn cased(keyword: &str, word: &str) -> String {
    if word.starts_with(|c: char| c.is_lowercase()) { keyword.to_lowercase() } else { keyword.to_owned() }
}

/// Files and folders of the local disk.
fn paths(word: &str) -> Vec<Found> {
    if word.contains("://") {
        return Vec::new();
    }
    let (folder, name) = word.rsplit_once('/').map_or(("", word), |(folder, name)| (&word[..=folder.len()], name));
    let entries = std::fs::read_dir(if folder.is_empty() { Path::new(".") } else { Path::new(folder) });
    let mut found: Vec<Found> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path().is_dir()))
        .filter(|(entry, _)| !entry.starts_with('.') || name.starts_with('.'))
        .map(|(entry, is_folder)| Found {
            value: format!("{folder}{entry}{}", if is_folder { "/" } else { "" }),
            what: String::new(),
            goes_on: true,
        })
        .collect();
    found.sort_by(|a, b| a.value.cmp(&b.value));
    found
}

impl Completer for Names {
    fn complete(&mut self, text: &str, cursor: usize) -> CompletionResult {
        let context = Context::at(text, cursor);
        let word = &text[context.start..cursor];
        let wanted = word.trim_start_matches('"').to_lowercase();
        let fits = |found: &Found| found.value.trim_start_matches('"').to_lowercase().starts_with(&wanted);
        let mut seen = BTreeSet::new();
        let found = self.found(&context, word).into_iter().filter(fits).filter(|found| seen.insert(found.value.clone()));
        let span = Span { start: context.start, end: cursor };
        // A file ends the text that it stands in; a folder goes on.
        let quote = if context.expected == Expected::Path && !text[cursor..].starts_with('\'') { "'" } else { "" };
        let mut suggestions: Vec<Suggestion> = found
            .map(|found| Suggestion {
                append_whitespace: !found.goes_on,
                description: Some(found.what).filter(|what| !what.is_empty()),
                value: if found.value.ends_with('/') { found.value } else { format!("{}{quote}", found.value) },
                span,
                ..Suggestion::default()
            })
            .collect();
        if suggestions.is_empty() {
            // What is typed stays as it is. Of no suggestion at all, the menu would say so in capitals.
            suggestions.push(Suggestion { value: word.to_owned(), span, ..Suggestion::default() });
        }
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests;
