//! Files that cannot be read, are full of bad records, or are not any more what was listed.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use connectors::context::Context;
use connectors::registry::connector;
use connectors::source::{Offset, SliceRequest, Source};
use object_store::ObjectStoreExt;
use testkit::s3::{Operation, S3Server};

use crate::bench::{Bench, HUGE, columns, context_on, error, gzip, id_name, parquet, read, spec};

const ASIDE: [(&str, &str); 2] = [("on_error", "quarantine"), ("max_bad_ratio", "1")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_are_handed_over_as_they_are_found_and_do_not_pile_up() {
    const LINES: usize = 20_000;
    let bench = Bench::new();
    bench.write("a.json", format!("{}{{\"id\":1}}\n", "{oops}\n".repeat(LINES)));
    let source = bench.source("JSON", id_name(), &ASIDE).await;
    let mut slice = source.read(None, &SliceRequest::new(HUGE, None)).await.unwrap();
    let (mut bad, mut most, mut rows) = (0, 0, 0);
    while let Some(batch) = slice.next_batch().await.unwrap() {
        let taken = slice.take_bad().len();
        (bad, most, rows) = (bad + taken, most.max(taken), rows + batch.num_rows());
    }
    assert_eq!((bad, rows), (LINES, 1));
    assert!(most < LINES / 5, "{most} records were held at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_is_put_aside_and_the_others_are_read() {
    let bench = Bench::new();
    let lines: String = (10..2_000).map(|id| format!("{id},name{}\n", id * 7919 % 1000)).collect();
    let whole = gzip(&format!("id,name\n{lines}"));
    bench.write("a.csv", "id,name\n1,a\n");
    bench.write("b.csv.gz", &whole[..whole.len() / 2]);
    bench.write("c.csv", "PK\u{3}\u{4}nothing that is unpacked");
    bench.write("d.csv", "id,name\n2,b\n");
    let strict = error(&bench.source("CSV", id_name(), &[]).await).await;
    assert!(strict.contains("b.csv.gz") && strict.contains("add OPTIONS ('on_error' 'quarantine')"), "{strict}");

    let source = bench.source("CSV", id_name(), &ASIDE).await;
    let found = read(&source, None, HUGE).await.unwrap();
    assert_eq!((found.ids().first(), found.ids().last()), (Some(&1), Some(&2)));
    let told: Vec<(bool, &str)> = found.bad.iter().map(|bad| (bad.file.ends_with("b.csv.gz"), bad.reason.as_str())).collect();
    assert!(
        matches!(told.as_slice(), [(true, cut), (false, zip)] if cut.contains("truncated") && zip.contains("zip archive")),
        "{told:?}"
    );
    assert_eq!(found.bad[0].row, Some(found.ids().len() as u64 - 2 + 1), "behind what could be read of it");
    let again = read(&source, Some(&found.offset), HUGE).await.unwrap();
    assert_eq!((again.ids().len(), again.bad.len(), &again.offset), (0, 0, &found.offset));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_parquet_file_is_put_aside_and_is_nothing_to_replay() {
    let bench = Bench::new();
    bench.write("a.parquet", ids(&[1]));
    bench.write("b.parquet", "PAR1 and no footer PAR1");
    bench.write("c.parquet", ids(&[3]));
    let declared = columns(&[("id", arrow::datatypes::DataType::Int64)]);
    let source = bench.source("PARQUET", declared, &ASIDE).await;
    let found = read(&source, None, HUGE).await.unwrap();
    assert_eq!((found.ids(), found.bad.len()), (vec![1, 3], 1));
    let request = connectors::replay::ReplayRequest { columns: None, purpose: connectors::replay::Purpose::Look };
    let replayed = source.replay(&request).unwrap().record(&found.bad[0]).await.unwrap();
    assert!(
        matches!(&replayed, connectors::replay::Replayed::Impossible(why) if why.contains("cannot be read") && why.contains("on_change")),
        "{replayed:?}"
    );
}

fn ids(ids: &[i64]) -> Vec<u8> {
    parquet(&RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids.to_vec())) as _)]).unwrap())
}

/// Parquet files of one id each on S3.
struct Bucket {
    server: S3Server,
    context: Context,
}

impl Bucket {
    async fn with(files: i64) -> Self {
        let server = S3Server::start().await.unwrap();
        let context = context_on(&server);
        let bucket = Self { server, context };
        for id in 0..files {
            bucket.put(id, id).await;
        }
        bucket
    }

