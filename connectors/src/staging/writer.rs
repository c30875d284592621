//! Which file a row goes to, and when a file is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::TryStreamExt;
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::staging::file::ParquetFile;
use crate::staging::form::FileForm;
use crate::staging::partition::{PartitionValues, Partitioner, hive_path};
use crate::staging::spill::Spill;
use crate::staging::{StagedFile, StagingSizes};
use crate::stores::Location;

/// Row groups below this are not worth flushing for their memory while there are others.
const SMALL_ROW_GROUP: usize = 1 << 20;

/// All open files together hold at most this many row groups' bytes and one part, whatever the pool would allow.
const ROW_GROUPS_IN_MEMORY: usize = 2;

/// Writes the rows of one flow and epoch as Parquet files that are called
/// `<folder>/<column>=<value>/.../part-00000.parquet`; partition columns are in the path and not in the files.
///
/// Memory is taken from the runtime's pool. When it is short, the largest row group is closed early; when that is not
/// enough, the largest file is, and later rows of its partition wait on local disk, as do rows of partitions beyond
/// [`StagingSizes::open_partitions`]. Dropped before [`StagingWriter::finish`], it leaves at most whole files in its folder.
#[derive(Debug)]
pub struct StagingWriter {
    folder: Location,
    schema: SchemaRef,
    sizes: StagingSizes,
    runtime: Arc<RuntimeEnv>,
    partitioner: Partitioner,
    form: FileForm,
    reservation: MemoryReservation,
    open: BTreeMap<PartitionValues, ParquetFile>,
    parts: BTreeMap<PartitionValues, u32>,
    /// Partitions whose file was closed for its memory: their rows wait for the next pass.
    waiting: BTreeSet<PartitionValues>,
    spill: Option<Spill>,
    pass: u32,
    done: Vec<StagedFile>,
    rows: u64,
}

impl StagingWriter {
    /// Files go below `folder`, which belongs to this writer alone.
    ///
    /// # Errors
    /// [`Error::Config`] for a partition column that is not in `schema` or has a type that cannot name a folder.
    pub fn new(
        folder: Location,
        schema: SchemaRef,
        partition_by: &[String],
        sizes: StagingSizes,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Self> {
        Self::formed(FileForm::lasting()?, folder, schema, partition_by, sizes, runtime)
    }

    /// For files that stay on the local disk for a short time: quickly encoded, and with small buffers, because several are written at once.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn temporary(folder: Location, schema: SchemaRef, sizes: StagingSizes, runtime: &Arc<RuntimeEnv>) -> Result<Self> {
        let sizes = StagingSizes { row_group_bytes: 1 << 20, part_bytes: 1 << 20, ..sizes };
        Self::formed(FileForm::temporary(), folder, schema, &[], sizes, runtime)
    }

    /// For files that another reader wants in a form of its own.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn formed(
        form: FileForm,
        folder: Location,
        schema: SchemaRef,
        partition_by: &[String],
        sizes: StagingSizes,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Self> {
        Ok(Self {
            partitioner: Partitioner::new(&schema, partition_by)?,
            reservation: MemoryConsumer::new("staging writer").with_can_spill(true).register(&runtime.memory_pool),
            runtime: Arc::clone(runtime),
            folder,
            schema,
            sizes: StagingSizes { file_bytes: sizes.file_bytes.min(form.file_bytes), ..sizes },
            form,
            open: BTreeMap::new(),
            parts: BTreeMap::new(),
            waiting: BTreeSet::new(),
            spill: None,
            pass: 0,
            done: Vec::new(),
            rows: 0,
        })
    }

    /// Adds rows, which have the columns of the schema.
    ///
    /// # Errors
    /// When the store refuses, or memory or local disk are used up.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.route(&batch).await
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// All files are closed and durable.
    ///
    /// # Errors
    /// See [`Self::write`].
    pub async fn finish(mut self) -> Result<Vec<StagedFile>> {
        self.close_all().await?;
        let mut buckets = self.finish_spill()?;
        while let Some(bucket) = buckets.pop() {
            self.pass = bucket.pass + 1;
            let mut batches = Box::pin(bucket.read()?);
            while let Some(batch) = batches.try_next().await? {
                self.route(&batch).await?;
            }
            self.close_all().await?;
            buckets.extend(self.finish_spill()?);
        }
        self.done.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(std::mem::take(&mut self.done))
    }

