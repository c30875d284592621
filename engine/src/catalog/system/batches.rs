//! Columns of a batch from the records that it is made of.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use chrono::{DateTime, Utc};
use datafusion::error::Result;

/// The zone of all times.
const ZONE: &str = "UTC";

/// A batch of columns, all of which may be NULL.
pub(super) fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))?)
}

pub(super) fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

pub(super) fn numbers(values: impl IntoIterator<Item = Option<u64>>) -> ArrayRef {
    let signed = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
    Arc::new(values.into_iter().map(signed).collect::<Int64Array>())
}

pub(super) fn flags(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

pub(super) fn times(values: impl IntoIterator<Item = Option<DateTime<Utc>>>) -> ArrayRef {
    let millis = |value: Option<DateTime<Utc>>| value.map(|time| time.timestamp_millis());
    Arc::new(values.into_iter().map(millis).collect::<TimestampMillisecondArray>().with_timezone(ZONE))
}
