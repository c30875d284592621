//! The data files of a Delta table one by one: what the log says of each, and the rows of some of them.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use deltalake_core::DeltaTable;
use deltalake_core::delta_datafusion::FileSelection;
use deltalake_core::kernel::{Add, LogicalFileView};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;
use serde_json::Value;

use crate::context::{Context, TableSpec};
use crate::error::Result;
use crate::lake::delta::log;
use crate::parquet_object::ObjectReader;

/// A data file of a table.
#[derive(Debug, Clone)]
pub struct Part {
    /// From the table's root: what [`crate::sink::Sink::commit_in_place_of`] takes.
    pub path: String,
    /// Its rows, where the log says so.
    pub rows: Option<u64>,
    /// Its bytes.
    pub bytes: u64,
    object: Path,
    statistics: Value,
}

impl Part {
    /// The least and the greatest value of a column of integers, or wider; none where the log does not say.
    pub fn bounds(&self, column: &str) -> Option<(i64, i64)> {
        let bound = |side: &str| self.statistics[side][column].as_i64();
        bound("minValues").zip(bound("maxValues"))
    }
}

/// The files of a table at one moment.
#[derive(Debug)]
pub struct Parts {
    delta: DeltaTable,
    store: Arc<dyn ObjectStore>,
    all: Vec<Part>,
}

impl Parts {
    /// The files that `table` has now; none when there is no such table.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn open(table: &TableSpec, context: &Context) -> Result<Option<Self>> {
        let log = log::open(&context.locate(&table.location)?)?;
        if !log.is_delta_table_location().await.map_err(log::error)? {
            return Ok(None);
        }
        let store = log.object_store(None);
        let mut delta = DeltaTable::new(log);
        delta.load().await.map_err(log::error)?;
        let state = delta.snapshot().map_err(log::error)?;
        let part = |view: LogicalFileView| Part {
            path: view.path().into_owned(),
            rows: view.num_records().map(|rows| rows as u64),
            bytes: u64::try_from(view.size()).unwrap_or_default(),
            object: view.object_store_path(),
            statistics: view.stats().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        };
        let all = state.log_data().iter().map(part).collect();
        Ok(Some(Self { delta, store, all }))
    }

    /// All of them, in no order.
    pub fn all(&self) -> &[Part] {
        &self.all
    }

    /// The rows of `parts`, which are some of these, in no order.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn rows(&self, parts: &[Part]) -> Result<Arc<dyn TableProvider>> {
        let add = |part: &Part| Add { path: part.path.clone(), ..Add::default() };
        let selection = FileSelection::from_adds(parts.iter().map(add));
        Ok(Arc::new(self.delta.table_provider().build().await?.with_file_selection(selection)))
    }

    /// Bytes of a row of `parts`, on the average of the row group where rows are longest: what a reader has to be ready for. None when
    /// a file does not say.
    ///
    /// # Errors
    /// When a footer cannot be read.
    pub async fn longest_rows(&self, parts: &[Part]) -> Result<Option<u64>> {
        let mut longest = Some(0);
        for part in parts {
            let mut reader = ObjectReader::new(Arc::clone(&self.store), part.object.clone(), part.bytes);
            let footer = reader.get_metadata(None).await?;
            longest = longest.zip(average(&footer)).map(|(longest, average)| longest.max(average));
        }
        Ok(longest)
    }
}

/// Bytes of a row, on the average of the row group where it is most. Text and bytes count as long as they are, not as they are encoded.
fn average(footer: &ParquetMetaData) -> Option<u64> {
    let mut most = 0;
    for group in footer.row_groups() {
        let mut bytes = 0;
        for column in group.columns() {
            let long = column.column_type() == parquet::basic::Type::BYTE_ARRAY;
            let own = if long { column.unencoded_byte_array_data_bytes()? } else { 8 * column.num_values() };
            bytes += u64::try_from(own).unwrap_or_default();
        }
        most = most.max(bytes / u64::try_from(group.num_rows()).unwrap_or_default().max(1));
    }
    Some(most)
}
