//! A Delta table as it stands, for queries.

use std::sync::Arc;

use deltalake_core::DeltaTable;

use crate::context::{Context, TableSpec};
use crate::error::Result;
use crate::lake::delta::log;
use crate::registry::BoundedTable;

/// The newest snapshot; its version is Delta's.
pub(crate) async fn open(table: &TableSpec, context: &Context) -> Result<Option<BoundedTable>> {
    let location = context.locate(&table.location)?;
    let log = log::open(&location)?;
    if !log.is_delta_table_location().await.map_err(log::error)? {
        return Ok(None);
    }
    let mut delta = DeltaTable::new(log);
    delta.load().await.map_err(log::error)?;
    let version = delta.version().map_or_else(String::new, |version| version.to_string());
    let provider = delta.table_provider().build().await?;
    Ok(Some(BoundedTable { provider: Arc::new(provider), version }))
}
