//! The contract of [`Source`], checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::source::{Offset, SliceEnd, SliceLimits, SliceRequest, Source};

/// Slices after which a source counts as one that never ends.
const MOST_SLICES: usize = 100_000;
const HUGE: SliceLimits = SliceLimits { rows: u64::MAX, bytes: u64::MAX };
const TINY: SliceLimits = SliceLimits { rows: 1, bytes: 1 };

/// How often each row was read, by its text.
type Rows = BTreeMap<String, u64>;

/// Checks what [`Source`] promises, over a source that is finite and does not change meanwhile.
///
/// # Errors
/// The first promise that is broken, in words.
pub async fn source_contract(source: Arc<dyn Source>) -> Result<(), String> {
    let (all, end) = drain(&source, None, HUGE, None).await?;
    check(!all.is_empty(), "the source under test has no rows: nothing can be learnt from it")?;
    check(all.values().all(|times| *times == 1), &format!("a row was read more than once in one go: {:?}", twice(&all)))?;
    check(!source.describe(&end).is_empty(), "describe() says nothing about an offset")?;

    let (tiny, tiny_end) = drain(&source, None, TINY, None).await?;
    same(&all, &tiny, "with the smallest limits")?;
    check(source.describe(&tiny_end) == source.describe(&end), "the end is described differently after small slices")?;

    for offset in [&end, &tiny_end] {
        let slice = slice(&source, Some(offset), HUGE, None, usize::MAX).await?;
        check(slice.rows.is_empty(), &format!("{} rows were read past the end", slice.rows.len()))?;
        check(!slice.end.more, "an empty slice at the end says that there is more")?;
        check(slice.end.offset == *offset, "an empty slice at the end changed the offset")?;
        check(source.mark(offset) == source.mark(&end), "offsets at the end have different marks")?;
    }
    resume(&source, &all).await?;
    stop_early(&source, &all).await?;
    projection(&source, &all).await?;
    told(&source, &end).await
}

/// Listening more than once, and being told the same again, does no harm. Last: who listens may leave for later what is being written.
async fn told(source: &Arc<dyn Source>, end: &Offset) -> Result<(), String> {
    for time in ["once", "once more"] {
        source.listen().await.map_err(|error| format!("listen() called {time} failed: {error}"))?;
        source.committed(&[end, end]).await.map_err(|error| format!("committed() called {time} failed: {error}"))?;
    }
    Ok(())
}

/// From the offset of every slice on, the rest is what was not read before, again and again.
async fn resume(source: &Arc<dyn Source>, all: &Rows) -> Result<(), String> {
    let mut before = Rows::new();
    let mut offset = None;
    for _ in 0..MOST_SLICES {
        let slice = slice(source, offset.as_ref(), TINY, None, usize::MAX).await?;
        add(&mut before, slice.rows);
        let (rest, _) = drain(source, Some(slice.end.offset.clone()), HUGE, None).await?;
        let mut both = before.clone();
        add(&mut both, rest.into_iter().flat_map(|(row, times)| std::iter::repeat_n(row, usize::try_from(times).unwrap_or(1))));
        same(all, &both, "after resuming from a slice's offset")?;
        if !slice.end.more {
            return Ok(());
        }
        offset = Some(slice.end.offset);
    }
    Err("the source never ends".to_owned())
}

/// A slice that is closed before its end covers what it returned.
async fn stop_early(source: &Arc<dyn Source>, all: &Rows) -> Result<(), String> {
    for batches in 0..3 {
        let slice = slice(source, None, HUGE, None, batches).await?;
        let mut both = Rows::new();
        add(&mut both, slice.rows);
        let (rest, _) = drain(source, Some(slice.end.offset), HUGE, None).await?;
        add(&mut both, rest.into_iter().flat_map(|(row, times)| std::iter::repeat_n(row, usize::try_from(times).unwrap_or(1))));
        same(all, &both, &format!("after a slice was closed at batch {batches}"))?;
    }
    Ok(())
}

