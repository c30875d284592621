//! Which bad records are the same one, met again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sha2::{Digest, Sha256};

use crate::epoch::quarantine;

/// What a record says of itself. Which version of its file it is in stands in `context`.
const COLUMNS: [&str; 9] = ["file", "row", "line", "offset", "column", "reason", "kept", "raw", "context"];

/// Bytes that a record takes in the map: its identity, its flows, whether it was met, and the map's free places.
const BYTES_PER_RECORD: usize = 48;

/// A digest of what a record says.
pub(super) type Identity = [u8; 16];

/// Flows, by their ids.
pub(super) type Flows = BTreeSet<String>;

/// Makes identities.
pub(super) struct Identities(RowConverter);

impl Identities {
    pub(super) fn new() -> Result<Self> {
        let schema = quarantine::schema();
        let field = |name: &str| Ok(SortField::new(schema.field_with_name(name)?.data_type().clone()));
        let fields = COLUMNS.into_iter().map(field).collect::<Result<Vec<_>>>()?;
        Ok(Self(RowConverter::new(fields)?))
    }

    /// Of each record of `batch`.
    pub(super) fn of(&self, batch: &RecordBatch) -> Result<Vec<Identity>> {
        let column = |name: &str| batch.column_by_name(name).map(Arc::clone).with_context(|| format!("no column '{name}'"));
        let columns = COLUMNS.into_iter().map(column).collect::<Result<Vec<_>>>()?;
        let rows = self.0.convert_columns(&columns)?;
        let identity = |row: arrow::row::Row<'_>| {
            let mut identity = Identity::default();
            identity.copy_from_slice(&Sha256::digest(row.data())[..size_of::<Identity>()]);
            identity
        };
        Ok(rows.iter().map(identity).collect())
    }
}

/// The records that an epoch's whole reads of one table found bad, each with the flows that did.
pub(super) struct Met {
    records: HashMap<Identity, Record>,
    /// Different sets of flows are few.
    sets: Vec<Flows>,
    reservation: MemoryReservation,
}

#[derive(Clone, Copy)]
struct Record {
    set: usize,
    is_written: bool,
}

impl Met {
    pub(super) fn new(pool: &Arc<dyn MemoryPool>) -> Self {
        let reservation = MemoryConsumer::new("bad records of a table that is read whole").register(pool);
        Self { records: HashMap::new(), sets: Vec::new(), reservation }
    }

    /// `flows` met the record.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn add(&mut self, identity: Identity, flows: &Flows) -> Result<()> {
        let before = self.records.get(&identity).copied();
        let all = match before {
            None => flows.clone(),
            Some(record) if flows.is_subset(&self.sets[record.set]) => return Ok(()),
            Some(record) => &self.sets[record.set] | flows,
        };
        if before.is_none() {
            self.reservation.try_grow(BYTES_PER_RECORD).map_err(connectors::Error::from)?;
        }
        let set = self.sets.iter().position(|set| *set == all).unwrap_or_else(|| {
            self.sets.push(all);
            self.sets.len() - 1
        });
        self.records.insert(identity, Record { set, is_written: false });
        Ok(())
    }

    /// The flows that met the record; none if it was not met.
    pub(super) fn flows(&self, identity: &Identity) -> Option<&Flows> {
        self.records.get(identity).map(|record| &self.sets[record.set])
    }

    /// From now on the record is in the table as it will be. Says whether it is news that it is; a record that was not met never is.
    pub(super) fn write(&mut self, identity: &Identity) -> bool {
        self.records.get_mut(identity).is_some_and(|record| !std::mem::replace(&mut record.is_written, true))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};

    use super::*;

    fn flows(names: &[&str]) -> Flows {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_record_is_met_by_all_that_met_it_and_written_once() {
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let mut met = Met::new(&pool);
        met.add([1; 16], &flows(&["a"])).unwrap();
        met.add([1; 16], &flows(&["b"])).unwrap();
        met.add([2; 16], &flows(&["b"])).unwrap();
        met.add([2; 16], &flows(&["b"])).unwrap();
        assert_eq!(met.flows(&[1; 16]), Some(&flows(&["a", "b"])));
        assert_eq!(met.flows(&[2; 16]), Some(&flows(&["b"])));
        assert_eq!([met.write(&[1; 16]), met.write(&[1; 16]), met.write(&[3; 16])], [true, false, false]);
    }

    #[test]
    fn without_memory_it_says_what_to_raise() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(BYTES_PER_RECORD));
        let mut met = Met::new(&pool);
        met.add([1; 16], &flows(&["a"])).unwrap();
        let error = met.add([2; 16], &flows(&["a"])).unwrap_err().to_string();
        assert!(error.contains("raise [run] memory"), "{error}");
    }
}
