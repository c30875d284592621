//! How the columns of a query meet those of a table, and the statements that make and alter it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::target::{Target, TargetColumn};
use super::types::{PgType, created, narrowed, taken, widened};
use crate::context::COMMENT;
use crate::error::{Error, Result};
use crate::sink::{Change, WriteMode};
use crate::upserts::Upserts;
use crate::warehouse::TableName;

/// PostgreSQL cuts a longer name, without an error: `NAMEDATALEN` less one.
const NAME_BYTES: usize = 63;

/// A column that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// As the table has it.
    pub(super) name: String,
    pub(super) data_type: PgType,
    /// What is staged for it.
    pub(super) staged: DataType,
    /// Why a value of it is never NULL, when it is not.
    pub(super) required: Option<&'static str>,
    /// What it is said to be, if it is new.
    pub(super) comment: Option<String>,
    /// Whether the database may hold values equal that differ as they are staged.
    pub(super) is_loose: bool,
}

impl Column {
    /// One of which nothing else is known.
    pub(super) fn new(name: &str, data_type: PgType, staged: DataType) -> Self {
        let is_loose = data_type.kind.is_loose(&staged);
        Self { name: name.to_owned(), data_type, staged, required: None, comment: None, is_loose }
    }
}

/// What writing a query's columns means for a table.
#[derive(Debug)]
pub(super) struct Meeting {
    /// The columns that are written, in the query's order.
    pub(super) columns: Vec<Column>,
    pub(super) changes: Vec<Change>,
    /// The statements that make the changes, but for those of a table that is new.
    pub(super) alterations: Vec<String>,
}

