//! What a shell works on: the DataFusion session, the lake behind it, and what the user declared.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::CreateExternalTable;

use super::catalog::{Declared, LakeIndex, SessionCatalog, SessionSchema, quoted};
use crate::catalog::{SYSTEM, system};
use crate::session::Session;
use crate::sql::{Diagnostic, Pipeline, TableKind};

/// A table that can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// In its schema.
    pub(crate) name: String,
    /// As a query names it.
    pub(crate) reference: String,
}

/// Everything a statement can see.
#[derive(Clone)]
pub(super) struct Workspace {
    pub(super) session: Session,
    pub(super) context: SessionContext,
    pub(super) index: Arc<LakeIndex>,
    pub(super) names: Arc<SessionSchema>,
}

impl Workspace {
    pub(super) fn new(session: &Session) -> Self {
        Self::over(session, Arc::new(LakeIndex::new(session)))
    }

    /// With what others have found in the lake.
    pub(super) fn over(session: &Session, index: Arc<LakeIndex>) -> Self {
        let context = session.datafusion();
        let names = SessionCatalog::install(&context, &index);
        Self { session: session.clone(), context, index, names }
    }

    /// The tables of the session, of the lake and of the system, as far as the lake can be listed.
    pub(super) async fn tables(&self) -> Vec<Named> {
        let lake = self.index.tables().await.unwrap_or_default();
        let own = datafusion::catalog::SchemaProvider::table_names(self.names.as_ref());
        let own = own.into_iter().map(|name| Named { reference: quoted(&name), name });
        let lake = lake.iter().map(|table| Named { name: table.name.clone(), reference: table.reference() });
        let system = system::TABLES.map(|name| Named { name: name.to_owned(), reference: format!("{SYSTEM}.{name}") });
        own.chain(lake).chain(system).collect()
    }

    /// `CREATE EXTERNAL TABLE`, which means here what it means in a pipeline.
    pub(super) async fn declare_table(
        &self,
        text: &str,
        span: &Range<usize>,
        statement: &CreateExternalTable,
    ) -> Result<(), Diagnostic> {
        let at = || Some(crate::sql::script::word_at(text, span.start));
        if statement.name.0.len() > 1 {
            return Err(Diagnostic::new(format!("'{}' is a name with a schema", statement.name), at())
                .help("what is declared here belongs to this session; leave the schema out"));
        }
        // The statement alone, where it stands.
        let blank = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
        let alone = format!("{}{}", text[..span.start].chars().map(blank).collect::<String>(), &text[span.clone()]);
        let first = |errors: Vec<Diagnostic>| errors.into_iter().next().unwrap_or_else(|| Diagnostic::new("no table", at()));
        let pipeline = Box::pin(Pipeline::parse(Path::new("shell.sql"), alone, &self.session)).await.map_err(first)?;
        let Some((name, table)) = pipeline.tables.iter().next() else { return Ok(()) };
        if self.names.owns(name) && !statement.or_replace {
            if statement.if_not_exists {
                return Ok(());
            }
            return Err(Diagnostic::new(format!("'{name}' is declared already"), at())
                .help("write CREATE OR REPLACE EXTERNAL TABLE, or DROP it first"));
        }
        let wrong = |error| Diagnostic::from_datafusion(text, span, &error);
        let reference = || TableReference::bare(name.clone());
        let provider = pipeline.context.table_provider(reference()).await.map_err(wrong)?;
        if self.names.owns(name) {
            self.context.deregister_table(reference()).map_err(wrong)?;
        }
        self.context.register_table(reference(), provider).map_err(wrong)?;
        let sql = text[span.clone()].to_owned();
        let declared = match &table.kind {
            TableKind::Lake(connector) => {
                let spec = self.session.resolve(&table.spec).map_err(|error| Diagnostic::from_connector(text, span, &error))?;
                Declared::Table { connector: *connector, spec: Box::new(spec), sql }
            }
            TableKind::Source(_) => Declared::Place { sql },
        };
        self.names.declare(name, declared);
        Ok(())
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("names", &self.names).finish_non_exhaustive()
    }
}
