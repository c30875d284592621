//! Column by column, what is different.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};

use super::Change;
use crate::infer::{Form, ObservedSchema, widen};
use crate::sql_type;
use crate::values::{DateForm, TimestampForm};

/// What is different, and the schema that holds both where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// In the order of the table's columns, then of the files'.
    pub changes: Vec<Change>,
    /// The table's columns, widened, and after them the new ones. Incompatible columns are as they were.
    pub schema: Schema,
}

impl Drift {
    /// The same for a table of which nothing has a column that is missing, not even earlier rows: it goes.
    #[must_use]
    pub fn removing_missing(mut self) -> Self {
        let mut fields: Vec<FieldRef> = self.schema.fields().iter().cloned().collect();
        for change in &mut self.changes {
            if let Change::Missing { column } = change
                && let Some(place) = fields.iter().position(|field| field.name() == column)
            {
                fields.remove(place);
                *change = Change::Removed { column: std::mem::take(column) };
            }
        }
        self.schema = Schema::new_with_metadata(fields, self.schema.metadata().clone());
        self
    }

    /// The same for a table that sets values aside which its columns do not hold: such columns stay as they are.
    #[must_use]
    pub fn keeping_types(mut self) -> Self {
        self.changes.retain(|change| !matches!(change, Change::Incompatible { .. }));
        self
    }

    /// Whether the files are what the table says, but for columns that they lack.
    pub fn is_none(&self) -> bool {
        self.changes.iter().all(|change| matches!(change, Change::Missing { .. }))
    }
}

/// Compares a table's columns with those of its files. Both are without partition columns. A column that had no value has the type
/// `Null` in `observed` ([`ResolveOptions::null_types`](crate::infer::ResolveOptions::null_types)), which fits any.
pub fn compare(stored: &Schema, observed: &Schema) -> Drift {
    let mut changes = Vec::new();
    let fields = compare_fields("", stored.fields(), observed.fields(), &mut changes);
    changes.extend(renames(stored, observed));
    Drift { changes, schema: Schema::new_with_metadata(fields, stored.metadata().clone()) }
}

fn compare_fields(path: &str, stored: &Fields, observed: &Fields, changes: &mut Vec<Change>) -> Fields {
    let mut fields: Vec<FieldRef> = Vec::with_capacity(stored.len());
    for field in stored {
        let column = format!("{path}{}", field.name());
        fields.push(match observed.find(field.name()) {
            Some((_, found)) => compare_column(&column, field, found, changes).into(),
            None => {
                changes.push(Change::Missing { column });
                field.clone()
            }
        });
    }
    for field in observed.iter().filter(|field| stored.find(field.name()).is_none()) {
        // A column without a value has no type yet; it is added when it has one.
        if *field.data_type() != DataType::Null {
            let added = field.as_ref().clone().with_data_type(without_null(field.data_type())).with_nullable(true);
            changes.push(Change::Added { column: format!("{path}{}", field.name()), to: type_name(&added) });
            fields.push(added.into());
        }
    }
    fields.into()
}

/// The column that holds both, or the stored one when none does.
fn compare_column(column: &str, stored: &Field, observed: &Field, changes: &mut Vec<Change>) -> Field {
    let unchanged = stored.clone();
    match (stored.data_type(), observed.data_type()) {
        // Text holds what any other type holds.
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) | (_, DataType::Null) => unchanged,
        (DataType::Struct(left), DataType::Struct(right)) => {
            let fields = compare_fields(&format!("{column}."), left, right, changes);
            unchanged.with_data_type(DataType::Struct(fields))
        }
        (DataType::List(left), DataType::List(right)) => {
            let item = compare_column(&format!("{column}[]"), left, right, changes);
            unchanged.with_data_type(DataType::List(item.into()))
        }
        (from, to) => {
            let widened = same_date_form(stored, observed).then(|| widen(from, to)).flatten();
            let to = type_name(observed);
            match widened {
                Some(widened) if widened == *from => unchanged,
                Some(widened) => {
                    let metadata = widened_form(&widened, stored, observed);
                    let field = unchanged.with_data_type(widened).with_metadata(metadata);
                    changes.push(Change::Widened { column: column.to_owned(), from: type_name(stored), to: type_name(&field) });
                    field
                }
                None => {
                    changes.push(Change::Incompatible { column: column.to_owned(), from: type_name(stored), to });
                    unchanged
                }
            }
        }
    }
}

/// The type for a column that is new, whose own keys may be without values.
fn without_null(data_type: &DataType) -> DataType {
    let child = |field: &FieldRef| field.as_ref().clone().with_data_type(without_null(field.data_type()));
    match data_type {
        DataType::Null => DataType::Utf8,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(child).collect()),
        DataType::List(item) => DataType::List(child(item).into()),
        other => other.clone(),
    }
}