    /// Gives up: uploads that are under way are taken back. Without it they are invisible, but a bucket keeps (and bills)
    /// their parts until its lifecycle rule removes them.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn abort(mut self) -> Result<()> {
        for (_, file) in std::mem::take(&mut self.open) {
            file.abort().await?;
        }
        Ok(())
    }

    async fn route(&mut self, batch: &RecordBatch) -> Result<()> {
        for (values, rows) in self.partitioner.split(batch)? {
            let may_open = self.open.len() < self.sizes.open_partitions.max(1) && !self.waiting.contains(&values);
            if self.open.contains_key(&values) || may_open {
                self.write_rows(&values, &rows).await?;
            } else {
                self.spill_rows(&values, &rows)?;
            }
        }
        Ok(())
    }

    async fn write_rows(&mut self, values: &PartitionValues, rows: &RecordBatch) -> Result<()> {
        if !self.open.contains_key(values) {
            let file = self.create(values)?;
            self.open.insert(values.clone(), file);
        }
        let batch = self.partitioner.file_batch(rows)?;
        if let Some(file) = self.open.get_mut(values) {
            file.write(&batch).await?;
            if file.bytes() >= self.sizes.file_bytes {
                self.close(values).await?;
            }
        }
        self.account().await
    }

    fn spill_rows(&mut self, values: &PartitionValues, rows: &RecordBatch) -> Result<()> {
        if self.spill.is_none() {
            self.spill = Some(Spill::new(self.pass, &self.schema, &self.runtime)?);
        }
        match &mut self.spill {
            Some(spill) => spill.write(values, rows),
            None => Err(Error::internal("no spill file")),
        }
    }

    fn finish_spill(&mut self) -> Result<Vec<crate::staging::spill::Bucket>> {
        self.waiting.clear();
        self.spill.take().map_or_else(|| Ok(Vec::new()), Spill::finish)
    }

    fn create(&mut self, values: &PartitionValues) -> Result<ParquetFile> {
        let part = self.parts.entry(values.clone()).or_default();
        let folder = hive_path(&self.partitioner.named(values));
        let slash = if folder.is_empty() { "" } else { "/" };
        // Not `join`, which would escape the escapes of the folder once more.
        let path = format!("{}/{folder}{slash}part-{part:05}.parquet", self.folder.path);
        *part += 1;
        let path = Path::parse(&path).map_err(|error| Error::data(format!("partition value cannot be a folder: {error}")))?;
        let schema = self.partitioner.file_schema();
        ParquetFile::create(&self.folder.store, path, schema, &self.form, &self.sizes)
    }

    async fn close(&mut self, values: &PartitionValues) -> Result<()> {
        let Some(file) = self.open.remove(values) else { return Ok(()) };
        let written = file.finish().await?;
        self.done.push(StagedFile {
            path: written.path.to_string(),
            bytes: written.bytes,
            rows: written.rows,
            partition: self.partitioner.named(values),
        });
        Ok(())
    }

    async fn close_all(&mut self) -> Result<()> {
        // A borrow of the map must not live across the await: encoders are not `Sync`.
        let open: Vec<PartitionValues> = self.open.keys().cloned().collect();
        for values in open {
            self.close(&values).await?;
        }
        self.reservation.free();
        Ok(())
    }

    /// Takes from the pool what the open files hold, and makes them hold less until it is granted.
    async fn account(&mut self) -> Result<()> {
        let limit = self.sizes.row_group_bytes * ROW_GROUPS_IN_MEMORY + self.sizes.part_bytes;
        loop {
            let held = self.open.values().map(ParquetFile::memory).sum();
            let refused = match self.reservation.try_resize(held) {
                Ok(()) if held <= limit => return Ok(()),
                Ok(()) => None,
                Err(error) => Some(error),
            };
            if !self.relieve().await? {
                return refused.map_or(Ok(()), |error| Err(error.into()));
            }
        }
    }

    /// Gives back memory; `false` when there is none to give.
    async fn relieve(&mut self) -> Result<bool> {
        let largest_group = self.open.values_mut().max_by_key(|file| file.row_group_memory());
        if let Some(file) = largest_group
            && file.has_open_rows()
            && file.row_group_memory() >= SMALL_ROW_GROUP
        {
            file.flush().await?;
            return Ok(true);
        }
        let largest_file = self.open.iter().max_by_key(|(_, file)| file.memory());
        let Some(values) = largest_file.map(|(values, _)| values.clone()) else { return Ok(false) };
        if self.open.len() > 1 {
            self.waiting.insert(values.clone());
        }
        self.close(&values).await?;
        Ok(true)
    }
}
