//! How fast staged files get into PostgreSQL, beside psql's `\copy` of the same rows as CSV:
//! `cargo run --release -p connectors --example postgres_load -- URL [ROWS [ROUNDS]]`.
//!
//! Each round, in turn: `\copy` into an empty table; the sink appends, upserts into an empty table, and upserts the same keys with other
//! values into the full one. The tables are compared. What staging takes is printed apart: `benches/postgres.sh` has the whole.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use connectors::clock::SystemClock;
use connectors::context::{Context, TableComments, TableSpec};
use connectors::reddit::RedditConfig;
use connectors::registry::Connector;
use connectors::sink::{Batch, BatchId, WriteMode};
use connectors::staging::{StagedFile, StagingSizes, StagingWriter};
use connectors::stores::{S3Config, Stores};
use connectors::warehouse::{Warehouse, WarehouseConfig};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const WORDS: [&str; 12] =
    ["data", "tables", "streaming", "query", "lakes", "of", "the", "warehouse", "pipeline", "isn't", "slower", "today"];

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("id"),
        text("subreddit"),
        text("title"),
        text("author"),
        text("selftext"),
        Field::new("score", DataType::Int64, true),
        Field::new("upvote_ratio", DataType::Float64, true),
        Field::new("num_comments", DataType::Int64, true),
        Field::new("created_at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("is_self", DataType::Boolean, true),
    ]))
}

const TABLE: &str = "(id text, subreddit text, title text, author text, selftext text, score bigint, upvote_ratio double precision, \
                     num_comments bigint, created_at timestamp, is_self boolean)";

/// Words in an order that a seed decides.
fn prose(seed: i64, words: usize) -> String {
    let mut state = seed.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::new();
    for _ in 0..words {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(WORDS[usize::try_from(state % 12).unwrap_or_default()]);
        text.push(' ');
    }
    text
}

/// Rows `start..end`; `more` is what a second version of them has more of.
fn batch(start: i64, end: i64, more: i64) -> Result<RecordBatch> {
    let numbers = |of: fn(i64) -> i64| Arc::new((start..end).map(of).collect::<Int64Array>()) as ArrayRef;
    let texts = |of: &dyn Fn(i64) -> String| Arc::new(StringArray::from_iter_values((start..end).map(of))) as ArrayRef;
    let score = Arc::new((start..end).map(|n| n % 5_000 + more).collect::<Int64Array>());
    let ratio =
        Arc::new((0..end - start).map(|n| f64::from(u8::try_from(n % 100).unwrap_or(0)) / 100.0).collect::<Float64Array>());
    let at: TimestampMicrosecondArray = (start..end).map(|n| Some(1_700_000_000_000_000 + n * 1_000_000)).collect();
    let is_self = Arc::new((start..end).map(|n| Some(n % 2 == 0)).collect::<BooleanArray>());
    let columns = vec![
        texts(&|n| format!("t3_{n:08x}")),
        texts(&|n| ["dataengineering", "datascience", "rust"][usize::try_from(n % 3).unwrap_or(0)].to_owned()),
        texts(&|n| prose(n, 9)),
        texts(&|n| format!("user_{}", n * 7_919 % 100_003)),
        texts(&|n| prose(n + 1, 22)),
        score,
        ratio,
        numbers(|n| n % 300),
        Arc::new(at),
        is_self,
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// Stages the rows, and writes them as CSV where that is wanted.
async fn stage(context: &Context, rows: i64, more: i64, csv: Option<&std::path::Path>) -> Result<Vec<StagedFile>> {
    let folder = context.stores.lake()?.join(&format!("staging-{more}"));
    let mut writer = StagingWriter::new(folder, schema(), &[], context.sizes, &context.runtime)?;
    let mut csv = csv.map(std::fs::File::create).transpose()?.map(std::io::BufWriter::new);
    for start in (0..rows).step_by(2_048) {
        let batch = batch(start, rows.min(start + 2_048), more)?;
        if let Some(csv) = &mut csv {
            let options = FormatOptions::default();
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options))
                .collect::<std::result::Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                for (index, column) in columns.iter().enumerate() {
                    write!(csv, "{}{}", if index == 0 { "" } else { "," }, column.value(row))?;
                }
                writeln!(csv)?;
            }
        }
        writer.write(batch).await?;
    }
    Ok(writer.finish().await?)
}

