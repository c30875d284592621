//! CREATE: tables with Redshift's types and attributes, views, schemas, users; the rest is refused.

use std::fmt::Write as _;

use super::cursor::{Cursor, Name, literal, quote, split};
use super::dml::reads;
use super::expression::rewrite;
use super::plan::{Plan, Run};
use super::token::Token;
use super::types::column_type;
use crate::rules::{KEYS_NAME_COLUMNS, LATE_BINDING_VIEWS_FOLLOW_NAMES, NO_CHECK_CONSTRAINTS, NO_INDEXES};
use crate::sql_error::{SqlError, SqlResult};

pub(super) fn create(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    cursor.next();
    let replace = cursor.take(&["or", "replace"]);
    let local = cursor.take(&["local"]);
    let temporary = cursor.take(&["temp"]) || cursor.take(&["temporary"]);
    let kind = cursor.next().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    match kind.as_str() {
        "table" if !replace => table(cursor, temporary),
        "view" if !temporary && !local => view(tokens, replace),
        "schema" | "user" | "group" | "role" if !replace && !temporary => Ok(Plan::Run(Run::new(rewrite(tokens)?))),
        "database" if !replace && !temporary => database(cursor),
        "index" | "unique" | "sequence" | "trigger" | "type" | "domain" | "extension" | "rule" | "tablespace" => {
            Err(SqlError::refused(
                &NO_INDEXES,
                format!("SQL command \"CREATE {}\" not supported on Redshift tables.", kind.to_uppercase()),
            ))
        }
        _ => Err(SqlError::unknown(format!("CREATE {}", kind.to_uppercase()))),
    }
}

