//! Tables of the catalog: what there is, what it was, and a look at its rows.

use axum::Json as Answer;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use catalog::sql_type;
use catalog::store::{SchemaVersion, Table, TableName};
use chrono::{DateTime, Utc};

use crate::catalog::lake::quoted;
use crate::catalog::names::lake_reference;
use crate::serve::web::app::App;
use crate::serve::web::described::described;
use crate::serve::web::given::Parameters;
use crate::serve::web::problem::Problem;
use crate::serve::web::query;

/// Rows of a sample when nobody says how many.
const SAMPLE: usize = 20;

/// Rows of the largest sample.
const MAX_SAMPLE: usize = 1_000;

described! {
    /// Every table.
    pub(super) struct Tables as "Tables" {
        /// By database and name.
        tables: Vec<Summary>,
    }
}

described! {
    /// A table.
    pub(super) struct Summary as "TableSummary" {
        /// As a query names it.
        table: String,
        /// Its database.
        database: String,
        /// Its name in that.
        name: String,
        /// As `STORED AS` has it.
        connector: String,
        /// As `LOCATION` has it.
        location: String,
        /// What it is.
        comment: Option<String>,
        /// From 1.
        schema_version: u32,
        /// How many columns it has.
        column_count: usize,
        /// Rows when it was last measured.
        rows: Option<u64>,
        /// Files when it was last measured.
        files: Option<u64>,
        /// Bytes when it was last measured.
        bytes: Option<u64>,
        /// When anything but its size last changed.
        updated_at: DateTime<Utc>,
    }
}

described! {
    /// A table with its columns.
    pub(super) struct Detail as "Table" {
        ..summary: Summary;
        /// In their order.
        columns: Vec<Column>,
        /// The columns that tell its rows apart.
        key: Vec<String>,
        /// What its folders mean.
        folders: String,
        /// What it does about drift.
        policy: String,
        /// Who registered it.
        registered_by: String,
        /// When.
        created_at: DateTime<Utc>,
        /// The statement that declares it.
        ddl: String,
    }
}

described! {
    /// A column.
    struct Column as "TableColumn" {
        /// Its name.
        name: String,
        /// As SQL has it.
        r#type: String,
        /// Whether it may be NULL.
        nullable: bool,
        /// Whether it is a folder.
        partition: bool,
        /// What it is.
        comment: Option<String>,
    }
}

described! {
    /// Every schema of a table.
    pub(super) struct Versions as "Versions" {
        /// The newest first.
        versions: Vec<Version>,
    }
}

described! {
    /// A schema of a table.
    struct Version as "SchemaVersion" {
        /// From 1.
        version: u32,
        /// Since when.
        at: DateTime<Utc>,
        /// What led to it.
        why: String,
        /// What was different from the one before.
        changes: Vec<String>,
        /// Its columns, without those that are folders.
        columns: Vec<VersionColumn>,
    }
}

described! {
    /// A column of a schema.
    struct VersionColumn as "VersionColumn" {
        /// Its name.
        name: String,
        /// As SQL has it.
        r#type: String,
    }
}

impl From<&Table> for Summary {
    fn from(table: &Table) -> Self {
        let (name, registration, size) = (table.name(), &table.registration, table.statistics);
        Self {
            table: lake_reference(name),
            database: name.database.clone(),
            name: name.table.clone(),
            connector: registration.connector.clone(),
            location: registration.location.clone(),
            comment: registration.comment.clone(),
            schema_version: table.version,
            column_count: table.full_schema().fields().len(),
            rows: size.rows,
            files: size.files,
            bytes: size.bytes,
            updated_at: table.updated_at,
        }
    }
}

/// What is known of one table.
pub(in crate::serve::web) struct Found {
    pub(in crate::serve::web) table: Table,
    pub(in crate::serve::web) versions: Vec<SchemaVersion>,
}

