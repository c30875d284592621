//! ALTER: the forms that Redshift has (r_ALTER_TABLE).

use super::create::{constraint, default, isolation};
use super::cursor::{Cursor, Name, literal, physical, quote};
use super::expression::rewrite;
use super::plan::{Guard, Plan, Run, grant_text};
use super::settings::{at_startup, value};
use super::token::Token;
use super::types::column_type;
use crate::rules::{
    ADD_ONE_COLUMN, ADDED_NOT_NULL_NEEDS_DEFAULT, ALTER_HAS_FEW_FORMS, ALTER_TYPE_IS_FOR_VARCHAR, ALTER_TYPE_NOT_IN_TRANSACTION,
    ALTER_TYPE_NOT_WITH_DEFAULT,
};
use crate::sql_error::{SqlError, SqlResult};

/// `ALTER TABLE target APPEND FROM source`.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    pub(crate) target: Name,
    pub(crate) source: Name,
    /// Columns that the source lacks get their defaults.
    pub(crate) fill_target: bool,
    /// Columns that the target lacks are dropped.
    pub(crate) ignore_extra: bool,
}

/// What Redshift does and PostgreSQL need not: a change that changes nothing.
fn nothing(table: &Name) -> Plan {
    Plan::Run(Run::new(format!("ALTER TABLE {} SET (fillfactor = 100)", table.sql())))
}

pub(super) fn alter(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    cursor.next();
    match cursor.next().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default().as_str() {
        "table" => table(tokens, cursor),
        "user" if is_setting(cursor.clone()) => setting(cursor),
        "schema" | "user" | "group" | "role" => Ok(Plan::Run(Run::new(rewrite(tokens)?))),
        "default" => Ok(Plan::Run(Run::new(grant_text(tokens)?))),
        "database" => database(cursor),
        other => Err(SqlError::unknown(format!("ALTER {}", other.to_uppercase()))),
    }
}

/// Whether `name SET` follows.
fn is_setting(mut cursor: Cursor<'_>) -> bool {
    cursor.name().is_ok() && cursor.take(&["set"])
}

/// `ALTER USER name SET setting TO value`: what the sessions of a user begin with (r_ALTER_USER).
fn setting(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let user = cursor.name()?;
    cursor.expect("set")?;
    let name = at_startup(&cursor.name()?)?;
    if !cursor.take(&["to"]) {
        cursor.expect("=")?;
    }
    let value = value(&mut cursor)?;
    Ok(Plan::Run(Run::new(format!("ALTER ROLE {} SET {name} TO {value}", quote(&user)))))
}

fn database(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let name = cursor.name()?;
    let sql = isolation(&mut cursor, &name)?.ok_or_else(|| SqlError::unknown("ALTER DATABASE without ISOLATION LEVEL"))?;
    cursor.end().map(|()| Plan::Run(Run::new(sql)))
}

