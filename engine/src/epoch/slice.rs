//! Step 2: what is new of each source, read once and kept in local files until the epoch is staged.
//!
//! A source need not be readable twice, and its end is known only when it was read. So each slice is read into Parquet
//! files in the state folder; any number of flows then read those, as often as they like, in bounded memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arrow::datatypes::Schema;
use connectors::faults::point;
use connectors::source::{Offset, SliceEnd, SliceLimits, SliceRequest, Source};
use connectors::staging::{StagingWriter, WriteBehind};
use connectors::stores::Location;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};

use super::Scope;
use super::quarantine::{BadRows, BadTable};
use crate::flow::plan::Wanted;

/// One source's slice.
#[derive(Debug)]
pub struct Slice {
    /// Its rows that a flow may use, with all columns of the source; those that no flow uses are NULL.
    pub table: Arc<dyn TableProvider>,
    /// Rows.
    pub rows: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Its bad records.
    pub bad: Option<BadTable>,
    /// How it ended.
    pub end: SliceEnd,
}

impl Slice {
    /// Records that are no rows.
    pub fn bad_rows(&self) -> u64 {
        self.bad.as_ref().map_or(0, BadTable::left_out)
    }
}

/// The slices of an epoch, by source. Their files go when this is dropped.
#[derive(Debug)]
pub struct Slices {
    /// By source.
    pub by_source: BTreeMap<String, Slice>,
    _folder: tempfile::TempDir,
}

impl Slices {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.by_source.values().all(|slice| slice.rows == 0 && slice.bad_rows() == 0)
    }

    /// Whether any source has more right now.
    pub fn more(&self) -> bool {
        self.by_source.values().any(|slice| slice.end.more)
    }

    /// What the plans read instead of the sources.
    pub fn tables(&self) -> BTreeMap<String, Arc<dyn TableProvider>> {
        self.by_source.iter().map(|(name, slice)| (name.clone(), Arc::clone(&slice.table))).collect()
    }
}

/// Reads the slice of every source in `offsets`, side by side.
///
/// # Errors
/// When a source cannot be read at all; a fault after the first rows only ends its slice.
pub async fn slice(
    scope: Scope<'_>,
    offsets: &BTreeMap<String, Option<Offset>>,
    wanted: &BTreeMap<String, Wanted>,
    limits: SliceLimits,
) -> Result<Slices> {
    let share = u64::try_from(offsets.len()).unwrap_or(1).max(1);
    let limits = SliceLimits { rows: (limits.rows / share).max(1), bytes: (limits.bytes / share).max(1) };
    let parent = scope.session.temporary_folder(&scope.pipeline.name);
    std::fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let folder =
        tempfile::TempDir::with_prefix_in("slice-", &parent).with_context(|| format!("cannot write in {}", parent.display()))?;
    let place = scope.session.context.locate(&folder.path().to_string_lossy())?;
    let reads = offsets.iter().map(|(name, offset)| {
        let place = place.join(name);
        let wanted = wanted.get(name).cloned().unwrap_or_default();
        let filters = wanted.filters();
        let request = SliceRequest { filters, ..SliceRequest::new(limits, Some(wanted.columns.into_iter().collect())) };
        async move {
            let source = scope.pipeline.source(name).with_context(|| format!("source '{name}' is not in the pipeline"))?;
            let slice = read(scope, name, source, offset.as_ref(), &request, place).await;
            anyhow::Ok((name.clone(), slice.with_context(|| scope.pipeline.place_of(name))?))
        }
    });
    let by_source = futures::future::try_join_all(reads).await?.into_iter().collect();
    point("sliced");
    Ok(Slices { by_source, _folder: folder })
}

async fn read(
    scope: Scope<'_>,
    name: &str,
    source: &Arc<dyn Source>,
    offset: Option<&Offset>,
    request: &SliceRequest,
    place: Location,
) -> Result<Slice> {
    let started = Instant::now();
    let mut reader = source.read(offset, request).await?;
    let schema = projected(&source.schema(), request);
    let context = &scope.session.context;
    let mut writer = WriteBehind::new(StagingWriter::temporary(place.join("rows"), schema, context.sizes, &context.runtime)?);
    let mut bad = BadRows::new(context, name, place.join("bad"));
    while !scope.stop.is_cancelled() {
        let batch = reader.next_batch().await?;
        bad.write(reader.take_bad()).await?;
        let Some(batch) = batch else { break };
        writer.write(batch).await?;
        scope.observer.read(name, writer.rows(), reader.bytes());
        point("slice-batch");
    }
    let (rows, bytes, records) = (writer.rows(), reader.bytes(), reader.records());
    if let Some(error) = reader.take_fault() {
        if scope.pipeline.landed.is_some() {
            // A file that lands is loaded whole, or not at all.
            return Err(error.into());
        }
        tracing::warn!(source = name, rows, %error, "slice ended early; what was read is kept");
    }
    let end = reader.end().await?;
    let bad = bad.finish(records, source.max_bad_ratio()).await?;
    let files = writer.finish().await?;
    scope.observer.sliced(name, started.elapsed());
    let table: Arc<dyn TableProvider> = if files.is_empty() {
        Arc::new(EmptyTable::new(source.schema()))
    } else {
        Arc::new(files_as_table(&source.schema(), &place.join("rows"))?)
    };
    Ok(Slice { table, rows, bytes, bad, end })
}

fn projected(schema: &Schema, request: &SliceRequest) -> Arc<Schema> {
    let fields = schema.fields();
    match &request.columns {
        Some(columns) => Arc::new(Schema::new(columns.iter().map(|index| Arc::clone(&fields[*index])).collect::<Vec<_>>())),
        None => Arc::new(schema.clone()),
    }
}

pub(super) fn files_as_table(schema: &Schema, place: &Location) -> Result<ListingTable> {
    let url = ListingTableUrl::parse(format!("{}/", place.url))?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    // Columns that no flow uses are not in the files: whatever the source says of them, here they are NULL.
    let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(Arc::new(Schema::new(fields)));
    Ok(ListingTable::try_new(config)?)
}