/// The columns and types to stage.
pub(super) fn staged(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| {
        let field = Field::new(&column.name, column.staged.clone(), true);
        let is_required = column.required == Some(NOT_NULL);
        if is_required { field.with_metadata([(REQUIRED.to_owned(), "true".to_owned())].into()) } else { field }
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// What a staged column carries that a new table has NOT NULL: a value that is missing is found when the row is encoded, where it can be
/// named, and not before.
const REQUIRED: &str = "engine.not_null";

/// Why a column of the key is never NULL.
pub(super) const OF_THE_KEY: &str =
    "it is part of the key; leave such rows out with WHERE .. IS NOT NULL, or give them a value with coalesce";
/// Why another one is not.
const NOT_NULL: &str = "the table has it NOT NULL; give it a value with coalesce";

/// Columns are matched by name in any case, the exact one first, and get the table's type. A column of the table that the query
/// does not have is left out (its rows get the default); one that the table does not have is added to it; one whose type is too narrow
/// is widened where that is safe.
///
/// # Errors
/// [`Error::Config`] at the column when something would be lost, with the statement that a person could run.
pub(super) fn meet(name: &TableName, target: Option<&Target>, query: &Schema, key: &[String]) -> Result<Meeting> {
    check_names(query)?;
    let mut meeting = Meeting { columns: Vec::new(), changes: Vec::new(), alterations: Vec::new() };
    if target.is_none() {
        meeting.changes.push(Change::Create);
    }
    for field in query.fields() {
        match target.map(|target| find(&target.columns, field.name())) {
            Some(Some(column)) => meeting.known(name, column, field)?,
            Some(None) => meeting.added(name, field)?,
            None => meeting.created(field)?,
        }
    }
    for column in target.iter().flat_map(|target| &target.columns) {
        if !meeting.columns.iter().any(|written| written.name == column.name) {
            check_missing(name, column)?;
        }
    }
    for wanted in key {
        if let Some(column) = meeting.columns.iter_mut().find(|column| column.name == *wanted) {
            column.required = Some(OF_THE_KEY);
        }
    }
    Ok(meeting)
}

impl Meeting {
    fn known(&mut self, name: &TableName, column: &TargetColumn, field: &Field) -> Result<()> {
        if column.is_generated {
            let table = qualified(name);
            let message =
                format!("table {table} computes column '{}' itself (GENERATED); leave it out of the query", column.name);
            return Err(Error::config_at(field.name(), message));
        }
        let required = column.is_required.then_some(NOT_NULL);
        let of = |data_type: PgType, staged| {
            let new = Column::new(&column.name, data_type, staged);
            Column { required, is_loose: column.is_loose || new.is_loose, ..new }
        };
        if let Some(staged) = taken(&column.data_type.kind, field.data_type()) {
            self.columns.push(of(column.data_type.clone(), staged));
            return Ok(());
        }
        // A domain stays one.
        let wider = widened(&column.data_type.kind, field.data_type()).filter(|_| column.data_type.is_plain());
        let staged = wider.as_ref().and_then(|wider| taken(&wider.kind, field.data_type()));
        let Some((wider, staged)) = wider.zip(staged) else {
            let staged = narrowed(&column.data_type.kind, field.data_type()).ok_or_else(|| refused(name, column, field))?;
            self.columns.push(of(column.data_type.clone(), staged));
            return Ok(());
        };
        self.alterations.push(alter_type(name, &column.name, &wider.name));
        let (from, to) = (column.data_type.name.clone(), wider.name.clone());
        self.changes.push(Change::WidenColumn { name: column.name.clone(), from, to });
        self.columns.push(of(wider, staged));
        Ok(())
    }

    fn added(&mut self, name: &TableName, field: &Field) -> Result<()> {
        let (data_type, staged) = created(field.name(), field.data_type())?;
        let (table, column) = (qualified(name), quoted(field.name()));
        self.alterations.push(format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {}", data_type.name));
        self.changes.push(Change::AddColumn { name: field.name().clone(), data_type: staged.clone() });
        let column = Column { comment: field.metadata().get(COMMENT).cloned(), ..Column::new(field.name(), data_type, staged) };
        self.alterations.extend(comment_on_column(name, &column));
        self.columns.push(column);
        Ok(())
    }

    fn created(&mut self, field: &Field) -> Result<()> {
        let (data_type, staged) = created(field.name(), field.data_type())?;
        let required = field.metadata().contains_key(REQUIRED).then_some(NOT_NULL);
        let comment = field.metadata().get(COMMENT).cloned();
        self.columns.push(Column { required, comment, ..Column::new(field.name(), data_type, staged) });
        Ok(())
    }
}

fn check_missing(name: &TableName, column: &TargetColumn) -> Result<()> {
    if !column.is_required || column.has_default {
        return Ok(());
    }
    let (table, column) = (qualified(name), &column.name);
    let message = format!(
        "table {table} needs column '{column}', which is NOT NULL there, has no default and is missing in the query; select it, or run: \
         ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL",
        quoted(column)
    );
    Err(Error::config_at(column, message))
}

fn refused(name: &TableName, column: &TargetColumn, field: &Field) -> Error {
    let (table, is, gives) = (qualified(name), &column.data_type.name, field.data_type());
    let statement = match created(field.name(), field.data_type()) {
        Ok((wanted, _)) if column.data_type.kind.may_become(&wanted.kind) => {
            format!(", or run: {} USING {}::{}", alter_type(name, &column.name, &wanted.name), quoted(&column.name), wanted.name)
        }
        // The values that are there would lose something.
        _ => String::new(),
    };
    let message =
        format!("table {table} has column '{}' as {is}, the query gives {gives}; cast it in the query{statement}", column.name);
    Error::config_at(field.name(), message)
}

/// The statements that make the table. The key is made once the rows are in: an index over rows that are there is built faster.
pub(super) fn create(name: &TableName, columns: &[Column], comment: Option<&String>) -> String {
    let column = |column: &Column| {
        let null = if column.required == Some(NOT_NULL) { " NOT NULL" } else { "" };
        format!("{} {}{null}", quoted(&column.name), column.data_type.name)
    };
    let table = format!("CREATE TABLE {} ({})", qualified(name), columns.iter().map(column).collect::<Vec<_>>().join(", "));
    let comment = comment.map(|comment| format!("COMMENT ON TABLE {} IS {}", qualified(name), text(comment)));
    let comments = columns.iter().filter_map(|column| comment_on_column(name, column));
    std::iter::once(table).chain(comment).chain(comments).collect::<Vec<_>>().join("; ")
}

fn comment_on_column(name: &TableName, column: &Column) -> Option<String> {
    let comment = column.comment.as_ref()?;
    Some(format!("COMMENT ON COLUMN {}.{} IS {}", qualified(name), quoted(&column.name), text(comment)))
}

/// A text as a statement takes it, whatever `standard_conforming_strings` is; without what no text has.
fn text(text: &str) -> String {
    format!(" E'{}'", text.replace('\0', "").replace('\\', "\\\\").replace('\'', "''"))
}

/// The statements that empty a table and give it `columns` in place of its own. A column of the same name and type stays, under the name that the
/// table has for it.
pub(super) fn replacing(name: &TableName, target: &Target, columns: &mut [Column]) -> Vec<String> {
    let table = qualified(name);
    let mut statements = vec![format!("DELETE FROM {table}")];
    let mut kept = Vec::new();
    for column in columns.iter_mut() {
        let there = find(&target.columns, &column.name);
        if let Some(there) =
            there.filter(|there| there.data_type == column.data_type && !there.is_generated && !there.is_identity)
        {
            column.name.clone_from(&there.name);
            kept.push(there.name.as_str());
        }
    }
    let gone = target.columns.iter().filter(|there| !kept.contains(&there.name.as_str()));
    statements.extend(gone.map(|there| format!("ALTER TABLE {table} DROP COLUMN {}", quoted(&there.name))));
    let new = columns.iter().filter(|column| !kept.contains(&column.name.as_str()));
    statements
        .extend(new.map(|column| format!("ALTER TABLE {table} ADD COLUMN {} {}", quoted(&column.name), column.data_type.name)));
    statements
}

/// The statement that makes the key of a new table.
pub(super) fn add_key(name: &TableName, key: &[String]) -> String {
    format!("ALTER TABLE {} ADD PRIMARY KEY ({})", qualified(name), list(key))
}

/// What a declaration makes of a table that is not there yet: as if it were there, and had these columns.
///
/// # Errors
/// [`Error::Config`] at a column of a type that there is no counterpart for.
pub(super) fn declared(name: &TableName, columns: &Schema) -> Result<Target> {
    let meeting = meet(name, None, columns, &[])?;
    let column = |(column, field): (Column, &Arc<Field>)| TargetColumn {
        name: column.name,
        data_type: column.data_type,
        is_required: !field.is_nullable(),
        has_default: false,
        is_generated: false,
        is_identity: false,
        is_loose: false,
    };
    let columns = meeting.columns.into_iter().zip(columns.fields()).map(column).collect();
    Ok(Target { oid: 0, columns })
}

/// The statement that gives a column another type.
pub(super) fn alter_type(name: &TableName, column: &str, to: &str) -> String {
    format!("ALTER TABLE {} ALTER COLUMN {} TYPE {to}", qualified(name), quoted(column))
}

/// The names of `wanted` as the table writes them.
///
/// # Errors
/// [`Error::Config`] at the first that is not written; `role` says what it was wanted for.
pub(super) fn resolve(name: &TableName, role: &str, columns: &[Column], wanted: &[String]) -> Result<Vec<String>> {
    let one = |wanted: &String| {
        let exact = columns.iter().find(|column| column.name == *wanted);
        let found = exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(wanted)));
        found.map(|column| column.name.clone()).ok_or_else(|| {
            let there: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let message = format!(
                "{role} column '{wanted}' of table {} is not in the query, which has: {}",
                qualified(name),
                there.join(", ")
            );
            Error::config_at(wanted, message)
        })
    };
    wanted.iter().map(one).collect()
}

/// The column of a batch that only says which rows are deleted: of the type that it would have if it were the table's.
///
/// # Errors
/// [`Error::Config`] when it is of a type that there is no counterpart for.
pub(super) fn marker(schema: &Schema, upserts: &Upserts, mode: WriteMode) -> Result<Option<(usize, Column)>> {
    let Some(index) = upserts.marker_index(schema, mode) else { return Ok(None) };
    let field = schema.field(index);
    let (data_type, staged) = created(field.name(), field.data_type())?;
    Ok(Some((index, Column::new(field.name(), data_type, staged))))
}

/// The columns that are copied: those that the table keeps and, in its place among them, the one that it does not. Where rows may be
/// `deleted`, the others need no value in all of them.
pub(super) fn copied(columns: &[Column], marker: Option<&(usize, Column)>, deleted: bool) -> Vec<Column> {
    let mut copied = columns.to_vec();
    if deleted {
        copied.iter_mut().for_each(|column| column.required = column.required.filter(|required| *required == OF_THE_KEY));
    }
    if let Some((index, marker)) = marker {
        copied.insert(*index, marker.clone());
    }
    copied
}

/// Whether the database has to say which rows have one key.
pub(super) fn has_loose_key(columns: &[Column], key: &[String]) -> bool {
    columns.iter().any(|column| column.is_loose && key.contains(&column.name))
}

/// The column of a table that a name of a query means.
fn find<'a>(columns: &'a [TargetColumn], name: &str) -> Option<&'a TargetColumn> {
    let exact = columns.iter().find(|column| column.name == name);
    exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
}

