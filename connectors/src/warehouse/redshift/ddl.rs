//! What makes a table, or its columns, fit a batch. A table is made in one transaction with its grants and comments; of the changes to one
//! that is there each statement stands alone: a column of text cannot be widened inside a transaction, and every other is repeatable ("ALTER
//! TABLE", `r_ALTER_TABLE`).

use crate::warehouse::redshift::columns::LoadColumn;
use crate::warehouse::redshift::names::{Relation, folded, quoted, quoted_list};
use crate::warehouse::redshift::options::{Distribution, TableOptions};
use crate::warehouse::redshift::types::{ColumnType, MAX_VARCHAR, width_for};

/// A change to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ddl {
    pub(crate) statement: String,
    /// For a column that is made wider: its name, and what a person runs where it cannot be.
    pub(crate) widens: Option<(String, String)>,
}

/// The statements that make `table` fit `columns`, of which the longest values have `longest` bytes.
pub(crate) fn changes(
    table: &Relation,
    columns: &[LoadColumn],
    longest: &[u64],
    table_exists: bool,
    options: &TableOptions,
) -> Vec<Ddl> {
    let plain = |statement| Ddl { statement, widens: None };
    let stored = || columns.iter().zip(longest).filter(|(column, _)| !column.marker);
    if !table_exists {
        let names: Vec<&str> = stored().map(|(column, _)| column.name.as_str()).collect();
        let columns: Vec<String> = stored().map(|(column, longest)| definition(column, *longest)).collect();
        let comments = options.comments.table.iter().map(|comment| comment_on("TABLE", &table.quoted(), comment));
        let of_columns = names.iter().filter_map(|name| comment_on_column(table, name, options));
        return create(table, &columns, options).into_iter().chain(comments).chain(of_columns).map(plain).collect();
    }
    let mut statements = Vec::new();
    let name = table.quoted();
    for (column, longest) in stored() {
        if !column.exists {
            statements.push(plain(format!("ALTER TABLE {name} ADD COLUMN {}", definition(column, *longest))));
            statements.extend(comment_on_column(table, &column.name, options).map(plain));
        } else if let Some(width) = wider(&column.target, *longest) {
            let by_hand = widen_by_hand(table, &column.name, width);
            statements.push(Ddl { statement: widen(&name, &column.name, width), widens: Some((column.name.clone(), by_hand)) });
        }
    }
    statements
}

fn comment_on_column(table: &Relation, column: &str, options: &TableOptions) -> Option<String> {
    let comment = options.comments.column(column)?;
    Some(comment_on("COLUMN", &format!("{}.{}", table.quoted(), quoted(column)), comment))
}

/// COMMENT takes no expression, and whether `\` escapes in a literal depends on a setting of the session: it is written as `/`.
fn comment_on(what: &str, name: &str, comment: &str) -> String {
    format!("COMMENT ON {what} {name} IS '{}'", comment.replace('\\', "/").replace('\0', "").replace('\'', "''"))
}

/// The width that a column of text needs and has not.
fn wider(column: &ColumnType, longest: u64) -> Option<u32> {
    match column {
        ColumnType::Varchar(width) if longest > u64::from(*width) => Some(width_for(longest).unwrap_or(MAX_VARCHAR)),
        _ => None,
    }
}

fn widen(table: &str, column: &str, width: u32) -> String {
    format!("ALTER TABLE {table} ALTER COLUMN {} TYPE {}", quoted(column), ColumnType::Varchar(width))
}

/// What a person runs where a column of text cannot be widened: it has a DEFAULT, is part of a PRIMARY KEY, FOREIGN KEY or UNIQUE,
/// or is encoded as BYTEDICT, RUNLENGTH, TEXT255 or TEXT32K.
fn widen_by_hand(table: &Relation, column: &str, width: u32) -> String {
    let (table, old, new, wide) = (table.quoted(), quoted(column), quoted(&format!("{column}__new")), ColumnType::Varchar(width));
    format!(
        "ALTER TABLE {table} ADD COLUMN {new} {wide}; UPDATE {table} SET {new} = {old}; ALTER TABLE {table} DROP COLUMN {old}; \
         ALTER TABLE {table} RENAME COLUMN {new} TO {old};"
    )
}

/// `"name" TYPE`; text by what was seen of it.
fn definition(column: &LoadColumn, longest: u64) -> String {
    let column_type = match &column.target {
        ColumnType::Varchar(_) => ColumnType::Varchar(width_for(longest).unwrap_or(MAX_VARCHAR)),
        other => other.clone(),
    };
    format!("{} {column_type}", quoted(&column.name))
}

