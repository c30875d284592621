//! Whether the setup works, before a pipeline needs it: settings, pipelines, state, lake and warehouse, each with what would repair it.
//!
//! What a place is like is found out by the crate [`connectors`]; here it is said what there is to look at.

mod folder;
mod pipelines;
mod state;

use std::path::PathBuf;

use connectors::finding::Finding;
use connectors::{probe, warehouse};

use crate::config::Origin;
use crate::session::Session;

/// Examines everything, and what `files` need of it. Writes nothing that stays.
pub async fn examine(session: &Session, files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = vec![settings(session)];
    findings.extend(state::examine(session).await);
    findings.extend(lake(session).await);
    let (of_files, tables) = pipelines::examine(session, files).await;
    findings.extend(of_files);
    findings.extend(warehouse::examine(&tables, &session.context).await);
    findings
}

/// Settings that are wrong end every command before it begins; what is left to say is where they come from.
fn settings(session: &Session) -> Finding {
    let all = session.settings.all();
    let file = all.iter().find_map(|setting| match &setting.origin {
        Origin::File { path, .. } => Some(path.as_str()),
        _ => None,
    });
    let variables = all.iter().filter(|setting| matches!(setting.origin, Origin::Environment(_))).count();
    let from_file = file.map_or_else(|| "no engine.toml".to_owned(), str::to_owned);
    Finding::ok("config", format!("{from_file}; settings from the environment: {variables}; `engine config` shows them all"))
}

async fn lake(session: &Session) -> Vec<Finding> {
    const LAKE: &str = "lake";
    match session.context.stores.lake() {
        Err(error) => vec![Finding::problem(LAKE, error.to_string(), "correct [lake] url in engine.toml")],
        Ok(location) => match location.url.to_file_path() {
            Ok(path) if location.url.scheme() == "file" => vec![folder::examine(LAKE, &path, "[lake] url")],
            // An object store: two engines that commit to one Delta table must not both succeed.
            _ => probe::store(LAKE, &location, true, &session.context).await,
        },
    }
}
