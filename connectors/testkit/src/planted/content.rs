//! What is in a planted file.

use std::io;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, NullArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use async_compression::tokio::write::{BzEncoder, GzipEncoder, XzEncoder, ZstdEncoder};
use parquet::arrow::ArrowWriter;
use tokio::io::AsyncWriteExt;

use super::Drifted;

/// Rows of a file.
pub(super) const ROWS: usize = 3;

/// How dates are written in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// `2026-11-21`.
    Iso,
    /// `21/11/2026`.
    DayFirst,
}

/// What the files of a table hold.
#[derive(Debug)]
pub(super) struct Content {
    /// What its columns' names begin with: tables are told apart by them.
    prefix: String,
    pub(super) format: &'static str,
    dates: Dates,
}

/// 2026-11-21.
const DAY: i32 = 20_778;
/// 2026-11-21T10:11:12.
const INSTANT: i64 = 1_795_255_872_000_000;

impl Content {
    pub(super) fn new(prefix: &str, format: &'static str, dates: Dates) -> Self {
        Self { prefix: prefix.to_owned(), format, dates }
    }

    /// Names and types.
    pub(super) fn columns(&self, drifted: Option<&str>) -> Vec<(String, String)> {
        let zoned = if self.dates == Dates::Iso { " WITH TIME ZONE" } else { "" };
        let mut columns = vec![
            ("id", "BIGINT".to_owned()),
            ("code", "VARCHAR".to_owned()),
            ("price", "DOUBLE".to_owned()),
            ("paid", "BOOLEAN".to_owned()),
            ("day", "DATE".to_owned()),
            ("at", format!("TIMESTAMP(6){zoned}")),
        ];
        if self.format == "JSON" {
            columns.push(("user", "STRUCT<name VARCHAR, born DATE>".to_owned()));
            columns.push(("tags", "ARRAY<VARCHAR>".to_owned()));
        }
        columns.extend(drifted.map(|data_type| ("drift", data_type.to_owned())));
        columns.into_iter().map(|(name, data_type)| (self.named(name), data_type)).collect()
    }

    /// The bytes of a file.
    pub(super) fn file(&self, drifted: Drifted) -> io::Result<Vec<u8>> {
        match self.format {
            "JSON" => Ok(self.json(drifted).into_bytes()),
            "CSV" => Ok(self.csv(drifted).into_bytes()),
            _ => self.parquet(drifted),
        }
    }

    fn named(&self, column: &str) -> String {
        format!("{}_{column}", self.prefix)
    }

    fn day(&self) -> &'static str {
        match self.dates {
            Dates::Iso => "2026-11-21",
            Dates::DayFirst => "21/11/2026",
        }
    }

    fn at(&self) -> &'static str {
        match self.dates {
            Dates::Iso => "2026-11-21T10:11:12Z",
            Dates::DayFirst => "21/11/2026 10:11:12",
        }
    }

    fn json(&self, drifted: Drifted) -> String {
        let drift = match drifted {
            Drifted::Absent => String::new(),
            Drifted::Null => format!(", \"{}\": null", self.named("drift")),
            Drifted::Whole => format!(", \"{}\": 7", self.named("drift")),
            Drifted::Decimal => format!(", \"{}\": 7.5", self.named("drift")),
            Drifted::Text => format!(", \"{}\": \"n/a\"", self.named("drift")),
        };
        let (p, day, at) = (&self.prefix, self.day(), self.at());
        let row = |row: usize| {
            format!(
                "{{\"{p}_id\": {row}, \"{p}_code\": \"00{row}\", \"{p}_price\": {row}.25, \"{p}_paid\": true, \"{p}_day\": \"{day}\", \
                 \"{p}_at\": \"{at}\", \"{p}_user\": {{\"name\": \"Ada\", \"born\": \"{day}\"}}, \"{p}_tags\": [\"a\", \"b\"]{drift}}}\n"
            )
        };
        (0..ROWS).map(row).collect()
    }

    fn csv(&self, drifted: Drifted) -> String {
        let drift = match drifted {
            Drifted::Absent => None,
            Drifted::Null => Some(""),
            Drifted::Whole => Some("7"),
            Drifted::Decimal => Some("7.5"),
            Drifted::Text => Some("n/a"),
        };
        let names = ["id", "code", "price", "paid", "day", "at"].into_iter().chain(drift.map(|_| "drift"));
        let header: Vec<String> = names.map(|name| self.named(name)).collect();
        let delimiter = if self.dates == Dates::Iso { "," } else { ";" };
        let mut text = format!("{}\n", header.join(delimiter));
        for row in 0..ROWS {
            let (id, code, price) = (row.to_string(), format!("00{row}"), format!("{row}.25"));
            let cells = [id.as_str(), &code, &price, "true", self.day(), self.at()];
            let cells: Vec<&str> = cells.into_iter().chain(drift).collect();
            text.push_str(&format!("{}\n", cells.join(delimiter)));
        }
        text
    }

    fn parquet(&self, drifted: Drifted) -> io::Result<Vec<u8>> {
        let numbers = || Int64Array::from_iter_values(0..ROWS as i64);
        let times = TimestampMicrosecondArray::from(vec![INSTANT; ROWS]);
        let times = if self.dates == Dates::Iso { times.with_timezone("UTC") } else { times };
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (self.named("id"), Arc::new(numbers())),
            (self.named("code"), Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("00{row}"))))),
            (self.named("price"), Arc::new(Float64Array::from(vec![0.25; ROWS]))),
            (self.named("paid"), Arc::new(BooleanArray::from(vec![true; ROWS]))),
            (self.named("day"), Arc::new(Date32Array::from(vec![DAY; ROWS]))),
            (self.named("at"), Arc::new(times)),
        ];
        let drift: Option<ArrayRef> = match drifted {
            Drifted::Absent => None,
            Drifted::Null => Some(Arc::new(NullArray::new(ROWS))),
            Drifted::Whole => Some(Arc::new(numbers())),
            Drifted::Decimal => Some(Arc::new(Float64Array::from(vec![7.5; ROWS]))),
            Drifted::Text => Some(Arc::new(StringArray::from(vec!["n/a"; ROWS]))),
        };
        columns.extend(drift.map(|array| (self.named("drift"), array)));
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
        let batch = batch.map_err(io::Error::other)?;
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        writer.into_inner().map_err(io::Error::other)
    }
}

/// The bytes as a file with this ending holds them.
pub(super) fn compress(bytes: &[u8], ending: &str) -> io::Result<Vec<u8>> {
    // Encoders into memory never wait.
    macro_rules! packed {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            futures::executor::block_on(async {
                encoder.write_all(bytes).await?;
                encoder.shutdown().await
            })?;
            Ok(encoder.into_inner())
        }};
    }
    match ending {
        "gz" => packed!(GzipEncoder),
        "zst" => packed!(ZstdEncoder),
        "bz2" => packed!(BzEncoder),
        "xz" => packed!(XzEncoder),
        _ => Ok(bytes.to_vec()),
    }
}

pub(super) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    compress(bytes, "gz")
}
