//! SET, RESET and SHOW: Redshift's own settings are kept under a prefix of the stand-in, PostgreSQL's are passed on.

use super::cursor::Cursor;
use super::plan::{Plan, Run};
use super::token::Kind;
use crate::faults::Fault;
use crate::sql_error::{SqlError, SqlResult};

/// Settings of Redshift that PostgreSQL does not have, with their defaults (cm_chap_ConfigurationRef).
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("analyze_threshold_percent", "10"),
    ("autocommit", "on"),
    ("describe_field_name_in_uppercase", "off"),
    ("downcase_delimited_identifier", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_case_sensitive_super_attribute", "off"),
    ("enable_numeric_rounding", "on"),
    ("enable_result_cache_for_session", "on"),
    ("json_serialization_enable", "off"),
    ("json_serialization_parse_nested_strings", "off"),
    ("max_concurrency_scaling_clusters", "1"),
    ("query_group", "default"),
    ("spectrum_enable_pseudo_columns", "true"),
    ("stored_proc_log_min_messages", "log"),
    ("wlm_query_slot_count", "1"),
    ("is_transaction_snapshot", "off"),
];

/// Settings of PostgreSQL that Redshift has too.
const SHARED: &[&str] = &[
    "application_name",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "search_path",
    "server_encoding",
    "server_version",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_isolation",
    "transaction_read_only",
    "is_superuser",
    "session_authorization",
];

/// How Redshift's own settings are called in PostgreSQL.
fn own(name: &str) -> Option<String> {
    SETTINGS.iter().any(|(known, _)| *known == name).then(|| format!("redshift_sim.{name}"))
}

/// What a setting is called in PostgreSQL, that a client sends when it connects.
pub(crate) fn at_startup(name: &str) -> SqlResult<String> {
    own(name).or_else(|| SHARED.contains(&name).then(|| name.to_owned())).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> SqlError {
    SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
}

pub(super) fn set(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let scope = if cursor.take(&["local"]) { "LOCAL" } else { "SESSION" };
    cursor.take(&["session"]);
    if cursor.take(&["authorization"]) {
        let user = match cursor.take(&["default"]) {
            true => "DEFAULT".to_owned(),
            false => super::cursor::quote(&cursor.string().or_else(|_| cursor.name())?),
        };
        return cursor.end().map(|()| Plan::Run(Run::new(format!("SET {scope} SESSION AUTHORIZATION {user}"))));
    }
    if cursor.sees(&["transaction"]) || cursor.sees(&["characteristics"]) {
        // The database decides which level there is.
        return Ok(Plan::Run(Run::new("SET LOCAL redshift_sim.autocommit TO 'on'".to_owned())));
    }
    if cursor.take(&["time", "zone"]) {
        return value(&mut cursor).map(|value| Plan::Run(Run::new(format!("SET {scope} TIME ZONE {value}"))));
    }
    let name = cursor.name()?;
    let name = if cursor.take(&["."]) { format!("{name}.{}", cursor.name()?) } else { name };
    if !cursor.take(&["to"]) {
        cursor.expect("=")?;
    }
    if name == "redshift_sim.fault" {
        let fault = cursor.string()?.parse::<Fault>();
        return fault.map(Plan::Fault).map_err(|error| SqlError::new("22023", error.to_string()));
    }
    if name == "enable_case_sensitive_identifier"
        && !(cursor.sees(&["off"]) || cursor.sees(&["false"]) || cursor.sees(&["default"]))
    {
        return Err(SqlError::unknown("enable_case_sensitive_identifier other than off"));
    }
    let value = value(&mut cursor)?;
    let name = match own(&name) {
        Some(own) => own,
        None if SHARED.contains(&name.as_str()) => name,
        None => return Err(unknown(&name)),
    };
    if matches!(name.as_str(), "default_transaction_isolation" | "transaction_isolation" | "standard_conforming_strings") {
        return Err(SqlError::unknown(format!("SET {name}")));
    }
    Ok(Plan::Run(Run::new(format!("SET {scope} {name} TO {value}"))))
}

/// The value: strings, words and numbers as they are.
pub(super) fn value(cursor: &mut Cursor<'_>) -> SqlResult<String> {
    let mut text = Vec::new();
    while let Some(token) = cursor.next() {
        match token.kind {
            Kind::Quoted => text.push(super::cursor::quote(&token.name().unwrap_or_default())),
            // A bare number or word of Redshift's own settings is a string for PostgreSQL.
            _ => text.push(token.text.to_owned()),
        }
    }
    if text.is_empty() { Err(cursor.unexpected()) } else { Ok(text.join(" ")) }
}

pub(super) fn reset(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let name = cursor.word()?;
    cursor.end()?;
    let known = own(&name).or_else(|| (SHARED.contains(&name.as_str()) || name == "all").then(|| name.clone()));
    known.map(|name| Plan::Run(Run::new(format!("RESET {name}")))).ok_or_else(|| unknown(&name))
}

/// The expression for PostgreSQL of the value of a setting.
pub(super) fn current(name: &str) -> SqlResult<String> {
    Ok(match (own(name), name) {
        (Some(own), _) => format!("pg_catalog.current_setting('{own}')"),
        (None, "server_version") => "'8.0.2'::text".to_owned(),
        (None, "server_encoding") => "'UTF8'::text".to_owned(),
        (None, known) if SHARED.contains(&known) => format!("pg_catalog.current_setting('{known}')"),
        _ => return Err(unknown(name)),
    })
}

pub(super) fn show(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let first = cursor.name()?;
    let name = match first.as_str() {
        "time" if cursor.take(&["zone"]) => "timezone".to_owned(),
        "transaction" if cursor.take(&["isolation", "level"]) => "transaction_isolation".to_owned(),
        _ => first,
    };
    if !cursor.at_end() {
        return Err(SqlError::unknown(format!("SHOW {}", name.to_uppercase())));
    }
    let is_plain = SHARED.contains(&name.as_str()) && !["server_version", "server_encoding"].contains(&name.as_str());
    let sql = if is_plain { format!("SHOW {name}") } else { format!("SELECT {}::text AS {name}", current(&name)?) };
    Ok(Plan::Run(Run::new(sql)))
}
