//! The columns of one load: where each comes from, how it is written into files, how it gets into the table.
//!
//! Most columns are copied as they are. COPY from Parquet cannot fill TIME columns, and turns a text into a SUPER that is a
//! string: these two are copied as text into a column of a temporary table, and converted by the INSERT from there.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::sink::WriteMode;
use crate::upserts::Upserts;
use crate::warehouse::redshift::catalog::TableColumn;
use crate::warehouse::redshift::names::{Relation, columns as column_names, quoted};
use crate::warehouse::redshift::types::{ColumnType, MAX_VARCHAR};

/// Text of a time of day, as `'23:59:59.999999'`.
const TIME_TEXT_BYTES: u32 = 16;

/// How a column gets into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// COPY fills it.
    Plain,
    /// Text that is cast to TIME.
    Time,
    /// Text that is parsed as JSON.
    Json,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadColumn {
    /// Its name in the table; that of the marker of deleted rows is one that the table does not have.
    pub(crate) name: String,
    /// Its type in the table; that of the marker, if it were there.
    pub(crate) target: ColumnType,
    /// Its type in the files.
    pub(crate) file_type: DataType,
    pub(crate) form: Form,
    /// Whether the table has it already.
    pub(crate) exists: bool,
    /// Whether it says which rows are deleted.
    pub(crate) deletes: bool,
    /// Whether it is there for that only.
    pub(crate) marker: bool,
    /// Whether the table takes no NULL for it.
    pub(crate) required: bool,
}

impl LoadColumn {
    fn new(name: String, staged: &DataType, existing: Option<&TableColumn>) -> Self {
        let target = existing.map_or_else(|| ColumnType::for_staged(staged), |column| column.column_type.clone());
        let form = match (&target, staged) {
            (ColumnType::Time, _) => Form::Time,
            (ColumnType::Super, DataType::Utf8) => Form::Json,
            _ => Form::Plain,
        };
        let file_type = match form {
            Form::Plain if target == ColumnType::Super => staged.clone(),
            Form::Plain => target.of_null(),
            Form::Time | Form::Json => DataType::Utf8,
        };
        Self {
            name,
            target,
            file_type,
            form,
            exists: existing.is_some(),
            deletes: false,
            marker: false,
            required: existing.is_some_and(|column| !column.nullable),
        }
    }

    /// What the column is called where COPY puts it.
    pub(crate) fn copied_name(&self) -> String {
        match self.form {
            Form::Plain => self.name.clone(),
            Form::Time | Form::Json => Relation { schema: String::new(), table: self.name.clone() }.beside("", "__text").table,
        }
    }

    /// The type of the extra column that COPY fills, for a column that it cannot.
    pub(crate) fn copied_type(&self) -> Option<ColumnType> {
        match self.form {
            Form::Plain => None,
            Form::Time => Some(ColumnType::Varchar(TIME_TEXT_BYTES)),
            Form::Json => Some(ColumnType::Varchar(MAX_VARCHAR)),
        }
    }

    /// The column's value in a row of the temporary table `stage`, which is quoted.
    pub(crate) fn value(&self, stage: &str) -> String {
        let copied = format!("{stage}.{}", quoted(&self.copied_name()));
        match self.form {
            Form::Plain => copied,
            Form::Time => format!("CAST({copied} AS TIME)"),
            Form::Json => format!("JSON_PARSE({copied})"),
        }
    }
}

/// The columns of a batch, in its order, against those that the table has now.
///
/// # Errors
/// [`Error::Config`] at a column that the table has in another type than the one it was staged for.
pub(crate) fn load_columns(
    table: &Relation,
    batch: &Schema,
    existing: Option<&[TableColumn]>,
    upserts: &Upserts,
    mode: WriteMode,
) -> Result<Vec<LoadColumn>> {
    let (deletes, marker) = (upserts.deleted_index(batch, mode), upserts.marker_index(batch, mode));
    let mut columns = Vec::with_capacity(batch.fields().len());
    for (index, (name, field)) in column_names(table, batch)?.into_iter().zip(batch.fields()).enumerate() {
        let there = existing.unwrap_or_default().iter().find(|column| column.name.eq_ignore_ascii_case(&name));
        if marker == Some(index) {
            let beside = there.map(|_| Relation { schema: String::new(), table: name.clone() }.beside("", "__deletes").table);
            let new = LoadColumn::new(beside.unwrap_or(name), field.data_type(), None);
            columns.push(LoadColumn { deletes: true, marker: true, ..new });
            continue;
        }
        if let Some(there) = there
            && there.column_type.takes(field.data_type()).is_none()
        {
            return Err(Error::config_at(
                field.name(),
                format!(
                    "table '{table}' has column '{name}' as {}, rows were staged for it as {}: the column was changed since; \
                     change it back, or run with --from-scratch",
                    there.column_type,
                    field.data_type()
                ),
            ));
        }
        let name = there.map_or(name, |there| there.name.clone());
        let mut column = LoadColumn::new(name, field.data_type(), there);
        column.deletes = deletes == Some(index);
        columns.push(column);
    }
    Ok(columns)
}

/// The columns of the files.
pub(crate) fn file_schema(columns: &[LoadColumn]) -> SchemaRef {
    let field = |column: &LoadColumn| Field::new(column.copied_name(), column.file_type.clone(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    fn there(name: &str, column_type: ColumnType) -> TableColumn {
        TableColumn { name: name.into(), column_type, nullable: true, has_default: false, is_identity: false }
    }

    #[test]
    fn columns_copy_cannot_fill_are_copied_as_text() {
        let table = Relation::parse("s.t").unwrap();
        let batch = Schema::new(vec![
            Field::new("at", DataType::Time64(TimeUnit::Microsecond), true),
            Field::new("doc", DataType::Utf8, true),
            Field::new("Small", DataType::Int16, true),
        ]);
        let existing = [there("doc", ColumnType::Super), there("small", ColumnType::BigInt)];
        let columns = load_columns(&table, &batch, Some(&existing), &Upserts::default(), WriteMode::Append).unwrap();
        let values: Vec<String> = columns.iter().map(|column| column.value("st")).collect();
        assert_eq!(values, ["CAST(st.\"at__text\" AS TIME)", "JSON_PARSE(st.\"doc__text\")", "st.\"small\""]);
        let schema = file_schema(&columns);
        let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
        // The table's type decides: an INT16 in the file would not be taken for a BIGINT.
        assert_eq!(types, [&DataType::Utf8, &DataType::Utf8, &DataType::Int64]);
    }

    #[test]
    fn column_that_changed_after_staging_is_refused() {
        let table = Relation::parse("s.t").unwrap();
        let batch = Schema::new(vec![Field::new("n", DataType::Float64, true)]);
        let error =
            load_columns(&table, &batch, Some(&[there("n", ColumnType::Integer)]), &Upserts::default(), WriteMode::Append)
                .unwrap_err();
        assert_eq!(error.subject(), Some("n"));
        assert!(error.to_string().contains("has column 'n' as INTEGER, rows were staged for it as Float64"), "{error}");
    }
}
