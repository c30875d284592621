//! The one writer of staged files: Arrow batches in, Parquet files out, in bounded memory.
//!
//! Every sink is fed from files that this writer made; it knows nothing of sinks. `writer` decides which file a row goes
//! to, `file` is one open Parquet file and `form` how it is encoded, `partition` splits rows by folder, `spill` keeps what must wait on local disk, and `write_behind`
//! lets rows be made while others are written.

use serde::{Deserialize, Serialize};

pub(crate) mod file;
pub(crate) mod form;
pub(crate) mod partition;
mod spill;
#[cfg(test)]
mod tests;
mod write_behind;
mod writer;

pub use form::FileForm;
pub use partition::hive_path;
pub(crate) use partition::{NULL_FOLDER, unescape};
pub use write_behind::WriteBehind;
pub use writer::StagingWriter;

/// How large files and row groups get, and how many partitions are open at once.
#[derive(Debug, Clone, Copy)]
pub struct StagingSizes {
    /// A file is closed when it reaches this many bytes, compressed.
    pub file_bytes: u64,
    /// A row group is closed when it is estimated to reach this many bytes, encoded.
    pub row_group_bytes: usize,
    /// A larger file is uploaded in parts of this many bytes; S3 takes none below 5 MiB but the last.
    pub part_bytes: usize,
    /// Partitions that are written at the same time; rows of others are spilled and written after them.
    pub open_partitions: usize,
}

impl Default for StagingSizes {
    /// Chosen by `examples/staging_memory.rs`: every open file costs its row group, a part of its upload and, for each column,
    /// buffers of the encoder and the compressor that no setting makes smaller.
    fn default() -> Self {
        Self { file_bytes: 128 << 20, row_group_bytes: 4 << 20, part_bytes: 8 << 20, open_partitions: 16 }
    }
}

/// One staged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Where, from the root of the lake's object store.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// Partition columns and values, in the order of `PARTITIONED BY`; `None` is NULL. Values are written as Delta's
    /// protocol does ("Partition Value Serialization"): `2026-11-21`, `true`, `7`.
    pub partition: Vec<(String, Option<String>)>,
}
