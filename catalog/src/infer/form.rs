//! The form in which a column's values are written, kept with the column so that the reader parses what inference saw.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use arrow_schema::{DataType, Field, FieldRef, Fields};

use crate::values::{DateForm, TimestampForm, UnknownForm};

/// The key of a field's metadata under which the form is kept, when there is one.
pub const FORM_KEY: &str = "engine.form";

/// How a column's values are written. Columns without one are written the usual way: ISO 8601 for dates and timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Dates.
    Date(DateForm),
    /// Timestamps.
    Timestamp(TimestampForm),
    /// Text that is JSON: the values were objects or lists that have no common type.
    Json,
}

impl Form {
    /// The form of a field.
    ///
    /// # Errors
    /// [`UnknownForm`] when the metadata has one that this version does not know.
    pub fn of(field: &Field) -> Result<Option<Self>, UnknownForm> {
        field.metadata().get(FORM_KEY).map(|text| text.parse()).transpose()
    }

    /// The metadata of a field of this form; empty when the form is ISO 8601.
    pub fn metadata(form: Option<Self>) -> HashMap<String, String> {
        form.filter(|form| !form.is_iso()).map(|form| (FORM_KEY.to_owned(), form.to_string())).into_iter().collect()
    }

    /// Whether it is ISO 8601, which needs no mention.
    pub fn is_iso(self) -> bool {
        match self {
            Self::Date(form) => form == DateForm::YearDash,
            Self::Timestamp(form) => form.is_iso(),
            Self::Json => false,
        }
    }
}

/// The columns that have a form, and members of theirs, by path: `day`, `user.born`, `events[].at`.
pub fn forms(fields: &Fields) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for field in fields {
        rewritten(field, field.name(), &mut |path: &str, field: Field| {
            found.extend(field.metadata().get(FORM_KEY).map(|form| (path.to_owned(), form.clone())));
            field
        });
    }
    found
}

/// The same columns, with the form of the one at `path`, which is named as [`forms`] does. `None` when there is none.
pub fn with_form(fields: &Fields, path: &str, form: Form) -> Option<Fields> {
    let mut found = false;
    let mut set = |at: &str, field: Field| {
        if at != path {
            return field;
        }
        found = true;
        field.with_metadata(Form::metadata(Some(form)))
    };
    let fields = fields.iter().map(|field| rewritten(field, field.name(), &mut set)).collect();
    found.then_some(fields)
}

/// The field as `change` makes it, its members first.
fn rewritten(field: &Field, path: &str, change: &mut dyn FnMut(&str, Field) -> Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(members) => {
            let member = |member: &FieldRef| rewritten(member, &format!("{path}.{}", member.name()), change);
            DataType::Struct(members.iter().map(member).collect())
        }
        DataType::List(item) => DataType::List(rewritten(item, &format!("{path}[]"), change).into()),
        other => other.clone(),
    };
    change(path, field.clone().with_data_type(data_type))
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(form) => form.fmt(f),
            Self::Timestamp(form) => form.fmt(f),
            Self::Json => f.write_str("json"),
        }
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        if text == "json" {
            return Ok(Self::Json);
        }
        text.parse().map(Self::Date).or_else(|_| text.parse().map(Self::Timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::DateForm;

    #[test]
    fn forms_are_found_and_set_by_path() {
        let day = |name: &str| Field::new(name, DataType::Date32, true);
        let user = Field::new("user", DataType::Struct(vec![day("born")].into()), true);
        let days = Field::new("days", DataType::List(day("item").into()), true);
        let fields: Fields = vec![day("day"), user, days].into();
        let form = Form::Date(DateForm::MonthSlash);
        let set = |fields: &Fields, path: &str| with_form(fields, path, form).unwrap();
        let all = set(&set(&set(&fields, "day"), "user.born"), "days[]");
        let paths: Vec<String> = forms(&all).into_iter().map(|(path, form)| format!("{path} {form}")).collect();
        assert_eq!(paths, ["day M/D/Y", "user.born M/D/Y", "days[] M/D/Y"]);
        assert_eq!(with_form(&fields, "dya", form), None);
    }
}
