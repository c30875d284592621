//! Statements that may have to wait for somebody's lock: whoever looks at the run is told what it waits for.
//!
//! A load waits for other writers of its table, and an ALTER for its readers as well; in the meantime everybody who comes after
//! the ALTER waits for it ("LOCK", `r_LOCK`). So an ALTER is given up after a while and tried again with the whole load.

use std::convert::Infallible;
use std::time::Duration;

use crate::clock::Clock;
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::fault::{Fault, Kind};
use crate::warehouse::redshift::names::{Relation, literal};
use crate::warehouse::redshift::session::{Session, TextRow};

/// A statement that runs for so long is told of, and again whenever it has run for twice as long.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// How long an ALTER of a table that is there may take: it changes the catalog only, so that what takes long is its waiting.
const ALTER_LIMIT: Duration = Duration::from_secs(60);
/// Locks of one table that are looked at, and those of their holders that are named.
const MOST_LOCKS: usize = 50;
const NAMED: usize = 3;
/// The SQLSTATE of a statement that was cancelled, by a person or by `statement_timeout`.
const CANCELED: &str = "57014";
/// Letters of a statement that are shown.
const SHOWN: usize = 80;

/// Runs statements about one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) config: &'a RedshiftConfig,
    pub(crate) table: &'a Relation,
    pub(crate) clock: &'a dyn Clock,
}

impl Waiting<'_> {
    /// Runs one statement, and tells from time to time that it still runs and who holds locks.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn run(&self, session: &Session, statement: &str) -> Result<u64, Fault> {
        tokio::select! {
            biased;
            done = session.run(statement) => done,
            never = self.tell(statement) => match never {},
        }
    }

    async fn tell(&self, statement: &str) -> Infallible {
        let (mut pause, mut waited) = (FIRST_WORD, Duration::ZERO);
        let shown: String = statement.chars().take(SHOWN).collect();
        loop {
            self.clock.sleep(pause).await;
            waited += pause;
            pause = waited;
            let holders = self.holders().await.unwrap_or_else(|| "nobody is seen to hold a lock that is in its way".to_owned());
            tracing::warn!(table = %self.table, "after {} s, '{shown}...' has not ended: {holders}", waited.as_secs());
        }
    }

    /// How long an ALTER may take.
    pub(crate) fn alter_limit(&self) -> Duration {
        self.config.statement_timeout.map_or(ALTER_LIMIT, |limit| limit.min(ALTER_LIMIT))
    }

    /// A statement that was cancelled may have waited for a lock: its fault, with who holds one.
    pub(crate) async fn explained(&self, fault: Fault) -> Fault {
        if fault.kind != Kind::Again || !(fault.code == CANCELED || fault.message.contains("on user's request")) {
            return fault;
        }
        match self.holders().await {
            Some(holders) => Fault { message: format!("{}; {holders}", fault.message), ..fault },
            None => fault,
        }
    }

    /// Who holds locks of the table and waits for none, as far as this user is shown: one who is no superuser sees his own
    /// transactions only ("SVV_TRANSACTIONS", `r_SVV_TRANSACTIONS`).
    async fn holders(&self) -> Option<String> {
        let session = self.config.session().await.ok()?;
        let rows = session.rows(&locks(self.table)).await.ok()?;
        let named = named(&rows);
        (!named.is_empty()).then(|| format!("table '{}' is locked by {named}", self.table))
    }
}

fn locks(table: &Relation) -> String {
    format!(
        "SELECT locks.txn_owner, locks.pid, locks.lock_mode, locks.txn_start, locks.granted FROM svv_transactions AS locks \
         JOIN pg_class AS tables ON tables.oid = locks.relation JOIN pg_namespace AS schemas ON schemas.oid = tables.relnamespace \
         WHERE schemas.nspname = {} AND tables.relname = {} ORDER BY locks.txn_start LIMIT {MOST_LOCKS}",
        literal(&table.schema),
        literal(&table.table)
    )
}

fn named(rows: &[TextRow]) -> String {
    let text = |row: &TextRow, column: usize| row.get(column).and_then(Option::as_deref).unwrap_or("?").trim().to_owned();
    let granted = |row: &&TextRow| ["t", "true", "1"].contains(&text(row, 4).as_str());
    let waiting: Vec<String> = rows.iter().filter(|row| !granted(row)).map(|row| text(row, 1)).collect();
    let mut holders: Vec<String> = Vec::new();
    for row in rows.iter().filter(|row| granted(row) && !waiting.contains(&text(row, 1))) {
        let [user, process, mode, since] = [0, 1, 2, 3].map(|column| text(row, column));
        holders.push(format!("user '{user}' ({mode} since {since}; SELECT pg_terminate_backend({process}); ends it)"));
    }
    holders.truncate(NAMED);
    holders.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_himself_is_not_named() {
        let row = |values: [&str; 5]| -> TextRow { values.map(|value| Some(value.to_owned())).to_vec() };
        let rows = [
            row(["eve", "11", "AccessShareLock", "2026-11-22 06:00:00", "t"]),
            row(["loader", "12", "AccessExclusiveLock", "2026-11-22 06:01:00", "f"]),
            row(["loader", "12", "ShareRowExclusiveLock", "2026-11-22 06:01:00", "t"]),
        ];
        let expected = "user 'eve' (AccessShareLock since 2026-11-22 06:00:00; SELECT pg_terminate_backend(11); ends it)";
        assert_eq!(named(&rows), expected);
        assert_eq!(named(&rows[1..]), "");
    }
}