/// Whether one form can read the dates of both, when both are dates or timestamps.
fn same_date_form(stored: &Field, observed: &Field) -> bool {
    let temporal = stored.data_type().is_temporal() && observed.data_type().is_temporal();
    !temporal || date_form(stored) == date_form(observed)
}

/// How the date in a column's values is written; `None` when there is no such form.
fn date_form(field: &Field) -> Option<DateForm> {
    match Form::of(field) {
        Ok(None) => Some(DateForm::YearDash),
        Ok(Some(Form::Date(form) | Form::Timestamp(TimestampForm::Local(form) | TimestampForm::Zoned(form)))) => Some(form),
        Ok(Some(Form::Timestamp(TimestampForm::Rfc2822) | Form::Json)) | Err(_) => None,
    }
}

/// The form of a column of dates that becomes one of timestamps is that of its timestamps.
fn widened_form(widened: &DataType, stored: &Field, observed: &Field) -> HashMap<String, String> {
    let timestamps = [observed, stored].into_iter().find(|field| matches!(field.data_type(), DataType::Timestamp(..)));
    match (widened, timestamps) {
        (DataType::Timestamp(..), Some(field)) => field.metadata().clone(),
        _ => stored.metadata().clone(),
    }
}

fn type_name(field: &Field) -> String {
    match Form::of(field) {
        Ok(Some(form)) => format!("{} {form}", sql_type(field.data_type())),
        _ => sql_type(field.data_type()),
    }
}

/// How alike two names must be, from 0 to 1.
const ALIKE: f64 = 0.8;

/// Pairs of a missing and an added column that may be the same.
fn renames(stored: &Schema, observed: &Schema) -> Vec<Change> {
    let is_in = |schema: &Schema, name: &str| schema.fields().find(name).is_some();
    let missing = stored.fields().iter().enumerate().filter(|(_, field)| !is_in(observed, field.name()));
    let mut added: Vec<(usize, &FieldRef)> =
        observed.fields().iter().enumerate().filter(|(_, field)| !is_in(stored, field.name())).collect();
    let same_number = stored.fields().len() == observed.fields().len();
    let mut renames = Vec::new();
    for (position, field) in missing {
        let likeness = |(other_position, other): &(usize, &FieldRef)| -> Option<(f64, &'static str)> {
            widen(field.data_type(), other.data_type())?;
            let alike = likeness(field.name(), other.name());
            if alike >= ALIKE {
                Some((alike, "the names are alike and the types agree"))
            } else if same_number && *other_position == position && field.data_type() == other.data_type() {
                Some((0.0, "it has the same position and type"))
            } else {
                None
            }
        };
        let scored = added.iter().enumerate().filter_map(|(index, other)| likeness(other).map(|score| (index, score)));
        if let Some((index, (_, why))) = scored.max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b)) {
            let (_, other) = added.remove(index);
            renames.push(Change::Renamed { from: field.name().clone(), to: other.name().clone(), why: why.to_owned() });
        }
    }
    renames
}

/// Columns of the table that may have another name in some files: every file has one of the two, and none has both. `found` are the
/// columns of all files, with the types of `observed`.
pub fn exchanged(stored: &Schema, found: &Schema, observed: &ObservedSchema) -> Vec<Change> {
    let files = |name: &str| observed.columns.get(name).map_or(0, |column| column.files);
    let added = found.fields().iter().filter(|field| stored.fields().find(field.name()).is_none());
    let renamed = added.filter_map(|added| {
        let others = observed.files.checked_sub(files(added.name())).filter(|others| *others > 0 && *others < observed.files)?;
        let is_other = |field: &&FieldRef| {
            let now = found.fields().find(field.name()).map(|(_, now)| now.data_type());
            now == Some(added.data_type()) && files(field.name()) == others
        };
        let mut candidates = stored.fields().iter().filter(is_other);
        let from = candidates.next()?.name().clone();
        let why = "every file has one of the two and none has both, and the types agree".to_owned();
        // Of several, none is more likely than the others.
        candidates.next().is_none().then(|| Change::Renamed { from, to: added.name().clone(), why })
    });
    renamed.collect()
}

/// From 0 to 1, without regard to case and separators; a name that ends in the other one is as good as equal.
fn likeness(left: &str, right: &str) -> f64 {
    let letters =
        |name: &str| name.chars().filter(|next| next.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let (left, right) = (letters(left), letters(right));
    let (short, long) = if left.len() <= right.len() { (&left, &right) } else { (&right, &left) };
    if short.len() >= 4 && (long.ends_with(short.as_str()) || long.starts_with(short.as_str())) {
        return 0.9;
    }
    strsim::normalized_damerau_levenshtein(&left, &right)
}