fn check_names(query: &Schema) -> Result<()> {
    for (index, field) in query.fields().iter().enumerate() {
        let name = field.name();
        check_name("column", name)?;
        if query.fields().iter().take(index).any(|other| other.name().eq_ignore_ascii_case(name)) {
            let message = format!(
                "column '{name}' is in the query twice (tables of the warehouse do not tell case apart); rename one with AS"
            );
            return Err(Error::config_at(name, message));
        }
    }
    Ok(())
}

/// Refuses a name that PostgreSQL would cut, or cannot have.
///
/// # Errors
/// [`Error::Config`] at the name.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.contains('\0') || name.len() > NAME_BYTES {
        let message =
            format!("{what} '{name}' has {} bytes; a name of PostgreSQL has 1 to {NAME_BYTES}: choose another", name.len());
        return Err(Error::config_at(name, message));
    }
    Ok(())
}

/// A name as a statement takes it, whatever letters it has.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name as a statement takes it.
pub(super) fn qualified(name: &TableName) -> String {
    format!("{}.{}", quoted(&name.schema), quoted(&name.table))
}

/// Names as a statement takes them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::types::Kind;
    use super::*;

    fn name() -> TableName {
        TableName { schema: "public".into(), table: "posts".into() }
    }

    fn column(name: &str, kind: Kind) -> TargetColumn {
        TargetColumn {
            name: name.into(),
            data_type: PgType::new(kind),
            is_required: false,
            has_default: false,
            is_generated: false,
            is_identity: false,
            is_loose: false,
        }
    }

    fn target(columns: Vec<TargetColumn>) -> Target {
        Target { oid: 1, columns }
    }

    fn query(fields: &[(&str, DataType)]) -> Schema {
        Schema::new(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>())
    }

    #[test]
    fn a_table_whose_columns_are_replaced_keeps_those_that_stay_as_they_are() {
        let mut there = target(vec![column("Id", Kind::BigInt), column("old", Kind::Text(None)), column("n", Kind::Text(None))]);
        there.columns[0].is_required = true;
        let query = query(&[("id", DataType::Int64), ("n", DataType::Int64)]);
        let mut columns = meet(&name(), None, &query, &[]).unwrap().columns;
        let table = "ALTER TABLE \"public\".\"posts\"";
        assert_eq!(
            replacing(&name(), &there, &mut columns),
            [
                "DELETE FROM \"public\".\"posts\"".to_owned(),
                format!("{table} DROP COLUMN \"old\""),
                format!("{table} DROP COLUMN \"n\""),
                format!("{table} ADD COLUMN \"n\" bigint"),
            ]
        );
        assert_eq!(columns[0].name, "Id");
    }

    #[test]
    fn a_new_column_is_added_and_a_narrow_one_widened() {
        let target = target(vec![column("Id", Kind::Integer), column("old", Kind::Text(None))]);
        let meeting =
            meet(&name(), Some(&target), &query(&[("new", DataType::Boolean), ("id", DataType::Int64)]), &["Id".into()]).unwrap();
        let names: Vec<_> = meeting.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["new", "Id"]);
        assert_eq!(meeting.columns[1].required, Some(OF_THE_KEY));
        assert_eq!(
            meeting.alterations,
            [
                "ALTER TABLE \"public\".\"posts\" ADD COLUMN IF NOT EXISTS \"new\" boolean",
                "ALTER TABLE \"public\".\"posts\" ALTER COLUMN \"Id\" TYPE bigint",
            ]
        );
    }

    #[test]
    fn what_would_lose_something_is_refused_with_the_statement_to_run() {
        let target_of = |kind| target(vec![column("n", kind)]);
        let error = meet(&name(), Some(&target_of(Kind::Integer)), &query(&[("n", DataType::Float64)]), &[]).unwrap_err();
        assert_eq!(error.subject(), Some("n"));
        let text = error.to_string();
        assert!(text.contains("column 'n' as integer, the query gives Float64"), "{text}");
        let statement = "ALTER TABLE \"public\".\"posts\" ALTER COLUMN \"n\" TYPE double precision USING \"n\"::double precision";
        assert!(text.contains(statement), "{text}");
        let error =
            meet(&name(), Some(&target_of(Kind::Double)), &query(&[("n", DataType::Int64)]), &[]).unwrap_err().to_string();
        assert!(error.contains("cast it in the query") && !error.contains("ALTER"), "{error}");

        let mut required = column("must", Kind::Date);
        required.is_required = true;
        let error = meet(&name(), Some(&target(vec![required])), &query(&[("a", DataType::Int8)]), &[]).unwrap_err().to_string();
        assert!(error.contains("ALTER COLUMN \"must\" DROP NOT NULL"), "{error}");
    }

    #[test]
    fn a_domain_stays_what_it_is_and_numbers_of_more_digits_are_looked_at() {
        let domain = |kind, query: DataType| {
            let mut there = column("n", kind);
            there.data_type.name = "price".into();
            meet(&name(), Some(&target(vec![there])), &self::query(&[("n", query)]), &[])
        };
        for (kind, query, staged) in [
            (Kind::Numeric(Some((6, 2))), DataType::Decimal128(38, 4), DataType::Decimal128(38, 4)),
            (Kind::Numeric(Some((6, 2))), DataType::Int64, DataType::Decimal128(21, 2)),
            (Kind::Numeric(Some((6, 2))), DataType::Decimal128(38, 0), DataType::Decimal256(40, 2)),
            (Kind::SmallInt, DataType::Int32, DataType::Int64),
            (Kind::Integer, DataType::Int64, DataType::Int64),
        ] {
            let meeting = domain(kind, query.clone()).unwrap();
            assert!(meeting.changes.is_empty() && meeting.alterations.is_empty(), "{query}");
            assert_eq!(meeting.columns[0].staged, staged, "{query}");
        }
        for query in [DataType::Float64, DataType::Decimal128(4, 0)] {
            let error = domain(Kind::SmallInt, query).unwrap_err().to_string();
            assert!(error.contains("cast it in the query"), "{error}");
        }
    }

    #[test]
    fn names_that_would_be_cut_are_refused() {
        let long = "é".repeat(32);
        let error = meet(&name(), None, &query(&[(&long, DataType::Int8)]), &[]).unwrap_err();
        assert!(error.to_string().contains("64 bytes"), "{error}");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
