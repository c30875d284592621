//! How the rows of a `REPLACE INTO` meet those that are there: the same options for every table that is upserted.

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::options::{OptionSpec, Options};
use crate::sink::WriteMode;

/// What a table may say beside its key and order.
pub(crate) const UPSERT: OptionSpec = OptionSpec {
    name: "upsert",
    default: "delete+insert",
    help: "REPLACE INTO: 'delete+insert' replaces the row of a key whole; 'merge' updates the query's columns and keeps the others; 'insert' \
           adds rows with new keys and leaves those that are there as they are",
};
/// See [`Upserts::deleted`].
pub(crate) const DELETED: OptionSpec = OptionSpec {
    name: "deleted",
    default: "none",
    help: "REPLACE INTO: a column that says which rows are deleted: true, or 'D' or 'DELETE' as text",
};
/// See [`Deletes`].
pub(crate) const DELETES: OptionSpec = OptionSpec {
    name: "deletes",
    default: "hard",
    help: "REPLACE INTO: what becomes of deleted rows: 'hard' removes them, 'soft' keeps them as they were, with the column 'deleted' set",
};

/// The texts that say that a row is deleted, in any case.
pub(crate) const DELETE_TEXTS: [&str; 2] = ["D", "DELETE"];

/// What says that a row is deleted in a column of this type, once it is cast to a text.
fn deleting(data_type: &DataType) -> &'static [&'static str] {
    if *data_type == DataType::Boolean { &["true"] } else { &DELETE_TEXTS }
}

/// Of each row the text by which a column says that it is deleted; `None` of one that is not.
///
/// # Errors
/// When the column cannot be cast to a text.
pub(crate) fn deletions(column: &ArrayRef) -> Result<StringArray> {
    let deleting = deleting(column.data_type());
    let texts = cast(column, &DataType::Utf8)?;
    // Where text has a fixed width, blanks are behind it.
    let says = |text: &&str| deleting.iter().any(|deleting| deleting.eq_ignore_ascii_case(text.trim_end_matches(' ')));
    Ok(texts.as_string::<i32>().iter().map(|text| text.filter(says)).collect())
}

/// How an upsert is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Upsert {
    /// Rows with a key of the batch go, all rows of the batch come.
    #[default]
    DeleteInsert,
    /// The columns of the rows are updated, and others stay.
    Merge,
    /// Rows with a key that is there are passed over.
    Insert,
}

/// What becomes of rows that are marked as deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Deletes {
    /// They are removed.
    #[default]
    Hard,
    /// They stay, marked.
    Soft,
}

/// What a table says of its upserts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Upserts {
    pub(crate) upsert: Upsert,
    /// The column that says which rows are deleted.
    pub(crate) deleted: Option<String>,
    pub(crate) deletes: Deletes,
}

impl Upserts {
    /// From `OPTIONS (...)`.
    ///
    /// # Errors
    /// [`Error::Config`] at the option that makes no sense.
    pub(crate) fn read(options: &Options) -> Result<Self> {
        let upsert = match options.choice(UPSERT.name, &["delete+insert", "merge", "insert"])? {
            Some("merge") => Upsert::Merge,
            Some("insert") => Upsert::Insert,
            _ => Upsert::DeleteInsert,
        };
        let deletes = match options.choice(DELETES.name, &["hard", "soft"])? {
            Some("soft") => Deletes::Soft,
            _ => Deletes::Hard,
        };
        let deleted = options.text(DELETED.name).map(|column| column.trim().to_owned());
        let refuse = |subject: &str, message: &str| Err(Error::config_at(subject, message));
        if options.text(DELETES.name).is_some() && deleted.is_none() {
            return refuse(
                "deletes",
                "option 'deletes' needs the column that says which rows are deleted: add 'deleted' '_deleted'",
            );
        }
        if deleted.is_some() && upsert == Upsert::Insert {
            return refuse("deleted", "option 'deleted' has no meaning with 'upsert' 'insert', which leaves rows as they are");
        }
        if deletes == Deletes::Soft && upsert == Upsert::Merge {
            return refuse("deletes", "'deletes' 'soft' goes with 'upsert' 'delete+insert'; leave 'upsert' out");
        }
        Ok(Self { upsert, deleted, deletes })
    }

