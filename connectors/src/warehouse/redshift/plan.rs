//! What a batch would do to a table, and what cannot be done to any.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::options::nearest;
use crate::sink::{Change, SinkPlan, WriteMode, incomparable_key};
use crate::warehouse::redshift::catalog::TableColumn;
use crate::warehouse::redshift::drift::{Wider, meet};
use crate::warehouse::redshift::names::{Relation, columns as column_names, folded};
use crate::warehouse::redshift::options::{Distribution, Overwrite, TableOptions};
use crate::warehouse::redshift::types::ColumnType;

/// A table that is written, as the pipeline declares it.
#[derive(Debug)]
pub(crate) struct Declared {
    /// As the pipeline calls it.
    pub(crate) table: String,
    pub(crate) name: Relation,
    pub(crate) columns: Option<SchemaRef>,
    pub(crate) key: Vec<String>,
    pub(crate) order_by: Vec<String>,
    pub(crate) options: TableOptions,
}

impl Declared {
    /// Whether the table gets the columns of the rows in place of its own.
    pub(crate) fn is_replaced(&self, mode: WriteMode) -> bool {
        self.options.replaces_columns && mode == WriteMode::Overwrite
    }

    /// What rows of `query`'s columns would do to a table that has the columns `existing`.
    ///
    /// # Errors
    /// [`Error::Config`] at the option or column that is wrong.
    pub(crate) fn plan(&self, existing: Option<&[TableColumn]>, query: &SchemaRef, mode: WriteMode) -> Result<SinkPlan> {
        let upserts = &self.options.upserts;
        upserts.check(&self.table, query, mode, &self.key)?;
        let (kept, marker) = (upserts.kept(query, mode), self.marker(query, mode)?);
        let planned = self.plan_kept(existing, &kept, mode).map_err(|error| upserts.told(&self.table, mode, error))?;
        let (schema, changes) = (upserts.with_marker(planned.0, marker), planned.1);
        self.check_layout(existing, &schema, mode)?;
        self.check_identity(existing, mode)?;
        let is_upsert = mode == WriteMode::Upsert;
        Ok(SinkPlan {
            key: if is_upsert { self.key(&schema)? } else { Vec::new() },
            order_by: self.order_by.iter().map(|name| self.column(&schema, "order_by", name)).collect::<Result<_>>()?,
            in_order: false,
            partition_by: Vec::new(),
            schema,
            changes,
        })
    }

    /// The column that only says which rows are deleted, as it is staged: whatever the table has of that name.
    fn marker(&self, query: &Schema, mode: WriteMode) -> Result<Option<Field>> {
        let Some(index) = self.options.upserts.marker_index(query, mode) else { return Ok(None) };
        let marker = Schema::new(vec![query.field(index).clone()]);
        Ok(meet(&self.name, None, &marker, Wider::Refused)?.0.fields().first().map(|field| field.as_ref().clone()))
    }

    fn plan_kept(
        &self,
        existing: Option<&[TableColumn]>,
        query: &SchemaRef,
        mode: WriteMode,
    ) -> Result<(SchemaRef, Vec<Change>)> {
        let is_replaced = self.is_replaced(mode) && existing.is_some();
        let (schema, mut changes) = match (existing.filter(|_| !is_replaced), &self.columns) {
            (None, Some(declared)) => {
                let (declared, created) = meet(&self.name, None, declared, Wider::Refused)?;
                (meet(&self.name, Some(&as_columns(&self.name, &declared)?), query, Wider::Refused)?.0, created)
            }
            (existing, _) => meet(&self.name, existing, query, Wider::Checked)?,
        };
        if is_replaced {
            changes.clear();
        }
        Ok((schema, changes))
    }

    fn key(&self, schema: &Schema) -> Result<Vec<String>> {
        if self.key.is_empty() {
            let message = format!(
                "REPLACE INTO {} needs to know which columns tell its rows apart: add OPTIONS ('key' 'id'), or a PRIMARY KEY",
                self.table
            );
            return Err(Error::config_at("key", message));
        }
        let mut key = Vec::with_capacity(self.key.len());
        for wanted in &self.key {
            let name = self.column(schema, "key", wanted)?;
            let data_type = schema.field_with_name(&name)?.data_type();
            if !is_comparable(data_type) {
                return Err(incomparable_key(&self.table, &name, data_type));
            }
            key.push(name);
        }
        Ok(key)
    }

    /// Refuses keys of distribution and sorting that are no columns of the table.
    fn check_layout(&self, existing: Option<&[TableColumn]>, schema: &Schema, mode: WriteMode) -> Result<()> {
        let marker = self.options.upserts.marker(mode).map(folded);
        let given = schema.fields().iter().map(|field| folded(field.name())).filter(|name| Some(name) != marker.as_ref());
        let known: Vec<String> = given.chain(existing.unwrap_or_default().iter().map(|column| column.name.clone())).collect();
        let dist = match &self.options.distribution {
            Distribution::Key(column) => Some(("dist", column)),
            _ => None,
        };
        for (option, wanted) in dist.into_iter().chain(self.options.sort.iter().map(|column| ("sort", column))) {
            if known.contains(&folded(wanted)) {
                continue;
            }
            let meant = match nearest(wanted, known.iter().map(String::as_str)) {
                Some(name) => format!("did you mean '{name}'?"),
                None => format!("there are: {}", known.join(", ")),
            };
            let message =
                format!("option '{option}' of table '{}' names '{wanted}', which is no column of it; {meant}", self.table);
            return Err(Error::config_at(wanted, message));
        }
        Ok(())
    }

