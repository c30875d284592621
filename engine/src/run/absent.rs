//! Sources at whose location there is nothing at all, for a warning: a folder may fill later, or its name is misspelt.

use std::collections::BTreeSet;
use std::time::Duration;

use connectors::source::Offset;

use crate::sql::{Pipeline, TableKind};
use crate::state::Progress;

/// A store that does not answer is not waited for: whoever reads the source says what is wrong with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to say of the sources of `pipeline` that have nothing, and from which nothing was ever read.
pub async fn absences(pipeline: &Pipeline, progress: &Progress) -> Vec<String> {
    let mut found = Vec::new();
    for (name, table) in &pipeline.tables {
        let TableKind::Source(source) = &table.kind else { continue };
        let identity = source.identity();
        let readers = pipeline.flows.iter().filter(|flow| flow.sources.contains(name));
        let offsets = readers.map(|flow| progress.flows.get(&flow.id).and_then(|progress| progress.offset(name, &identity)));
        let mut offsets: BTreeSet<Option<&str>> = offsets.map(|offset| offset.map(|offset| offset.0.as_str())).collect();
        if offsets.is_empty() {
            offsets.insert(None);
        }
        let mut absence = None;
        for offset in offsets {
            let offset = offset.map(|text| Offset(text.to_owned()));
            let asked = tokio::time::timeout(PATIENCE, source.absence(offset.as_ref())).await;
            absence = asked.ok().and_then(Result::ok).flatten();
            if absence.is_none() {
                break;
            }
        }
        found.extend(absence.map(|absence| format!("{}: {absence}", pipeline.place_of(name))));
    }
    found
}
