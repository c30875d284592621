//! One result on its way from the query to whoever reads it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;

use super::console::{Console, Failure};
use super::output::{Destination, Format, RowWriter, TableLimits, Wanted};

/// One result on its way out.
pub(super) struct Shown {
    pub(super) writer: Box<dyn RowWriter>,
    to: Destination,
    rows: usize,
    cut: bool,
    /// How long whoever reads it was waited for: a person leafs through a pager.
    pub(super) waited: Duration,
}

impl Shown {
    pub(super) fn new(console: &Console<'_>, plan: &Arc<dyn ExecutionPlan>) -> Result<Self, Failure> {
        let writer = console.format.writer(&plan.schema(), console.limits());
        Ok(Self { writer, to: console.destination()?, rows: 0, cut: false, waited: Duration::ZERO })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> io::Result<Wanted> {
        let begun = Instant::now();
        let wanted = blocking(|| self.writer.write(batch, &mut self.to));
        self.waited += self.since(begun);
        let wanted = wanted?;
        self.rows += batch.num_rows();
        self.cut |= wanted == Wanted::Enough;
        // Rows that are there are seen, however long the next ones take.
        if matches!(self.to, Destination::Plain(_)) {
            self.to.flush()?;
        }
        Ok(wanted)
    }

    pub(super) fn summary(&mut self, console: &Console<'_>, batch: &RecordBatch) -> io::Result<()> {
        self.writer = console.format.writer(&batch.schema(), TableLimits { rows: usize::MAX, ..console.limits() });
        self.write(batch).map(|_| ())
    }

    pub(super) fn finish(&mut self, console: &mut Console<'_>) -> Result<(), Failure> {
        let cut = self.cut.then(|| format!("the first {} rows; --max-rows 0 or another --format shows all", console.max_rows));
        let counted = console.interactive && matches!(console.format, Format::Table | Format::Vertical);
        let begun = Instant::now();
        let ended = blocking(|| {
            self.writer.finish(&mut self.to)?;
            if counted {
                let rows = if self.rows == 1 { "row" } else { "rows" };
                match &cut {
                    Some(cut) => writeln!(self.to, "({cut})")?,
                    None => writeln!(self.to, "({} {rows})", self.rows)?,
                }
            }
            self.to.finish()
        });
        self.waited += self.since(begun);
        ended?;
        if let Some(cut) = cut.filter(|_| !counted) {
            console.printer.note(&format!("({cut})"));
        }
        Ok(())
    }
}

impl Shown {
    /// Time since `begun`, if it was a person's.
    fn since(&self, begun: Instant) -> Duration {
        if self.to.is_read_by_a_person() { begun.elapsed() } else { Duration::ZERO }
    }
}

/// What may wait for a person, or for the reader of a pipe.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
