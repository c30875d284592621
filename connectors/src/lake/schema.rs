//! Which Arrow types a lake table stores, and how a query's columns meet those of a table that is there.
//!
//! Shared by DELTA and PARQUET, so that a pipeline can change from one to the other: what is stored is what Delta's
//! protocol knows, and what Athena, Spark and Redshift Spectrum read from plain Parquet too.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};

use crate::error::{Error, Result};
use crate::sink::Change;
use crate::stored::Target;

/// What a table stores for a column of a query.
///
/// Every timestamp is microseconds in UTC: one without a zone is taken to be UTC, because Delta's zone-less type asks for a
/// feature that older readers lack.
///
/// # Errors
/// [`Error::Config`] at the column for a type that has no counterpart, with the cast to write.
pub(crate) fn storable(column: &str, data_type: &DataType) -> Result<DataType> {
    const LAKE: Target = Target {
        lacks: "a lake table does not store",
        own: |data_type| {
            matches!(data_type, DataType::Timestamp(..)).then(|| DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
        },
    };
    LAKE.store(column, data_type)
}

/// The columns to stage for a query, in the table's order, and what writing them changes.
///
/// Columns are matched by name in any case, and get the name and type of the table's. A column of the table that the query
/// does not have is left out (its rows read NULL); one that the table does not have is added to it. So are members of objects.
///
/// # Errors
/// [`Error::Config`] at the column when that would lose something.
pub(crate) fn meet(table: &str, existing: Option<&Schema>, query: &Schema) -> Result<(SchemaRef, Vec<Change>)> {
    check_names(table, query)?;
    let Some(existing) = existing else {
        let fields = query.fields().iter().map(|field| nullable(field)).collect::<Result<Vec<_>>>()?;
        return Ok((Arc::new(Schema::new(fields)), vec![Change::Create]));
    };
    let mut fields = Vec::with_capacity(query.fields().len());
    let mut changes = Vec::new();
    for stored in existing.fields() {
        match find(query, stored.name()) {
            Some(field) => {
                let with_new = with_members(stored.name(), stored.data_type(), &given(field)?, &mut changes);
                check_widens(table, &stored.as_ref().clone().with_data_type(with_new.clone()), field)?;
                fields.push(Arc::new(Field::new(stored.name(), with_new, stored.is_nullable())));
            }
            None if stored.is_nullable() => {}
            None => {
                let name = stored.name();
                return Err(Error::config_at(
                    name,
                    format!("table '{table}' needs column '{name}', which is NOT NULL there and missing in the query; select it"),
                ));
            }
        }
    }
    for field in query.fields() {
        if find(existing, field.name()).is_none() {
            let added = nullable(field)?;
            changes.push(Change::AddColumn { name: added.name().clone(), data_type: added.data_type().clone() });
            fields.push(Arc::new(added));
        }
    }
    Ok((Arc::new(Schema::new(fields)), changes))
}

/// The table's columns after the changes that a batch of these columns makes.
pub(crate) fn grown(existing: &Schema, batch: &Schema) -> SchemaRef {
    let added = batch.fields().iter().filter(|field| find(existing, field.name()).is_none()).cloned();
    let with_new = |field: &FieldRef| match find(batch, field.name()) {
        Some(other) => {
            let with_new = with_members(field.name(), field.data_type(), other.data_type(), &mut Vec::new());
            Arc::new(field.as_ref().clone().with_data_type(with_new))
        }
        None => Arc::clone(field),
    };
    Arc::new(Schema::new(existing.fields().iter().map(with_new).chain(added).collect::<Vec<_>>()))
}

/// The type of a column with the members of objects in it that only the query has, which are added to `changes` by their paths.
fn with_members(path: &str, stored: &DataType, query: &DataType, changes: &mut Vec<Change>) -> DataType {
    match (stored, query) {
        (DataType::Struct(mine), DataType::Struct(theirs)) => {
            let member = |name: &str| theirs.iter().find(|other| other.name().eq_ignore_ascii_case(name));
            let mut members: Vec<FieldRef> = Vec::with_capacity(theirs.len());
            for field in mine {
                members.push(match member(field.name()) {
                    Some(other) => {
                        let path = format!("{path}.{}", field.name());
                        let data_type = with_members(&path, field.data_type(), other.data_type(), changes);
                        Arc::new(field.as_ref().clone().with_data_type(data_type))
                    }
                    None => Arc::clone(field),
                });
            }
            for field in theirs.iter().filter(|field| !mine.iter().any(|my| my.name().eq_ignore_ascii_case(field.name()))) {
                changes
                    .push(Change::AddColumn { name: format!("{path}.{}", field.name()), data_type: field.data_type().clone() });
                members.push(Arc::new(field.as_ref().clone().with_nullable(true)));
            }
            DataType::Struct(members.into())
        }
        (DataType::List(mine), DataType::List(theirs)) => {
            let data_type = with_members(&format!("{path}[]"), mine.data_type(), theirs.data_type(), changes);
            DataType::List(Arc::new(mine.as_ref().clone().with_data_type(data_type)))
        }
        _ => stored.clone(),
    }
}

/// The type that a lake table has for a column of the query; of one without a type, that.
fn given(field: &Field) -> Result<DataType> {
    match field.data_type() {
        DataType::Null => Ok(DataType::Null),
        data_type => storable(field.name(), data_type),
    }
}

/// The names of `wanted` as the table writes them.
///
/// # Errors
/// [`Error::Config`] at the first that is not a column; `role` says what it was wanted for.
pub(crate) fn resolve(table: &str, role: &str, schema: &Schema, wanted: &[String]) -> Result<Vec<String>> {
    let name = |wanted: &String| match find(schema, wanted) {
        Some(field) => Ok(field.name().clone()),
        None => {
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let there = columns.join(", ");
            Err(Error::config_at(
                wanted,
                format!("{role} column '{wanted}' of table '{table}' is not in the query, which has: {there}"),
            ))
        }
    };
    wanted.iter().map(name).collect()
}

/// The column called `name`, in any case; the exact one first.
pub(crate) fn find<'a>(schema: &'a Schema, name: &str) -> Option<&'a FieldRef> {
    let same = schema.fields().iter().find(|field| field.name() == name);
    same.or_else(|| schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name)))
}