    fn location(&self) -> String {
        format!("s3://{}/in/", testkit::s3::BUCKET)
    }

    async fn put(&self, file: i64, id: i64) {
        let place = self.context.locate(&format!("{}{file:03}.parquet", self.location())).unwrap();
        place.store.put(&place.path, ids(&[id]).into()).await.unwrap();
    }

    async fn remove(&self, file: i64) {
        let place = self.context.locate(&format!("{}{file:03}.parquet", self.location())).unwrap();
        place.store.delete(&place.path).await.unwrap();
    }

    async fn source(&self) -> Arc<dyn Source> {
        let declared = columns(&[("id", arrow::datatypes::DataType::Int64)]);
        let home = self.context.locate("lake://.engine/sources/p/t").unwrap();
        let table = spec("PARQUET", &self.location(), declared, &[]);
        connector("PARQUET").unwrap().source(&table, home, &self.context).await.unwrap()
    }
}

/// Reads a slice; `meanwhile` happens when its first batch is there. The ids, what ended it early, where it ended.
async fn interrupted(source: &Arc<dyn Source>, meanwhile: impl Future<Output = ()>) -> (Vec<i64>, Option<String>, Offset) {
    let mut slice = source.read(None, &SliceRequest::new(HUGE, None)).await.unwrap();
    let mut batches = vec![slice.next_batch().await.unwrap().unwrap()];
    meanwhile.await;
    while let Some(batch) = slice.next_batch().await.unwrap() {
        batches.push(batch);
    }
    let fault = slice.take_fault().map(|fault| fault.to_string());
    let offset = slice.end().await.unwrap().offset;
    let found = crate::bench::Read { batches, bad: Vec::new(), offset: offset.clone(), more: false };
    (found.ids(), fault, offset)
}

/// More than are opened ahead.
const FILES: i64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parquet_file_that_goes_while_others_are_read_is_passed_over() {
    let bucket = Bucket::with(FILES).await;
    let source = bucket.source().await;
    let (found, fault, _) = interrupted(&source, bucket.remove(FILES - 1)).await;
    assert_eq!((found, fault), ((0..FILES - 1).collect(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parquet_file_that_is_written_anew_while_others_are_read_is_read_as_it_is_then() {
    let bucket = Bucket::with(FILES).await;
    let source = bucket.source().await;
    let (found, fault, offset) = interrupted(&source, bucket.put(FILES - 1, 1_000)).await;
    assert_eq!(found, (0..FILES - 1).collect::<Vec<_>>());
    assert!(fault.as_ref().is_some_and(|fault| fault.contains("059.parquet' was written anew while it was read")), "{fault:?}");
    let rest = read(&source, Some(&offset), HUGE).await.unwrap();
    assert_eq!(rest.ids(), [1_000]);
    assert!(read(&source, Some(&rest.offset), HUGE).await.unwrap().ids().is_empty(), "it has not changed since it was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_parquet_file_is_one_request() {
    let bucket = Bucket::with(5).await;
    let source = bucket.source().await;
    bucket.server.requests().reset();
    assert_eq!(read(&source, None, HUGE).await.unwrap().ids(), [0, 1, 2, 3, 4]);
    assert_eq!(bucket.server.requests().count(Operation::GetObject, "in/"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_file_that_is_replaced_by_one_of_its_size_is_not_mixed_with_it() {
    let bench = Bench::new();
    for id in 0..FILES {
        bench.write(&format!("{id:03}.parquet"), ids(&[id]));
    }
    let declared = columns(&[("id", arrow::datatypes::DataType::Int64)]);
    let source = bench.source("PARQUET", declared, &[]).await;
    let replace = async {
        // Times of files are told apart by some milliseconds on some systems.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        bench.write("new", ids(&[1_000]));
        std::fs::rename(bench.folder.path().join("in/new"), bench.folder.path().join("in/059.parquet")).unwrap();
    };
    let (found, fault, offset) = interrupted(&source, replace).await;
    assert_eq!(found, (0..FILES - 1).collect::<Vec<_>>());
    assert!(fault.is_some_and(|fault| fault.contains("was written anew")));
    assert_eq!(read(&source, Some(&offset), HUGE).await.unwrap().ids(), [1_000]);
}
