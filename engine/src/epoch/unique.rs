//! Whether a key comes twice among the rows of an upsert that stream by.
//!
//! It hardly ever does, and to find the last row of each key is to sort all of them. So the rows are staged as they come
//! and their keys are watched; only when one comes again is the epoch's query run once more, with the sort.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use arrow::row::{RowConverter, SortField};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// Bytes that a key takes in the set: its hash, and the table's free places.
const BYTES_PER_KEY: usize = 20;

/// Watches for keys that come again.
#[derive(Debug)]
pub(super) struct KeyWatch {
    columns: Vec<usize>,
    converter: RowConverter,
    hasher: RandomState,
    skips_null: bool,
    seen: HashSet<u64>,
    reservation: MemoryReservation,
}

impl KeyWatch {
    /// Watches the columns `key` of `schema`; where `skips_null`, rows without all of them are not watched.
    pub(super) fn new(schema: &Schema, key: &[String], skips_null: bool, pool: &Arc<dyn MemoryPool>) -> Result<Self> {
        let columns = key.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().map(|index| SortField::new(schema.field(*index).data_type().clone())).collect();
        Ok(Self {
            columns,
            converter: RowConverter::new(fields)?,
            hasher: RandomState::new(),
            skips_null,
            seen: HashSet::new(),
            reservation: MemoryConsumer::new("keys of an epoch").register(pool),
        })
    }

    /// Whether all keys so far may have come once. `false` also when there is no memory to tell: sorting can spill.
    pub(super) fn are_new(&mut self, batch: &RecordBatch) -> Result<bool> {
        let columns: Vec<_> = self.columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        let rows = self.converter.convert_columns(&columns)?;
        if self.reservation.try_grow(rows.num_rows() * BYTES_PER_KEY).is_err() {
            return Ok(false);
        }
        // Two keys of one hash cost a sort, and nothing else.
        let is_watched = |row: usize| !self.skips_null || columns.iter().all(|column| column.is_valid(row));
        let mut watched = rows.iter().enumerate().filter(|(row, _)| is_watched(*row));
        Ok(watched.all(|(_, row)| self.seen.insert(self.hasher.hash_one(row.data()))))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};

    use super::*;

    fn batch(ids: &[i64], names: &[&str]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, false)]);
        let columns = vec![Arc::new(Int64Array::from(ids.to_vec())) as _, Arc::new(StringArray::from(names.to_vec())) as _];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn watch(key: &[&str], pool: Arc<dyn MemoryPool>) -> KeyWatch {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        KeyWatch::new(&batch(&[], &[]).schema(), &key, false, &pool).unwrap()
    }

    #[test]
    fn a_key_that_comes_again_in_a_later_batch_is_noticed() {
        let mut watch = watch(&["id"], Arc::new(UnboundedMemoryPool::default()));
        assert!(watch.are_new(&batch(&[1, 2], &["a", "a"])).unwrap());
        assert!(watch.are_new(&batch(&[3], &["a"])).unwrap());
        assert!(!watch.are_new(&batch(&[4, 2], &["b", "b"])).unwrap());
    }

    #[test]
    fn a_key_of_two_columns_comes_again_only_as_a_whole() {
        let mut watch = watch(&["id", "name"], Arc::new(UnboundedMemoryPool::default()));
        assert!(watch.are_new(&batch(&[1, 1], &["a", "b"])).unwrap());
        assert!(!watch.are_new(&batch(&[1], &["b"])).unwrap());
    }

    #[test]
    fn without_memory_the_answer_is_to_sort() {
        let mut watch = watch(&["id"], Arc::new(GreedyMemoryPool::new(30)));
        assert!(!watch.are_new(&batch(&[1, 2], &["a", "a"])).unwrap());
    }
}