/// Runs psql with commands, and returns what it says and the seconds it took.
fn psql(url: &str, commands: &[&str]) -> Result<(String, f64)> {
    let started = Instant::now();
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url]);
    for text in commands {
        command.args(["-c", text]);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok((String::from_utf8_lossy(&output.stdout).trim().to_owned(), started.elapsed().as_secs_f64()))
}

async fn load(context: &Context, table: &str, epoch: u64, mode: WriteMode, files: &[StagedFile]) -> Result<f64> {
    let table = TableSpec {
        name: table.to_owned(),
        connector: "WAREHOUSE".to_owned(),
        location: table.to_owned(),
        series: None,
        partition_by: Vec::new(),
        columns: None,
        primary_key: vec!["id".to_owned()],
        options: Vec::new(),
        comments: TableComments::default(),
    };
    let sink = Warehouse.sink(&table, context).await?;
    let plan = sink.plan(&schema(), mode).await?;
    let id = BatchId { pipeline: "bench".to_owned(), incarnation: "1".to_owned(), flow: table.name.clone(), epoch };
    let batch = Batch { id, mode, schema: plan.schema, partition_by: Vec::new(), key: plan.key, files: files.to_vec() };
    let started = Instant::now();
    sink.commit(&batch).await?;
    Ok(started.elapsed().as_secs_f64())
}

fn peak() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its one output")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).ok_or("expected the URL of a database that may be written to")?;
    let number = |n: usize, default: i64| std::env::args().nth(n).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, rounds) = (number(2, 1_200_000), number(3, 3));
    let folder = tempfile::tempdir()?;
    let context = Context {
        stores: Arc::new(Stores::new(&folder.path().to_string_lossy(), S3Config::default())?),
        reddit: RedditConfig::default(),
        warehouse: WarehouseConfig { url: Some(url.clone()), ..WarehouseConfig::default() },
        sizes: StagingSizes::default(),
        runtime: RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(64 << 20))).build_arc()?,
        clock: Arc::new(SystemClock),
    };
    let csv = folder.path().join("rows.csv");
    stage(&context, rows, 0, Some(&csv)).await?;
    let started = Instant::now();
    let files = stage(&context, rows, 0, None).await?;
    println!(
        "{rows} rows, {} MB of CSV; generated and staged in {:.1} s",
        csv.metadata()?.len() / 1_000_000,
        started.elapsed().as_secs_f64()
    );
    let changed = stage(&context, rows, 1, None).await?;
    println!("after staging: {}", peak()?);
    for round in 1..=rounds {
        let drop =
            "SET client_min_messages = error; DROP TABLE IF EXISTS copied, appended, upserted, _engine_loads, _engine_targets";
        psql(&url, &[drop, &format!("CREATE TABLE copied {TABLE}"), "CHECKPOINT"])?;
        let (_, copy) = psql(&url, &[&format!("\\copy copied FROM '{}' CSV", csv.display())])?;
        psql(&url, &["CHECKPOINT"])?;
        let append = load(&context, "appended", 1, WriteMode::Append, &files).await?;
        psql(&url, &["CHECKPOINT"])?;
        let empty = load(&context, "upserted", 1, WriteMode::Upsert, &files).await?;
        let hash = |table: &str| format!("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table} t");
        let (expected, _) = psql(&url, &[&hash("copied")])?;
        for table in ["appended", "upserted"] {
            assert_eq!(psql(&url, &[&hash(table)])?.0, expected, "{table}");
        }
        psql(&url, &["CHECKPOINT"])?;
        let full = load(&context, "upserted", 2, WriteMode::Upsert, &changed).await?;
        psql(&url, &["UPDATE copied SET score = score + 1"])?;
        assert_eq!(psql(&url, &[&hash("upserted")])?.0, psql(&url, &[&hash("copied")])?.0);
        let share = |seconds: f64| format!("{seconds:.1} s ({:.0} %)", 100.0 * copy / seconds);
        println!(
            "round {round}: \\copy {copy:.1} s, append {}, upsert {}, upsert into full {}",
            share(append),
            share(empty),
            share(full)
        );
    }
    println!("{}", peak()?);
    Ok(())
}
