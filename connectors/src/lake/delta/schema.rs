//! Delta's schema, and what of a table that somebody else made this sink can keep up.

use arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::kernel::{Action, EagerSnapshot, Metadata, MetadataExt, Protocol, StructField, StructType, new_metadata};

use crate::context::COMMENT;
use crate::error::{Error, Result};
use crate::lake::schema::{find, grown, to_arrow, to_delta};
use crate::sink::WriteMode;

/// The table's columns, partition columns among them, in its order.
pub(crate) fn columns(snapshot: &EagerSnapshot) -> Result<SchemaRef> {
    to_arrow(snapshot.schema().as_ref())
}

/// The actions that make a table of these columns, with their comments.
pub(crate) fn create(schema: &Schema, partition_by: &[String]) -> Result<Vec<Action>> {
    let wrong = |error| Error::internal(format!("delta metadata action: {error}"));
    let mut metadata = new_metadata(&to_delta(schema)?, partition_by, std::iter::empty::<(String, String)>()).map_err(wrong)?;
    if let Some(comment) = schema.metadata().get(COMMENT) {
        metadata = metadata.with_description(comment.clone()).map_err(wrong)?;
    }
    // The oldest protocol that has all types used here: any reader of Delta reads it.
    let protocol: Protocol = serde_json::from_value(serde_json::json!({"minReaderVersion": 1, "minWriterVersion": 2}))
        .map_err(|error| Error::internal(format!("delta protocol action: {error}")))?;
    Ok(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
}

/// The action that adds the columns of `batch`, and members of columns, that the table does not have; none when it has all.
pub(crate) fn grow(snapshot: &EagerSnapshot, batch: &Schema) -> Result<Option<Action>> {
    let existing = columns(snapshot)?;
    let wanted = grown(&existing, batch);
    if wanted == existing {
        return Ok(None);
    }
    let as_delta = to_delta(&wanted)?;
    let snapshot_schema = snapshot.schema();
    let field = |field: &StructField| match snapshot_schema.field(field.name()) {
        Some(old) if find(&existing, field.name()) == find(&wanted, field.name()) => old.clone(),
        // What the table says of a column besides its type stays.
        Some(old) => StructField { metadata: old.metadata.clone(), ..field.clone() },
        None => field.clone(),
    };
    let fields: Vec<StructField> = as_delta.fields().map(field).collect();
    let grown = StructType::try_new(fields).map_err(|error| Error::internal(format!("delta schema: {error}")))?;
    let metadata: Metadata = snapshot
        .metadata()
        .clone()
        .with_schema(&grown)
        .map_err(|error| Error::internal(format!("delta metadata action: {error}")))?;
    Ok(Some(Action::Metadata(metadata)))
}

/// The action that gives the table the columns of `batch` in place of its own; none when they are the same.
pub(crate) fn replace(snapshot: &EagerSnapshot, batch: &Schema) -> Result<Option<Action>> {
    let wanted = to_delta(batch)?;
    let is_same = columns(snapshot)?.fields() == to_arrow(&wanted)?.fields();
    if is_same {
        return Ok(None);
    }
    let metadata = snapshot.metadata().clone().with_schema(&wanted);
    Ok(Some(Action::Metadata(metadata.map_err(|error| Error::internal(format!("delta metadata action: {error}")))?)))
}

/// Refuses a table whose properties ask of a writer what this one does not do.
pub(crate) fn check_writable(table: &str, snapshot: &EagerSnapshot, mode: WriteMode) -> Result<()> {
    let properties = snapshot.metadata().configuration();
    let set = |name: &str, off: &str| properties.get(name).is_some_and(|value| !value.eq_ignore_ascii_case(off));
    let refused =
        |what: &str| Err(Error::config(format!("table '{table}' {what}; write to another table, or drop it from this one")));
    if set("delta.columnMapping.mode", "none") {
        return refused("uses Delta's column mapping, which this sink does not write");
    }
    if properties.keys().any(|name| name.starts_with("delta.constraints.")) {
        return refused("has CHECK constraints, which this sink does not check");
    }
    if mode != WriteMode::Append && set("delta.enableChangeDataFeed", "false") {
        return refused(&format!("has a change data feed, which an {mode} by this sink would not fill"));
    }
    for field in snapshot.schema().fields() {
        let computed = ["delta.invariants", "delta.generationExpression", "delta.identity.start"];
        if computed.iter().any(|name| field.metadata.contains_key(*name)) {
            return refused(&format!("has column '{}' that Delta computes or checks, which this sink does not", field.name()));
        }
    }
    Ok(())
}

/// Refuses to write by other partition columns than the table's.
pub(crate) fn check_partitions(table: &str, snapshot: &EagerSnapshot, wanted: &[String]) -> Result<()> {
    let there = snapshot.metadata().partition_columns();
    if there.len() == wanted.len() && there.iter().zip(wanted).all(|(a, b)| a.eq_ignore_ascii_case(b)) {
        return Ok(());
    }
    let show = |names: &[String]| {
        if names.is_empty() { "not partitioned".to_owned() } else { format!("partitioned by ({})", names.join(", ")) }
    };
    let message = format!(
        "table '{table}' exists and is {}, but is declared as {}; make PARTITIONED BY say what the table has, or write to a new \
         location",
        show(there),
        show(wanted)
    );
    Err(Error::config_at("PARTITIONED", message))
}
