//! How much memory staging takes: `cargo run --release -p connectors --example staging_memory -- ROWS [PARTITIONS [MB]]` stages rows of
//! about 2 KB of text into a temporary folder and prints the process's peak; MB is the size of
//! a row group.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use connectors::staging::{StagingSizes, StagingWriter};
use connectors::stores::{S3Config, Stores};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

const TEXT_COLUMNS: usize = 12;

fn schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("day", DataType::Utf8, true),
        Field::new("score", DataType::Int64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ];
    fields.extend((0..TEXT_COLUMNS).map(|i| Field::new(format!("text{i}"), DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

/// Words in an order that a seed decides, which compress about as prose does.
fn prose(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{:x} ", (state % 5000) * 77_777));
    }
    text
}

fn batch(start: u64, rows: u64, partitions: u64) -> Result<RecordBatch, arrow::error::ArrowError> {
    let ids = start..start + rows;
    let numbers = || ids.clone().map(|id| i64::try_from(id).unwrap_or(0));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("t3_{id:x}")))),
        Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("2026-01-{:02}", id * 7919 % partitions + 1)))),
        Arc::new(Int64Array::from_iter_values(numbers())),
        Arc::new(TimestampMicrosecondArray::from_iter_values(numbers()).with_timezone("UTC")),
    ];
    for column in 0..TEXT_COLUMNS {
        let bytes = if column == 0 { 1400 } else { 50 };
        let texts = ids.clone().map(|id| prose(id * 31 + column as u64, bytes));
        columns.push(Arc::new(StringArray::from_iter_values(texts)));
    }
    RecordBatch::try_new(schema(), columns)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its one output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |n: usize| std::env::args().nth(n).and_then(|text| text.parse::<u64>().ok());
    let (rows, partitions) = (number(1).unwrap_or(500_000), number(2).unwrap_or(1));
    let folder = tempfile::tempdir()?;
    let stores = Stores::new(&folder.path().to_string_lossy(), S3Config::default())?;
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(64 << 20))).build_arc()?;
    let partition_by = if partitions > 1 { vec!["day".to_owned()] } else { Vec::new() };
    let defaults = StagingSizes::default();
    let row_group_bytes = number(3).map_or(Ok(defaults.row_group_bytes), |mb| usize::try_from(mb << 20))?;
    let sizes = StagingSizes { row_group_bytes, ..defaults };
    let mut writer = StagingWriter::new(stores.lake()?.join("staging"), schema(), &partition_by, sizes, &runtime)?;
    let started = Instant::now();
    for start in (0..rows).step_by(2048) {
        writer.write(batch(start, 2048.min(rows - start), partitions)?).await?;
    }
    let files = writer.finish().await?;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{rows} rows, {} files, {} MB, {:.1} s, {peak}", files.len(), bytes >> 20, started.elapsed().as_secs_f64());
    Ok(())
}
