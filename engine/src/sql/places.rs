//! The tables that a file writes, by where they are kept: two that are one and the same are refused.

use std::collections::BTreeMap;

use super::Diagnostic;
use super::pipeline::{Builder, TableKind};
use super::script::find_word;

impl Builder<'_> {
    /// Refuses two tables that are written to one place: each would take the other's rows and columns for its own.
    pub(super) fn check_places(&mut self) {
        let mut kept: BTreeMap<String, &str> = BTreeMap::new();
        let mut tables: Vec<_> = self.pipeline.tables.iter().filter(|(name, _)| self.targets.contains(*name)).collect();
        tables.sort_by_key(|(_, table)| table.span.start);
        for (name, table) in tables {
            let TableKind::Lake(connector) = &table.kind else { continue };
            let resolved = self.session.resolve(&table.spec);
            // A location that is wrong was told when the table was opened.
            let Ok(address) = resolved.and_then(|spec| connector.address(&spec, &self.session.context)) else { continue };
            let Some(first) = kept.insert(address, name) else { continue };
            let text = &self.pipeline.text;
            let line = self.pipeline.tables.get(first).map_or(1, |first| self.pipeline.line(&first.span));
            let message = format!("table '{name}' is kept where table '{first}' of line {line} is: both are one table");
            let at = find_word(text, &table.span, &table.spec.location).or_else(|| find_word(text, &table.span, name));
            self.errors.push(Diagnostic::new(message, at).help(format!(
                "give '{name}' a LOCATION of its own; if they are to be one table, leave its declaration out and write to '{first}'"
            )));
        }
    }
}
