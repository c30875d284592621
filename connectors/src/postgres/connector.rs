//! `STORED AS POSTGRES`: options, and a table made into a source.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;

use super::client::Client;
use super::config::ConnectionConfig;
use super::describe::{Pattern, TableDescription, describe};
use super::literal;
use super::query::{Asked, Query, is_ranked, meant};
use super::source::{PostgresSource, Table};
use super::types::Wire;
use crate::context::{Context, TableSpec};
use crate::error::{Error, Result};
use crate::on_error::OnError;
use crate::options::{OptionSpec, Options, parse_duration};
use crate::registry::Connector;
use crate::source::Source;
use crate::stores::Location;

/// `STORED AS POSTGRES LOCATION 'schema.table'`: a table or view of PostgreSQL 13 or later.
#[derive(Debug)]
pub struct Postgres;

/// How often `--follow` asks again.
const POLL: Duration = Duration::from_secs(60);
/// The schema of a table that is named without one.
const DEFAULT_SCHEMA: &str = "public";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "url",
        default: "none; it is needed",
        help: "the database, as 'postgres://user@host:5432/database?sslmode=verify-full'. Servers that are not on this machine are verified \
               (verify-full) unless sslmode says less: disable, prefer, require, verify-ca; sslrootcert names a file of authorities, \
               connect_timeout seconds",
    },
    OptionSpec {
        name: "password",
        default: "the one in the url, if any",
        help: "the password, by reference: '${PGPASSWORD}', '${secret:file:/run/secrets/pg}'",
    },
    OptionSpec {
        name: "cursor",
        default: "none: the table is read as a whole",
        help: "a column that grows with every change of a row, as in 'updated_at': a run reads the rows that have a greater value than \
               those it has read, and what came later with the last value. Whole numbers, decimals, dates, timestamps, texts and UUIDs \
               can be cursors; an index over cursor and key makes it fast",
    },
    OptionSpec {
        name: "key",
        default: "PRIMARY KEY of the declaration, else the table's",
        help: "with a cursor: the columns that tell rows apart, as in 'id' or 'region, id'. They part rows that have the same cursor",
    },
    OptionSpec {
        name: "overlap",
        default: "none",
        help: "with a cursor: how long after its cursor's time a row may be committed and is still found: '10 minutes' for times, a whole \
               number for numbers. So much is read again in every run, and rows that were read are left out",
    },
    OptionSpec {
        name: "on_null",
        default: "'fail'",
        help: "with a cursor: what becomes of rows that have NULL (or infinity) in the cursor or key: 'fail' stops the run, 'skip' leaves \
               them out with a warning",
    },
    OptionSpec {
        name: "where",
        default: "none: all rows",
        help: "a condition in the server's SQL for the rows that are read, as in 'deleted_at IS NULL'",
    },
    OptionSpec {
        name: "on_error",
        default: "'fail'",
        help: "what happens to a row with a value that its column's type cannot be (infinity in a date, NaN in a decimal, an array of two \
               dimensions): 'fail' stops the run; 'quarantine' puts the row into <table>$bad, in the same epoch; 'null' reads NULL for \
               the value, and notes it there",
    },
    OptionSpec {
        name: "max_bad_ratio",
        default: "'0.1'",
        help: "with on_error 'quarantine' or 'null': the share of the rows of an epoch that may be bad before the run fails, from 0 to 1",
    },
    OptionSpec { name: "poll", default: "'1 minute'", help: "with a cursor: how long --follow waits before it asks again" },
];

#[async_trait]
impl Connector for Postgres {
    fn name(&self) -> &'static str {
        "POSTGRES"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn is_source(&self) -> bool {
        true
    }

