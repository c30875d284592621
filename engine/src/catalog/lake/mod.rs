//! The catalog `lake`: what pipelines have written, found by its folders, and what is registered, found in the catalog.
//!
//! A name costs requests when it is asked for: one table is looked at in its folder, and the lake is walked only for bare names,
//! lists of tables and completion, and then at most every few seconds.

mod files;
mod index;
mod parquet;
mod provider;

pub(crate) use files::{Files, endings, is_folder, looks_like_a_place, nearest_file};
pub(crate) use index::{FolderKind, LakeIndex, LakeTable, list as list_folder, quoted};
pub(crate) use provider::{LakeCatalog, LakeSchema, connector_at, open, open_folder};

/// The schema of what lies in no folder.
pub(crate) const PUBLIC: &str = "public";

/// The catalog of the lake.
pub(crate) const LAKE: &str = "lake";
