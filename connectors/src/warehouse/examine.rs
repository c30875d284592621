//! Whether the warehouse can be used as `[warehouse]` says: `engine doctor`.

use super::config::Target;
use super::name::TableName;
use super::{LAKE_FOLDER, postgres, redshift};
use crate::context::{Context, TableSpec};
use crate::error::Error;
use crate::finding::Finding;

/// What is examined is called so in a finding.
pub(super) const CHECK: &str = "warehouse";

/// The schema that is examined where no table is named.
const DEFAULT_SCHEMA: &str = "public";

/// What a pipeline will want of the warehouse.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Schemas in which tables and ledgers are made.
    pub(crate) schemas: Vec<String>,
    /// Tables that are written.
    pub(crate) tables: Vec<TableName>,
}

/// Examines the warehouse for what `tables` need of it; without tables, for the schema `public`. Writes nothing that stays.
pub async fn examine(tables: &[TableSpec], context: &Context) -> Vec<Finding> {
    let wanted = match wanted(tables) {
        Ok(wanted) => wanted,
        Err(error) => return vec![unusable(&error)],
    };
    match context.warehouse.target() {
        Ok(Target::Lake) => {
            vec![Finding::ok(CHECK, format!("[warehouse] url is not set: its tables are Delta tables in lake://{LAKE_FOLDER}"))]
        }
        Ok(Target::Postgres(config)) => postgres::examine(&config, &wanted, context).await,
        Ok(Target::Redshift(url)) => redshift::examine(&url, &wanted, context).await,
        Err(error) => vec![unusable(&error)],
    }
}

fn wanted(tables: &[TableSpec]) -> crate::Result<Wanted> {
    let mut names = tables.iter().map(|table| TableName::parse(&table.location)).collect::<crate::Result<Vec<_>>>()?;
    names.sort_by(|one, other| (&one.schema, &one.table).cmp(&(&other.schema, &other.table)));
    names.dedup();
    let mut schemas: Vec<String> = names.iter().map(|name| name.schema.clone()).collect();
    schemas.dedup();
    if schemas.is_empty() {
        schemas.push(DEFAULT_SCHEMA.to_owned());
    }
    Ok(Wanted { schemas, tables: names })
}

/// A setting that is wrong: its message says what is expected.
pub(super) fn unusable(error: &Error) -> Finding {
    Finding::problem(
        CHECK,
        error.to_string(),
        "correct [warehouse] in engine.toml; `engine config --help-keys` says what each key is",
    )
}

/// A database that cannot be reached, and what would help.
pub(super) fn unreachable(error: &Error, password: &str) -> Finding {
    let fix = match error {
        Error::Auth { message } if message.contains("certificate") => {
            "name the authority of the server in [warehouse] url: ?sslrootcert=/path/authority.pem (of RDS: global-bundle.pem)".to_owned()
        }
        Error::Auth { message } if message.contains("no pg_hba.conf entry") => {
            "have the server's pg_hba.conf let this user in from this address".to_owned()
        }
        Error::Auth { .. } => password.to_owned(),
        Error::NotFound { .. } => "name a database that is there in [warehouse] url".to_owned(),
        Error::Config { .. } => "correct [warehouse] url: sslmode and sslrootcert say how far the server is believed".to_owned(),
        _ => "check host and port in [warehouse] url, that the server runs, and that its firewall (the security group) lets this machine in"
            .to_owned(),
    };
    Finding::problem(CHECK, error.to_string(), fix)
}