fn view(tokens: &[Token<'_>], replace: bool) -> SqlResult<Plan> {
    let unbound = ["with", "no", "schema", "binding"];
    let significant: Vec<Token<'_>> = tokens.iter().filter(|token| !token.text.trim().is_empty()).copied().collect();
    let (body, tail) = significant.split_at(significant.len().saturating_sub(unbound.len()));
    if tail.len() == unbound.len() && tail.iter().zip(unbound).all(|(token, word)| token.is(word)) {
        return late_view(body, replace);
    }
    Ok(Plan::Run(Run::new(rewrite(tokens)?)))
}

/// A view that is bound when it is read.
fn late_view(tokens: &[Token<'_>], replace: bool) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    while !cursor.take(&["view"]) {
        cursor.next();
    }
    let name = cursor.table()?;
    if !cursor.take(&["as"]) {
        return Err(SqlError::unknown("a list of columns of a view WITH NO SCHEMA BINDING"));
    }
    let query = cursor.rest();
    // What WITH gives a name to is no table.
    let is_of_with = |name: &Name| {
        query.windows(3).any(|three| three[0].name().as_ref() == Some(&name.name) && three[1].is("as") && three[2].is("("))
    };
    if reads(query).iter().any(|table| table.schema.is_none() && !is_of_with(table)) {
        let message = "All the relation names inside should be qualified when creating views with no schema binding.";
        return Err(SqlError::refused(&LATE_BINDING_VIEWS_FOLLOW_NAMES, message));
    }
    let (view, text) = (literal(&name.sql()), literal(&spaced(query)?));
    let first = if replace { format!("DROP VIEW IF EXISTS {};", name.sql()) } else { String::new() };
    Ok(Plan::Run(Run::new(format!(
        "DO $redshift_sim$ BEGIN {first} PERFORM redshift_sim.create_late_view({view}, {text}); END $redshift_sim$"
    ))))
}

/// `CREATE DATABASE d [ISOLATION LEVEL ..]`.
fn database(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let name = cursor.name()?;
    cursor.take(&["with"]);
    let after = isolation(&mut cursor, &name)?;
    cursor.end()?;
    Ok(Plan::Run(Run { after, ..Run::new(format!("CREATE DATABASE {}", quote(&name))) }))
}

/// `ISOLATION LEVEL SNAPSHOT` or `SERIALIZABLE`, as PostgreSQL's setting of the database.
pub(super) fn isolation(cursor: &mut Cursor<'_>, database: &str) -> SqlResult<Option<String>> {
    if !cursor.take(&["isolation", "level"]) {
        return Ok(None);
    }
    let level = match cursor.next() {
        Some(token) if token.is("snapshot") => "repeatable read",
        Some(token) if token.is("serializable") => "serializable",
        _ => return Err(cursor.unexpected()),
    };
    Ok(Some(format!("ALTER DATABASE {} SET default_transaction_isolation TO '{level}'", quote(database))))
}

/// What a table is, besides its columns.
#[derive(Debug, Default)]
struct Attributes {
    style: Option<String>,
    distribution: Option<String>,
    sort: Vec<String>,
    encodings: Vec<(String, String)>,
}

fn table(mut cursor: Cursor<'_>, temporary: bool) -> SqlResult<Plan> {
    let absent = cursor.take(&["if", "not", "exists"]);
    let name = cursor.table()?;
    let mut attributes = Attributes::default();
    let inner = if cursor.sees(&["("]) { Some(cursor.parenthesis()?) } else { None };
    table_attributes(&mut cursor, &mut attributes)?;
    let mut sql = format!(
        "CREATE {}TABLE {}{}",
        if temporary { "TEMPORARY " } else { "" },
        if absent { "IF NOT EXISTS " } else { "" },
        name.sql()
    );
    if cursor.take(&["as"]) {
        if let Some(names) = inner {
            sql.push_str(&format!(" ({})", rewrite(&names)?));
        }
        sql.push_str(&format!(" AS {}", spaced(cursor.rest())?));
    } else {
        cursor.end()?;
        let inner = inner.ok_or_else(|| cursor.unexpected())?;
        sql.push_str(&format!(" ({})", columns(&inner, &mut attributes)?));
    }
    let after = note(&name, &attributes);
    Ok(Plan::Run(Run { after: Some(after), ..Run::new(sql) }))
}

/// Tokens from which the blanks were dropped.
pub(super) fn spaced(tokens: &[Token<'_>]) -> SqlResult<String> {
    let mut spaced = Vec::new();
    for token in tokens {
        spaced.extend([*token, Token { kind: super::Kind::Space, text: " ", start: token.start, exact: false }]);
    }
    // A qualified name and a call must stay together for the rewriting, which looks past blanks anyway.
    rewrite(&spaced)
}

fn table_attributes(cursor: &mut Cursor<'_>, attributes: &mut Attributes) -> SqlResult<()> {
    loop {
        if cursor.take(&["backup"]) {
            let _either = cursor.take(&["yes"]) || cursor.take(&["no"]);
        } else if cursor.take(&["diststyle"]) {
            attributes.style = cursor.next().map(|token| token.text.to_ascii_uppercase());
        } else if cursor.take(&["distkey"]) {
            attributes.distribution = cursor.names()?.into_iter().next();
        } else if cursor.take(&["sortkey", "auto"]) || cursor.take(&["encode", "auto"]) {
            // The default.
        } else if cursor.take(&["compound", "sortkey"]) || cursor.take(&["interleaved", "sortkey"]) || cursor.take(&["sortkey"]) {
            attributes.sort = cursor.names()?;
        } else {
            return Ok(());
        }
    }
}

/// The columns and what stands beside them.
fn columns(inner: &[Token<'_>], attributes: &mut Attributes) -> SqlResult<String> {
    let mut written: Vec<(String, String)> = Vec::new();
    let mut required: Vec<String> = Vec::new();
    for part in split(inner) {
        let mut cursor = Cursor::new(part);
        if cursor.take(&["like"]) {
            written.push((String::new(), like(cursor)?));
        } else if constraint(&mut cursor, &mut required)? {
            cursor.end()?;
        } else {
            let (name, definition) = column(cursor, attributes)?;
            written.push((name, definition));
        }
    }
    let is_like = written.iter().any(|(name, _)| name.is_empty());
    let is_column = |key: &String| is_like || written.iter().any(|(name, _)| name == key);
    if let Some(key) = attributes.distribution.iter().chain(&attributes.sort).find(|key| !is_column(key)) {
        return Err(SqlError::refused(&KEYS_NAME_COLUMNS, format!("column \"{key}\" named in key does not exist")));
    }
    // A column of a primary key is not null, though the key is not enforced.
    let definitions = written.into_iter().map(|(name, definition)| {
        let bare = required.contains(&name) && !definition.ends_with(" NOT NULL");
        if bare { format!("{definition} NOT NULL") } else { definition }
    });
    Ok(definitions.collect::<Vec<_>>().join(", "))
}

fn like(mut cursor: Cursor<'_>) -> SqlResult<String> {
    let parent = cursor.table()?;
    // The only ones are those that stand for the length of a VARBYTE.
    let mut sql = format!("LIKE {} INCLUDING CONSTRAINTS", parent.sql());
    if cursor.take(&["including", "defaults"]) {
        sql.push_str(" INCLUDING DEFAULTS");
    }
    cursor.take(&["excluding", "defaults"]);
    cursor.end().map(|()| sql)
}

/// Reads a constraint of the table if one comes; they are not enforced.
pub(super) fn constraint(cursor: &mut Cursor<'_>, required: &mut Vec<String>) -> SqlResult<bool> {
    if cursor.take(&["constraint"]) {
        cursor.name()?;
    }
    if cursor.take(&["primary", "key"]) {
        required.extend(cursor.names()?);
    } else if cursor.sees(&["unique", "("]) {
        cursor.next();
        cursor.names()?;
    } else if cursor.take(&["foreign", "key"]) {
        cursor.names()?;
        cursor.expect("references")?;
        references(cursor)?;
    } else if cursor.sees(&["check", "("]) || cursor.sees(&["exclude"]) {
        return Err(SqlError::refused(&NO_CHECK_CONSTRAINTS, "CHECK constraints are not supported"));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn references(cursor: &mut Cursor<'_>) -> SqlResult<()> {
    cursor.table()?;
    if cursor.sees(&["("]) {
        cursor.names()?;
    }
    Ok(())
}

/// Where a default ends.
const AFTER_DEFAULT: &[&str] = &[
    "identity",
    "generated",
    "encode",
    "distkey",
    "sortkey",
    "collate",
    "not",
    "null",
    "unique",
    "primary",
    "references",
    "check",
    "constraint",
];

/// A column: its name, and its definition for PostgreSQL, at whose end stands NOT NULL.
fn column(mut cursor: Cursor<'_>, attributes: &mut Attributes) -> SqlResult<(String, String)> {
    let name = cursor.name()?;
    let mut definition = format!("{} {}", quote(&name), column_type(&mut cursor, &name)?);
    let mut required = false;
    while !cursor.at_end() {
        if cursor.take(&["default"]) {
            definition.push_str(&format!(" DEFAULT {}", default(&mut cursor)?));
        } else if cursor.take(&["generated", "by", "default", "as", "identity"]) {
            definition.push_str(&format!(" GENERATED BY DEFAULT AS IDENTITY {}", identity(&mut cursor)?));
        } else if cursor.take(&["identity"]) {
            definition.push_str(&format!(" GENERATED ALWAYS AS IDENTITY {}", identity(&mut cursor)?));
        } else if cursor.take(&["encode"]) {
            attributes.encodings.push((name.clone(), cursor.word()?));
        } else if cursor.take(&["distkey"]) {
            attributes.distribution = Some(name.clone());
        } else if cursor.take(&["sortkey"]) {
            attributes.sort.push(name.clone());
        } else if cursor.take(&["collate"]) {
            collation(&mut cursor)?;
        } else if cursor.take(&["not", "null"]) || cursor.take(&["primary", "key"]) {
            required = true;
        } else if cursor.take(&["references"]) {
            references(&mut cursor)?;
        } else if cursor.sees(&["check"]) {
            return Err(SqlError::refused(&NO_CHECK_CONSTRAINTS, "CHECK constraints are not supported"));
        } else if !(cursor.take(&["null"]) || cursor.take(&["unique"])) {
            return Err(cursor.unexpected());
        }
    }
    if required {
        definition.push_str(" NOT NULL");
    }
    Ok((name, definition))
}

fn collation(cursor: &mut Cursor<'_>) -> SqlResult<()> {
    if cursor.take(&["case_sensitive"]) || cursor.take(&["cs"]) {
        return Ok(());
    }
    Err(SqlError::unknown("a collation other than CASE_SENSITIVE"))
}

/// The expression of a default.
pub(super) fn default(cursor: &mut Cursor<'_>) -> SqlResult<String> {
    let mut tokens = Vec::new();
    let mut depth = 0;
    while let Some(token) = cursor.peek() {
        if depth == 0 && !tokens.is_empty() && AFTER_DEFAULT.iter().any(|word| token.is(word)) {
            break;
        }
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        tokens.push(token);
        cursor.next();
    }
    spaced(&tokens)
}

/// `(seed, step)`.
fn identity(cursor: &mut Cursor<'_>) -> SqlResult<String> {
    let inner = cursor.parenthesis()?;
    let numbers = split(&inner).into_iter().map(|part| Cursor::new(part).integer()).collect::<SqlResult<Vec<i64>>>()?;
    let [seed, step] = numbers[..] else { return Err(SqlError::new("42601", "IDENTITY takes a seed and a step")) };
    let border = if step > 0 { format!("MINVALUE {}", seed.min(1)) } else { format!("MAXVALUE {}", seed.max(-1)) };
    Ok(format!("(START WITH {seed} INCREMENT BY {step} {border})"))
}

/// The statement that keeps what PostgreSQL does not know about a table.
fn note(name: &Name, attributes: &Attributes) -> String {
    let optional = |text: &Option<String>| text.as_deref().map_or("NULL".to_owned(), literal);
    let mut sql = format!(
        "SELECT redshift_sim.note_table({}, {}, {}",
        literal(&name.sql()),
        optional(&attributes.style),
        optional(&attributes.distribution)
    );
    let sort: Vec<String> = attributes.sort.iter().map(|name| literal(name)).collect();
    let encodings: Vec<String> = attributes.encodings.iter().map(|(name, code)| literal(&format!("{name}={code}"))).collect();
    // Writing to a string cannot fail.
    let _infallible = write!(sql, ", ARRAY[{}]::text[], ARRAY[{}]::text[])", sort.join(", "), encodings.join(", "));
    sql
}
