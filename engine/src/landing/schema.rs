//! The JSON that says what the columns of a table are, which of its files are held against from then on.

use std::collections::BTreeMap;

use connectors::files::plain_name;
use connectors::options::unknown;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::key::Action;
use super::refusal::Refusal;
use super::types::{ColumnType, TYPES};

/// The largest file of this kind.
pub const LARGEST: usize = 1 << 20;

/// What a table is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Its name.
    pub table_name: String,
    /// Its columns.
    pub columns: Vec<ColumnSchema>,
    /// What may be done with it.
    pub allowed_operations: Vec<Action>,
    /// `20240101_000000`: a later one counts more.
    pub schema_version: String,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// As it was given.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether a row may have none.
    pub nullable: bool,
}

impl TableSchema {
    /// Reads the JSON of `table`.
    ///
    /// # Errors
    /// What is wrong with it, and what is right.
    pub fn parse(bytes: &[u8], table: &str) -> Result<Self, Refusal> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let parsed: Value = serde_json::from_slice(bytes).map_err(|error| {
            Refusal::new(format!("the schema is no JSON: {error}")).line(error.line() as u64).expected("one JSON object")
        })?;
        let Value::Object(object) = parsed else { return Err(Refusal::new("the schema is no JSON object").expected(EXAMPLE)) };
        check_keys(&object, &["table_name", "columns", "allowed_operations", "schema_version"], "a schema")?;
        let named = text(&object, "table_name", "a schema")?;
        let bare = named.rsplit('.').next().unwrap_or(named);
        if !bare.eq_ignore_ascii_case(table) {
            let reason = format!("the schema is of table '{named}', and its key of '{table}'");
            return Err(Refusal::new(reason)
                .expected(table)
                .hint(format!("put it under .../schema/{}/, or change table_name", bare.to_lowercase())));
        }
        let schema = Self {
            table_name: table.to_owned(),
            columns: columns(&object)?,
            allowed_operations: operations(&object)?,
            schema_version: version(text(&object, "schema_version", "a schema")?)?,
        };
        Ok(schema)
    }

    /// Whether a file may do this.
    ///
    /// # Errors
    /// That it may not.
    pub fn check_allowed(&self, action: Action) -> Result<(), Refusal> {
        if self.allowed_operations.contains(&action) {
            return Ok(());
        }
        let allowed: Vec<&str> = self.allowed_operations.iter().map(|action| action.as_str()).collect();
        let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
        let reason = format!(
            "'{action}' is not allowed for table '{}' by its schema (version {}), which allows {allowed}",
            self.table_name, self.schema_version
        );
        let hint = format!("use what is allowed, or put a newer schema that has '{action}' among its allowed_operations");
        Err(Refusal::new(reason).expected(allowed).hint(hint))
    }

    /// Whether this may take the place of `before`: with more columns and longer texts, and nothing else. `Ok(false)`: it is the same.
    ///
    /// # Errors
    /// What else it changes, with the statement by which a person could.
    pub fn check_follows(&self, before: &Self, table: &str) -> Result<bool, Refusal> {
        if self == before {
            return Ok(false);
        }
        if self.schema_version <= before.schema_version {
            let reason = format!(
                "schema_version {} is not newer than that of the schema that counts for table '{}', {}, and it says something else",
                self.schema_version, self.table_name, before.schema_version
            );
            return Err(Refusal::new(reason)
                .expected(format!("a version after {}", before.schema_version))
                .hint("give it a newer schema_version"));
        }
        for old in &before.columns {
            let quoted = catalog::quoted(&plain_name(&old.name));
            let Some(new) = self.column(&old.name) else {
                let reason = format!("column '{}' of table '{}' is not in the schema any more", old.name, self.table_name);
                let hint =
                    format!("keep it; or run ALTER TABLE {table} DROP COLUMN {quoted}, and put a CSV file under .../schema/");
                return Err(Refusal::new(reason).column(&old.name).hint(hint));
            };
            if !new.column_type.holds(old.column_type) {
                let reason = format!(
                    "column '{}' of table '{}' would change from {} to {}: a schema adds columns and makes texts longer",
                    old.name, self.table_name, old.column_type, new.column_type
                );
                let hint = format!("a person could run: ALTER TABLE {table} ALTER COLUMN {quoted} TYPE {}", new.column_type);
                return Err(Refusal::new(reason).column(&old.name).expected(old.column_type.to_string()).hint(hint));
            }
            if old.nullable && !new.nullable {
                let reason = format!(
                    "column '{}' of table '{}' would become NOT NULL, and rows that are there may have none",
                    old.name, self.table_name
                );
                let hint = format!("a person could run: ALTER TABLE {table} ALTER COLUMN {quoted} SET NOT NULL");
                return Err(Refusal::new(reason).column(&old.name).hint(hint));
            }
        }
        Ok(true)
    }

    /// The columns, as a table that has columns `existing` calls them, or would: letters, digits and underscores.
    pub fn named(&self, existing: &[&str]) -> Vec<(String, &ColumnSchema)> {
        let name = |column: &ColumnSchema| {
            let same = existing.iter().find(|name| folded(name) == folded(&column.name));
            same.map_or_else(|| plain_name(&column.name), |name| (*name).to_owned())
        };
        self.columns.iter().map(|column| (name(column), column)).collect()
    }

    /// The column of that name, however it is written.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        let exact = self.columns.iter().find(|column| column.name.to_lowercase() == name.to_lowercase());
        exact.or_else(|| self.columns.iter().find(|column| folded(&column.name) == folded(name)))
    }
}

