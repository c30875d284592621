//! From the children of a page to one record batch of the wanted columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::SchemaRef;

use super::decode::{Fields, Keys, boolean, edited, float, int, text};
use super::location::Kind;
use super::schema::{Column, Form, columns, schema};
use crate::error::Result;

/// Which columns are built, and the JSON keys they need.
#[derive(Debug, Clone)]
pub(super) struct Projection {
    columns: Vec<(Column, Option<usize>)>,
    schema: SchemaRef,
    kind: Kind,
    /// The JSON keys to look for.
    pub(super) keys: Keys,
}

impl Projection {
    /// The columns at `wanted`, or all; `changes`: fingerprints are needed too.
    pub(super) fn new(kind: Kind, wanted: Option<&[usize]>, changes: bool) -> Self {
        let all = columns(kind);
        let chosen: Vec<Column> = match wanted {
            Some(indices) => indices.iter().filter_map(|index| all.get(*index).copied()).collect(),
            None => all.to_vec(),
        };
        let keys = Keys::new(chosen.iter().map(|column| column.key), changes);
        let schema = schema(&chosen);
        let columns = chosen.into_iter().map(|column| (column, keys.slot(column.key))).collect();
        Self { columns, schema, kind, keys }
    }

    /// One batch of `rows`: each child's text and its fields.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] only: what can be wrong with a child was found before.
    pub(super) fn batch(&self, rows: &[(&str, &Fields<'_>)]) -> Result<RecordBatch> {
        let arrays = self.columns.iter().map(|(column, slot)| self.array(*column, *slot, rows)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }

    fn array(&self, column: Column, slot: Option<usize>, rows: &[(&str, &Fields<'_>)]) -> ArrayRef {
        let values = rows.iter().map(|(_, fields)| fields.value(slot));
        match column.form {
            Form::Text => {
                let mut builder = StringBuilder::new();
                values.for_each(|value| builder.append_option(value.and_then(text)));
                Arc::new(builder.finish())
            }
            Form::Name => {
                let mut builder = StringBuilder::new();
                for (_, fields) in rows {
                    builder.append_value(name(fields, &self.keys, self.kind));
                }
                Arc::new(builder.finish())
            }
            Form::Raw => {
                let mut builder = StringBuilder::with_capacity(rows.len(), rows.iter().map(|(raw, _)| raw.len()).sum());
                rows.iter().for_each(|(raw, _)| builder.append_value(raw));
                Arc::new(builder.finish())
            }
            Form::Int => {
                let mut builder = Int64Builder::with_capacity(rows.len());
                values.for_each(|value| builder.append_option(value.and_then(int)));
                Arc::new(builder.finish())
            }
            Form::Float | Form::EditedTime => {
                let mut builder = Float64Builder::with_capacity(rows.len());
                values.for_each(|value| builder.append_option(value.and_then(float)));
                Arc::new(builder.finish())
            }
            Form::Bool | Form::Edited => {
                let read = if column.form == Form::Bool { boolean } else { edited };
                let mut builder = BooleanBuilder::with_capacity(rows.len());
                values.for_each(|value| builder.append_option(value.and_then(read)));
                Arc::new(builder.finish())
            }
        }
    }
}

/// The full name, which is the type prefix and the id where it was not sent.
pub(super) fn name(fields: &Fields<'_>, keys: &Keys, kind: Kind) -> String {
    if let Some(name) = fields.value(keys.slot("name")).and_then(text) {
        return name.into_owned();
    }
    let id = fields.value(keys.slot("id")).and_then(text).unwrap_or_default();
    format!("{}_{id}", kind.prefix())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};

    use super::*;

    fn batch(wanted: Option<&[usize]>, raw: &str) -> RecordBatch {
        let projection = Projection::new(Kind::Post, wanted, false);
        let fields = Fields::parse(raw, &projection.keys).unwrap();
        projection.batch(&[(raw, &fields)]).unwrap()
    }

    #[test]
    fn typed_values_and_the_text_as_sent() {
        let raw =
            r#"{"id":"1a","created_utc":1456821458.0,"score":"5","ups":1.5,"author":null,"edited":1456821500.0,"title":"<é>"}"#;
        let batch = batch(None, raw);
        let column = |name: &str| batch.column_by_name(name).unwrap();
        assert_eq!(column("name").as_string::<i32>().value(0), "t3_1a");
        assert_eq!(column("score").as_primitive::<Int64Type>().value(0), 5);
        assert!(column("ups").is_null(0) && column("author").is_null(0) && column("url").is_null(0));
        assert!(column("edited").as_boolean().value(0));
        assert_eq!(column("edited_utc").as_primitive::<Float64Type>().value(0).to_bits(), 1_456_821_500_f64.to_bits());
        assert_eq!(column("title").as_string::<i32>().value(0), "<é>");
        assert_eq!(column("raw").as_string::<i32>().value(0), raw);
    }

    #[test]
    fn only_the_wanted_columns_are_built() {
        let pruned = batch(Some(&[4, 7]), r#"{"id":"1a","created_utc":1.0,"title":"t"}"#);
        assert_eq!(
            pruned.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
            ["title", "created_utc"]
        );
        let none = batch(Some(&[]), r#"{"id":"1a","created_utc":1.0}"#);
        assert_eq!((none.num_columns(), none.num_rows()), (0, 1));
    }
}