    async fn source(&self, table: &TableSpec, home: Location, _context: &Context) -> Result<Arc<dyn Source>> {
        let options = Options::parse(&table.connector, OPTIONS, &table.options)?;
        let url = options.text("url").ok_or_else(|| {
            let message = format!("table '{}' needs the option 'url', as in 'postgres://user@host:5432/database'", table.name);
            Error::config_at(&table.connector, message)
        })?;
        let connection = ConnectionConfig::parse(url, options.text("password"))?;
        let (schema, name) = place(&table.location)?;
        let client = Client::connect(&connection).await?;
        client.begin_read().await?;
        let found = described(&client, &schema, &name).await?;
        client.end_read().await;
        let (columns, arrow) = columns(table, &found)?;
        let position = position(table, &options, &found)?;
        let overlap = overlap(&options, position.first())?;
        let (on_error, max_bad_ratio) = OnError::read(&options)?;
        let table = Table {
            name: table.name.clone(),
            full_name: found.full_name(),
            doing: format!("reading {}", found.full_name()),
            query: Query {
                table: format!("{}.{}", literal::name(&found.schema), literal::name(&found.name)),
                filter: options.text("where").map(str::to_owned),
                position,
            },
            place: Pattern::Table { schema, table: name },
            connection,
            takes_all: table.columns.is_none(),
            columns,
            schema: arrow,
            comments: found.comments(),
            overlap,
            on_error,
            max_bad_ratio,
            skips_placeless: options.choice("on_null", &["fail", "skip"])? == Some("skip"),
            poll: options.duration("poll")?.unwrap_or(POLL),
            home,
        };
        Ok(Arc::new(PostgresSource(Arc::new(table))))
    }
}

/// `schema.table`, either in double quotes when it holds a dot; a double quote between them is written twice.
fn place(location: &str) -> Result<(String, String)> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = location.trim().chars().peekable();
    while let Some(next) = letters.next() {
        match next {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => parts.last_mut().into_iter().for_each(|part| part.push('"')),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => parts.last_mut().into_iter().for_each(|part| part.push(other)),
        }
    }
    match parts.as_slice() {
        [table] if !table.is_empty() => Ok((DEFAULT_SCHEMA.to_owned(), table.clone())),
        [schema, table] if !schema.is_empty() && !table.is_empty() => Ok((schema.clone(), table.clone())),
        _ => Err(Error::config_at(location, format!("LOCATION '{location}' names no table, expected 'schema.table'"))),
    }
}

/// The table, which must be there.
async fn described(client: &Client, schema: &str, table: &str) -> Result<TableDescription> {
    let pattern = Pattern::Table { schema: schema.to_owned(), table: table.to_owned() };
    if let Some(found) = describe(client, &pattern).await?.pop() {
        return Ok(found);
    }
    let all = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
               ORDER BY 1, 2 LIMIT 5000";
    let rows = client.rows(all, "listing tables").await?;
    let names: Vec<String> = rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(".")).collect();
    let given = format!("{schema}.{table}");
    let place = client.config().shown();
    Err(Error::not_found(format!("there is no table '{given}' in {place}; {}", meant(&given, "tables", &names))))
}

/// The columns as they are asked for and handed out: those that are declared, else all.
fn columns(table: &TableSpec, found: &TableDescription) -> Result<(Vec<Asked>, SchemaRef)> {
    let Some(declared) = &table.columns else {
        let columns = found.columns.iter().filter_map(|column| found.asked(&column.name)).collect();
        return Ok((columns, found.arrow_schema()));
    };
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for field in declared.fields() {
        let column = column(found, field.name(), "declared")?;
        let read = column.read_as.wire.arrow();
        // A list of decimals or of lists is what the server says it is.
        if !is_castable(&read, field.data_type()) {
            let message = format!(
                "column '{}' is declared as {}, but {} is {} in {}",
                field.name(),
                catalog::sql_type(field.data_type()),
                column.name,
                column.sql_type,
                found.full_name()
            );
            return Err(Error::config_at(field.name(), message));
        }
        columns.push(column);
        fields.push(Field::new(field.name(), field.data_type().clone(), true));
    }
    Ok((columns, Arc::new(Schema::new(fields))))
}

fn is_castable(from: &DataType, to: &DataType) -> bool {
    from == to || arrow::compute::can_cast_types(from, to)
}

fn column(found: &TableDescription, name: &str, what: &str) -> Result<Asked> {
    match found.asked(name) {
        Some(column) => Ok(column),
        None => {
            let names: Vec<String> = found.columns.iter().map(|column| column.name.clone()).collect();
            let message = format!(
                "column '{name}' is {what}, but {} has none of that name; {}",
                found.full_name(),
                meant(name, "columns", &names)
            );
            Err(Error::config_at(name, message))
        }
    }
}

