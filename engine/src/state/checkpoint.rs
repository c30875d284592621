//! The record of a staged epoch: all that is needed to commit it, also by a process that never saw its sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::{IpcSchemaEncoder, fb_to_schema};
use arrow::ipc::root_as_schema;
use chrono::{DateTime, Utc};
use connectors::context::TableSpec;
use connectors::sink::{Batch, BatchId, WriteMode};
use connectors::source::Offset;
use connectors::staging::StagedFile;
use serde::{Deserialize, Serialize};

use super::{FlowProgress, LandedFile, Result, StateError};

/// A staged epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The pipeline.
    pub pipeline: String,
    /// Its incarnation.
    pub incarnation: String,
    /// The epoch.
    pub epoch: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The logical date that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateTime<Utc>>,
    /// The folder of the staged files, below the lake.
    pub folder: String,
    /// What was computed; flows with equal queries share a stage.
    pub stages: Vec<StageCheckpoint>,
    /// What is committed, and where.
    pub flows: Vec<FlowCheckpoint>,
}

/// Staged rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageCheckpoint {
    /// Schema of the rows, an Arrow IPC flatbuffer in hexadecimal.
    schema: String,
    /// Columns that are folders.
    pub partition_by: Vec<String>,
    /// The files.
    pub files: Vec<StagedFile>,
}

/// One flow of a staged epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlowCheckpoint {
    /// The flow.
    pub flow: String,
    /// The sink, as the file declared it, `${...}` unresolved.
    pub sink: TableSpec,
    /// How it is written.
    pub mode: WriteMode,
    /// The key of an upsert.
    pub key: Vec<String>,
    /// Which of the stages holds its rows.
    pub stage: usize,
    /// Rows that the flow read of its sources.
    pub rows_in: u64,
    /// Records of its sources that are no rows.
    #[serde(default)]
    pub bad_rows: u64,
    /// The newest modification of what the flow read, where its sources know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landed_at: Option<DateTime<Utc>>,
    /// The file of a landing zone that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landed: Option<LandedFile>,
    /// The files of the sink's table whose place the rows of an overwrite take, by their paths from its root; none when it is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Vec<String>>,
    /// The progress that holds once the epoch is committed; none of the bad records of a source, which no flow makes.
    pub progress: Option<FlowProgress>,
}

impl FlowCheckpoint {
    /// Whether it is the note that a file was refused, which brings nothing to any sink.
    pub fn is_refusal(&self) -> bool {
        self.landed.as_ref().is_some_and(|landed| landed.error.is_some())
    }
}

impl StageCheckpoint {
    /// What was staged.
    pub fn new(schema: &SchemaRef, partition_by: Vec<String>, files: Vec<StagedFile>) -> Self {
        let encoded = IpcSchemaEncoder::new().schema_to_fb(schema);
        Self { schema: hex::encode(encoded.finished_data()), partition_by, files }
    }

    /// The schema of the rows.
    ///
    /// # Errors
    /// [`StateError::Corrupt`].
    pub fn schema(&self) -> Result<SchemaRef> {
        let corrupt = |message: String| StateError::Corrupt { message: format!("schema of a staged epoch: {message}") };
        let bytes = hex::decode(&self.schema).map_err(|error| corrupt(error.to_string()))?;
        let encoded = root_as_schema(&bytes).map_err(|error| corrupt(error.to_string()))?;
        Ok(Arc::new(fb_to_schema(encoded)))
    }

    /// Rows in the files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Checkpoint {
    /// The batch that `flow` commits.
    ///
    /// # Errors
    /// [`StateError::Corrupt`].
    pub fn batch(&self, flow: &FlowCheckpoint) -> Result<Batch> {
        let stage =
            self.stages.get(flow.stage).ok_or_else(|| StateError::Corrupt { message: format!("no stage {}", flow.stage) })?;
        Ok(Batch {
            id: self.batch_id(&flow.flow),
            mode: flow.mode,
            schema: stage.schema()?,
            partition_by: stage.partition_by.clone(),
            key: flow.key.clone(),
            files: stage.files.clone(),
        })
    }

    /// The id under which `flow` commits.
    pub fn batch_id(&self, flow: &str) -> BatchId {
        BatchId {
            pipeline: self.pipeline.clone(),
            incarnation: self.incarnation.clone(),
            flow: flow.to_owned(),
            epoch: self.epoch,
        }
    }

    /// Offsets by flow, as they are after this epoch.
    pub fn progress(&self) -> BTreeMap<String, FlowProgress> {
        self.flows.iter().filter_map(|flow| Some((flow.flow.clone(), flow.progress.clone()?))).collect()
    }

    /// Offsets of one flow and source.
    pub fn offset(&self, flow: &str, source: &str) -> Option<&Offset> {
        self.flows.iter().find(|candidate| candidate.flow == flow)?.progress.as_ref()?.offsets.get(source)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn schema_survives_the_store() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("at", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())), true),
        ]));
        let stage = StageCheckpoint::new(&schema, vec![], vec![]);
        let text = serde_json::to_string(&stage).unwrap();
        let back: StageCheckpoint = serde_json::from_str(&text).unwrap();
        assert_eq!(back.schema().unwrap(), schema);
    }
}
