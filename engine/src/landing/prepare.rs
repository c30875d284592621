//! What is to be done with one file: looks at its key, its header, the table and the schema that was given for it, and writes nothing.

use connectors::files::{Landed, Looked};
use connectors::sink::{Change, WriteMode};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::key::{self, Action};
use super::refusal::{Fault, Refusal};
use super::schema::{LARGEST, TableSchema};
use super::statements::{Column, FileTable, Target, loading, shaping};
use super::zone::Zone;
use crate::session::Session;
use crate::state::LandedFile;

/// A file that can be loaded, as far as is known before its rows are read.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What the load log says of it.
    pub(super) landed: LandedFile,
    /// The pipeline that loads it.
    pub(super) text: String,
    /// The table, as a key has it.
    pub(super) table: String,
    /// The schema that counts from then on.
    pub(super) keeps: Option<TableSchema>,
    /// It has rows that lengths are checked of beforehand: the columns and the most letters or bytes of each.
    pub(super) lengths: Vec<(String, u32)>,
}

/// What is said of a file of which nothing else is known.
pub(super) fn unknown(zone: &Zone, file: &Landed) -> LandedFile {
    let (action, table) = key::parts(&file.key);
    LandedFile {
        key: file.key.clone(),
        version: format!("{:016x}", file.version),
        size: file.size,
        landed_at: file.modified,
        action: action.to_lowercase(),
        table: zone.table(&table.to_lowercase()),
        schema_version: None,
        table_existed: false,
        error: None,
    }
}

/// Looks at a file; `kept` is the schema that was given for a table. What is found out of it goes into `landed`, also when it is refused.
///
/// # Errors
/// Why it is refused, or cannot be looked at.
pub(super) async fn prepare(
    zone: &Zone,
    session: &Session,
    file: &Landed,
    kept: impl Fn(&str) -> Option<TableSchema>,
    landed: &mut LandedFile,
) -> Result<Prepared, Fault> {
    let found = key::parse(&file.key, &zone.database)?;
    landed.action = found.action.to_string();
    landed.table = zone.table(&found.table);
    if file.size == 0 {
        return Err(Refusal::new(format!("'{}' is empty", zone.landing.address(&file.key)))
            .expected("a file with a header")
            .into());
    }
    let kept = kept(&found.table);
    landed.schema_version = kept.as_ref().map(|kept| kept.schema_version.clone());
    let one = One { zone, session, file, table: &found.table, kept: kept.as_ref() };
    let existing = zone.columns(&found.table, session).await.map_err(|error| Fault::of(error.into()))?;
    landed.table_existed = existing.is_some();
    let is_json = file.key.to_lowercase().ends_with(".json");
    if found.action == Action::Schema && is_json {
        return one.shape(existing, landed).await;
    }
    if let Some(kept) = &kept {
        kept.check_allowed(found.action)?;
    }
    one.load(found.action, existing, landed).await
}

struct One<'a> {
    zone: &'a Zone,
    session: &'a Session,
    file: &'a Landed,
    table: &'a str,
    kept: Option<&'a TableSchema>,
}

