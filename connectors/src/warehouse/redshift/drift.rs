//! How a query's columns meet those of a table: what is staged for them, what is added, what is refused.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::sink::Change;
use crate::warehouse::redshift::catalog::TableColumn;
use crate::warehouse::redshift::names::{Relation, columns as column_names, quoted};
use crate::warehouse::redshift::types::{ColumnType, staged};

/// Columns of the widest table ("CREATE TABLE", limits).
const MAX_COLUMNS: usize = 1_600;

/// What becomes of exact numbers that may have more digits than their column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wider {
    /// Each is looked at when it is staged.
    Checked,
    /// They are refused: what is staged says how a table is made.
    Refused,
}

/// The columns to stage, by the query's names and in the table's order, and what writing them changes.
///
/// A column of the table that the query does not have keeps its default, or is NULL. One that the table does not have is added.
///
/// # Errors
/// [`Error::Config`] at the column when that would lose something, with the statements that change the table.
pub(crate) fn meet(
    table: &Relation,
    existing: Option<&[TableColumn]>,
    query: &Schema,
    wider: Wider,
) -> Result<(SchemaRef, Vec<Change>)> {
    let names = column_names(table, query)?;
    if names.len() > MAX_COLUMNS {
        return Err(Error::config(format!(
            "table '{table}': the query has {} columns, a table of Redshift at most {MAX_COLUMNS}; select fewer, or put some into one \
             struct, which becomes a SUPER",
            names.len()
        )));
    }
    let mut fields = Vec::with_capacity(names.len());
    let mut changes = Vec::new();
    for column in existing.unwrap_or_default() {
        let given = names.iter().position(|name| name.eq_ignore_ascii_case(&column.name));
        match given {
            Some(index) => fields.push(for_column(table, column, query.field(index), wider)?),
            None if column.nullable || column.has_default => {}
            None => return Err(left_out(table, column)),
        }
    }
    for (name, field) in names.iter().zip(query.fields()) {
        if existing.unwrap_or_default().iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let data_type = staged(field.name(), field.data_type())?;
        if existing.is_some() {
            changes.push(Change::AddColumn { name: name.clone(), data_type: data_type.clone() });
        }
        fields.push(Field::new(field.name(), data_type, true));
    }
    if existing.is_none() {
        changes.push(Change::Create);
    }
    Ok((Arc::new(Schema::new(fields)), changes))
}

fn for_column(table: &Relation, column: &TableColumn, given: &Field, wider: Wider) -> Result<Field> {
    if column.is_identity {
        let message = format!(
            "table '{table}' numbers its rows in column '{}' (IDENTITY), and COPY gives it no values of others; leave it out of the query",
            column.name
        );
        return Err(Error::config_at(given.name(), message));
    }
    let accepted = match given.data_type() {
        DataType::Null => Some(column.column_type.of_null()),
        data_type if wider == Wider::Checked => column.column_type.takes(data_type),
        data_type => column.column_type.accepts(data_type),
    };
    let data_type = accepted.ok_or_else(|| refused(table, column, given))?;
    // That a row has none where one must be is for the check to say, with the row.
    Ok(Field::new(given.name(), data_type, true))
}

fn left_out(table: &Relation, column: &TableColumn) -> Error {
    let name = &column.name;
    Error::config_at(
        name,
        format!(
            "table '{table}' needs column '{name}', which is NOT NULL there, has no default and is missing in the query; select it"
        ),
    )
}

fn refused(table: &Relation, column: &TableColumn, given: &Field) -> Error {
    let (name, is) = (&column.name, &column.column_type);
    let head = format!("table '{table}' has column '{name}' as {is}, the query gives {}", given.data_type());
    let cast = if let ColumnType::Other(_) = is {
        format!("{head}; engine does not write {is}: leave the column out of the query, or write to a new column")
    } else {
        format!("{head}; cast it in the query, as in CAST({} AS {is})", given.name())
    };
    let wanted = staged(given.name(), given.data_type()).map(|data_type| ColumnType::for_staged(&data_type));
    let message = match wanted {
        Ok(wanted) if is.may_become(&wanted) => format!("{cast}, or change the table: {}", change_type(table, name, &wanted)),
        // The values that are there would lose something.
        _ => cast,
    };
    Error::config_at(given.name(), message)
}