/// What the ways of writing one name have in common.
fn folded(name: &str) -> String {
    name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
}

const EXAMPLE: &str = r#"{"table_name":"users","columns":[{"name":"id","type":"BIGINT","nullable":false}],"allowed_operations":["append"],"schema_version":"20260101_000000"}"#;

fn check_keys(object: &Map<String, Value>, known: &[&str], owner: &str) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Refusal::new(unknown("key", key, owner, known.iter().copied())).expected(known.join(", "))),
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str, owner: &str) -> Result<&'a str, Refusal> {
    match object.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.trim()),
        Some(other) => Err(Refusal::new(format!("'{key}' of {owner} is {other}, expected a text")).expected("a text")),
        None => Err(Refusal::new(format!("'{key}' of {owner} is missing")).expected(EXAMPLE)),
    }
}

fn columns(object: &Map<String, Value>) -> Result<Vec<ColumnSchema>, Refusal> {
    let Some(Value::Array(listed)) =
        object.get("columns").filter(|columns| columns.as_array().is_some_and(|list| !list.is_empty()))
    else {
        return Err(Refusal::new("'columns' of a schema is missing, empty or no list").expected(EXAMPLE));
    };
    let mut columns: Vec<ColumnSchema> = Vec::new();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (number, column) in listed.iter().enumerate() {
        let owner = format!("column {}", number + 1);
        let Value::Object(column) = column else {
            return Err(Refusal::new(format!("{owner} of a schema is no object")).expected(EXAMPLE));
        };
        check_keys(column, &["name", "type", "nullable"], &owner)?;
        let name = text(column, "name", &owner)?;
        if let Some(other) = taken.insert(folded(name), name.to_owned()) {
            return Err(Refusal::new(format!(
                "the columns '{other}' and '{name}' of the schema are one: capitals, spaces and punctuation are no difference"
            ))
            .column(name));
        }
        let column_type = text(column, "type", &owner)?
            .parse::<ColumnType>()
            .map_err(|error: String| Refusal::new(format!("column '{name}': {error}")).column(name).expected(TYPES))?;
        let nullable = match column.get("nullable") {
            None => true,
            Some(Value::Bool(nullable)) => *nullable,
            Some(other) => {
                return Err(Refusal::new(format!("'nullable' of column '{name}' is {other}"))
                    .column(name)
                    .expected("true or false"));
            }
        };
        columns.push(ColumnSchema { name: name.to_owned(), column_type, nullable });
    }
    Ok(columns)
}

fn operations(object: &Map<String, Value>) -> Result<Vec<Action>, Refusal> {
    let names = Action::ALL.map(Action::as_str);
    let Some(listed) = object.get("allowed_operations") else { return Ok(vec![Action::Append, Action::Truncate]) };
    let Value::Array(listed) = listed else {
        return Err(
            Refusal::new(format!("'allowed_operations' of a schema is {listed}, expected a list")).expected(names.join(", "))
        );
    };
    let mut operations = Vec::new();
    for given in listed {
        let given = given.as_str().unwrap_or_default();
        let Some(action) = Action::parse(given) else {
            return Err(Refusal::new(unknown("operation", given, "'allowed_operations'", names)).expected(names.join(", ")));
        };
        operations.push(action);
    }
    operations.sort_unstable();
    operations.dedup();
    Ok(operations)
}