impl One<'_> {
    /// A file of rows.
    async fn load(&self, action: Action, existing: Option<SchemaRef>, landed: &LandedFile) -> Result<Prepared, Fault> {
        let is_new = existing.is_none() || action == Action::Schema;
        let wanted = match &existing {
            _ if action == Action::Schema => None,
            Some(existing) => Some(existing.clone()),
            None => self.kept.map(|kept| columns_of(kept, None)),
        };
        let fields = wanted.iter().flat_map(|wanted| wanted.fields());
        let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
        let looked = self.zone.landing.look(self.file, is_new, &names).await;
        let looked = looked.map_err(|error| Fault::of(error.into()))?;
        let found: Vec<&str> = looked.schema.fields().iter().map(|field| field.name().as_str()).collect();
        if found.is_empty() {
            let address = self.zone.landing.address(&self.file.key);
            return Err(Refusal::new(format!("'{address}' has no columns")).expected("a header, and records below it").into());
        }
        if let Some(wanted) = &wanted {
            check_header(self.table, wanted, &looked, &found)?;
        }
        let columns = wanted.unwrap_or_else(|| looked.schema.clone());
        let columns: Vec<Column> = columns.fields().iter().map(|field| self.column(field, looked.connector)).collect();
        let replaces = action == Action::Schema && existing.is_some();
        let target =
            Target { schema: &self.zone.settings.schema, table: self.table, overwrites: action != Action::Append, replaces };
        let text = loading(&self.file_table(looked.connector), &columns, &target);
        let is_parquet = looked.connector == "PARQUET";
        let length = |column: &Column| Some((column.name.clone(), self.kept?.column(&column.name)?.column_type.length()?));
        let lengths = if is_parquet { columns.iter().filter_map(length).collect() } else { Vec::new() };
        Ok(Prepared { landed: landed.clone(), text, table: self.table.to_owned(), keeps: None, lengths })
    }

    /// A column of the file, of the type that the schema gives it, or else that of the table or of its values.
    fn column(&self, field: &Field, connector: &str) -> Column {
        let name = field.name().clone();
        if let Some(kept) = self.kept.and_then(|kept| kept.column(&name)) {
            let unit = if self.zone.counts_bytes { "bytes" } else { "letters" };
            let length = kept.column_type.length().filter(|_| connector != "PARQUET").map(|length| format!("{length} {unit}"));
            return Column { name, sql: kept.column_type.sql(), is_required: !kept.nullable, length };
        }
        Column { name, sql: readable(field.data_type(), connector), is_required: !field.is_nullable(), length: None }
    }

    fn file_table<'a>(&'a self, connector: &'a str) -> FileTable<'a> {
        FileTable { connector, location: self.zone.landing.location(), key: &self.file.key, version: self.file.version }
    }

    /// A schema.
    async fn shape(&self, existing: Option<SchemaRef>, landed: &mut LandedFile) -> Result<Prepared, Fault> {
        let bytes = self.zone.landing.read(self.file, LARGEST + 1).await.map_err(|error| Fault::of(error.into()))?;
        if bytes.len() > LARGEST {
            return Err(Refusal::new(format!("the schema has over {LARGEST} bytes")).into());
        }
        let address = self.zone.landing.address(&self.file.key);
        let of_file = |refusal: Refusal| Refusal { reason: format!("{address}: {}", refusal.reason), ..refusal };
        let schema = TableSchema::parse(&bytes, self.table).map_err(of_file)?;
        if let Some(kept) = self.kept {
            schema.check_follows(kept, &self.zone.table(self.table)).map_err(of_file)?;
        }
        landed.schema_version = Some(schema.schema_version.clone());
        if let Some(existing) = &existing {
            self.check_shape(&schema, existing).await?;
        }
        let target = Target { schema: &self.zone.settings.schema, table: self.table, overwrites: false, replaces: false };
        let text = shaping(&self.file_table("JSON"), &schema.named(&names(existing.as_deref())), &target);
        Ok(Prepared { landed: landed.clone(), text, table: self.table.to_owned(), keeps: Some(schema), lengths: Vec::new() })
    }

    /// Whether a schema only adds to a table that is there.
    async fn check_shape(&self, schema: &TableSchema, existing: &Schema) -> Result<(), Fault> {
        let table = self.zone.table(self.table);
        for field in existing.fields() {
            if schema.column(field.name()).is_none() {
                let reason = format!("table {table} has column '{}', which is not in its schema", field.name());
                let hint = format!(
                    "add it to the schema, as {}; a person could run: ALTER TABLE {table} DROP COLUMN {}",
                    catalog::sql_type(field.data_type()),
                    catalog::quoted(field.name())
                );
                return Err(Refusal::new(reason).column(field.name()).hint(hint).into());
            }
        }
        let sink = self.zone.sink(self.table, false, self.session).await.map_err(|error| Fault::Failed(error.into()))?;
        let plan =
            sink.plan(&columns_of(schema, Some(existing)), WriteMode::Append).await.map_err(|error| Fault::of(error.into()))?;
        let is_text = |name: &str| name.to_lowercase().contains("char") || name.eq_ignore_ascii_case("text");
        for change in &plan.changes {
            if let Change::WidenColumn { name, from, to } = change
                && !(is_text(from) && is_text(to))
            {
                let reason = format!(
                    "column '{name}' of table {table} is {from}, and {to} in its schema: a schema adds columns and makes texts longer"
                );
                let hint = format!("a person could run: ALTER TABLE {table} ALTER COLUMN {} TYPE {to}", catalog::quoted(name));
                return Err(Refusal::new(reason).column(name).expected(from).hint(hint).into());
            }
        }
        Ok(())
    }
}

