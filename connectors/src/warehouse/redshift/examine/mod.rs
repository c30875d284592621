//! Whether a cluster can be the warehouse: the settings, the session, the rights, and the way from here over S3 into a table.
//!
//! What can only be seen by doing it is done and taken back: an object is written and removed, and a COPY of one row into a temporary
//! table is rolled back.

mod session;
mod staging;

use crate::context::Context;
use crate::finding::{Finding, Level};
use crate::probe;
use crate::warehouse::examine::{CHECK, Wanted, unreachable, unusable};
use crate::warehouse::name::TableName;
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::fault::Kind;
use crate::warehouse::redshift::ledger::Ledger;
use crate::warehouse::redshift::names::{Relation, folded};
use crate::warehouse::redshift::session::Session;
use crate::warehouse::redshift::transport::Transport;
use crate::warehouse::rights;

/// What is examined is called so in a finding.
pub(super) const STAGING: &str = "staging";
const PASSWORD: &str = "set [warehouse] password (ENGINE_WAREHOUSE_PASSWORD) to that of the user in [warehouse] url, or give the user another: \
                        ALTER USER ... PASSWORD '...'; without a password the engine asks AWS for temporary credentials";

/// Examines the cluster, and how it loads.
pub(crate) async fn examine(url: &str, wanted: &Wanted, context: &Context) -> Vec<Finding> {
    let config = match RedshiftConfig::read(url, context) {
        Ok(config) => config,
        Err(error) => return vec![unusable(&error)],
    };
    let staging = probe::store(STAGING, &config.staging, false, context).await;
    let reaches_staging = staging.iter().all(|finding| finding.level != Level::Problem || finding.check != STAGING);
    let cluster = match reached(&config).await {
        Err(unreached) => return [vec![unreached], staging].concat(),
        Ok(cluster) => cluster,
    };
    let mut findings = session::examine(&cluster, &config, context).await;
    let wanted = in_redshift(wanted);
    let rights = rights::examine(&cluster, &wanted, &ledgers(&wanted)).await;
    let not_answered = |error: crate::Error| vec![Finding::problem("rights", error.to_string(), "see what the cluster says")];
    findings.extend(rights.unwrap_or_else(not_answered));
    findings.extend(staging);
    // What this machine cannot write the role cannot read either.
    if reaches_staging {
        findings.extend(staging::examine(&cluster, &config, context).await);
    }
    findings
}

/// A session that answers; the Data API begins none before it is asked something.
async fn reached(config: &RedshiftConfig) -> Result<Session, Finding> {
    let cluster = config.session().await.map_err(|error| unreachable(&error, PASSWORD))?;
    let Transport::DataApi(api) = &config.transport else { return Ok(cluster) };
    match cluster.rows("SELECT 1").await {
        Ok(_) => Ok(cluster),
        Err(fault) => {
            let fix = match fault.kind {
                Kind::Denied => api.rights(),
                Kind::Again | Kind::Lost => "check that this machine reaches the service ([warehouse] endpoint for a VPC endpoint), and try again".to_owned(),
                _ => "name a workgroup (or, with ?type=cluster, a cluster), its region and a database that are there in [warehouse] url".to_owned(),
            };
            Err(Finding::problem(CHECK, format!("{}: {fault}", config.transport.shown()), fix))
        }
    }
}

/// The tables that the ledgers of the tables are.
fn ledgers(wanted: &Wanted) -> Vec<TableName> {
    let relations = wanted.tables.iter().map(|name| Relation { schema: name.schema.clone(), table: name.table.clone() });
    let ledgers = relations.flat_map(|relation| Ledger::tables_of(&relation));
    ledgers.map(|ledger| TableName { schema: ledger.schema, table: ledger.table }).collect()
}

/// Names as Redshift keeps them.
fn in_redshift(wanted: &Wanted) -> Wanted {
    let table = |name: &TableName| TableName { schema: folded(&name.schema), table: folded(&name.table) };
    Wanted {
        schemas: wanted.schemas.iter().map(|schema| folded(schema)).collect(),
        tables: wanted.tables.iter().map(table).collect(),
    }
}
