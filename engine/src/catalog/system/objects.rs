//! `system.objects`: the files that flows have read, as their offsets have them.

use arrow::array::RecordBatch;
use connectors::files::{IngestedObject, ingested};
use connectors::source::Offset;
use datafusion::error::{DataFusionError, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::batches::{batch, numbers, texts};
use super::table::{Rows, Wanted};
use crate::session::Session;
use crate::state::{self, FlowRecord};

/// Files of a batch.
const BATCH: usize = 8_192;

#[derive(Debug)]
pub(super) struct Objects(pub(super) Session);

/// Whose files they are.
#[derive(Debug, Clone, Default)]
struct Reader {
    pipeline: String,
    flow: String,
    source: String,
}

impl Rows for Objects {
    fn empty(&self) -> Result<RecordBatch> {
        objects(&Reader::default(), &[])
    }

    fn keys(&self) -> &'static [&'static str] {
        &["pipeline", "flow", "source"]
    }

    fn stream(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch>> {
        stream::once(all(self.0.clone(), wanted)).try_flatten().boxed()
    }
}

type Batches = BoxStream<'static, Result<RecordBatch>>;

async fn all(session: Session, wanted: Wanted) -> Result<Batches> {
    let Some(store) = state::open_existing(&session).await? else { return Ok(stream::empty().boxed()) };
    let flows = store.flows(wanted.key("pipeline")).await?;
    let readers = stream::iter(readers(flows, &wanted));
    let batches = readers.then(move |(reader, identity, offset)| one(session.clone(), reader, identity, offset));
    Ok(batches.try_flatten().boxed())
}

/// The files of one flow and source; none of a source that does not read files.
async fn one(session: Session, reader: Reader, identity: String, offset: Offset) -> Result<Batches> {
    let home = session.source_folder(&reader.pipeline, &reader.source)?;
    let Some(files) = ingested(&identity, &offset, &home).await? else { return Ok(stream::empty().boxed()) };
    let batches = files.try_chunks(BATCH).map_err(|error| DataFusionError::from(error.1));
    Ok(batches.and_then(move |files| std::future::ready(objects(&reader, &files))).boxed())
}

/// Every flow and source of those that are wanted, with the source's identity and offset.
fn readers(flows: Vec<FlowRecord>, wanted: &Wanted) -> Vec<(Reader, String, Offset)> {
    let is_wanted = |key: &str, value: &str| wanted.key(key).is_none_or(|wanted| wanted == value);
    let mut readers = Vec::new();
    for FlowRecord { pipeline, flow, progress } in flows {
        for (source, identity) in &progress.identities {
            let Some(offset) = progress.offsets.get(source) else { continue };
            if is_wanted("flow", &flow) && is_wanted("source", source) {
                let reader = Reader { pipeline: pipeline.clone(), flow: flow.clone(), source: source.clone() };
                readers.push((reader, identity.clone(), offset.clone()));
            }
        }
    }
    readers
}

fn objects(reader: &Reader, files: &[IngestedObject]) -> Result<RecordBatch> {
    let same = |text: &str| texts(files.iter().map(|_| Some(text.to_owned())));
    batch([
        ("pipeline", same(&reader.pipeline)),
        ("flow", same(&reader.flow)),
        ("source", same(&reader.source)),
        ("object", texts(files.iter().map(|file| Some(&file.address)))),
        ("bytes", numbers(files.iter().map(|file| Some(file.bytes)))),
        ("status", texts(files.iter().map(|file| Some(if file.records.is_some() { "partly read" } else { "read" })))),
        ("records", numbers(files.iter().map(|file| file.records))),
    ])
}
