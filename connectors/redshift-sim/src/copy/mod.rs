//! COPY and UNLOAD: their grammar, the files on S3, and rows between those files and PostgreSQL.

mod encode;
mod failure;
mod files;
mod grammar;
mod json;
mod limits;
mod options;
mod parquet_file;
mod parquet_types;
mod stores;
mod target;
mod text;
mod unload;

pub(crate) use encode::escape_into;
pub(crate) use failure::{Failure, LoadError};
pub(crate) use files::{SourceFile, resolve, s3_error};
pub(crate) use grammar::{Copy, Credentials, Format};
pub(crate) use json::JsonFile;
pub(crate) use options::Options;
pub(crate) use parquet_file::ParquetFile;
pub use stores::S3Options;
pub(crate) use stores::{Stores, object_url};
pub(crate) use target::{Column, ColumnType, Target};
pub(crate) use text::TextFile;
pub(crate) use unload::{Unload, UnloadFormat, Written, write_csv, write_parquet};
