//! Tables of a database: what is there, and what becomes of those that the catalog knows. It says itself what its tables are, so nothing
//! is inferred and nothing of an earlier crawl is gone on from.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use arrow::datatypes::Schema;
use catalog::drift::{Policy, compare};
use catalog::partitions::Partitioning;
use catalog::store::{Alteration, Registration, Statistics, Table, TableName, TableOptions};
use connectors::files::crawl::Progress;
use connectors::options::unknown;
use connectors::postgres::{Client, ConnectionConfig, Pattern, TableDescription, describe};

use super::examine::CRAWL;
use super::outcome::{Decision, Outcome, TableOutcome, Touched};
use super::policies::Policies;
use crate::session::Session;

/// As `STORED AS` has it.
const CONNECTOR: &str = "POSTGRES";
/// Where the password is looked for when the user does not say.
const PASSWORD: &str = "${PGPASSWORD}";

/// What is crawled: tables of one database.
#[derive(Debug)]
pub struct DatabaseLocation {
    /// The database, and as whom it is reached.
    pub connection: ConnectionConfig,
    /// Which tables.
    pub pattern: Pattern,
    /// What tables say of how they are reached: no password, but how to get it.
    options: TableOptions,
    /// The location without a password.
    shown: String,
}

impl DatabaseLocation {
    /// Reads `postgres://user@host:port/database/schema/table%`; `None` of what is no address of a database.
    ///
    /// # Errors
    /// For an address that cannot be read, and for databases that are not crawled.
    pub fn parse(location: &str, session: &Session) -> Result<Option<Self>> {
        let Some((scheme, rest)) = location.split_once("://") else { return Ok(None) };
        match scheme {
            "postgres" | "postgresql" => {}
            "redshift" | "redshift-data" => bail!(
                "{scheme}:// is not crawled yet: what Redshift says of its tables has not been tested; declare its tables, or crawl the files \
                 it was loaded from"
            ),
            _ => return Ok(None),
        }
        let (address, parameters) = rest.split_once('?').map_or((rest, ""), |(address, parameters)| (address, parameters));
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        let mut parts = path.trim_end_matches('/').splitn(3, '/');
        let database = parts.next().unwrap_or_default();
        let pattern = pattern(parts.next(), parts.next());
        let query = if parameters.is_empty() { String::new() } else { format!("?{parameters}") };
        let url = |authority: &str| format!("{scheme}://{authority}/{database}{query}");
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, written) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
        let bare = url(&format!("{user}@{host}"));
        let is_set = !session.interpolated(&PASSWORD.replace('}', ":-}"))?.is_empty();
        let reference = match written {
            Some(reference) if reference.starts_with("${") => Some(reference.to_owned()),
            Some(_) => Some(PASSWORD.to_owned()),
            None => is_set.then(|| PASSWORD.to_owned()),
        };
        // What the user wrote goes as it is into the URL, where it may be encoded; what stands for it does not.
        let connection = match (written, &reference) {
            (Some(password), _) if !password.starts_with("${") => ConnectionConfig::parse(&url(authority), None)?,
            (_, Some(reference)) => {
                ConnectionConfig::parse(&session.interpolated(&bare)?, Some(&session.interpolated(reference)?))?
            }
            _ => ConnectionConfig::parse(&session.interpolated(&bare)?, None)?,
        };
        let options = [("url".to_owned(), bare.clone())].into_iter().chain(reference.map(|value| ("password".to_owned(), value)));
        let shown = format!("{scheme}://{user}@{host}/{path}{query}");
        Ok(Some(Self { connection, pattern, options: TableOptions(options.collect()), shown }))
    }

    /// As the user called it, without a password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether a table of the catalog is one of this location.
    fn holds(&self, table: &Table, session: &Session) -> bool {
        let registration = &table.registration;
        let url = registration.options.0.get("url").and_then(|url| session.interpolated(url).ok());
        let connection = url.and_then(|url| ConnectionConfig::parse(&url, None).ok());
        if registration.connector != CONNECTOR || connection.is_none_or(|other| other.place() != self.connection.place()) {
            return false;
        }
        let (schema, name) = registration.location.split_once('.').unwrap_or(("public", &registration.location));
        let (schema, name) = (schema.trim_matches('"'), name.trim_matches('"'));
        match &self.pattern {
            Pattern::Table { schema: only, table } => schema == only && name == table,
            Pattern::Like { schema: like, table } => {
                like.as_ref().is_none_or(|like| is_like(schema, like)) && is_like(name, table)
            }
        }
    }
}

