//! Which batches are in a table: two tables beside it, written by the transaction that writes the rows.
//!
//! `_engine_state__<table>` has a row for each writer with the last epoch that it committed. The last statement of every transaction
//! moves that row on from the epoch that was read at the start: it changes one row, or the transaction is given up. Of two engines
//! that try the same epoch one finds the row changed, at whichever isolation level: an INSERT alone would not do, because keys are
//! not enforced ("CREATE TABLE", `r_CREATE_TABLE_NEW`). `_engine_loads__<table>` keeps what each batch brought.

use crate::sink::{BatchId, LedgerEntry, WriteMode};
use crate::warehouse::redshift::fault::{Fault, Kind};
use crate::warehouse::redshift::names::{Relation, literal};
use crate::warehouse::redshift::session::{Session, TextRow};

/// The epoch of a writer that has committed nothing: before the first.
const NOTHING: i64 = -1;

/// The ledger of one table.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    state: String,
    loads: String,
}

/// What a batch brings, for its row in the ledger.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a BatchId,
    pub(crate) mode: WriteMode,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) manifest: Option<&'a str>,
}

impl Ledger {
    pub(crate) fn new(table: &Relation) -> Self {
        let [state, loads] = Self::tables_of(table).map(|table| table.quoted());
        Self { state, loads }
    }

    /// The tables that it is.
    pub(crate) fn tables_of(table: &Relation) -> [Relation; 2] {
        [table.beside("_engine_state__", ""), table.beside("_engine_loads__", "")]
    }

    /// The last epoch that the batch's writer has committed; `None` when it is not known here.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn last_epoch(&self, session: &Session, id: &BatchId) -> Result<Option<i64>, Fault> {
        let query = format!("SELECT \"epoch\" FROM {} WHERE \"writer\" = {}", self.state, literal(&id.writer()));
        match session.number(&query).await {
            Err(fault) if fault.kind == Kind::Missing => Ok(None),
            other => other,
        }
    }

    /// All batches, in the order of their commits; `None` when there is no ledger.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn entries(&self, session: &Session) -> Result<Option<Vec<LedgerEntry>>, Fault> {
        let query =
            format!("SELECT \"writer\", \"epoch\", \"mode\", \"rows\" FROM {} ORDER BY \"loaded_at\", \"epoch\"", self.loads);
        match session.rows(&query).await {
            Ok(rows) => Ok(Some(rows.iter().filter_map(entry).collect())),
            Err(fault) if fault.kind == Kind::Missing => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Makes the tables and the writer's row, where they are missing.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn prepare(&self, session: &Session, id: &BatchId) -> Result<i64, Fault> {
        if let Some(epoch) = self.last_epoch(session, id).await? {
            return Ok(epoch);
        }
        for statement in self.tables() {
            session.run(&statement).await?;
        }
        let [begin, lock, insert, commit] = self.first_row(id);
        session.run(&begin).await?;
        for statement in [lock, insert, commit] {
            if let Err(fault) = session.run(&statement).await {
                session.roll_back().await;
                return Err(fault);
            }
        }
        self.last_epoch(session, id).await?.ok_or_else(|| Fault::new("", "the row of the ledger is not there after it was made"))
    }

    fn tables(&self) -> [String; 2] {
        [
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\"writer\" VARCHAR(1024) NOT NULL, \"epoch\" BIGINT NOT NULL, \"batch\" VARCHAR(1024))",
                self.state
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\"batch\" VARCHAR(1024) NOT NULL, \"writer\" VARCHAR(1024) NOT NULL, \"epoch\" BIGINT \
                 NOT NULL, \"mode\" VARCHAR(16), \"rows\" BIGINT, \"bytes\" BIGINT, \"manifest\" VARCHAR(2048), \"loaded_at\" TIMESTAMP)",
                self.loads
            ),
        ]
    }

    /// The lock comes before the snapshot of the transaction, so that of two that make the row the second sees the first's.
    fn first_row(&self, id: &BatchId) -> [String; 4] {
        let (state, writer) = (&self.state, literal(&id.writer()));
        [
            "BEGIN".to_owned(),
            format!("LOCK {state}"),
            format!(
                "INSERT INTO {state} (\"writer\", \"epoch\") SELECT {writer}, {NOTHING} WHERE NOT EXISTS (SELECT 1 FROM {state} WHERE \
                 \"writer\" = {writer})"
            ),
            "COMMIT".to_owned(),
        ]
    }

    /// Records the batch.
    pub(crate) fn record(&self, entry: &Entry<'_>) -> String {
        let Entry { id, mode, rows, bytes, manifest } = entry;
        let (batch, writer, epoch) = (literal(&id.to_string()), literal(&id.writer()), id.epoch);
        let manifest = manifest.map_or_else(|| "NULL".to_owned(), literal);
        format!(
            "INSERT INTO {} (\"batch\", \"writer\", \"epoch\", \"mode\", \"rows\", \"bytes\", \"manifest\", \"loaded_at\") VALUES \
             ({batch}, {writer}, {epoch}, '{mode}', {rows}, {bytes}, {manifest}, GETDATE())",
            self.loads
        )
    }

    /// Moves the writer's row on; it changes one row, or somebody else was here.
    pub(crate) fn fence(&self, id: &BatchId, last_epoch: i64) -> String {
        format!(
            "UPDATE {} SET \"epoch\" = {}, \"batch\" = {} WHERE \"writer\" = {} AND \"epoch\" = {last_epoch}",
            self.state,
            id.epoch,
            literal(&id.to_string()),
            literal(&id.writer())
        )
    }
}