/// The columns that a schema gives a table.
fn columns_of(schema: &TableSchema, existing: Option<&Schema>) -> SchemaRef {
    use super::types::ColumnType as Type;
    let arrow = |column_type| match column_type {
        Type::Boolean => DataType::Boolean,
        Type::SmallInt => DataType::Int16,
        Type::Integer => DataType::Int32,
        Type::BigInt => DataType::Int64,
        Type::Real => DataType::Float32,
        Type::Double => DataType::Float64,
        Type::Decimal(precision, scale) => DataType::Decimal128(precision, scale.cast_signed()),
        Type::Varchar(_) => DataType::Utf8,
        Type::Date => DataType::Date32,
        Type::Timestamp => DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, None),
        Type::TimestampTz => DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
    };
    let field =
        |(name, column): (String, &super::schema::ColumnSchema)| Field::new(name, arrow(column.column_type), column.nullable);
    std::sync::Arc::new(Schema::new(schema.named(&names(existing)).into_iter().map(field).collect::<Vec<_>>()))
}

/// The columns of a table, if it is there.
fn names(existing: Option<&Schema>) -> Vec<&str> {
    existing.iter().flat_map(|existing| existing.fields()).map(|field| field.name().as_str()).collect()
}

/// Whether a file has just the columns of its table, in whatever order.
fn check_header(table: &str, wanted: &Schema, looked: &Looked, found: &[&str]) -> Result<(), Refusal> {
    let wanted: Vec<&str> = wanted.fields().iter().map(|field| field.name().as_str()).collect();
    let missing: Vec<&str> =
        wanted.iter().copied().filter(|wanted| !found.iter().any(|found| looked.is_same(found, wanted))).collect();
    let extra: Vec<&str> =
        found.iter().copied().filter(|found| !wanted.iter().any(|wanted| looked.is_same(found, wanted))).collect();
    if missing.is_empty() && extra.is_empty() && wanted.len() == found.len() {
        return Ok(());
    }
    let named =
        |what: &str, names: &[&str]| if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) };
    let reason = format!(
        "the columns of the file are not those of table '{table}': the file has {}; the table has {}{}{}",
        found.join(", "),
        wanted.join(", "),
        named("missing in the file", &missing),
        named("not in the table", &extra)
    );
    let at = missing.first().or(extra.first()).copied().unwrap_or_default();
    let hint = format!("put a file under db/schema/{table}/ to change the table");
    Err(Refusal::new(reason).column(at).expected(wanted.join(", ")).hint(hint))
}

/// The type that a column of the file is read as: what no text says is read as text, and cast by the table.
fn readable(data_type: &DataType, connector: &str) -> String {
    use DataType::{
        Binary, BinaryView, Dictionary, Duration, FixedSizeBinary, FixedSizeList, Interval, LargeBinary, LargeList, List, Map,
        Null, Struct, Time32, Time64,
    };
    let is_nested = matches!(data_type, List(_) | LargeList(_) | FixedSizeList(..) | Struct(_) | Map(..));
    let is_unreadable = matches!(
        data_type,
        Null | Binary
            | LargeBinary
            | BinaryView
            | FixedSizeBinary(_)
            | Time32(_)
            | Time64(_)
            | Duration(_)
            | Interval(_)
            | Dictionary(..)
    );
    match connector {
        "PARQUET" => catalog::sql_type(data_type),
        "JSON" if is_nested => catalog::sql_type(data_type),
        _ if is_nested || is_unreadable => "VARCHAR".to_owned(),
        _ => catalog::sql_type(data_type),
    }
}
