//! Staging under small limits: what is written can be read back, whatever had to be cut, flushed or spilled.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::Error;
use crate::staging::{StagedFile, StagingSizes, StagingWriter};
use crate::stores::{Location, S3Config, Stores};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("day", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, true),
    ]))
}

/// `count` rows from `start`, `partitions` different days, text of 1 KB that does not compress well.
fn rows(start: i64, count: i64, partitions: i64) -> RecordBatch {
    let ids = start..start + count;
    let text = |id: i64| {
        let mut seed = id.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut text = String::with_capacity(1024);
        while text.len() < 1024 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text.push_str(&format!("{seed:016x}"));
        }
        text
    };
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int64Array::from_iter_values(ids.clone())),
            Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("d{}", id % partitions)))),
            Arc::new(StringArray::from_iter_values(ids.map(text))),
        ],
    )
    .unwrap()
}

struct Staged {
    _folder: tempfile::TempDir,
    location: Location,
    runtime: Arc<RuntimeEnv>,
}

impl Staged {
    fn new(memory: Option<usize>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::new(folder.path().to_str().unwrap(), S3Config::default()).unwrap();
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(memory) = memory {
            runtime = runtime.with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)));
        }
        let location = stores.lake().unwrap().join("staging");
        Self { _folder: folder, location, runtime: runtime.build_arc().unwrap() }
    }

    fn writer(&self, partition_by: &[&str], sizes: StagingSizes) -> StagingWriter {
        let partition_by: Vec<String> = partition_by.iter().map(|name| (*name).to_owned()).collect();
        StagingWriter::new(self.location.clone(), schema(), &partition_by, sizes, &self.runtime).unwrap()
    }

    async fn bytes(&self, file: &StagedFile) -> Bytes {
        let bytes = self.location.store.get(&Path::parse(&file.path).unwrap()).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes.len() as u64, file.bytes);
        bytes
    }

    /// Ids by partition value.
    async fn ids(&self, files: &[StagedFile]) -> BTreeMap<Option<String>, Vec<i64>> {
        let mut found = BTreeMap::<_, Vec<i64>>::new();
        for file in files {
            let reader = ParquetRecordBatchReaderBuilder::try_new(self.bytes(file).await).unwrap().build().unwrap();
            let value = file.partition.first().and_then(|(_, value)| value.clone());
            let ids = found.entry(value).or_default();
            let before = ids.len();
            for batch in reader {
                let batch = batch.unwrap();
                let column = batch.column_by_name("id").unwrap();
                ids.extend(column.as_any().downcast_ref::<Int64Array>().unwrap().values());
            }
            assert_eq!((ids.len() - before) as u64, file.rows);
        }
        for ids in found.values_mut() {
            ids.sort_unstable();
        }
        found
    }
}

#[tokio::test]
async fn row_groups_and_files_are_cut_by_bytes() {
    let staged = Staged::new(None);
    let sizes = StagingSizes { file_bytes: 4 << 20, row_group_bytes: 1 << 20, open_partitions: 4, ..StagingSizes::default() };
    let mut writer = staged.writer(&[], sizes);
    for start in 0..10 {
        writer.write(rows(start * 2000, 2000, 1)).await.unwrap();
    }
    assert_eq!(writer.rows(), 20_000);
    let files = writer.finish().await.unwrap();
    assert!(files.len() >= 2, "20 MB of text, half of it after compression, in files of 4 MB: {files:?}");
    assert!(files[0].path.ends_with("staging/part-00000.parquet"), "{files:?}");
    for file in &files[..files.len() - 1] {
        assert!((4 << 20..7 << 20).contains(&file.bytes), "{file:?}");
        let groups = ParquetRecordBatchReaderBuilder::try_new(staged.bytes(file).await).unwrap().metadata().clone();
        for group in &groups.row_groups()[..groups.num_row_groups() - 1] {
            assert!((900 << 10..2 << 20).contains(&group.compressed_size()), "{} bytes", group.compressed_size());
        }
        let text = groups.row_group(0).column(2);
        assert!(text.statistics().is_some() && text.column_index_offset().is_some());
    }
    assert_eq!(staged.ids(&files).await[&None], (0..20_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_partitions_than_may_be_open_still_give_one_file_each() {
    let staged = Staged::new(None);
    let sizes = StagingSizes { open_partitions: 2, ..StagingSizes::default() };
    let mut writer = staged.writer(&["day"], sizes);
    for start in 0..20 {
        writer.write(rows(start * 100, 100, 70)).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(files.len(), 70);
    assert!(files.iter().any(|file| file.path.ends_with("staging/day=d69/part-00000.parquet")), "{files:?}");
    let found = staged.ids(&files).await;
    for (value, ids) in found {
        let day: i64 = value.unwrap()[1..].parse().unwrap();
        assert_eq!(ids, (0..2000).filter(|id| id % 70 == day).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn small_memory_pool_makes_smaller_groups_and_spills_but_loses_nothing() {
    let staged = Staged::new(Some(6 << 20));
    let mut writer = staged.writer(&["day"], StagingSizes::default());
    for start in 0..20 {
        writer.write(rows(start * 1000, 1000, 12)).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(staged.runtime.memory_pool.reserved(), 0);
    assert!(files.len() <= 24, "{} files for 12 partitions", files.len());
    let found = staged.ids(&files).await;
    assert_eq!(found.len(), 12);
    assert_eq!(found.values().map(Vec::len).sum::<usize>(), 20_000);
}

#[tokio::test]
async fn without_any_memory_it_says_so() {
    let staged = Staged::new(Some(1 << 10));
    let mut writer = staged.writer(&[], StagingSizes::default());
    let mut result = Ok(());
    for start in 0..40 {
        result = writer.write(rows(start * 1000, 1000, 1)).await;
        if result.is_err() {
            break;
        }
    }
    // A file that is closed after every batch would be the other way out; it needs memory to be encoded in all the same.
    assert!(result.is_ok() || matches!(result, Err(Error::Config { .. })), "{result:?}");
}

#[tokio::test]
async fn dropped_writer_leaves_nothing_visible() {
    let staged = Staged::new(None);
    let mut writer = staged.writer(&[], StagingSizes::default());
    writer.write(rows(0, 20_000, 1)).await.unwrap();
    drop(writer);
    let mut writer = staged.writer(&[], StagingSizes::default());
    writer.write(rows(0, 30_000, 1)).await.unwrap();
    writer.abort().await.unwrap();
    let listed = staged.location.store.list_with_delimiter(Some(&staged.location.path)).await.unwrap();
    assert!(listed.objects.is_empty(), "{:?}", listed.objects);
}

#[tokio::test]
async fn partition_by_an_unknown_column_is_refused() {
    let staged = Staged::new(None);
    let error =
        StagingWriter::new(staged.location.clone(), schema(), &["dya".to_owned()], StagingSizes::default(), &staged.runtime)
            .unwrap_err();
    assert_eq!(error.subject(), Some("dya"));
}
