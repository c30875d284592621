//! The exact set of a batch's keys, the ranges they lie in, and which of them the batch deletes.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Field;
use arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::lake::delta::reader::{DataFile, KeyReader};
use crate::upserts::deletions;

/// A free place of the table.
const FREE: u32 = u32::MAX;

/// Keys in one buffer with an open-addressing table over it: some twelve bytes a key beside its own.
#[derive(Debug)]
pub(crate) struct KeySet {
    fields: Vec<Arc<Field>>,
    converter: RowConverter,
    rows: Rows,
    slots: Vec<u32>,
    /// Per row, what it says of its deletion: nothing at 0, else the text before that place of `texts`. Empty where no column says so.
    marks: Vec<u8>,
    texts: Vec<String>,
    /// Per column, the least and greatest value; `None` when not known.
    bounds: Vec<Option<(ScalarValue, ScalarValue)>>,
    reservation: MemoryReservation,
}

impl KeySet {
    /// Reads the keys of `files`, which hold `count` rows, and what `marker` says of each: which rows are deleted. Rows are numbered as they
    /// come.
    ///
    /// # Errors
    /// [`Error::Data`] for a NULL in a key.
    pub(crate) async fn read(
        files: &[DataFile],
        count: u64,
        fields: Vec<Arc<Field>>,
        marker: Option<&Arc<Field>>,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Self> {
        let count = usize::try_from(count).ok().filter(|count| *count < FREE as usize / 2);
        let count = count.ok_or_else(|| Error::config("an upsert takes at most two billion rows; lower pipeline.epoch_rows"))?;
        let converter = RowConverter::new(fields.iter().map(|field| SortField::new(field.data_type().clone())).collect())?;
        let reservation = MemoryConsumer::new("keys of an upsert").register(pool);
        let slots = (count * 2).next_power_of_two().max(16);
        reservation.try_resize(slots * size_of::<u32>())?;
        let mut set = Self {
            rows: converter.empty_rows(0, 0),
            marks: Vec::new(),
            texts: Vec::new(),
            bounds: Vec::new(),
            slots: vec![FREE; slots],
            fields,
            converter,
            reservation,
        };
        let mut first = true;
        let read: Vec<Arc<Field>> = set.fields.iter().chain(marker).cloned().collect();
        for file in files {
            let reader = KeyReader::open(file, &read).await?;
            for group in 0..reader.row_groups() {
                set.widen(&reader, group, first);
                first = false;
                let mut batches = reader.keys(group)?;
                while let Some(columns) = batches.try_next().await? {
                    set.add(&columns)?;
                }
            }
        }
        Ok(set)
    }

    pub(crate) fn fields(&self) -> &[Arc<Field>] {
        &self.fields
    }

    /// Whether column `key` of some key may lie between `low` and `high`.
    pub(crate) fn overlaps(&self, key: usize, low: &ScalarValue, high: &ScalarValue) -> bool {
        match self.bounds.get(key) {
            Some(Some((least, greatest))) => low <= greatest && high >= least || low.partial_cmp(least).is_none(),
            _ => true,
        }
    }

    /// Tells `found` the position of each row whose key is in the set, counted from `start`, and the number of the key.
    pub(crate) fn find(&self, columns: &[ArrayRef], start: u64, mut found: impl FnMut(u64, usize)) -> Result<()> {
        let rows = self.converter.convert_columns(columns)?;
        for (row, position) in rows.iter().zip(start..) {
            if let Ok(index) = self.slot(row) {
                found(position, index);
            }
        }
        Ok(())
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// What the row of this number says of its deletion: a text that says so; `None` where it is not deleted.
    pub(crate) fn deletion(&self, index: usize) -> Option<&str> {
        let mark = self.marks.get(index).copied().filter(|mark| *mark > 0)?;
        self.texts.get(usize::from(mark) - 1).map(String::as_str)
    }

    fn mark(&mut self, marker: &ArrayRef) -> Result<()> {
        for text in &deletions(marker)? {
            let mark = match text {
                None => 0,
                Some(text) => {
                    let known = self.texts.iter().position(|known| known == text);
                    let place = known.unwrap_or_else(|| {
                        self.texts.push(text.to_owned());
                        self.texts.len() - 1
                    });
                    u8::try_from(place + 1)
                        .map_err(|_| Error::internal("more texts that say that a row is deleted than there are"))?
                }
            };
            self.marks.push(mark);
        }
        Ok(())
    }

    fn add(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let (columns, marker) = columns.split_at(self.fields.len());
        if let Some(marker) = marker.first() {
            self.mark(marker)?;
        }
        for (column, field) in columns.iter().zip(&self.fields) {
            if column.null_count() > 0 {
                let name = field.name();
                return Err(Error::data(format!(
                    "column '{name}' is part of the key and NULL in {} rows; leave them out with WHERE {name} IS NOT NULL, or give \
                     them a value with coalesce",
                    column.null_count()
                )));
            }
        }
        let first = self.rows.num_rows();
        self.converter.append(&mut self.rows, columns)?;
        self.reservation.try_resize(self.rows.size() + self.marks.capacity() + self.slots.len() * size_of::<u32>())?;
        for index in first..self.rows.num_rows() {
            match self.slot(self.rows.row(index)) {
                Err(slot) => self.slots[slot] = u32::try_from(index).map_err(|_| Error::internal("too many keys"))?,
                Ok(_) => return Err(Error::internal("a batch to upsert has two rows with one key")),
            }
        }
        Ok(())
    }

    /// The number of the row when it is in the set, else the free slot where it would go.
    fn slot(&self, row: Row<'_>) -> Result<usize, usize> {
        let mut hasher = DefaultHasher::new();
        hasher.write(row.data());
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "masked below")]
        let mut slot = hasher.finish() as usize & mask;
        loop {
            match self.slots[slot] {
                FREE => return Err(slot),
                index if self.rows.row(index as usize) == row => return Ok(index as usize),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn widen(&mut self, reader: &KeyReader, group: usize, first: bool) {
        for key in 0..self.fields.len() {
            let bounds = reader.bounds(key, group);
            if first {
                self.bounds.push(bounds);
                continue;
            }
            let known = self.bounds[key].take();
            self.bounds[key] =
                known.zip(bounds).map(|((a, b), (low, high))| (if low < a { low } else { a }, if high > b { high } else { b }));
        }
    }
}
