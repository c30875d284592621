//! What the user of a database may do. Redshift and PostgreSQL are asked by the same functions ("HAS_TABLE_PRIVILEGE" and its kin,
//! `r_HAS_TABLE_PRIVILEGE`), and given rights by the same statements.

use async_trait::async_trait;

use super::examine::Wanted;
use super::name::TableName;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Client, TextRow};

/// What is examined is called so in a finding.
const CHECK: &str = "rights";
/// What a load does with its table.
const OF_A_TABLE: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Whoever answers queries with texts.
#[async_trait]
pub(super) trait Asked: Send + Sync {
    /// The rows of a query; `doing` says what for.
    async fn rows(&self, query: &str, doing: &str) -> Result<Vec<TextRow>>;
}

#[async_trait]
impl Asked for Client {
    async fn rows(&self, query: &str, doing: &str) -> Result<Vec<TextRow>> {
        Self::rows(self, query, doing).await
    }
}

/// What is missing of the rights to what is `wanted` and to `ledgers`, the engine's own tables, or that nothing is.
///
/// # Errors
/// What the server says.
pub(super) async fn examine(client: &dyn Asked, wanted: &Wanted, ledgers: &[TableName]) -> Result<Vec<Finding>> {
    let who = Who::ask(client).await?;
    let mut findings = Vec::new();
    findings.extend(who.database(client).await?);
    for schema in &wanted.schemas {
        findings.extend(who.schema(client, schema).await?);
    }
    for table in &wanted.tables {
        findings.extend(who.table(client, table).await?);
    }
    for ledger in ledgers {
        // One that is not there is made, by who may make tables.
        if who.owner(client, ledger).await?.is_some() {
            findings.extend(who.lacking(client, ledger, "in which loads are noted, whoever made it").await?);
        }
    }
    if findings.is_empty() {
        let things = match wanted.tables.len() {
            0 => format!("make tables in schema '{}'", wanted.schemas.join("', '")),
            1 => "write the table that was named".to_owned(),
            count => format!("write the {count} tables that were named"),
        };
        findings.push(Finding::ok(CHECK, format!("user '{}' may {things}, and temporary ones", who.user)));
    }
    Ok(findings)
}

/// Who is asked about.
struct Who {
    user: String,
    database: String,
}

impl Who {
    async fn ask(client: &dyn Asked) -> Result<Self> {
        let row = client.rows("SELECT current_user, current_database()", "asking who we are").await?.into_iter().next();
        let mut values = row.into_iter().flatten().map(Option::unwrap_or_default);
        Ok(Self { user: values.next().unwrap_or_default(), database: values.next().unwrap_or_default() })
    }

    async fn database(&self, client: &dyn Asked) -> Result<Option<Finding>> {
        let query = format!("SELECT has_database_privilege({}, 'temp')", literal(&self.database));
        if yes(client, &query).await? {
            return Ok(None);
        }
        let found = format!("user '{}' may not make temporary tables in database '{}'", self.user, self.database);
        let fix = format!("GRANT TEMP ON DATABASE {} TO {};", quoted(&self.database), quoted(&self.user));
        Ok(Some(Finding::problem(CHECK, found, fix)))
    }

    async fn schema(&self, client: &dyn Asked, schema: &str) -> Result<Option<Finding>> {
        if !self.is_there(client, schema).await? {
            return self.schema_to_make(client, schema).await;
        }
        let may = |right: &str| format!("has_schema_privilege({}, '{right}')", literal(schema));
        let missing = missing(client, &["USAGE", "CREATE"], may).await?;
        if missing.is_empty() {
            return Ok(None);
        }
        let found =
            format!("user '{}' lacks {} on schema '{schema}', where tables and their ledger are made", self.user, list(&missing));
        let fix = format!("GRANT {} ON SCHEMA {} TO {};", list(&missing), quoted(schema), quoted(&self.user));
        Ok(Some(Finding::problem(CHECK, found, fix)))
    }

