//! Errors as `engine check` tells them, with the names that there are here.

use std::ops::Range;
use std::path::Path;

use connectors::options::nearest;
use datafusion::error::DataFusionError;

use super::catalog::{endings, looks_like_a_place, nearest_file};
use super::time_travel;
use super::workspace::Workspace;
use crate::sql::{Diagnostic, script};

/// What a statement may begin with.
const FIRST_WORDS: [&str; 22] = [
    "SELECT",
    "WITH",
    "VALUES",
    "FROM",
    "TABLE",
    "EXPLAIN",
    "DESCRIBE",
    "DESC",
    "SUMMARIZE",
    "SHOW",
    "SET",
    "RESET",
    "CREATE",
    "DROP",
    "COPY",
    "INSERT",
    "REPLACE",
    "UPDATE",
    "DELETE",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
];

/// What a parser says, with the first word that was probably meant.
pub(super) fn of_parser(text: &str, statement: &Range<usize>, mut error: Diagnostic) -> Diagnostic {
    let first = script::word_at(text, statement.start);
    let given = &text[first.clone()];
    if error.span.as_ref().is_some_and(|span| span.start == first.start) {
        error.helps = match nearest(given, FIRST_WORDS) {
            Some(word) => vec![format!("did you mean {word}?")],
            None => vec!["\\? tells what there is".to_owned()],
        };
        error.message = format!("{given} begins no statement");
    }
    error
}

/// What DataFusion says of a statement, with the nearest table when one is missing.
pub(super) async fn of_datafusion(
    workspace: &Workspace,
    text: &str,
    statement: &Range<usize>,
    error: &DataFusionError,
) -> Diagnostic {
    let mut diagnostic = Diagnostic::from_datafusion(text, statement, error);
    if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) {
        return diagnostic.help("give the shell more memory: ENGINE_RUN_MEMORY=1GB, or [run] memory in engine.toml");
    }
    if let Some(name) = diagnostic.message.strip_prefix("function ").and_then(|rest| rest.strip_suffix(" not found")) {
        let state = workspace.context.state();
        let names =
            state.scalar_functions().keys().chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
        if let Some(near) = nearest(name.trim_matches('\''), names.map(String::as_str)) {
            diagnostic.helps = vec![format!("did you mean '{near}'?")];
        }
        return diagnostic;
    }
    if is_out_of_reach(error) {
        return diagnostic.help("check the network and what `engine config` shows under [lake] and [s3]");
    }
    if error.diagnostic().is_none()
        && let Some(at) = named_in(&diagnostic.message, text, statement).or_else(|| only_place(text, statement))
    {
        diagnostic.span = Some(at);
    }
    if let Some(message) = diagnostic.message.strip_prefix("Arrow error: ") {
        diagnostic.message = message.to_owned();
    }
    let missing = diagnostic.message.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found"));
    let Some(missing) = missing.map(|name| name.trim_start_matches("session.public.").to_owned()) else { return diagnostic };
    let earlier = time_travel::decode(&missing);
    let name = earlier.as_ref().map_or(missing.as_str(), |(name, _)| *name);
    diagnostic.message = format!("table '{name}' not found");
    let quoted = script::find_word(text, statement, name).filter(|at| text[at.clone()].starts_with('\''));
    // The function for earlier versions takes the name of a table in such quotes.
    let is_place = earlier.is_none() || looks_like_a_place(name);
    if let Some(at) = quoted.clone().filter(|_| !is_place) {
        diagnostic.span = Some(at);
    }
    if let Some(at) = quoted.filter(|_| is_place) {
        diagnostic.message = format!("'{name}' is neither a file of a kind that is known nor a table");
        diagnostic.span = Some(at);
        return diagnostic.help(match nearest_file(name, Path::new(name)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("files are known by their ending: {}", endings()),
        });
    }
    let help = nearest_table(workspace, name).await;
    diagnostic.help(help)
}

/// Whether a store did not answer, or refused.
fn is_out_of_reach(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(cause) => {
            let ours = cause.downcast_ref::<connectors::Error>();
            ours.is_some_and(|ours| matches!(ours, connectors::Error::Transient { .. } | connectors::Error::Auth { .. }))
        }
        DataFusionError::ObjectStore(cause) => !matches!(cause.as_ref(), object_store::Error::NotFound { .. }),
        _ => false,
    }
}

async fn nearest_table(workspace: &Workspace, name: &str) -> String {
    let tables = workspace.tables().await;
    let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    // By the whole name first: the right table in a schema that is misspelt.
    let whole = nearest(name.trim_start_matches("lake."), tables.iter().map(|table| table.reference.as_str()));
    let by_name = || nearest(bare, tables.iter().map(|table| table.name.as_str()));
    let found = match whole {
        Some(reference) => Some(reference),
        None => by_name().and_then(|near| tables.iter().find(|table| table.name == near)).map(|table| table.reference.as_str()),
    };
    match found {
        Some(reference) => format!("did you mean {reference}?"),
        None if workspace.index.known().is_empty() => {
            "the lake has no tables; `engine config` says where it is looked for under [lake]".to_owned()
        }
        None => "\\dt lists the tables".to_owned(),
    }
}

/// Where the statement has what the message names between quotes.
fn named_in(message: &str, text: &str, statement: &Range<usize>) -> Option<Range<usize>> {
    let names = message.split('\'').skip(1).step_by(2);
    names.filter(|name| !name.is_empty()).find_map(|name| script::find_word(text, statement, name))
}

/// The only file or folder that the statement reads, if it reads one: what is wrong with rows is wrong there.
fn only_place(text: &str, statement: &Range<usize>) -> Option<Range<usize>> {
    let written = &text[statement.clone()];
    let mut places = written.match_indices('\'').map(|(at, _)| at).collect::<Vec<_>>();
    places.push(written.len());
    let mut quoted = places.chunks_exact(2).map(|ends| ends[0]..(ends[1] + 1).min(written.len()));
    let is_read = |at: &Range<usize>| {
        let word = written[..at.start].trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        ["FROM", "JOIN", "SUMMARIZE", "DESCRIBE"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
            && looks_like_a_place(written[at.clone()].trim_matches('\''))
    };
    let first = quoted.find(|at| is_read(at))?;
    let is_only = quoted.all(|at| !is_read(&at));
    is_only.then(|| statement.start + first.start..statement.start + first.end)
}
