//! The text of the pipeline that loads one file. Whatever letters a key has, they stand in it as letters.

use super::schema::ColumnSchema;

/// The table that is the file. No table of a key is called so: what begins with an underscore is hidden.
pub(super) const FILE: &str = "_file";
/// What gives a table the columns of its rows.
pub(super) const REPLACES: (&str, &str) = ("columns", "replace");

/// A column of the file, which is one of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type, as SQL has it.
    pub(super) sql: String,
    pub(super) is_required: bool,
    /// As the option says it.
    pub(super) length: Option<String>,
}

/// The file that is read.
#[derive(Debug)]
pub(super) struct FileTable<'a> {
    pub(super) connector: &'a str,
    pub(super) location: &'a str,
    pub(super) key: &'a str,
    pub(super) version: u64,
}

/// The table that is written.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) schema: &'a str,
    pub(super) table: &'a str,
    /// Its rows are replaced.
    pub(super) overwrites: bool,
    /// And its columns.
    pub(super) replaces: bool,
}

/// Loads the rows.
pub(super) fn loading(file: &FileTable<'_>, columns: &[Column], target: &Target<'_>) -> String {
    let declared: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {}{}", quoted(&column.name), column.sql, if column.is_required { " NOT NULL" } else { "" }))
        .collect();
    let mut options = file_options(file);
    let lengths = columns.iter().filter_map(|column| Some((format!("length.{}", column.name), column.length.clone()?)));
    options.extend(lengths);
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    format!(
        "CREATE EXTERNAL TABLE {} ({})\nSTORED AS {} LOCATION {} OPTIONS ({});\n\n{}\nINSERT {} {} SELECT {} FROM {};\n",
        quoted(FILE),
        declared.join(", "),
        file.connector,
        literal(file.location),
        list(&options),
        table(target),
        if target.overwrites { "OVERWRITE" } else { "INTO" },
        quoted(&name(target.table)),
        names.join(", "),
        quoted(FILE),
    )
}

/// Makes the table, or gives it columns, and loads nothing: the file is the schema's own, of which one record is read and none is a row.
pub(super) fn shaping(file: &FileTable<'_>, columns: &[(String, &ColumnSchema)], target: &Target<'_>) -> String {
    let cast =
        |(name, column): &(String, &ColumnSchema)| format!("CAST(NULL AS {}) AS {}", column.column_type.sql(), quoted(name));
    let columns: Vec<String> = columns.iter().map(cast).collect();
    format!(
        "CREATE EXTERNAL TABLE {} (table_name VARCHAR)\nSTORED AS JSON LOCATION {} OPTIONS ({});\n\n{}\nINSERT INTO {} SELECT {} FROM {} WHERE table_name = '';\n",
        quoted(FILE),
        literal(file.location),
        list(&file_options(file)),
        table(target),
        quoted(&name(target.table)),
        columns.join(", "),
        quoted(FILE),
    )
}

fn file_options(file: &FileTable<'_>) -> Vec<(String, String)> {
    let mut options = vec![
        ("file".to_owned(), file.key.to_owned()),
        ("file_version".to_owned(), file.version.to_string()),
        ("notifications".to_owned(), "none".to_owned()),
        ("on_change".to_owned(), "reprocess".to_owned()),
    ];
    if file.connector == "CSV" {
        options.push(("header".to_owned(), "true".to_owned()));
    }
    options
}

fn table(target: &Target<'_>) -> String {
    let options =
        if target.replaces { format!(" OPTIONS ({} {})", literal(REPLACES.0), literal(REPLACES.1)) } else { String::new() };
    format!(
        "CREATE EXTERNAL TABLE {} STORED AS WAREHOUSE LOCATION {}{options};",
        quoted(&name(target.table)),
        literal(&location(target.schema, target.table))
    )
}

/// What the statements call a table of the warehouse: without dots, which would set a schema apart.
pub(super) fn name(table: &str) -> String {
    table.to_owned()
}

/// Where it is, as `LOCATION` has it.
pub(super) fn location(schema: &str, table: &str) -> String {
    let part = |name: &str| if name == name.to_lowercase() { name.to_owned() } else { quoted(name) };
    format!("{}.{}", part(schema), part(table))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a statement has it; a `$` is none of a reference.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('$', "$$"))
}

fn list(options: &[(String, String)]) -> String {
    // References are resolved in values and not in names.
    let name = |name: &str| format!("'{}'", name.replace('\'', "''"));
    options.iter().map(|(key, value)| format!("{} {}", name(key), literal(value))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_key_has_it_stays_within_its_quotes() {
        let column = Column { name: "a\"b".into(), sql: "BIGINT".into(), is_required: true, length: None };
        let file = FileTable { connector: "CSV", location: "s3://b", key: "dev/append/t/it's ${HOME} *.csv", version: 7 };
        let target = Target { schema: "public", table: "t", overwrites: false, replaces: false };
        assert_eq!(
            loading(&file, &[column], &target),
            "CREATE EXTERNAL TABLE \"_file\" (\"a\"\"b\" BIGINT NOT NULL)\nSTORED AS CSV LOCATION 's3://b' OPTIONS \
             ('file' 'dev/append/t/it''s $${HOME} *.csv', 'file_version' '7', 'notifications' 'none', 'on_change' 'reprocess', 'header' 'true');\n\n\
             CREATE EXTERNAL TABLE \"t\" STORED AS WAREHOUSE LOCATION 'public.t';\nINSERT INTO \"t\" SELECT \"a\"\"b\" FROM \"_file\";\n"
        );
    }
}