    /// Neither way of replacing the table keeps the numbers: "ALTER TABLE APPEND" takes no IDENTITY (`r_ALTER_TABLE_APPEND`), and a table made LIKE
    /// another has none.
    fn check_identity(&self, existing: Option<&[TableColumn]>, mode: WriteMode) -> Result<()> {
        let way = match self.options.overwrite {
            Overwrite::Atomic => return Ok(()),
            Overwrite::Swap => "swap",
            Overwrite::Fast => "fast",
        };
        let is_kept = mode == WriteMode::Overwrite && !self.is_replaced(mode);
        let numbered = existing.unwrap_or_default().iter().find(|column| is_kept && column.is_identity);
        let Some(numbered) = numbered else { return Ok(()) };
        let message = format!(
            "'overwrite' '{way}' does not keep the IDENTITY of column '{}' of table '{}'; use 'overwrite' 'atomic'",
            numbered.name, self.table
        );
        Err(Error::config_at("overwrite", message))
    }

    /// The column called `wanted`, as the query calls it.
    fn column(&self, schema: &Schema, role: &str, wanted: &str) -> Result<String> {
        let found = schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(wanted));
        found.map(|field| field.name().clone()).ok_or_else(|| {
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let message = format!(
                "{role} column '{wanted}' of table '{}' is not in the query, which has: {}",
                self.table,
                columns.join(", ")
            );
            Error::config_at(wanted, message)
        })
    }
}

/// Floats that print alike differ; a TIME is copied as text; nested values are not compared.
fn is_comparable(data_type: &DataType) -> bool {
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    !(is_float || data_type.is_nested() || matches!(data_type, DataType::Time64(_)))
}

/// Declared columns as if they were there.
fn as_columns(table: &Relation, declared: &Schema) -> Result<Vec<TableColumn>> {
    let column = |(name, field): (String, &std::sync::Arc<Field>)| TableColumn {
        name,
        column_type: ColumnType::for_staged(field.data_type()),
        nullable: true,
        has_default: false,
        is_identity: false,
    };
    Ok(column_names(table, declared)?.into_iter().zip(declared.fields()).map(column).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::options::Options;
    use crate::registry::Connector;
    use crate::warehouse::Warehouse;

    fn declared(key: &[&str], given: &[(&str, &str)]) -> Declared {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Declared {
            table: "posts".into(),
            name: Relation::parse("public.posts").unwrap(),
            columns: None,
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            order_by: Vec::new(),
            options: TableOptions::read(&Options::parse("WAREHOUSE", Warehouse.options(), &given).unwrap()).unwrap(),
        }
    }

    fn query() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("Id", DataType::Int64, true),
            Field::new("score", DataType::Float64, true),
            Field::new("_deleted", DataType::Boolean, true),
        ]))
    }

    #[test]
    fn key_is_found_in_any_case_and_has_to_compare() {
        let plan = declared(&["ID"], &[]).plan(None, &query(), WriteMode::Upsert).unwrap();
        assert_eq!(plan.key, ["Id"]);
        for (key, part) in [("score", "is Float64, which is not compared"), ("nr", "which has: Id, score, _deleted")] {
            let error = declared(&[key], &[]).plan(None, &query(), WriteMode::Upsert).unwrap_err();
            assert_eq!(error.subject(), Some(key));
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(declared(&[], &[]).plan(None, &query(), WriteMode::Upsert).unwrap_err().subject(), Some("key"));
    }

    #[test]
    fn what_rows_are_spread_and_sorted_by_is_a_column() {
        for (option, given, part) in [
            (
                "dist",
                "nope",
                "option 'dist' of table 'posts' names 'nope', which is no column of it; there are: id, score, _deleted",
            ),
            (
                "sort",
                "Id, scroe",
                "option 'sort' of table 'posts' names 'scroe', which is no column of it; did you mean 'score'?",
            ),
        ] {
            let error = declared(&["id"], &[(option, given)]).plan(None, &query(), WriteMode::Append).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let named = declared(&["id"], &[("dist", "ID"), ("sort", "score, id")]);
        assert!(named.plan(None, &query(), WriteMode::Append).is_ok());
        // One that is not kept is no column.
        let marker = declared(&["id"], &[("dist", "_deleted"), ("deleted", "_deleted")]);
        assert_eq!(marker.plan(None, &query(), WriteMode::Upsert).unwrap_err().subject(), Some("_deleted"));
    }

    #[test]
    fn column_that_marks_hard_deletes_is_not_added() {
        let there = ["id", "score"].map(|name| TableColumn {
            name: name.into(),
            column_type: if name == "id" { ColumnType::BigInt } else { ColumnType::Double },
            nullable: true,
            has_default: false,
            is_identity: false,
        });
        let changes = |given: &[(&str, &str)]| {
            declared(&["id"], given).plan(Some(&there), &query(), WriteMode::Upsert).unwrap().changes.len()
        };
        assert_eq!(changes(&[("deleted", "_deleted")]), 0);
        assert_eq!(changes(&[("deleted", "_deleted"), ("deletes", "soft")]), 1);
        let error = declared(&["id"], &[("deleted", "score")]).plan(None, &query(), WriteMode::Upsert).unwrap_err();
        assert_eq!(error.subject(), Some("score"));
    }
}