/// The table of that name, with its history.
///
/// # Errors
/// When there is none, with the nearest.
pub(in crate::serve::web) async fn found(app: &App, database: &str, table: &str) -> Result<Found, Problem> {
    let name = TableName::new(database, table);
    if let Some(store) = app.catalog.store().await?
        && let Some(found) = store.find(&name).await?
    {
        let versions = store.history(&name).await?;
        return Ok(Found { table: found, versions });
    }
    let all: Vec<String> =
        known(app).await?.iter().map(|table| format!("{}.{}", table.name().database, table.name().table)).collect();
    Err(Problem::unknown("table", &format!("{database}.{table}"), all.iter().map(String::as_str)))
}

/// Every table of the catalog; none when there is no catalog yet.
pub(in crate::serve::web) async fn known(app: &App) -> Result<Vec<Table>, Problem> {
    match app.catalog.store().await? {
        Some(store) => Ok(store.list(None).await?),
        None => Ok(Vec::new()),
    }
}

/// Every table of the catalog.
pub(super) async fn list(app: App, parameters: Parameters) -> Result<Answer<Tables>, Problem> {
    parameters.only(&["database"])?;
    let all = known(&app).await?;
    let Some(database) = parameters.text("database") else {
        return Ok(Answer(Tables { tables: all.iter().map(Summary::from).collect() }));
    };
    let tables: Vec<Summary> = all.iter().filter(|table| table.name().database == database).map(Summary::from).collect();
    if tables.is_empty() {
        return Err(Problem::unknown("database", database, all.iter().map(|table| table.name().database.as_str())));
    }
    Ok(Answer(Tables { tables }))
}

/// One table: its columns, folders, key and size.
pub(super) async fn show(app: App, Path((database, table)): Path<(String, String)>) -> Result<Answer<Detail>, Problem> {
    let table = found(&app, &database, &table).await?.table;
    let registration = &table.registration;
    let partitions = registration.partitioning.fields();
    let schema = table.full_schema();
    let column = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        r#type: sql_type(field.data_type()),
        nullable: field.is_nullable(),
        partition: partitions.iter().any(|partition| partition.name() == field.name()),
        comment: table.column_comments.get(field.name()).cloned(),
    };
    Ok(Answer(Detail {
        summary: Summary::from(&table),
        columns: schema.fields().iter().map(column).collect(),
        key: registration.key.clone(),
        folders: registration.partitioning.template(),
        policy: registration.policy.to_string(),
        registered_by: registration.registered_by.clone(),
        created_at: table.created_at,
        ddl: table.ddl(),
    }))
}

/// Every schema that a table has had.
pub(super) async fn versions(app: App, Path((database, table)): Path<(String, String)>) -> Result<Answer<Versions>, Problem> {
    let found = found(&app, &database, &table).await?;
    let version = |version: &SchemaVersion| Version {
        version: version.version,
        at: version.at,
        why: version.why.clone(),
        changes: version.changes.iter().map(ToString::to_string).collect(),
        columns: version
            .schema
            .fields()
            .iter()
            .map(|field| VersionColumn { name: field.name().clone(), r#type: sql_type(field.data_type()) })
            .collect(),
    };
    Ok(Answer(Versions { versions: found.versions.iter().rev().map(version).collect() }))
}

/// Some rows of a table.
pub(super) async fn sample(
    app: App,
    Path((database, table)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.only(&["rows"])?;
    let rows = parameters.number("rows", 1, MAX_SAMPLE)?.unwrap_or(SAMPLE);
    let table = found(&app, &database, &table).await?.table;
    let (answer, _) = Box::pin(query::answer(&app, &selection(table.name(), rows), Some(rows))).await?;
    let bytes = query::Written::Json.bytes(answer)?;
    Ok((StatusCode::OK, [(axum::http::header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// The query of some rows of a table.
pub(in crate::serve::web) fn selection(name: &TableName, rows: usize) -> String {
    format!("SELECT * FROM {} LIMIT {rows}", reference(name))
}

/// A table as a query names it.
pub(in crate::serve::web) fn reference(name: &TableName) -> String {
    format!("lake.{}.{}", quoted(&name.database), quoted(&name.table))
}
