//! Tables that a pipeline uses without declaring them: those of the catalog, and what lies in the lake.

use std::ops::Range;
use std::sync::Arc;

use catalog::store::TableName;
use connectors::context::TableSpec;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;

use super::Diagnostic;
use super::pipeline::{Builder, Pipeline, Table};
use super::script::{Statement, find_word};
use crate::catalog::lake::connector_at;
use crate::catalog::names::{lake_name, lake_reference};
use crate::catalog::registered;

impl Builder<'_> {
    /// Opens the tables of the lake that the statements name. What is not there is left for who plans the statement to say.
    pub(super) async fn open_registered(&mut self, statements: &[Statement]) {
        for Statement { span, parsed } in statements {
            let references = self.pipeline.context.state().resolve_table_references(parsed).unwrap_or_default();
            if references.iter().any(|reference| reference.schema() == Some("information_schema"))
                && let Err(error) = self.pipeline.catalog.index.tables().await
            {
                // Its tables are made from names that DataFusion asks for without waiting.
                self.errors.push(self.of_the_catalog(span, &error));
            }
            for name in references.iter().filter_map(lake_name) {
                let key = lake_reference(&name);
                if self.pipeline.tables.contains_key(&key) || self.broken.contains(&key) {
                    continue;
                }
                if let Err(mut error) = self.open_one(&name, &key, span).await {
                    error.span = find_word(&self.pipeline.text, span, &name.table).or(error.span);
                    self.errors.push(error);
                    self.broken.insert(key);
                }
            }
        }
    }

    async fn open_one(&mut self, name: &TableName, key: &str, span: &Range<usize>) -> std::result::Result<(), Diagnostic> {
        let Some(spec) = self.spec_of(name, key, span).await? else { return Ok(()) };
        self.pipeline.of_the_lake.insert(key.to_owned(), name.clone());
        let kind = self.open(&spec, span).await?;
        self.pipeline.tables.insert(key.to_owned(), Table { spec, span: span.clone(), kind });
        Ok(())
    }

    /// The catalog is kept in the lake, as the tables are that it knows of.
    fn of_the_catalog(&self, span: &Range<usize>, error: &connectors::Error) -> Diagnostic {
        Diagnostic::from_connector(&self.pipeline.text, span, error).reaching("DELTA", "lake://", error)
    }

    /// What the catalog says of the table, else what its folder in the lake does.
    async fn spec_of(
        &self,
        name: &TableName,
        key: &str,
        span: &Range<usize>,
    ) -> std::result::Result<Option<TableSpec>, Diagnostic> {
        let wrong = |error: connectors::Error| self.of_the_catalog(span, &error);
        let index = &self.pipeline.catalog.index;
        if let Some(table) = index.catalog().find(name).await {
            registered::connector_of(&table).map_err(wrong)?;
            return Ok(Some(registered::spec(&table, key)));
        }
        connector_at(index.context(), name, key).await.map_err(wrong)
    }
}

impl Pipeline {
    /// Lets queries see `table` under a name of the pipeline's.
    pub(super) fn show(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        if let Some(lake) = self.of_the_lake.get(name) {
            self.catalog.pin(&lake.database, &lake.table, table);
            return Ok(());
        }
        self.context.deregister_table(super::pipeline::quoted(name))?;
        self.context.register_table(super::pipeline::quoted(name), table)?;
        Ok(())
    }
}