/// `schema/table%`, `schema`, `%`: all tables of a schema, all schemas.
fn pattern(schema: Option<&str>, table: Option<&str>) -> Pattern {
    let table = table.filter(|table| !table.is_empty()).unwrap_or("%");
    match schema.filter(|schema| !schema.is_empty() && *schema != "%") {
        Some(schema) => Pattern::Like { schema: Some(schema.to_owned()), table: table.to_owned() },
        None => Pattern::Like { schema: None, table: table.to_owned() },
    }
}

/// `LIKE`, with `%` and `_`.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| is_like(&text[at..], rest.as_str())),
        Some(next) => {
            let mut letters = text.chars();
            letters.next().is_some_and(|letter| next == '_' || letter == next) && is_like(letters.as_str(), rest.as_str())
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct DatabaseRequest {
    /// Where to look.
    pub location: DatabaseLocation,
    /// The database of the catalog that the tables are in.
    pub database: String,
    /// What tables may do.
    pub policies: Policies,
    /// Tables that are no more go.
    pub prune: bool,
    /// Tables that are registered anew, as they are now.
    pub anew: Vec<String>,
}

/// Looks and decides. Writes nothing.
///
/// # Errors
/// When the database cannot be reached or holds no such table; for a policy of a table that is not there.
pub async fn examine(session: &Session, all: &[Table], request: &DatabaseRequest) -> Result<Outcome> {
    let location = &request.location;
    let client = Client::connect(&location.connection).await?;
    client.begin_read().await?;
    let found = describe(&client, &location.pattern).await?;
    let (readable, closed): (Vec<TableDescription>, Vec<TableDescription>) = found.into_iter().partition(|table| table.readable);
    let here: Vec<&Table> = all.iter().filter(|table| location.holds(table, session)).collect();
    if readable.is_empty() && here.is_empty() {
        bail!("{}", nothing(&client, location, closed.len()).await);
    }
    client.end_read().await;
    for name in &request.anew {
        let names = here.iter().map(|table| table.name().table.as_str());
        let known = here.iter().find(|table| table.name().table == *name);
        match known {
            None => bail!("--anew: {}", unknown("table", name, "the location", names)),
            Some(table) if table.registration.registered_by != CRAWL => {
                bail!("--anew: table {} is kept by {}", table.name(), table.registration.registered_by)
            }
            Some(_) => {}
        }
    }
    let (forgotten, known): (Vec<&Table>, Vec<&Table>) =
        here.into_iter().partition(|table| request.anew.contains(&table.name().table));
    let mut names = Names::new(all, &forgotten);
    let mut tables = Vec::new();
    for description in &readable {
        let place = place(description);
        tables.push(match known.iter().find(|table| table.registration.location == place) {
            Some(table) => decide(table, description, request),
            None => {
                let before = forgotten.iter().find(|table| table.registration.location == place);
                let name = before.map_or_else(|| names.of(description, &readable), |table| table.name().table.clone());
                register(name, before.map(|table| table.registration.policy), description, request)
            }
        });
    }
    let is_there = |table: &&&Table| readable.iter().any(|description| place(description) == table.registration.location);
    tables.extend(known.iter().filter(|table| !is_there(table)).map(|table| lost(table, request.prune)));
    tables.sort_by(|a, b| a.name().cmp(b.name()));
    request.policies.check(tables.iter().map(|table| table.name().table.as_str()))?;
    Ok(Outcome {
        progress: Progress { listed: tables.len() as u64, read: readable.len() as u64, ..Progress::default() },
        tables,
        forgotten: forgotten.iter().map(|table| table.name().clone()).collect(),
        skipped: Vec::new(),
        ledger: None,
        notes: closed.iter().map(|table| format!("{} may not be read by this user", table.full_name())).collect(),
    })
}

/// What to say when there is no table, or none that may be read.
async fn nothing(client: &Client, location: &DatabaseLocation, closed: usize) -> String {
    let place = location.connection.shown();
    if closed > 0 {
        let user = &location.connection.user;
        return format!(
            "none of the {closed} tables of '{}' may be read; GRANT SELECT ON … TO \"{user}\" gives the right",
            location.shown()
        );
    }
    let statement =
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1 LIMIT 50";
    let schemas = client.rows(statement, "listing schemas").await.unwrap_or_default();
    let schemas: Vec<String> = schemas.into_iter().flatten().flatten().collect();
    format!(
        "there is no table like '{}' in {place}; its schemas: {}; %  stands for any text, as in /public/order%",
        location.shown(),
        schemas.join(", ")
    )
}

/// Names in the catalog that are free.
struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    fn new(all: &[Table], forgotten: &[&Table]) -> Self {
        let gone: BTreeSet<&TableName> = forgotten.iter().map(|table| table.name()).collect();
        let stays = all.iter().filter(|table| !gone.contains(table.name()));
        Self { taken: stays.map(|table| table.name().table.clone()).collect() }
    }

    /// The table's own, with its schema where that alone would say two.
    fn of(&mut self, table: &TableDescription, others: &[TableDescription]) -> String {
        let is_alone = others.iter().filter(|other| other.name == table.name).count() == 1;
        let full = format!("{}_{}", table.schema, table.name);
        let numbered = (2..).map(|number| format!("{full}_{number}"));
        let own = is_alone.then(|| table.name.clone());
        let mut names = own.into_iter().chain([full.clone()]).chain(numbered);
        let name = names.find(|name| !self.taken.contains(name)).unwrap_or_else(|| full.clone());
        self.taken.insert(name.clone());
        name
    }
}