/// The columns as they will be read back: fields inside lists and maps are called as Delta calls them.
pub(crate) fn canonical(schema: &Schema) -> Result<SchemaRef> {
    to_arrow(&to_delta(schema)?)
}

/// The columns in Delta's terms, whose JSON is also Spark's.
pub(crate) fn to_delta(schema: &Schema) -> Result<StructType> {
    schema.try_into_kernel().map_err(|error| Error::config(format!("columns cannot be stored in a lake table: {error}")))
}

/// The columns in Arrow's terms.
pub(crate) fn to_arrow(schema: &StructType) -> Result<SchemaRef> {
    let schema: Schema = schema.try_into_arrow().map_err(|error| Error::data(format!("schema of a lake table: {error}")))?;
    Ok(Arc::new(schema))
}

fn nullable(field: &Field) -> Result<Field> {
    Ok(Field::new(field.name(), storable(field.name(), field.data_type())?, true))
}

fn check_names(table: &str, query: &Schema) -> Result<()> {
    for (index, field) in query.fields().iter().enumerate() {
        let name = field.name();
        if query.fields().iter().take(index).any(|other| other.name().eq_ignore_ascii_case(name)) {
            let message =
                format!("column '{name}' is in the query twice (lake tables do not tell case apart); rename one with AS");
            return Err(Error::config_at(name, message));
        }
        // Without column mapping neither Delta nor the tools that read Parquet take these.
        if name.is_empty() || name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
            let message = format!(
                "column '{name}' cannot be stored in table '{table}': a name has no space and none of ,;{{}}()= ; rename it with AS"
            );
            return Err(Error::config_at(name, message));
        }
    }
    Ok(())
}

fn check_widens(table: &str, stored: &Field, query: &Field) -> Result<()> {
    let name = stored.name();
    let given = given(query)?;
    if given == DataType::Null || widens(&given, stored.data_type()) {
        return Ok(());
    }
    let (is, gives) = (stored.data_type(), query.data_type());
    Err(Error::config_at(
        name,
        format!(
            "table '{table}' has column '{name}' as {is}, the query gives {gives}; cast it in the query, as in \
             arrow_cast({name}, '{is}'), or write to a new column or table"
        ),
    ))
}

