//! The options `form.<column>`: how the dates and times of declared columns are written.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use catalog::infer::{Form, with_form};

use crate::error::{Error, Result};
use crate::options::unknown;

/// What the names of these options begin with.
pub(super) const PREFIX: &str = "form.";

/// `columns` with the forms that `options` give them.
///
/// # Errors
/// [`Error::Config`] for a column that is not declared, a form that is none, or one of another type than the column's.
pub(super) fn applied(columns: &SchemaRef, options: &[(String, String)]) -> Result<SchemaRef> {
    if options.is_empty() {
        return Ok(Arc::clone(columns));
    }
    let mut fields = columns.fields().clone();
    let mut formed: Vec<String> = Vec::new();
    for (name, text) in options {
        let wrong = |message: String| Error::config_at(name, message);
        let form: Form = text.parse().map_err(|error| wrong(format!("option '{name}': {error}")))?;
        let given = &name[PREFIX.len()..];
        let paths = paths(&fields);
        let found = paths
            .iter()
            .find(|(path, _)| path == given)
            .or_else(|| paths.iter().find(|(path, _)| path.eq_ignore_ascii_case(given)));
        let Some((path, field)) = found else {
            let known = paths.iter().map(|(path, _)| path.as_str());
            return Err(wrong(unknown("column", given, &format!("option '{name}'"), known)));
        };
        if formed.contains(path) {
            return Err(wrong(format!("option '{name}' is given twice")));
        }
        formed.push(path.clone());
        if !fits(form, field.data_type()) {
            let (expected, found) = (expected(form), catalog::sql_type(field.data_type()));
            return Err(wrong(format!("option '{name}': '{text}' is a form of {expected}, and column '{path}' is {found}")));
        }
        fields = with_form(&fields, path, form).ok_or_else(|| Error::internal(format!("column '{path}' is lost")))?;
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, columns.metadata().clone())))
}

/// What to say when a table has such options and declares no columns.
pub(super) fn undeclared(options: &[(String, String)]) -> Error {
    let name = options.first().map_or(PREFIX, |(name, _)| name);
    Error::config_at(name, format!("option '{name}' is for a declared column, and the table declares none; declare its columns"))
}

/// All columns and members by path.
fn paths(fields: &Fields) -> Vec<(String, Field)> {
    let mut paths = Vec::new();
    for field in fields {
        walk(field.name().clone(), field, &mut paths);
    }
    paths
}

fn walk(path: String, field: &Field, paths: &mut Vec<(String, Field)>) {
    match field.data_type() {
        DataType::Struct(members) => {
            members.iter().for_each(|member| walk(format!("{path}.{}", member.name()), member, paths));
        }
        DataType::List(item) => walk(format!("{path}[]"), item, paths),
        _ => {}
    }
    paths.push((path, field.clone()));
}

fn fits(form: Form, data_type: &DataType) -> bool {
    match form {
        Form::Date(_) => matches!(data_type, DataType::Date32 | DataType::Date64),
        Form::Timestamp(_) => matches!(data_type, DataType::Timestamp(..)),
        Form::Json => matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn expected(form: Form) -> &'static str {
    match form {
        Form::Date(_) => "dates",
        Form::Timestamp(_) => "times",
        Form::Json => "text",
    }
}