/// As `LOCATION` has it.
fn place(table: &TableDescription) -> String {
    let part = |name: &str| if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
    format!("{}.{}", part(&table.schema), part(&table.name))
}

fn registration(name: String, policy: Policy, table: &TableDescription, request: &DatabaseRequest) -> Registration {
    Registration {
        name: TableName::new(&request.database, name),
        connector: CONNECTOR.to_owned(),
        location: place(table),
        options: request.location.options.clone(),
        schema: table.arrow_schema().as_ref().clone(),
        partitioning: Partitioning::default(),
        key: table.primary_key.clone(),
        policy,
        comment: table.comment.clone(),
        registered_by: CRAWL.to_owned(),
    }
}

fn register(name: String, before: Option<Policy>, table: &TableDescription, request: &DatabaseRequest) -> TableOutcome {
    let policy = request.policies.of(&name).or(before).unwrap_or(Policy::Evolve);
    TableOutcome {
        registration: registration(name, policy, table, request),
        decision: Decision::Register,
        changes: Vec::new(),
        is_altered: false,
        alterations: described(table, None),
        statistics: statistics(table),
        touched: Touched::default(),
        observed: None,
        evidence: evidence(table),
        problems: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A table that the catalog knows, as it is now.
fn decide(table: &Table, found: &TableDescription, request: &DatabaseRequest) -> TableOutcome {
    let mut outcome = TableOutcome {
        registration: table.registration.clone(),
        decision: Decision::Keep,
        changes: Vec::new(),
        is_altered: false,
        alterations: Vec::new(),
        statistics: statistics(found),
        touched: Touched::default(),
        observed: None,
        evidence: evidence(found),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    if table.registration.registered_by != CRAWL {
        outcome.decision = Decision::Leave { by: table.registration.registered_by.clone() };
        return outcome;
    }
    let registration = &mut outcome.registration;
    registration.policy = request.policies.of(&table.name().table).unwrap_or(registration.policy);
    registration.key.clone_from(&found.primary_key);
    registration.comment.clone_from(&found.comment);
    // How it is reached may have changed; what else it was told stays.
    registration.options.0.extend(request.location.options.0.clone());
    outcome.is_altered = registration.policy != table.registration.policy || registration.options != table.registration.options;
    outcome.alterations = described(found, Some(table));
    let drift = compare(&table.registration.schema, &found.arrow_schema()).removing_missing();
    match registration.policy.decide(&registration.name.to_string(), &drift) {
        Ok(None) => {}
        Ok(Some(version)) => {
            registration.schema = version.schema.clone();
            outcome.decision = Decision::Evolve { after: table.version, version };
        }
        Err(refusal) => outcome.decision = Decision::Refuse { why: refusal.message },
    }
    // A column that was refused has no comment yet.
    let is_there = |column: &str| registration.schema.fields().find(column).is_some();
    outcome.alterations.retain(|alteration| !matches!(alteration, Alteration::ColumnComment { column, .. } if !is_there(column)));
    outcome.changes = drift.changes;
    outcome
}

fn lost(table: &Table, prune: bool) -> TableOutcome {
    let decision = match table.registration.registered_by.as_str() {
        CRAWL if prune => Decision::Prune,
        CRAWL => Decision::Lost,
        by => Decision::Leave { by: by.to_owned() },
    };
    TableOutcome {
        registration: table.registration.clone(),
        decision,
        changes: Vec::new(),
        is_altered: false,
        alterations: Vec::new(),
        statistics: table.statistics,
        touched: Touched::default(),
        observed: None,
        evidence: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
    }
}

fn statistics(table: &TableDescription) -> Statistics {
    Statistics { rows: table.estimated_rows, bytes: table.bytes, files: None }
}

/// What the database says beside the columns, where the catalog says something else.
fn described(found: &TableDescription, known: Option<&Table>) -> Vec<Alteration> {
    let mut alterations = vec![Alteration::Statistics(statistics(found))];
    if let Some(known) = known {
        if known.registration.key != found.primary_key {
            alterations.push(Alteration::Key(found.primary_key.clone()));
        }
        if known.registration.comment != found.comment {
            alterations.push(Alteration::Comment(found.comment.clone()));
        }
    }
    for column in &found.columns {
        let before = known.and_then(|known| known.column_comments.get(&column.name));
        if before != column.comment.as_ref() {
            alterations.push(Alteration::ColumnComment { column: column.name.clone(), comment: column.comment.clone() });
        }
    }
    alterations
}

/// What the database says, a line each.
fn evidence(table: &TableDescription) -> Vec<String> {
    let about = table.comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
    let mut lines = vec![format!("{} {}{about}", table.kind, table.full_name())];
    for column in &table.columns {
        let place = table.primary_key.iter().position(|name| *name == column.name);
        let role = match place {
            Some(_) if table.primary_key.len() == 1 => ", primary key".to_owned(),
            Some(place) => format!(", primary key {}", place + 1),
            None if column.nullable => String::new(),
            None => " NOT NULL".to_owned(),
        };
        let about = column.comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
        lines.push(format!("`{}` {}{role}{about}", column.name, column.sql_type));
    }
    lines
}

/// The evidence of one column, for `--explain`.
///
/// # Errors
/// For a table or column that is not there.
pub fn explain(outcome: &Outcome, path: &str) -> Result<Vec<String>> {
    let (name, column) =
        path.split_once('.').with_context(|| format!("--explain takes TABLE.COLUMN, as in orders.total, not '{path}'"))?;
    let tables = outcome.tables.iter().map(|table| table.name().table.as_str());
    let Some(table) = outcome.tables.iter().find(|table| table.name().table == name) else {
        bail!("{}", unknown("table", name, "the location", tables));
    };
    let schema: &Schema = &table.registration.schema;
    let field = schema.fields().iter().find(|field| field.name() == column);
    let said = table.evidence.iter().find(|line| line.starts_with(&format!("`{column}` ")));
    match (field, said) {
        (Some(field), Some(said)) => Ok(vec![said.clone(), format!("read as {}", catalog::sql_type(field.data_type()))]),
        _ => {
            let names = schema.fields().iter().map(|field| field.name().as_str());
            bail!("{}", unknown("column", column, &format!("table {}", table.name()), names))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_that_of_sql() {
        for (text, pattern, is) in [
            ("orders", "%", true),
            ("orders", "order%", true),
            ("orders", "%der%", true),
            ("orders", "o_ders", true),
            ("orders", "order", false),
            ("", "%", true),
            ("grün", "gr_n", true),
        ] {
            assert_eq!(is_like(text, pattern), is, "{text} like {pattern}");
        }
    }

    #[test]
    fn a_path_is_a_schema_and_a_pattern() {
        let like =
            |schema: Option<&str>, table: &str| Pattern::Like { schema: schema.map(str::to_owned), table: table.to_owned() };
        assert_eq!(pattern(None, None), like(None, "%"));
        assert_eq!(pattern(Some("%"), Some("a%")), like(None, "a%"));
        assert_eq!(pattern(Some("shop"), None), like(Some("shop"), "%"));
    }
}