/// Whether every value of `from` is one of `to`.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, List, Map, Struct};
    let digits = |data_type: &DataType| match data_type {
        Int8 => Some(3),
        Int16 => Some(5),
        Int32 => Some(10),
        Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (Int8, Int16 | Int32 | Int64 | Float32 | Float64)
        | (Int16, Int32 | Int64 | Float32 | Float64)
        | (Int32, Int64 | Float64)
        | (Float32, Float64) => true,
        (Decimal128(p, s), Decimal128(to_p, to_s)) => {
            to_s >= s && i16::from(*to_p) - i16::from(*to_s) >= i16::from(*p) - i16::from(*s)
        }
        (integer, Decimal128(p, s)) => digits(integer).is_some_and(|digits| i16::from(*p) - i16::from(*s) >= digits),
        (List(a), List(b)) | (Map(a, _), Map(b, _)) => widens(a.data_type(), b.data_type()),
        (Struct(a), Struct(b)) => {
            // A member that the query has not is NULL.
            let fits = |a: &FieldRef| b.iter().any(|b| same_name(a, b) && widens(a.data_type(), b.data_type()));
            a.iter().all(fits) && b.iter().all(|b| b.is_nullable() || a.iter().any(|a| same_name(a, b)))
        }
        _ => from == to,
    }
}

/// Map entries are called `key_value` by some and `entries` by others, with `key` and `keys` below: names of two fields
/// that stand for the same thing differ in nothing but that.
fn same_name(a: &Field, b: &Field) -> bool {
    let stem = |name: &str| name.to_ascii_lowercase().trim_end_matches('s').to_owned();
    a.name().eq_ignore_ascii_case(b.name())
        || (["key", "value"].contains(&stem(a.name()).as_str()) && stem(a.name()) == stem(b.name()))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Fields;

    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        Schema::new(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>())
    }

    #[test]
    fn types_become_what_delta_knows() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (from, to) in [
            (DataType::Utf8View, DataType::Utf8),
            (DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8)), DataType::Utf8),
            (DataType::UInt64, DataType::Decimal128(20, 0)),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), utc),
            (DataType::Decimal256(38, 3), DataType::Decimal128(38, 3)),
        ] {
            assert_eq!(storable("c", &from).unwrap(), to);
        }
        let error = storable("t", &DataType::Time64(TimeUnit::Microsecond)).unwrap_err();
        assert_eq!(error.subject(), Some("t"));
        assert!(storable("d", &DataType::Decimal256(50, 0)).unwrap_err().to_string().contains("DECIMAL(38, 0)"));
    }

    #[test]
    fn new_column_is_added_and_missing_one_left_out() {
        let table = schema(&[("id", DataType::Int64), ("old", DataType::Utf8)]);
        let query = schema(&[("fresh", DataType::UInt8), ("ID", DataType::Int32)]);
        let (staged, changes) = meet("t", Some(&table), &query).unwrap();
        assert_eq!(*staged, schema(&[("id", DataType::Int64), ("fresh", DataType::Int16)]));
        assert_eq!(changes, [Change::AddColumn { name: "fresh".into(), data_type: DataType::Int16 }]);
    }

    #[test]
    fn new_member_of_an_object_is_added_and_missing_one_reads_null() {
        let object = |names: &[&str]| {
            DataType::Struct(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Fields>())
        };
        let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
        let table = schema(&[("user", object(&["name", "age"])), ("tags", list(object(&["k"])))]);
        let query = schema(&[("user", object(&["born", "Name"])), ("tags", list(object(&["k", "v"])))]);
        let (staged, changes) = meet("t", Some(&table), &query).unwrap();
        let expected = schema(&[("user", object(&["name", "age", "born"])), ("tags", list(object(&["k", "v"])))]);
        assert_eq!((staged.as_ref(), grown(&table, &query).as_ref()), (&expected, &expected));
        let added = |name: &str| Change::AddColumn { name: name.into(), data_type: DataType::Utf8 };
        assert_eq!(changes, [added("user.born"), added("tags[].v")]);
        let number = schema(&[("user", DataType::Struct(vec![Field::new("name", DataType::Int64, true)].into()))]);
        assert_eq!(meet("t", Some(&table), &number).unwrap_err().subject(), Some("user"));
    }

    #[test]
    fn narrowing_names_table_column_and_types() {
        let table = schema(&[("id", DataType::Int32)]);
        let error = meet("posts", Some(&table), &schema(&[("id", DataType::Utf8)])).unwrap_err();
        assert_eq!(error.subject(), Some("id"));
        let text = error.to_string();
        assert!(text.starts_with("table 'posts' has column 'id' as Int32, the query gives Utf8"), "{text}");
    }
}