    /// What they make of the rows of an upsert, where they ask for anything.
    pub(crate) fn explain(&self, mode: WriteMode) -> Option<String> {
        if mode != WriteMode::Upsert {
            return None;
        }
        let how = match self.upsert {
            Upsert::DeleteInsert => None,
            Upsert::Merge => Some("'upsert' 'merge': columns that the query lacks keep their values".to_owned()),
            Upsert::Insert => {
                Some("'upsert' 'insert': rows with a new key are inserted, and the others stay as they are".to_owned())
            }
        };
        how.into_iter().chain(self.explain_deletes()).reduce(|how, deletes| format!("{how}; {deletes}"))
    }

    /// What becomes of rows that are deleted, if a column says which are.
    pub(crate) fn explain_deletes(&self) -> Option<String> {
        let deleted = self.deleted.as_deref()?;
        Some(match self.deletes {
            Deletes::Hard => format!("rows that '{deleted}' says are deleted are removed, and the column is not kept"),
            Deletes::Soft => format!("rows that '{deleted}' says are deleted stay as they were, with the column set"),
        })
    }

    /// The column that is there to say which rows are deleted, and is not kept: rows are removed by it.
    pub(crate) fn marker(&self, mode: WriteMode) -> Option<&str> {
        let is_hard = mode == WriteMode::Upsert && self.deletes == Deletes::Hard;
        self.deleted.as_deref().filter(|_| is_hard)
    }

    /// Where the column that says which rows are deleted is among the columns of a batch, whether it is kept or not.
    pub(crate) fn deleted_index(&self, schema: &Schema, mode: WriteMode) -> Option<usize> {
        let deleted = self.deleted.as_deref().filter(|_| mode == WriteMode::Upsert);
        position(schema, deleted?)
    }

    /// Where [`Self::marker`] is among the columns of a batch.
    pub(crate) fn marker_index(&self, schema: &Schema, mode: WriteMode) -> Option<usize> {
        position(schema, self.marker(mode)?)
    }

    /// The columns of a batch that the table keeps.
    pub(crate) fn kept(&self, schema: &SchemaRef, mode: WriteMode) -> SchemaRef {
        match self.marker_index(schema, mode) {
            Some(marker) => without(schema, marker),
            None => SchemaRef::clone(schema),
        }
    }

    /// The columns of a batch, of which `kept` are those that the table keeps: with the one that it does not, of the type that it is staged in.
    pub(crate) fn with_marker(&self, kept: SchemaRef, marker: Option<Field>) -> SchemaRef {
        let Some(marker) = marker else { return kept };
        let fields = kept.fields().iter().cloned().chain([marker.into()]).collect::<Vec<_>>();
        Schema::new_with_metadata(fields, kept.metadata().clone()).into()
    }

    /// Why a table does not take the columns that are kept of a query. Of [`Self::marker`] it is told that it has one of the same name, which
    /// takes no NULL.
    pub(crate) fn told(&self, table: &str, mode: WriteMode, error: Error) -> Error {
        match (error.subject(), self.marker(mode)) {
            (Some(subject), Some(marker)) if subject.eq_ignore_ascii_case(marker) => {
                let message = format!(
                    "column '{subject}' of the query says what rows are deleted and is not kept, and table '{table}' has one of that name \
                     which is NOT NULL; call it otherwise in the query and in 'deleted', or keep it by 'deletes' 'soft'"
                );
                Error::config_at(subject, message)
            }
            _ => error,
        }
    }

    /// Refuses rows without a column that says which are deleted, or with one that cannot, or that has another purpose too: it is `taken`.
    ///
    /// # Errors
    /// [`Error::Config`] at the column.
    pub(crate) fn check(&self, table: &str, query: &Schema, mode: WriteMode, taken: &[String]) -> Result<()> {
        let Some(deleted) = self.deleted.as_deref().filter(|_| mode == WriteMode::Upsert) else { return Ok(()) };
        let is_it = |name: &String| name.eq_ignore_ascii_case(deleted);
        let mut found = query.fields().iter().filter(|field| is_it(field.name()));
        let Some(field) = found.next() else {
            let columns: Vec<&str> = query.fields().iter().map(|field| field.name().as_str()).collect();
            let message =
                format!("deleted column '{deleted}' of table '{table}' is not in the query, which has: {}", columns.join(", "));
            return Err(Error::config_at(deleted, message));
        };
        let name = field.name();
        if found.next().is_some() {
            let message = format!("column '{name}' is in the query twice (names are told apart in any case); rename one with AS");
            return Err(Error::config_at(name, message));
        }
        if taken.iter().any(is_it) {
            let message = format!(
                "column '{name}' of table '{table}' says what rows are deleted, and is one that tells or keeps rows apart as well; name \
                 another in 'deleted'"
            );
            return Err(Error::config_at(name, message));
        }
        if can_say(field.data_type()) {
            return Ok(());
        }
        let message =
            format!("column '{name}', which says what rows are deleted, is {}; expected a boolean or a text", field.data_type());
        Err(Error::config_at(name, message))
    }
}

