//! Rows of partitions that have to wait, on local disk.
//!
//! Rows are spread over a few temporary files by a hash of their partition, so that each holds few partitions; a further
//! pass over one of them uses another hash.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufWriter;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use datafusion::execution::SpillFile;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::staging::partition::PartitionValues;

/// Files of one pass.
const BUCKETS: usize = 16;

/// Passes over the same rows. Each closes `open_partitions` partitions per file and spreads the rest sixteen-fold, so that
/// only a broken hash gets here.
const MAX_PASSES: u32 = 16;

type IpcWriter = StreamWriter<BufWriter<Box<dyn datafusion::execution::SpillWriter>>>;

/// A pass's waiting rows.
pub(crate) struct Spill {
    pass: u32,
    schema: SchemaRef,
    runtime: Arc<RuntimeEnv>,
    buckets: Vec<Option<(Arc<dyn SpillFile>, IpcWriter)>>,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").field("pass", &self.pass).finish_non_exhaustive()
    }
}

/// Rows of one bucket, complete.
pub(crate) struct Bucket {
    /// The pass that made it.
    pub(crate) pass: u32,
    file: Arc<dyn SpillFile>,
}

impl Spill {
    pub(crate) fn new(pass: u32, schema: &SchemaRef, runtime: &Arc<RuntimeEnv>) -> Result<Self> {
        if pass > MAX_PASSES {
            return Err(Error::internal(format!("rows were spilled {MAX_PASSES} times without getting into a file")));
        }
        Ok(Self { pass, schema: Arc::clone(schema), runtime: Arc::clone(runtime), buckets: (0..BUCKETS).map(|_| None).collect() })
    }

    /// Adds rows of one partition. Blocks on local disk as DataFusion's own spilling does: the page cache takes them.
    pub(crate) fn write(&mut self, values: &PartitionValues, batch: &RecordBatch) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        (self.pass, values).hash(&mut hasher);
        let bucket = &mut self.buckets[(hasher.finish() % BUCKETS as u64) as usize];
        let (_, writer) = match bucket {
            Some(open) => open,
            None => {
                let file = self.runtime.disk_manager.create_tmp_file("staging rows of many partitions")?;
                let writer = StreamWriter::try_new(BufWriter::new(file.open_writer()?), &self.schema)?;
                bucket.insert((file, writer))
            }
        };
        Ok(writer.write(batch)?)
    }

    /// Closes the files.
    pub(crate) fn finish(self) -> Result<Vec<Bucket>> {
        let mut buckets = Vec::new();
        for (file, mut writer) in self.buckets.into_iter().flatten() {
            writer.finish()?;
            let mut inner = writer.into_inner()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            inner.finish()?;
            buckets.push(Bucket { pass: self.pass, file });
        }
        Ok(buckets)
    }
}

impl Bucket {
    /// Its rows, in the order they were written.
    pub(crate) fn read(&self) -> Result<impl futures::Stream<Item = Result<RecordBatch>> + Send + use<>> {
        let state = (self.file.read_stream()?, StreamDecoder::new(), Buffer::from(Vec::<u8>::new()));
        Ok(futures::stream::try_unfold(state, |(mut bytes, mut decoder, mut rest)| async move {
            loop {
                if !rest.is_empty()
                    && let Some(batch) = decoder.decode(&mut rest)?
                {
                    return Ok(Some((batch, (bytes, decoder, rest))));
                }
                match bytes.next().await {
                    Some(chunk) => rest = Buffer::from(chunk?),
                    None => return Ok(None),
                }
            }
        }))
    }
}
