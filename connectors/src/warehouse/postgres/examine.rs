//! Whether a PostgreSQL database can be the warehouse.

use super::ledger::Ledger;
use crate::context::Context;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Client, ConnectionConfig, TlsMode};
use crate::skew;
use crate::warehouse::examine::{CHECK, Wanted, unreachable};
use crate::warehouse::rights;

/// The oldest version that loads are tested with, as `server_version_num` has it.
const OLDEST: i64 = 130_000;
const PASSWORD: &str = "set [warehouse] password (ENGINE_WAREHOUSE_PASSWORD) to that of the user in [warehouse] url, or give the user another: \
                        ALTER USER ... PASSWORD '...';";

/// Examines the database.
pub(crate) async fn examine(config: &ConnectionConfig, wanted: &Wanted, context: &Context) -> Vec<Finding> {
    let client = match Client::connect(config).await {
        Ok(client) => client,
        Err(error) => return vec![unreachable(&error, PASSWORD)],
    };
    if client.is_redshift() {
        return vec![Finding::problem(CHECK, redshift_at(config), TO_REDSHIFT)];
    }
    let mut findings = Vec::new();
    for part in [server(&client, config).await, transactions(&client).await, clock(&client, context).await] {
        findings.extend(part.unwrap_or_else(|error| vec![Finding::problem(CHECK, error.to_string(), NOT_ANSWERED)]));
    }
    let ledgers: Vec<_> = wanted.schemas.iter().flat_map(|schema| Ledger::tables_in(schema)).collect();
    findings.extend(
        rights::examine(&client, wanted, &ledgers)
            .await
            .unwrap_or_else(|error| vec![Finding::problem("rights", error.to_string(), NOT_ANSWERED)]),
    );
    findings
}

/// What is found where the URL of a PostgreSQL leads to a Redshift.
pub(super) fn redshift_at(config: &ConnectionConfig) -> String {
    format!("{} is a Redshift, which is not loaded as a PostgreSQL is", config.shown())
}

/// What to do about it.
pub(super) const TO_REDSHIFT: &str =
    "write [warehouse] url as redshift://user@host:port/database, and set staging and iam_role beside it, which COPY needs";

const NOT_ANSWERED: &str = "see what the server says; `engine doctor` asks nothing that a user may not ask";

/// What answers, and how it is reached.
async fn server(client: &Client, config: &ConnectionConfig) -> Result<Vec<Finding>> {
    let query = "SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('server_encoding'), \
                 pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', inet_server_port()";
    let row = client.rows(query, "asking for the version").await?.into_iter().next().unwrap_or_default();
    let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
    let version = text(1).split_whitespace().next().unwrap_or_default();
    let number: i64 = text(0).parse().unwrap_or_default();
    let mut findings = vec![if number < OLDEST {
        let found = format!("{} is PostgreSQL {version}; loads need 13 or later", config.shown());
        Finding::problem(CHECK, found, "upgrade the server to PostgreSQL 13 or later, or name another in [warehouse] url")
    } else {
        Finding::ok(CHECK, format!("PostgreSQL {version}, {}{}", config.shown(), behind(config, text(4))))
    }];
    if text(3) == "t" {
        let found = "the server only reads: it is a replica, or default_transaction_read_only is on";
        let fix = "name the primary in [warehouse] url, or ALTER ROLE ... SET default_transaction_read_only = off;";
        findings.push(Finding::problem(CHECK, found, fix));
    }
    if text(2) != "UTF8" {
        let found = format!("the database is encoded in {}, which does not hold every text", text(2));
        let fix = "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0; and name it in [warehouse] url";
        findings.push(Finding::warning(CHECK, found, fix));
    }
    findings.extend(unverified(config));
    Ok(findings)
}

/// A connection over a network that somebody could listen to, or take the place of the server in.
pub(crate) fn unverified(config: &ConnectionConfig) -> Option<Finding> {
    let has_authority = config.tls == TlsMode::Require && config.root_certificate.is_some();
    let is_verified =
        has_authority || matches!(config.tls, TlsMode::VerifyCa | TlsMode::VerifyFull) || config.is_on_this_machine();
    if is_verified {
        return None;
    }
    let found = format!("sslmode of [warehouse] url lets anybody answer for {}", config.host);
    Some(Finding::warning(
        CHECK,
        found,
        "leave sslmode out of [warehouse] url, or set it to verify-full, with sslrootcert=FILE.pem for an authority of one's own",
    ))
}

/// A pooler, or a port that is mapped, tells itself by the port at which the server was reached.
fn behind(config: &ConnectionConfig, port: &str) -> String {
    match port.parse::<u16>() {
        Ok(port) if port != config.port => {
            format!(", reached through another port than the server's own {port} (a pooler, or a mapped port)")
        }
        _ => String::new(),
    }
}

/// A load is a transaction with a temporary table in it. A pool that gives each statement another session has none.
async fn transactions(client: &Client) -> Result<Vec<Finding>> {
    let probe = "BEGIN; CREATE TEMPORARY TABLE _engine_doctor (n integer) ON COMMIT DROP; INSERT INTO _engine_doctor VALUES (1)";
    let run = client.execute(probe).await;
    let ended = client.execute("ROLLBACK").await;
    Ok(match run {
        Ok(()) => ended.map(|()| vec![Finding::ok("transactions", "a transaction with a temporary table works")])?,
        Err(error) if error.to_string().contains("statement pooling") => vec![Finding::problem(
            "transactions",
            format!("PgBouncer is in statement mode: {error}"),
            "pgbouncer.ini: pool_mode = transaction (or session), then RELOAD; on its console",
        )],
        // What may not be done is said by the rights.
        Err(crate::Error::Auth { .. }) => Vec::new(),
        Err(error) => vec![Finding::problem("transactions", error.to_string(), NOT_ANSWERED)],
    })
}

async fn clock(client: &Client, context: &Context) -> Result<Vec<Finding>> {
    let before = context.clock.now();
    let rows = client.rows("SELECT extract(epoch FROM clock_timestamp())", "asking for the time").await?;
    let after = context.clock.now();
    let theirs = rows.first().and_then(|row| skew::time(row.first()?.as_deref()?));
    Ok(theirs.map(|theirs| skew::finding("warehouse clock", "the server", theirs, before, after)).into_iter().collect())
}