/// What a person runs to give a column another type: `ALTER COLUMN TYPE` changes nothing but the width of a VARCHAR
/// ("ALTER TABLE", `r_ALTER_TABLE`).
fn change_type(table: &Relation, name: &str, wanted: &ColumnType) -> String {
    let (table, column, new) = (table.quoted(), quoted(name), quoted(&format!("{name}__new")));
    format!(
        "ALTER TABLE {table} ADD COLUMN {new} {wanted}; UPDATE {table} SET {new} = CAST({column} AS {wanted}); \
         ALTER TABLE {table} DROP COLUMN {column}; ALTER TABLE {table} RENAME COLUMN {new} TO {column};"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Relation {
        Relation::parse("public.posts").unwrap()
    }

    fn there(name: &str, column_type: ColumnType) -> TableColumn {
        TableColumn { name: name.into(), column_type, nullable: true, has_default: false, is_identity: false }
    }

    fn meet(table: &Relation, existing: Option<&[TableColumn]>, query: &Schema) -> Result<(SchemaRef, Vec<Change>)> {
        super::meet(table, existing, query, Wider::Checked)
    }

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        Schema::new(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>())
    }

    #[test]
    fn table_that_is_not_there_is_created() {
        let (staged, changes) = meet(&table(), None, &schema(&[("Id", DataType::UInt8), ("at", DataType::Utf8View)])).unwrap();
        assert_eq!(*staged, schema(&[("Id", DataType::Int16), ("at", DataType::Utf8)]));
        assert_eq!(changes, [Change::Create]);
    }

    #[test]
    fn new_column_is_added_and_missing_one_left_out() {
        let existing = [there("id", ColumnType::BigInt), there("old", ColumnType::Varchar(10))];
        let query = schema(&[("fresh", DataType::UInt8), ("ID", DataType::Int32)]);
        let (staged, changes) = meet(&table(), Some(&existing), &query).unwrap();
        assert_eq!(*staged, schema(&[("ID", DataType::Int64), ("fresh", DataType::Int16)]));
        assert_eq!(changes, [Change::AddColumn { name: "fresh".into(), data_type: DataType::Int16 }]);
    }

    #[test]
    fn other_type_names_column_types_and_statements() {
        let existing = [there("score", ColumnType::Integer)];
        let error = meet(&table(), Some(&existing), &schema(&[("Score", DataType::Float64)])).unwrap_err();
        assert_eq!(error.subject(), Some("Score"));
        assert_eq!(
            error.to_string(),
            "table 'public.posts' has column 'score' as INTEGER, the query gives Float64; cast it in the query, as in CAST(Score AS \
             INTEGER), or change the table: ALTER TABLE \"public\".\"posts\" ADD COLUMN \"score__new\" DOUBLE PRECISION; UPDATE \
             \"public\".\"posts\" SET \"score__new\" = CAST(\"score\" AS DOUBLE PRECISION); ALTER TABLE \"public\".\"posts\" DROP \
             COLUMN \"score\"; ALTER TABLE \"public\".\"posts\" RENAME COLUMN \"score__new\" TO \"score\";"
        );
    }

    #[test]
    fn nobody_is_told_to_round_what_is_there() {
        for (is, gives) in [(ColumnType::Double, DataType::Int64), (ColumnType::Timestamp, DataType::Date32)] {
            let error = meet(&table(), Some(&[there("x", is)]), &schema(&[("x", gives)])).unwrap_err().to_string();
            assert!(error.contains("cast it in the query") && !error.contains("ALTER TABLE"), "{error}");
        }
    }

    #[test]
    fn column_that_must_have_a_value_is_not_left_out() {
        let mut id = there("id", ColumnType::BigInt);
        id.nullable = false;
        let error = meet(&table(), Some(&[id.clone()]), &schema(&[("x", DataType::Int64)])).unwrap_err();
        assert_eq!(error.subject(), Some("id"));
        id.has_default = true;
        id.is_identity = true;
        assert!(meet(&table(), Some(&[id.clone()]), &schema(&[("x", DataType::Int64)])).is_ok());
        let error = meet(&table(), Some(&[id]), &schema(&[("Id", DataType::Int64)])).unwrap_err();
        assert_eq!(error.subject(), Some("Id"));
        assert!(error.to_string().contains("numbers its rows in column 'id' (IDENTITY)"), "{error}");
    }

    #[test]
    fn numbers_of_more_digits_are_looked_at_where_there_is_a_table_and_refused_where_one_is_to_be_made() {
        let existing = [there("n", ColumnType::Decimal(6, 2))];
        let query = schema(&[("n", DataType::Decimal128(38, 4))]);
        assert_eq!(*meet(&table(), Some(&existing), &query).unwrap().0, query);
        let error = super::meet(&table(), Some(&existing), &query, Wider::Refused).unwrap_err();
        assert!(error.to_string().contains("as in CAST(n AS DECIMAL(6,2))"), "{error}");
    }

    #[test]
    fn nothing_but_null_takes_the_type_of_the_column() {
        let existing = [there("n", ColumnType::Decimal(18, 2))];
        let (staged, _) = meet(&table(), Some(&existing), &schema(&[("n", DataType::Null)])).unwrap();
        assert_eq!(staged.field(0).data_type(), &DataType::Decimal128(18, 2));
    }
}