/// The cursor, then the columns of the key that it is not.
fn position(table: &TableSpec, options: &Options, found: &TableDescription) -> Result<Vec<Asked>> {
    let Some(cursor) = options.text("cursor") else {
        for only in ["key", "overlap", "on_null", "poll"] {
            if options.text(only).is_some() {
                return Err(Error::config_at(
                    only,
                    format!("option '{only}' is for a table with a 'cursor'; this one is read as a whole"),
                ));
            }
        }
        return Ok(Vec::new());
    };
    let cursor = column(found, cursor, "the cursor")?;
    let is_cursor = is_ranked(&cursor.read_as.wire) || matches!(cursor.read_as.wire, Wire::Text | Wire::Uuid);
    if !is_cursor || cursor.read_as.cast.is_some() {
        let message = format!(
            "column '{}' is {}, which cannot be a cursor; whole numbers, decimals of up to 38 digits, dates, timestamps, texts and UUIDs \
             can (a view can cast)",
            cursor.name, cursor.sql_type
        );
        return Err(Error::config_at("cursor", message));
    }
    let mut key = options.list("key");
    if key.is_empty() {
        key = if table.primary_key.is_empty() { found.primary_key.clone() } else { table.primary_key.clone() };
    }
    if key.is_empty() {
        let message = format!(
            "{} is a {} without a primary key: name the columns that tell its rows apart in the option 'key', as in 'key' 'id' (rows \
             with the same '{}' are parted by them)",
            found.full_name(),
            found.kind,
            cursor.name
        );
        return Err(Error::config_at("cursor", message));
    }
    let mut position = vec![cursor];
    for name in key {
        let part = column(found, &name, "in the key")?;
        let is_key = is_ranked(&part.read_as.wire)
            || matches!(part.read_as.wire, Wire::Text | Wire::Uuid | Wire::Bool | Wire::NumericText | Wire::Decimal256 { .. });
        if !is_key || part.read_as.cast.is_some() {
            return Err(Error::config_at(
                "key",
                format!("column '{}' is {}, which cannot be in a key", part.name, part.sql_type),
            ));
        }
        if position.iter().all(|known| known.name != part.name) {
            position.push(part);
        }
    }
    Ok(position)
}

/// The overlap in ranks of the cursor.
fn overlap(options: &Options, cursor: Option<&Asked>) -> Result<i128> {
    let (Some(text), Some(cursor)) = (options.text("overlap"), cursor) else { return Ok(0) };
    let duration = || {
        parse_duration(text).ok_or_else(|| {
            Error::config_at("overlap", format!("option 'overlap' is '{text}', expected a time span, as in '10 minutes'"))
        })
    };
    let number = || {
        text.trim().parse::<u32>().map_err(|_| {
            let message =
                format!("option 'overlap' is '{text}', expected a whole number: '{}' is {}", cursor.name, cursor.sql_type);
            Error::config_at("overlap", message)
        })
    };
    match &cursor.read_as.wire {
        Wire::Timestamp { .. } => Ok(i128::try_from(duration()?.as_micros()).unwrap_or(i128::MAX)),
        Wire::Date => Ok(i128::from(duration()?.as_secs().div_ceil(86_400))),
        Wire::Int16 | Wire::Int32 | Wire::Int64 => Ok(number()?.into()),
        Wire::Decimal128 { scale, .. } => Ok(i128::from(number()?) * 10_i128.pow(u32::try_from(*scale).unwrap_or_default())),
        _ => {
            let message =
                format!("'{}' is {}: such values have no distance, so there is no overlap", cursor.name, cursor.sql_type);
            Err(Error::config_at("overlap", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_schema_and_a_table() {
        for (location, schema, table) in [
            ("orders", "public", "orders"),
            ("shop.Orders", "shop", "Orders"),
            ("\"my.shop\".\"or.ders\"", "my.shop", "or.ders"),
            ("\"a \"\"b\"\"\"", "public", "a \"b\""),
        ] {
            assert_eq!(place(location).unwrap(), (schema.to_owned(), table.to_owned()), "{location}");
        }
        for wrong in ["", ".a", "a.", "a.b.c"] {
            assert!(place(wrong).unwrap_err().to_string().contains("expected 'schema.table'"), "{wrong}");
        }
    }
}
