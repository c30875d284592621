//! UNLOAD: the rows of a query into files on S3.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use serde_json::json;

use super::errors::translated;
use super::{Done, Session, Step};
use crate::copy::{ColumnType, Unload, UnloadFormat, Written, object_url, s3_error, write_csv, write_parquet};
use crate::sql_error::{SqlError, SqlResult};
use crate::wire::{Answer, Fields};

/// Rows that go into one file.
const ROWS_OF_A_FILE: usize = 100_000;
/// As if so many slices wrote files side by side.
const SLICES: usize = 2;

impl Session {
    pub(super) async fn unload(&mut self, unload: &Unload) -> Step<Done> {
        let answer = self.backend.query(&unload.query).await?;
        if let Some(fields) = answer.error {
            self.client.write(b'E', &translated(fields, self.backend.key.0).build()).await?;
            return Ok(Done::Failed);
        }
        match self.write_files(unload, &answer).await {
            Ok(()) => {
                let message = format!("UNLOAD completed, {} record(s) unloaded successfully.", answer.rows.len());
                let notice = Fields::default().with(b'S', "INFO").with(b'C', "00000").with(b'M', message);
                self.client.write(b'N', &notice.build()).await?;
                self.complete("UNLOAD").await?;
                Ok(Done::Well)
            }
            Err(error) => self.fail(&error).await,
        }
    }

    async fn write_files(&self, unload: &Unload, answer: &Answer) -> SqlResult<()> {
        let (bucket, prefix) = object_url(&unload.to)?;
        let store = self.shared.stores.bucket(bucket, unload.credentials.as_ref())?;
        clear(&store, unload, prefix).await?;
        let mut columns = Vec::new();
        for (name, type_id, modifier) in &answer.columns {
            let column = ColumnType::of(i64::from(*type_id), i64::from(*modifier));
            columns.push((name.clone(), column.unwrap_or(ColumnType::Varchar(65_535))));
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let mut written = Vec::new();
        for (number, rows) in shares(unload, &answer.rows).into_iter().enumerate() {
            let bytes = match unload.format {
                UnloadFormat::Parquet => {
                    write_parquet(&columns, rows).map_err(|error| SqlError::new("XX000", error.to_string()))?
                }
                UnloadFormat::Csv | UnloadFormat::Delimited => write_csv(unload, &names, rows),
            };
            let key = format!("{prefix}{}", file_name(unload, number));
            let file = Written { url: format!("s3://{bucket}/{key}"), bytes: bytes.len(), rows: rows.len() };
            put(&store, &key, bytes).await?;
            written.push(file);
        }
        if unload.manifest {
            put(&store, &format!("{prefix}manifest"), manifest(&written).into()).await?;
        }
        Ok(())
    }
}

/// The rows of each file.
fn shares<'r>(unload: &Unload, rows: &'r [Vec<Option<String>>]) -> Vec<&'r [Vec<Option<String>>]> {
    let files = if unload.parallel { SLICES } else { 1 };
    let size = rows.len().div_ceil(files).clamp(1, ROWS_OF_A_FILE);
    if rows.is_empty() { vec![rows] } else { rows.chunks(size).collect() }
}

/// What follows the prefix (r_UNLOAD: `<slice>_part_<part>`, or `<part>` alone).
fn file_name(unload: &Unload, number: usize) -> String {
    let extension = if unload.format == UnloadFormat::Parquet { ".parquet" } else { "" };
    if unload.parallel {
        format!("{:04}_part_{:02}{extension}", number % SLICES, number / SLICES)
    } else {
        format!("{number:03}{extension}")
    }
}

fn manifest(written: &[Written]) -> Vec<u8> {
    let entry = |file: &Written| json!({"url": file.url, "meta": {"content_length": file.bytes, "record_count": file.rows}});
    json!({"entries": written.iter().map(entry).collect::<Vec<_>>()}).to_string().into_bytes()
}

async fn put(store: &Arc<dyn ObjectStore>, key: &str, bytes: Bytes) -> SqlResult<()> {
    store.put(&Path::from(key), PutPayload::from_bytes(bytes)).await.map(|_| ()).map_err(|error| s3_error(key, &error))
}

/// Makes room, or finds that there is none.
async fn clear(store: &Arc<dyn ObjectStore>, unload: &Unload, prefix: &str) -> SqlResult<()> {
    let folder = prefix.rsplit_once('/').map(|(folder, _)| Path::from(folder));
    let mut listing = store.list(folder.as_ref());
    while let Some(object) = listing.try_next().await.map_err(|error| s3_error(&unload.to, &error))? {
        if !object.location.as_ref().starts_with(prefix) {
            continue;
        }
        if unload.clean_path {
            store.delete(&object.location).await.map_err(|error| s3_error(&unload.to, &error))?;
        } else if !unload.allow_overwrite {
            let message = "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually removing \
                           the target files in S3, or using the ALLOWOVERWRITE option.";
            return Err(SqlError::new("XX000", message));
        }
    }
    Ok(())
}
