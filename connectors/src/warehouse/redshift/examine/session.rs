//! What a session says of its cluster: version, clock, isolation, slices, and whether it tells upper and lower case apart.

use crate::context::Context;
use crate::finding::Finding;
use crate::skew;
use crate::warehouse::examine::CHECK;
use crate::warehouse::postgres::unverified;
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::names::quoted;
use crate::warehouse::redshift::session::Session;
use crate::warehouse::redshift::sink::DEFAULT_SLICES;
use crate::warehouse::redshift::transport::Transport;

pub(super) async fn examine(session: &Session, config: &RedshiftConfig, context: &Context) -> Vec<Finding> {
    let mut findings = vec![version(session, config).await];
    if let Transport::Connection { config, .. } = &config.transport {
        findings.extend(unverified(config));
    }
    findings.push(clock(session, context).await);
    findings.push(isolation(session, config).await);
    findings.push(slices(session).await);
    findings.push(case(session).await);
    findings
}

async fn text(session: &Session, query: &str) -> Result<String, Fault> {
    Ok(session.text(query).await?.unwrap_or_default())
}

async fn version(session: &Session, config: &RedshiftConfig) -> Finding {
    let place = config.transport.shown();
    match text(session, "SELECT version()").await {
        Ok(version) if version.contains("Redshift") => {
            let version = version.split_once("Redshift").map_or("", |(_, version)| version.trim());
            Finding::ok(CHECK, format!("Redshift {version}, {place}"))
        }
        Ok(version) => {
            let fix = "set [warehouse] url to postgres://..., or to the address of a Redshift cluster or workgroup";
            Finding::problem(CHECK, format!("{place} is no Redshift: {version}"), fix)
        }
        Err(fault) => Finding::problem(CHECK, format!("{place}: {fault}"), "see what the cluster says"),
    }
}

async fn clock(session: &Session, context: &Context) -> Finding {
    const CLOCK: &str = "warehouse clock";
    // GETDATE() is in the time zone of the session ("GETDATE", r_GETDATE).
    if let Err(fault) = session.run("SET TIME ZONE 'UTC'").await {
        return Finding::warning(CLOCK, format!("the cluster does not tell the time: {fault}"), "run SELECT GETDATE();");
    }
    let before = context.clock.now();
    let answer = text(session, "SELECT EXTRACT(EPOCH FROM GETDATE())").await;
    let after = context.clock.now();
    match answer.map(|seconds| skew::time(&seconds).ok_or(seconds)) {
        Ok(Ok(theirs)) => skew::finding(CLOCK, "the cluster", theirs, before, after),
        Ok(Err(said)) => Finding::warning(CLOCK, format!("the cluster says '{said}' for its time"), "run SELECT GETDATE();"),
        Err(fault) => Finding::warning(CLOCK, format!("the cluster does not tell the time: {fault}"), "run SELECT GETDATE();"),
    }
}

/// Both levels are right for loads; under SERIALIZABLE they are more often tried again ("Serializable isolation",
/// `c_serial_isolation`).
async fn isolation(session: &Session, config: &RedshiftConfig) -> Finding {
    const ISOLATION: &str = "isolation";
    let query = "SELECT isolation_level FROM stv_db_isolation_level WHERE TRIM(db_name) = TRIM(current_database())";
    match text(session, query).await {
        Ok(level) if level.to_ascii_lowercase().starts_with("serializable") => {
            let found = "SERIALIZABLE: a load that meets other readers and writers of its table is tried again (error 1023)";
            let fix = format!("ALTER DATABASE {} ISOLATION LEVEL SNAPSHOT;", quoted(config.transport.database()));
            Finding::warning(ISOLATION, found, format!("{fix} (while nobody else is connected to it)"))
        }
        Ok(level) if !level.trim().is_empty() => Finding::ok(ISOLATION, level.trim().to_owned()),
        // Not every user may look, and loads are right at either level.
        Ok(_) | Err(_) => Finding::ok(ISOLATION, "the cluster does not show it to this user; loads are right at either level"),
    }
}

async fn slices(session: &Session) -> Finding {
    match session.number("SELECT COUNT(*) FROM stv_slices").await {
        Ok(Some(slices)) if slices > 0 => Finding::ok("slices", format!("{slices}: a large load is split into as many files")),
        _ => Finding::ok("slices", format!("the cluster does not say (serverless); files are made for {DEFAULT_SLICES}")),
    }
}

/// The engine folds names and quotes them: with this setting it does not find a table `"Posts"`, and makes a second one, `posts`.
async fn case(session: &Session) -> Finding {
    const CASE: &str = "case";
    match text(session, "SHOW enable_case_sensitive_identifier").await {
        Ok(value) if ["on", "true", "1"].contains(&value.trim()) => {
            let found = "enable_case_sensitive_identifier is on: names with capitals, as others make them in double quotes, are other \
                         names than the engine's, which are in lower case";
            let user = text(session, "SELECT current_user").await.unwrap_or_else(|_| "USER".to_owned());
            let fix = format!(
                "ALTER USER {} SET enable_case_sensitive_identifier TO off; (or in the parameter group, or in the options of [warehouse] url)",
                quoted(&user)
            );
            Finding::warning(CASE, found, fix)
        }
        Ok(_) => Finding::ok(CASE, "names are folded to lower case"),
        Err(fault) => Finding::ok(CASE, format!("the cluster does not say ({fault}): names are folded to lower case by default")),
    }
}
