//! Tables that a statement names and that are not there: which one was probably meant.

use std::ops::Range;

use catalog::store::TableName;
use connectors::options::nearest;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;

use super::pipeline::Builder;
use super::{Diagnostic, Pipeline};
use crate::catalog::names::{as_written, lake_name, lake_reference, table_key};
use crate::catalog::{SYSTEM, system};

/// What a hint at another name begins with.
const HINT: &str = "did you mean";

impl Builder<'_> {
    /// Adds to each error of a table that is not there which one was probably meant. Only now, as a catalog may be large.
    pub(super) async fn hint_at_tables(&mut self) {
        if self.errors.iter().all(|error| missing_table(&error.message).is_none()) {
            return;
        }
        // What is to be written has its hint by now: the tables of the file.
        let is_hint = |help: &String| help.starts_with(HINT);
        let known = self.pipeline.catalog.index.catalog().list().await;
        let known: Vec<TableName> = known.iter().map(|table| table.name().clone()).collect();
        for error in self.errors.iter_mut().filter(|error| !error.helps.iter().any(is_hint)) {
            let near = missing_table(&error.message).and_then(|missing| self.pipeline.nearest_table(missing, &known));
            if let Some(near) = near {
                error.helps.insert(0, format!("{HINT} '{near}'?"));
            }
        }
    }
}

impl Pipeline {
    /// A planning error, which names a table that is not there as the query does.
    pub(super) fn planning_error(&self, span: &Range<usize>, error: &DataFusionError) -> Diagnostic {
        let mut diagnostic = Diagnostic::from_datafusion(&self.text, span, error);
        if let Some(missing) = missing_table(&diagnostic.message).map(str::to_owned) {
            diagnostic.message = format!("table '{missing}' not found");
        }
        diagnostic
    }

    /// The table that was probably meant: one of the pipeline's own, or one of those `known` to the catalog.
    fn nearest_table(&self, missing: &str, known: &[TableName]) -> Option<String> {
        if let Some(own) = self.declared_at(missing) {
            return Some(own);
        }
        let schema = self.context.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        let own = schema.map(|schema| schema.table_names()).unwrap_or_default();
        let bare = missing.rsplit('.').next().unwrap_or(missing);
        let own = || nearest(bare, own.iter().map(String::as_str)).map(str::to_owned);
        let of_catalog = || {
            let system = system::TABLES.map(|table| (format!("{SYSTEM}.{table}"), table));
            let lake = known.iter().map(|name| (lake_reference(name), name.table.as_str()));
            let all: Vec<(String, &str)> = lake.chain(system).collect();
            let given =
                lake_name(&TableReference::parse_str(missing)).map_or_else(|| missing.to_owned(), |name| lake_reference(&name));
            let by_whole = nearest(&given, all.iter().map(|(whole, _)| whole.as_str())).map(str::to_owned);
            let by_table = || {
                let near = nearest(bare, all.iter().map(|(_, table)| *table))?;
                all.iter().find(|(_, table)| *table == near).map(|(whole, _)| whole.clone())
            };
            by_whole.or_else(by_table)
        };
        if missing.contains('.') { of_catalog().or_else(own) } else { own().or_else(of_catalog) }
    }

    /// The table of the file that is kept where the catalog would call it `name`.
    fn declared_at(&self, name: &str) -> Option<String> {
        let name = lake_name(&TableReference::parse_str(name))?;
        let location = format!("lake://{}/{}", name.database, name.table);
        let own = self.tables.iter().find(|(_, table)| table.spec.location.trim_end_matches('/') == location);
        own.map(|(own, _)| own.clone())
    }
}

/// The table that `error` says is not there, as tables are called that the file makes.
pub(super) fn missing_key(error: &Diagnostic) -> Option<String> {
    let missing = missing_table(&error.message)?;
    Some(if missing.contains('.') { table_key(&TableReference::parse_str(missing)) } else { missing.to_owned() })
}

/// The table that a message says is not there, as the query names it.
fn missing_table(message: &str) -> Option<&str> {
    let missing = message.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found"));
    missing.map(as_written)
}