/// Whether a column of this type can say which rows are deleted.
fn can_say(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => can_say(values),
        _ => false,
    }
}

/// Where the column called `name` is, in any case; the exact one first.
fn position(schema: &Schema, name: &str) -> Option<usize> {
    let is_same = |field: &Field| field.name().eq_ignore_ascii_case(name);
    schema.index_of(name).ok().or_else(|| schema.fields().iter().position(|field| is_same(field)))
}

/// The columns but for one.
pub(crate) fn without(schema: &Schema, left_out: usize) -> SchemaRef {
    let kept = schema.fields().iter().enumerate().filter(|(index, _)| *index != left_out);
    let fields: Vec<_> = kept.map(|(_, field)| field.clone()).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Upserts> {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Upserts::read(&Options::parse("DELTA", &[UPSERT, DELETED, DELETES], &given)?)
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        assert_eq!(read(&[]).unwrap(), Upserts::default());
        for (given, subject) in [
            (&[("deletes", "soft")][..], "deletes"),
            (&[("deleted", "_op"), ("upsert", "insert")], "deleted"),
            (&[("deleted", "_op"), ("deletes", "soft"), ("upsert", "merge")], "deletes"),
            (&[("upsert", "update")], "upsert"),
        ] {
            assert_eq!(read(given).unwrap_err().subject(), Some(subject), "{given:?}");
        }
    }

    #[test]
    fn the_column_that_marks_rows_is_kept_only_where_they_are() {
        let schema: SchemaRef = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("_Op", DataType::Utf8, true),
            Field::new("v", DataType::Float64, true),
        ])
        .into();
        let (hard, soft) = (read(&[("deleted", "_op")]).unwrap(), read(&[("deleted", "_op"), ("deletes", "soft")]).unwrap());
        assert_eq!(hard.marker_index(&schema, WriteMode::Upsert), Some(1));
        assert_eq!(*hard.kept(&schema, WriteMode::Upsert), schema.project(&[0, 2]).unwrap());
        for (upserts, mode) in [(&hard, WriteMode::Append), (&soft, WriteMode::Upsert)] {
            assert_eq!(upserts.kept(&schema, mode), schema);
        }
    }

    #[test]
    fn a_plan_says_what_becomes_of_rows() {
        let said = |given: &[(&str, &str)]| read(given).unwrap().explain(WriteMode::Upsert);
        assert_eq!(said(&[]), None);
        assert_eq!(
            said(&[("deleted", "op"), ("upsert", "merge")]).unwrap(),
            "'upsert' 'merge': columns that the query lacks keep their values; rows that 'op' says are deleted are removed, and the column \
             is not kept"
        );
        assert!(said(&[("deleted", "op"), ("deletes", "soft")]).unwrap().ends_with("stay as they were, with the column set"));
        assert_eq!(read(&[("deleted", "op")]).unwrap().explain(WriteMode::Append), None);
    }

    #[test]
    fn a_column_that_cannot_say_what_is_deleted_is_refused() {
        let schema = Schema::new(
            [("id", DataType::Utf8), ("v", DataType::Float64), ("op", DataType::Utf8), ("OP", DataType::Utf8)]
                .map(|(name, data_type)| Field::new(name, data_type, true))
                .to_vec(),
        );
        for (deleted, part) in [
            ("_op", "deleted column '_op' of table 't' is not in the query, which has: id, v, op, OP"),
            ("op", "column 'op' is in the query twice"),
            ("V", "column 'v', which says what rows are deleted, is Float64; expected a boolean or a text"),
            ("id", "column 'id' of table 't' says what rows are deleted, and is one that tells or keeps rows apart as well"),
        ] {
            let error =
                read(&[("deleted", deleted)]).unwrap().check("t", &schema, WriteMode::Upsert, &["ID".to_owned()]).unwrap_err();
            assert!(error.to_string().starts_with(part), "{error}");
        }
    }
}