/// Asked for some columns, a source returns these, with the values they have among all.
async fn projection(source: &Arc<dyn Source>, all: &Rows) -> Result<(), String> {
    let width = source.schema().fields().len();
    let every: Vec<usize> = (0..width).collect();
    let (explicit, _) = drain(source, None, HUGE, Some(every)).await?;
    same(all, &explicit, "with every column named")?;
    for column in 0..width {
        let (narrow, _) = drain(source, None, HUGE, Some(vec![column])).await?;
        let mut expected = Rows::new();
        for (row, times) in all {
            let cell = row.split(SEPARATOR).nth(column).unwrap_or_default().to_owned();
            *expected.entry(cell).or_default() += times;
        }
        same(&expected, &narrow, &format!("with column {column} ({}) alone", source.schema().field(column).name()))?;
    }
    let (none, _) = drain(source, None, HUGE, Some(Vec::new())).await?;
    check(none.values().sum::<u64>() == all.values().sum::<u64>(), "without columns the number of rows differs")
}

struct ReadSlice {
    rows: Vec<String>,
    end: SliceEnd,
}

/// Reads slices until there is no more.
async fn drain(
    source: &Arc<dyn Source>,
    from: Option<Offset>,
    limits: SliceLimits,
    columns: Option<Vec<usize>>,
) -> Result<(Rows, Offset), String> {
    let mut rows = Rows::new();
    let mut offset = from;
    for _ in 0..MOST_SLICES {
        let slice = slice(source, offset.as_ref(), limits, columns.clone(), usize::MAX).await?;
        add(&mut rows, slice.rows);
        if !slice.end.more {
            return Ok((rows, slice.end.offset));
        }
        offset = Some(slice.end.offset);
    }
    Err("the source never ends".to_owned())
}

async fn slice(
    source: &Arc<dyn Source>,
    offset: Option<&Offset>,
    limits: SliceLimits,
    columns: Option<Vec<usize>>,
    batches: usize,
) -> Result<ReadSlice, String> {
    let width = columns.as_ref().map_or(source.schema().fields().len(), Vec::len);
    let request = SliceRequest::new(limits, columns);
    let mut read = source.read(offset, &request).await.map_err(|error| format!("read() failed: {error}"))?;
    let mut rows = Vec::new();
    for _ in 0..batches {
        let batch = read.next_batch().await.map_err(|error| format!("next_batch() failed: {error}"))?;
        let Some(batch) = batch else { break };
        check(batch.num_rows() > 0 || !read.take_bad().is_empty(), "a batch is empty, and nothing was bad")?;
        check(batch.num_columns() == width, "a batch has another number of columns than asked for")?;
        if request.columns.is_none() {
            check(batch.schema() == source.schema(), "a batch has another schema than the source")?;
        }
        rows.extend(texts(&batch)?);
    }
    if let Some(fault) = read.take_fault() {
        return Err(format!("the slice was interrupted: {fault}"));
    }
    let end = read.end().await.map_err(|error| format!("end() failed: {error}"))?;
    Ok(ReadSlice { rows, end })
}

/// Between the cells of a row; a control character that no text of a test holds.
const SEPARATOR: char = '\u{1f}';

fn texts(batch: &RecordBatch) -> Result<Vec<String>, String> {
    let options = FormatOptions::default().with_null("\u{0}");
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref() as &dyn Array, &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("a batch cannot be shown: {error}"))?;
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>();
    Ok((0..batch.num_rows()).map(|index| row(index).join(&SEPARATOR.to_string())).collect())
}

fn add(rows: &mut Rows, more: impl IntoIterator<Item = String>) {
    for row in more {
        *rows.entry(row).or_default() += 1;
    }
}

fn twice(rows: &Rows) -> Option<&String> {
    rows.iter().find(|(_, times)| **times > 1).map(|(row, _)| row)
}

fn check(holds: bool, broken: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken.to_owned()) }
}

fn same(expected: &Rows, found: &Rows, when: &str) -> Result<(), String> {
    let lost = expected.iter().find(|(row, times)| found.get(*row).is_none_or(|found| found < *times));
    let added = found.iter().find(|(row, times)| expected.get(*row).is_none_or(|expected| expected < *times));
    match (lost, added) {
        (None, None) => Ok(()),
        (Some((row, _)), _) => Err(format!("{when} a row is lost: {row:.200}")),
        (None, Some((row, _))) => Err(format!("{when} a row comes more often: {row:.200}")),
    }
}
