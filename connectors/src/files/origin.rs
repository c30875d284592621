//! The file of a bad record: what a replay needs to know of it when the file may be gone.
//!
//! It is kept as JSON in [`BadRecord::context`]. What is not known there makes a replay impossible, never a guess.

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::csv::Form;
use super::decode::Refused;
use super::object::Object;
use crate::error::{Error, Result};
use crate::source::BadRecord;

/// The version of a file of which nothing was kept.
pub(super) const UNKNOWN: u64 = 0;

/// A file that records are bad in.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) address: String,
    pub(super) size: u64,
    pub(super) modified: DateTime<Utc>,
    pub(super) version: u64,
    /// Of a CSV file.
    pub(super) form: Option<Form>,
    /// Of a file whose rows are kept: its columns, those that were not read too.
    pub(super) columns: Option<Vec<String>>,
}

/// What is kept of it with each bad record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Context {
    size: u64,
    modified: DateTime<Utc>,
    /// Which of the files that were at its address it is, see [`Object::version`].
    pub(super) version: u64,
    /// How a CSV file is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) csv: Option<Form>,
    /// The columns of a Parquet file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) columns: Option<Vec<String>>,
    /// The values of a row of a Parquet file, see [`super::row_image`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) row: Option<String>,
    /// The bytes that were kept are only the first of the record's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) cut: bool,
    /// See [`Refused::before_header`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) before_header: bool,
}

impl Origin {
    /// A file of which nothing else is known.
    pub(super) fn new(address: String, object: &Object) -> Self {
        Self { address, size: object.size, modified: object.modified, version: object.version, form: None, columns: None }
    }

    /// The file itself as a bad record, behind the `records` that could be read of it.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn bad_file(&self, records: u64, reason: String) -> Result<BadRecord> {
        let refused = Refused {
            raw: Vec::new(),
            row: records + 1,
            line: 0,
            offset: 0,
            column: None,
            reason,
            kept: false,
            cut: false,
            before_header: false,
            image: None,
        };
        Ok(BadRecord { line: None, offset: None, ..self.bad_record(refused)? })
    }

    /// The record as it is put aside.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn bad_record(&self, refused: Refused) -> Result<BadRecord> {
        let context = Context {
            size: self.size,
            modified: self.modified,
            version: self.version,
            csv: self.form.clone(),
            columns: self.columns.clone(),
            row: refused.image,
            cut: refused.cut,
            before_header: refused.before_header,
        };
        let context =
            serde_json::to_string(&context).map_err(|error| Error::internal(format!("context of a record: {error}")))?;
        Ok(BadRecord {
            raw: refused.raw,
            file: self.address.clone(),
            row: Some(refused.row),
            line: Some(refused.line),
            offset: Some(refused.offset),
            column: refused.column,
            reason: refused.reason,
            kept: refused.kept,
            context: Some(context),
        })
    }
}

impl Context {
    /// What was kept with `record`; none by a version that kept nothing, or kept something else.
    pub(super) fn of(record: &BadRecord) -> Option<Self> {
        record.context.as_ref().and_then(|text| serde_json::from_str(text).ok())
    }

    /// Of a record of which nothing was kept, and need not be.
    pub(super) fn unknown() -> Self {
        Self {
            size: 0,
            modified: DateTime::UNIX_EPOCH,
            version: UNKNOWN,
            csv: None,
            columns: None,
            row: None,
            cut: false,
            before_header: false,
        }
    }

    /// The file that `record` is in, as it was then.
    ///
    /// # Errors
    /// [`Error::Data`] when the record names none.
    pub(super) fn object(&self, record: &BadRecord) -> Result<Object> {
        let path = match record.file.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => record.file.trim_start_matches('/'),
        };
        let location =
            Path::parse(path).map_err(|error| Error::data(format!("'{}' is no address of a file: {error}", record.file)))?;
        let meta = ObjectMeta { location, last_modified: self.modified, size: self.size, e_tag: None, version: None };
        Ok(Object::new(meta, true))
    }

    /// The file, as it is kept with what is still bad of `record`.
    pub(super) fn origin(&self, record: &BadRecord) -> Origin {
        Origin {
            address: record.file.clone(),
            size: self.size,
            modified: self.modified,
            version: self.version,
            form: self.csv.clone(),
            columns: self.columns.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_again_by_its_address() {
        let origin = Origin {
            address: "s3://bucket/in/day=1/a b.json".into(),
            size: 7,
            modified: DateTime::from_timestamp(1_795_000_000, 123_000).unwrap(),
            version: 9,
            form: None,
            columns: None,
        };
        let refused = Refused {
            raw: b"x".to_vec(),
            row: 2,
            line: 3,
            offset: 4,
            column: None,
            reason: "r".into(),
            kept: false,
            cut: false,
            before_header: false,
            image: None,
        };
        let record = origin.bad_record(refused).unwrap();
        assert_eq!(record.context.as_deref(), Some(r#"{"size":7,"modified":"2026-11-18T11:06:40.000123Z","version":9}"#));
        let object = Context::of(&record).unwrap().object(&record).unwrap();
        assert_eq!((object.path.as_ref(), object.size, object.modified), ("in/day=1/a b.json", 7, origin.modified));
        let local = BadRecord { file: "/data/in/a.json".into(), ..record.clone() };
        assert_eq!(Context::of(&local).unwrap().object(&local).unwrap().path.as_ref(), "data/in/a.json");
        assert!(Context::of(&BadRecord { context: None, ..record }).is_none());
    }
}
