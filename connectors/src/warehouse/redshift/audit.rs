//! The ledger of a table beside what is in it, both as of one snapshot.

use crate::sink::Audit;
use crate::warehouse::redshift::catalog;
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::ledger::Ledger;
use crate::warehouse::redshift::names::{folded, quoted_list};
use crate::warehouse::redshift::plan::Declared;
use crate::warehouse::redshift::problem::{Problem, While};
use crate::warehouse::redshift::session::Session;

/// Reads both in one transaction.
pub(crate) async fn audit(config: &RedshiftConfig, declared: &Declared, ledger: &Ledger) -> Result<Audit, Problem> {
    let session = config.session().await?;
    let exists = catalog::columns(&session, &declared.name).await.when("reading the columns of")?.is_some();
    // A query that fails ends its transaction: whether there is a ledger is found out before.
    let has_ledger = ledger.entries(&session).await.when("reading the ledger of")?.is_some();
    session.run("BEGIN").await.when("counting the rows of")?;
    let read = read(&session, declared, ledger, exists, has_ledger).await;
    session.roll_back().await;
    read
}

async fn read(session: &Session, declared: &Declared, ledger: &Ledger, exists: bool, has_ledger: bool) -> Result<Audit, Problem> {
    let mut audit = Audit { exists, is_complete: true, deletes: declared.options.upserts.deleted.is_some(), ..Audit::default() };
    if has_ledger {
        audit.entries = ledger.entries(session).await.when("reading the ledger of")?.unwrap_or_default();
    }
    if exists {
        let table = declared.name.quoted();
        audit.rows = count(session, &format!("SELECT COUNT(*) FROM {table}")).await?;
        if audit.is_only_upserted() && !declared.key.is_empty() {
            let key: Vec<String> = declared.key.iter().map(|column| folded(column)).collect();
            let key = quoted_list(key.iter().map(String::as_str));
            let repeated =
                format!("SELECT COUNT(*) FROM (SELECT {key} FROM {table} GROUP BY {key} HAVING COUNT(*) > 1) AS repeated");
            audit.repeated_keys = count(session, &repeated).await?;
        }
    }
    Ok(audit)
}

async fn count(session: &Session, query: &str) -> Result<Option<u64>, Problem> {
    let counted = session.number(query).await.when("counting the rows of")?;
    Ok(counted.and_then(|counted| u64::try_from(counted).ok()))
}