/// Versions are compared as texts: they have to have one form.
fn version(text: &str) -> Result<String, Refusal> {
    let is_form = text.split_once('_').is_some_and(|(date, time)| {
        let are_digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        are_digits(date, 8) && are_digits(time, 6)
    });
    if is_form {
        Ok(text.to_owned())
    } else {
        Err(Refusal::new(format!("schema_version is '{text}'")).expected("a date and time, as in '20260131_235959'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = r#"{"table_name":"users","columns":[{"name":"First name","type":"VARCHAR(255)","nullable":true},{"name":"age","type":"int"}],
        "allowed_operations":["append","truncate"],"schema_version":"20240101_000000"}"#;

    fn parse(text: &str) -> Result<TableSchema, Refusal> {
        TableSchema::parse(text.as_bytes(), "users")
    }

    #[test]
    fn a_schema_is_understood_and_survives_being_kept() {
        let schema = parse(USERS).unwrap();
        assert_eq!(schema.columns[0].column_type, ColumnType::Varchar(Some(255)));
        assert_eq!(schema.column("first_name").unwrap().name, "First name");
        assert_eq!(schema.allowed_operations, [Action::Append, Action::Truncate]);
        let kept: TableSchema = serde_json::from_str(&serde_json::to_string(&schema).unwrap()).unwrap();
        assert_eq!(kept, schema);
        assert!(schema.check_allowed(Action::Append).is_ok());
        let refusal = schema.check_allowed(Action::Schema).unwrap_err();
        assert!(refusal.reason.contains("which allows append, truncate"), "{refusal:?}");
    }

    #[test]
    fn what_is_wrong_is_told_with_the_nearest_that_is_right() {
        for (from, to, part) in [
            ("table_name", "tabel_name", "unknown key 'tabel_name' of a schema; did you mean 'table_name'?"),
            ("nullable", "nulable", "unknown key 'nulable' of column 1; did you mean 'nullable'?"),
            ("VARCHAR(255)", "VARCAHR(255)", "column 'First name': there is no type 'VARCAHR(255)'; did you mean VARCHAR?"),
            ("VARCHAR(255)", "VARCHAR(0)", "expected a length above zero"),
            ("\"int\"", "\"geometry\"", "there are: BOOLEAN"),
            ("append", "apend", "unknown operation 'apend' of 'allowed_operations'; did you mean 'append'?"),
            ("20240101_000000", "2024", "schema_version is '2024'"),
            ("\"users\"", "\"orders\"", "the schema is of table 'orders'"),
            ("true", "1", "'nullable' of column 'First name' is 1"),
            ("\"age\"", "\"first-name\"", "are one"),
        ] {
            let refusal = parse(&USERS.replacen(from, to, 1)).unwrap_err();
            assert!(refusal.reason.contains(part), "{to}: {}", refusal.reason);
        }
        assert_eq!(parse("{\n \"table_name\": }").unwrap_err().line, Some(2));
        assert!(parse("[]").unwrap_err().reason.contains("no JSON object"));
    }

    #[test]
    fn a_newer_schema_adds_columns_and_makes_texts_longer_and_nothing_else() {
        let before = parse(USERS).unwrap();
        let newer = |from: &str, to: &str| parse(&USERS.replacen("20240101", "20250101", 1).replacen(from, to, 1)).unwrap();
        assert_eq!(before.check_follows(&before, "public.users"), Ok(false));
        assert_eq!(newer("255", "500").check_follows(&before, "public.users"), Ok(true));
        let more = newer("{\"name\":\"age\"", "{\"name\":\"city\",\"type\":\"TEXT\"},{\"name\":\"age\"");
        assert_eq!(more.check_follows(&before, "public.users"), Ok(true));
        for (from, to, reason, hint) in [
            (
                "255",
                "20",
                "would change from VARCHAR(255) to VARCHAR(20)",
                "ALTER TABLE public.users ALTER COLUMN first_name TYPE VARCHAR(20)",
            ),
            ("\"int\"", "\"bigint\"", "would change from INTEGER to BIGINT", "ALTER COLUMN age TYPE BIGINT"),
            ("\"nullable\":true", "\"nullable\":false", "would become NOT NULL", "SET NOT NULL"),
            ("\"age\"", "\"years\"", "column 'age' of table 'users' is not in the schema any more", "DROP COLUMN age"),
        ] {
            let refusal = newer(from, to).check_follows(&before, "public.users").unwrap_err();
            assert!(refusal.reason.contains(reason), "{refusal:?}");
            assert!(refusal.hint.as_deref().unwrap_or_default().contains(hint), "{refusal:?}");
        }
        let other = parse(&USERS.replacen("255", "500", 1)).unwrap().check_follows(&before, "public.users").unwrap_err();
        assert!(other.reason.contains("is not newer"), "{other:?}");
    }
}