fn table(tokens: &[Token<'_>], mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let name = cursor.table()?;
    if cursor.take(&["append", "from"]) {
        return append(cursor, name);
    }
    if cursor.take(&["add"]) {
        return add(cursor, &name);
    }
    if cursor.take(&["alter", "column"]) || cursor.sees(&["alter"]) {
        return alter_column(cursor, &name);
    }
    if cursor.sees(&["rename"]) || cursor.sees(&["owner", "to"]) {
        return Ok(Plan::Run(Run::new(rewrite(tokens)?)));
    }
    if cursor.take(&["drop"]) {
        return drop_part(tokens, cursor, &name);
    }
    Err(few_forms(&cursor))
}

fn few_forms(cursor: &Cursor<'_>) -> SqlError {
    cursor.forbidden(&ALTER_HAS_FEW_FORMS)
}

fn append(mut cursor: Cursor<'_>, target: Name) -> SqlResult<Plan> {
    let source = cursor.table()?;
    let (ignore_extra, fill_target) = (cursor.take(&["ignoreextra"]), cursor.take(&["filltarget"]));
    cursor.end().map(|()| Plan::Append(Append { target, source, fill_target, ignore_extra }))
}

fn drop_part(tokens: &[Token<'_>], mut cursor: Cursor<'_>, table: &Name) -> SqlResult<Plan> {
    if cursor.take(&["constraint"]) {
        // Keys are not kept, so there is none to drop.
        cursor.name()?;
        return Ok(nothing(table));
    }
    cursor.take(&["column"]);
    if cursor.sees(&["if"]) {
        return Err(few_forms(&cursor));
    }
    cursor.name()?;
    let _optional = cursor.take(&["cascade"]) || cursor.take(&["restrict"]);
    if !cursor.at_end() {
        return Err(cursor.forbidden(&ADD_ONE_COLUMN));
    }
    Ok(Plan::Run(Run::new(rewrite(tokens)?)))
}

fn add(mut cursor: Cursor<'_>, table: &Name) -> SqlResult<Plan> {
    if constraint(&mut cursor, &mut Vec::new())? {
        return cursor.end().map(|()| nothing(table));
    }
    cursor.take(&["column"]);
    if cursor.sees(&["if"]) {
        return Err(cursor.forbidden(&ADD_ONE_COLUMN));
    }
    let name = cursor.name()?;
    let mut definition = format!("{} {}", quote(&name), column_type(&mut cursor, &name)?);
    let (mut has_default, mut required) = (false, false);
    while !cursor.at_end() {
        if cursor.take(&["default"]) {
            definition.push_str(&format!(" DEFAULT {}", default(&mut cursor)?));
            has_default = true;
        } else if cursor.take(&["not", "null"]) {
            required = true;
        } else if cursor.take(&["encode"]) {
            cursor.word()?;
        } else if !cursor.take(&["null"]) {
            // A second column, a key, IDENTITY: none of them is in the grammar.
            return Err(cursor.forbidden(&ADD_ONE_COLUMN));
        }
    }
    if required && !has_default {
        let message = "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression";
        return Err(SqlError::refused(&ADDED_NOT_NULL_NEEDS_DEFAULT, message));
    }
    let required = if required { " NOT NULL" } else { "" };
    Ok(Plan::Run(Run::new(format!("ALTER TABLE {} ADD COLUMN {definition}{required}", table.sql()))))
}

fn alter_column(mut cursor: Cursor<'_>, table: &Name) -> SqlResult<Plan> {
    for words in
        [&["alter", "diststyle"][..], &["alter", "distkey"], &["alter", "sortkey"], &["alter", "compound"], &["alter", "encode"]]
    {
        if cursor.sees(words) {
            return Ok(nothing(table));
        }
    }
    if cursor.sees(&["alter"]) {
        return Err(few_forms(&cursor));
    }
    let column = cursor.name()?;
    if cursor.take(&["encode"]) {
        cursor.word()?;
        return cursor.end().map(|()| nothing(table));
    }
    if !cursor.take(&["type"]) {
        return Err(few_forms(&cursor));
    }
    let new = column_type(&mut cursor, &column)?;
    cursor.end()?;
    Ok(Plan::Run(change_size(table, &column, &new)))
}

/// `ALTER COLUMN .. TYPE VARCHAR(n)`.
fn change_size(table: &Name, column: &str, new: &str) -> Run {
    let found = format!(
        "SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attname = {}",
        literal(&table.sql()),
        literal(&physical(column))
    );
    let size = new.strip_prefix("varchar(").and_then(|rest| rest.strip_suffix(')')).and_then(|size| size.parse::<i64>().ok());
    let wrong_type = SqlError::refused(
        &ALTER_TYPE_IS_FOR_VARCHAR,
        format!("cannot alter type of column \"{column}\": only the size of a VARCHAR column can be changed"),
    );
    let with_default =
        SqlError::refused(&ALTER_TYPE_NOT_WITH_DEFAULT, format!("cannot alter type of column \"{column}\" that has a default"));
    let same_size = SqlError::refused(&ALTER_TYPE_IS_FOR_VARCHAR, "target column size should be different");
    let not_varchar = if size.is_some() { format!("{found} AND a.atttypid <> 1043") } else { found.clone() };
    let guards = vec![
        Guard { sql: not_varchar, error: wrong_type },
        Guard { sql: format!("{found} AND a.atthasdef"), error: with_default },
        Guard { sql: format!("{found} AND a.atttypmod = {}", size.unwrap_or(0) + 4), error: same_size },
    ];
    let sql = format!("ALTER TABLE {} ALTER COLUMN {} TYPE {new}", table.sql(), quote(column));
    let alone = Some((ALTER_TYPE_NOT_IN_TRANSACTION, "ALTER TABLE ALTER COLUMN cannot run inside a transaction block"));
    Run { alone, guards, ..Run::new(sql) }
}