    async fn schema_to_make(&self, client: &dyn Asked, schema: &str) -> Result<Option<Finding>> {
        let query = format!("SELECT has_database_privilege({}, 'create')", literal(&self.database));
        if yes(client, &query).await? {
            return Ok(None);
        }
        let found = format!("there is no schema '{schema}', and user '{}' may not make one", self.user);
        let (schema, user, database) = (quoted(schema), quoted(&self.user), quoted(&self.database));
        let fix = format!(
            "CREATE SCHEMA {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}; (or GRANT CREATE ON DATABASE {database} TO {user};)"
        );
        Ok(Some(Finding::problem(CHECK, found, fix)))
    }

    async fn is_there(&self, client: &dyn Asked, schema: &str) -> Result<bool> {
        let query = format!("SELECT nspname FROM pg_namespace WHERE nspname = {}", literal(schema));
        Ok(!client.rows(&query, "looking for a schema").await?.is_empty())
    }

    async fn table(&self, client: &dyn Asked, table: &TableName) -> Result<Vec<Finding>> {
        let Some(owner) = self.owner(client, table).await? else { return Ok(Vec::new()) };
        let mut findings: Vec<Finding> = self.lacking(client, table, "which is written").await?.into_iter().collect();
        let is_superuser = "SELECT usesuper FROM pg_user WHERE usename = current_user";
        if owner != self.user && !yes(client, is_superuser).await? {
            let place = place(table);
            let found = format!("table {place} is owned by '{owner}': user '{}' cannot add or widen its columns", self.user);
            findings.push(Finding::warning(CHECK, found, format!("ALTER TABLE {place} OWNER TO {};", quoted(&self.user))));
        }
        Ok(findings)
    }

    /// The owner of a table; `None` where there is none. Where the schema is closed, nothing in it can be asked about: the schema's finding
    /// comes first.
    async fn owner(&self, client: &dyn Asked, table: &TableName) -> Result<Option<String>> {
        let (schema, name) = (literal(&table.schema), literal(&table.table));
        let query = format!("SELECT tableowner FROM pg_tables WHERE schemaname = {schema} AND tablename = {name}");
        let Some(row) = client.rows(&query, "looking for a table").await?.into_iter().next() else { return Ok(None) };
        let is_open = yes(client, &format!("SELECT has_schema_privilege({schema}, 'usage')")).await?;
        Ok(is_open.then(|| row.into_iter().next().flatten().unwrap_or_default()))
    }

    async fn lacking(&self, client: &dyn Asked, table: &TableName, what: &str) -> Result<Option<Finding>> {
        let place = place(table);
        let missing =
            missing(client, &OF_A_TABLE, |right| format!("has_table_privilege({}, '{right}')", literal(&place))).await?;
        if missing.is_empty() {
            return Ok(None);
        }
        let found = format!("user '{}' lacks {} on table {place}, {what}", self.user, list(&missing));
        let fix = format!("GRANT {} ON {place} TO {};", list(&missing), quoted(&self.user));
        Ok(Some(Finding::problem(CHECK, found, fix)))
    }
}

fn place(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.table))
}

/// Those of `rights` that the user has not.
async fn missing(client: &dyn Asked, rights: &[&'static str], may: impl Fn(&str) -> String) -> Result<Vec<&'static str>> {
    let columns: Vec<String> = rights.iter().map(|right| may(right)).collect();
    let row =
        client.rows(&format!("SELECT {}", columns.join(", ")), "asking for rights").await?.into_iter().next().unwrap_or_default();
    Ok(rights.iter().zip(row).filter(|(_, answer)| answer.as_deref() != Some("t")).map(|(right, _)| *right).collect())
}

async fn yes(client: &dyn Asked, query: &str) -> Result<bool> {
    let rows = client.rows(query, "asking for rights").await?;
    Ok(rows.first().and_then(|row| row.first()).and_then(Option::as_deref) == Some("t"))
}

fn list(rights: &[&str]) -> String {
    rights.join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as a value: names with a backslash, which a setting gives a meaning in PostgreSQL 8, are not told of.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
