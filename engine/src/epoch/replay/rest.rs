//! What stays of the records of a pass, kept in local files: those that are done with, and those that wait for the next passes.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use connectors::source::SliceLimits;
use connectors::staging::StagingWriter;
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;

use super::work::FEWEST;
use crate::epoch::Scope;
use crate::epoch::slice::files_as_table;

/// The rest being written.
pub(super) struct Rest<'a> {
    scope: Scope<'a>,
    place: Location,
    schema: SchemaRef,
    limits: SliceLimits,
    tried: StagingWriter,
    /// The chunk of untried records that grows, and its bytes.
    open: Option<(StagingWriter, u64)>,
    untried: Vec<Arc<dyn TableProvider>>,
    rows: u64,
}

/// Local tables: of the records that were tried or are not to be, then of those that were not, a chunk each.
#[derive(Debug)]
pub(super) struct Stays {
    pub(super) tables: Vec<Arc<dyn TableProvider>>,
    pub(super) rows: u64,
}

impl<'a> Rest<'a> {
    /// Below `place`; chunks are about as large as an epoch may be.
    pub(super) fn new(scope: Scope<'a>, place: Location, schema: &SchemaRef, limits: SliceLimits) -> Result<Self> {
        let tried = writer(scope, place.join("tried"), schema)?;
        let schema = Arc::clone(schema);
        Ok(Self { scope, place, schema, limits, tried, open: None, untried: Vec::new(), rows: 0 })
    }

    /// Adds records that are done with.
    pub(super) async fn tried(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        Ok(self.tried.write(batch).await?)
    }

    /// Adds records that wait.
    pub(super) async fn untried(&mut self, mut batch: RecordBatch) -> Result<()> {
        while batch.num_rows() > 0 {
            let (mut writer, bytes) = match self.open.take() {
                Some(open) => open,
                None => (writer(self.scope, self.untried_place(), &self.schema)?, 0),
            };
            let room = self.limits.rows.max(FEWEST).saturating_sub(writer.rows());
            let rows = usize::try_from(room).unwrap_or(usize::MAX).min(batch.num_rows());
            let bytes = bytes + (batch.get_array_memory_size() / batch.num_rows() * rows) as u64;
            writer.write(batch.slice(0, rows)).await?;
            self.rows += rows as u64;
            batch = batch.slice(rows, batch.num_rows() - rows);
            self.open = Some((writer, bytes));
            if rows as u64 == room || bytes >= self.limits.bytes {
                self.close().await?;
            }
        }
        Ok(())
    }

    fn untried_place(&self) -> Location {
        self.place.join(&format!("untried-{}", self.untried.len()))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some((writer, _)) = self.open.take() {
            let table = table(writer, &self.schema, &self.untried_place()).await?;
            self.untried.push(table);
        }
        Ok(())
    }

    /// All of it.
    pub(super) async fn finish(mut self) -> Result<Stays> {
        self.close().await?;
        let mut tables = vec![table(self.tried, &self.schema, &self.place.join("tried")).await?];
        tables.append(&mut self.untried);
        Ok(Stays { tables, rows: self.rows })
    }
}

/// A writer of local files at `place`.
pub(super) fn writer(scope: Scope<'_>, place: Location, schema: &SchemaRef) -> Result<StagingWriter> {
    let context = &scope.session.context;
    Ok(StagingWriter::temporary(place, Arc::clone(schema), context.sizes, &context.runtime)?)
}

/// What was written at `place`, as a table of the columns of `schema`.
pub(super) async fn table(writer: StagingWriter, schema: &SchemaRef, place: &Location) -> Result<Arc<dyn TableProvider>> {
    if writer.finish().await?.is_empty() {
        return Ok(Arc::new(EmptyTable::new(Arc::clone(schema))));
    }
    Ok(Arc::new(files_as_table(schema, place)?))
}
