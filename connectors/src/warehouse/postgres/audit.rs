//! The ledger of a table beside what is in it, both as of one snapshot.

use tokio_postgres::{Client, GenericClient, IsolationLevel};

use super::ddl::{qualified, quoted};
use super::error::error;
use super::ledger::Ledger;
use super::target::Target;
use crate::error::Result;
use crate::sink::Audit;
use crate::warehouse::TableName;

/// Reads both in one transaction.
pub(super) async fn audit(client: &mut Client, name: &TableName, ledger: &Ledger, key: &[String]) -> Result<Audit> {
    let target = Target::find(client, name).await?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await.map_err(error)?;
    let entries = ledger.entries(&transaction).await?;
    let mut audit = Audit { entries, exists: target.is_some(), is_complete: true, ..Audit::default() };
    if let Some(target) = target {
        let table = qualified(name);
        audit.rows = Some(count(&transaction, &format!("SELECT count(*) FROM {table}")).await?);
        if audit.is_only_upserted() && !key.is_empty() {
            // As loads find them: a key may be spelt in another case.
            let names = || target.columns.iter().map(|column| column.name.as_str());
            let called = |wanted: &str| {
                names().find(|name| *name == wanted).or_else(|| names().find(|name| name.eq_ignore_ascii_case(wanted)))
            };
            let key = key.iter().map(|column| quoted(called(column).unwrap_or(column))).collect::<Vec<_>>().join(", ");
            let repeated = format!("SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {key} HAVING count(*) > 1) AS repeated");
            audit.repeated_keys = Some(count(&transaction, &repeated).await?);
        }
    }
    transaction.rollback().await.map_err(error)?;
    Ok(audit)
}

async fn count(client: &impl GenericClient, query: &str) -> Result<u64> {
    let rows = client.query_typed(query, &[]).await.map_err(error)?;
    let counted: i64 = rows.first().map(|row| row.get(0)).unwrap_or_default();
    Ok(u64::try_from(counted).unwrap_or_default())
}