fn entry(row: &TextRow) -> Option<LedgerEntry> {
    let text = |index: usize| row.get(index).and_then(Option::as_deref);
    Some(LedgerEntry {
        writer: text(0)?.to_owned(),
        epoch: text(1)?.parse().ok()?,
        mode: WriteMode::parse(text(2)?.trim())?,
        rows: text(3).and_then(|rows| rows.parse().ok()),
        rows_after: None,
    })
}

/// Whether a batch is in, when `last_epoch` of its writer is.
pub(crate) fn holds(last_epoch: Option<i64>, id: &BatchId) -> bool {
    last_epoch.and_then(|epoch| u64::try_from(epoch).ok()).is_some_and(|epoch| epoch >= id.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64) -> BatchId {
        BatchId { pipeline: "p".into(), incarnation: "i".into(), flow: "f".into(), epoch }
    }

    #[test]
    fn batch_is_in_when_its_writer_got_that_far() {
        assert!(!holds(None, &id(0)));
        assert!(!holds(Some(-1), &id(0)));
        assert!(holds(Some(0), &id(0)));
        assert!(holds(Some(8), &id(7)));
        assert!(!holds(Some(6), &id(7)));
    }

    #[test]
    fn statements_carry_the_batch() {
        let ledger = Ledger::new(&Relation::parse("s.t").unwrap());
        assert_eq!(
            ledger.fence(&id(7), 6),
            "UPDATE \"s\".\"_engine_state__t\" SET \"epoch\" = 7, \"batch\" = 'engine:p:i:f:7' WHERE \"writer\" = 'engine:p:i:f' AND \
             \"epoch\" = 6"
        );
        let entry = Entry { id: &id(7), mode: WriteMode::Upsert, rows: 3, bytes: 99, manifest: Some("s3://b/m.json") };
        assert_eq!(
            ledger.record(&entry),
            "INSERT INTO \"s\".\"_engine_loads__t\" (\"batch\", \"writer\", \"epoch\", \"mode\", \"rows\", \"bytes\", \"manifest\", \
             \"loaded_at\") VALUES ('engine:p:i:f:7', 'engine:p:i:f', 7, 'upsert', 3, 99, 's3://b/m.json', GETDATE())"
        );
    }
}