fn create(table: &Relation, columns: &[String], options: &TableOptions) -> Vec<String> {
    let distribution = match &options.distribution {
        Distribution::Auto => "DISTSTYLE AUTO".to_owned(),
        Distribution::Even => "DISTSTYLE EVEN".to_owned(),
        Distribution::All => "DISTSTYLE ALL".to_owned(),
        Distribution::Key(column) => format!("DISTSTYLE KEY DISTKEY ({})", quoted(&folded(column))),
    };
    let sort = if options.sort.is_empty() {
        "SORTKEY AUTO".to_owned()
    } else {
        let names: Vec<String> = options.sort.iter().map(|column| folded(column)).collect();
        format!("COMPOUND SORTKEY ({})", quoted_list(names.iter().map(String::as_str)))
    };
    let name = table.quoted();
    let columns = columns.join(",\n  ");
    let mut statements = vec![format!("CREATE TABLE IF NOT EXISTS {name} (\n  {columns}\n) {distribution} {sort} ENCODE AUTO")];
    statements.extend(options.grants.iter().map(|grantee| format!("GRANT SELECT ON {name} TO {grantee}")));
    statements
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::options::Options;
    use crate::registry::Connector;
    use crate::sink::WriteMode;
    use crate::upserts::Upserts;
    use crate::warehouse::Warehouse;
    use crate::warehouse::redshift::catalog::TableColumn;
    use crate::warehouse::redshift::columns::load_columns;

    fn options(given: &[(&str, &str)]) -> TableOptions {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TableOptions::read(&Options::parse("WAREHOUSE", Warehouse.options(), &given).unwrap()).unwrap()
    }

    fn statements(existing: Option<&[TableColumn]>, longest: &[u64], given: &[(&str, &str)]) -> Vec<String> {
        let table = Relation::parse("public.posts").unwrap();
        let batch = Schema::new(vec![
            Field::new("Id", DataType::Int64, true),
            Field::new("user", DataType::Utf8, true),
            Field::new("_deleted", DataType::Boolean, true),
        ]);
        let upserts = Upserts { deleted: Some("_deleted".into()), ..Upserts::default() };
        let columns = load_columns(&table, &batch, existing, &upserts, WriteMode::Upsert).unwrap();
        let changes = changes(&table, &columns, longest, existing.is_some(), &options(given));
        changes.into_iter().map(|change| change.statement).collect()
    }

    #[test]
    fn new_table_is_sized_by_what_was_seen() {
        assert_eq!(
            statements(None, &[0, 30, 0], &[]),
            [
                "CREATE TABLE IF NOT EXISTS \"public\".\"posts\" (\n  \"id\" BIGINT,\n  \"user\" VARCHAR(64)\n) DISTSTYLE AUTO SORTKEY AUTO \
              ENCODE AUTO"
            ]
        );
    }

    #[test]
    fn distribution_sorting_and_grants_follow_the_options() {
        let given = [("dist", "Id"), ("sort", "user, id"), ("grants", "role:analysts")];
        assert_eq!(
            statements(None, &[0, 0, 0], &given),
            [
                "CREATE TABLE IF NOT EXISTS \"public\".\"posts\" (\n  \"id\" BIGINT,\n  \"user\" VARCHAR(256)\n) DISTSTYLE KEY DISTKEY \
                 (\"id\") COMPOUND SORTKEY (\"user\", \"id\") ENCODE AUTO",
                "GRANT SELECT ON \"public\".\"posts\" TO ROLE \"analysts\"",
            ]
        );
    }

    #[test]
    fn what_is_said_of_new_columns_is_said_there() {
        let table = Relation::parse("public.posts").unwrap();
        let batch = Schema::new(vec![Field::new("Id", DataType::Int64, true), Field::new("user", DataType::Utf8, true)]);
        let columns = [("id".to_owned(), "it's\\the id".to_owned())].into();
        let comments = crate::context::TableComments { table: Some("posts".into()), columns };
        let options = TableOptions { comments, ..options(&[]) };
        let of = |existing: Option<&[TableColumn]>| {
            let columns = load_columns(&table, &batch, existing, &Upserts::default(), WriteMode::Append).unwrap();
            let changes = changes(&table, &columns, &[0, 3], existing.is_some(), &options);
            changes.into_iter().map(|change| change.statement).skip(1).collect::<Vec<_>>()
        };
        let on_id = "COMMENT ON COLUMN \"public\".\"posts\".\"id\" IS 'it''s/the id'";
        assert_eq!(of(None), ["COMMENT ON TABLE \"public\".\"posts\" IS 'posts'", on_id]);
        let user = TableColumn {
            name: "user".into(),
            column_type: ColumnType::Varchar(20),
            nullable: true,
            has_default: false,
            is_identity: false,
        };
        assert_eq!(of(Some(&[user])), [on_id]);
    }

    #[test]
    fn columns_are_added_and_widened_one_a_statement() {
        let there = |name: &str, column_type| TableColumn {
            name: name.into(),
            column_type,
            nullable: true,
            has_default: false,
            is_identity: false,
        };
        let narrow = [there("user", ColumnType::Varchar(20))];
        assert_eq!(
            statements(Some(&narrow), &[0, 21, 0], &[]),
            [
                "ALTER TABLE \"public\".\"posts\" ADD COLUMN \"id\" BIGINT",
                "ALTER TABLE \"public\".\"posts\" ALTER COLUMN \"user\" TYPE VARCHAR(64)",
            ]
        );
        let wide = [there("id", ColumnType::BigInt), there("user", ColumnType::Varchar(21))];
        assert_eq!(statements(Some(&wide), &[0, 21, 0], &[]), Vec::<String>::new());
    }
}
