//! Types: those of columns, and those that an expression is cast to.

use super::cursor::{Cursor, quote};
use super::token::Token;
use crate::rules::{DECIMAL_IS_AT_MOST_38, TYPES_OF_POSTGRES_ARE_REFUSED, VARCHAR_MAX_IS_65535};
use crate::sql_error::{SqlError, SqlResult};

/// The longest VARCHAR, VARCHAR without a length, and the longest CHAR, in bytes.
const LONGEST_VARCHAR: i64 = 65_535;
const BARE_VARCHAR: i64 = 256;
const LONGEST_CHAR: i64 = 4_096;
/// The longest VARBYTE, and VARBYTE without a length, in bytes.
const LONGEST_VARBYTE: i64 = 16_777_216;
const BARE_VARBYTE: i64 = 64_000;

/// Types of PostgreSQL that Redshift does not have.
const REFUSED: &[&str] = &[
    "bit",
    "box",
    "bytea",
    "cidr",
    "circle",
    "inet",
    "json",
    "jsonb",
    "line",
    "lseg",
    "macaddr",
    "money",
    "path",
    "point",
    "polygon",
    "serial",
    "bigserial",
    "smallserial",
    "serial2",
    "serial4",
    "serial8",
    "tsquery",
    "tsvector",
    "uuid",
    "xml",
    "hstore",
    "regtype",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "citext",
];

/// Types of Redshift that the stand-in lacks.
const MISSING: &[&str] = &["geometry", "geography", "hllsketch", "interval"];

/// Reads the type of a column, and says it as PostgreSQL does.
pub(super) fn column_type(cursor: &mut Cursor<'_>, column: &str) -> SqlResult<String> {
    let Some(word) = cursor.peek().and_then(|token| token.name()) else { return Err(cursor.unexpected()) };
    if REFUSED.contains(&word.as_str()) {
        return Err(refused(column, &word));
    }
    if MISSING.contains(&word.as_str()) {
        return Err(SqlError::unknown(format!("the type {word} of column {column}")));
    }
    cursor.next();
    let sql = match word.as_str() {
        "smallint" | "int2" => "smallint".to_owned(),
        "integer" | "int" | "int4" => "integer".to_owned(),
        "bigint" | "int8" => "bigint".to_owned(),
        "real" | "float4" => "real".to_owned(),
        "float8" => "double precision".to_owned(),
        "float" => float(cursor)?.to_owned(),
        "double" => {
            cursor.expect("precision")?;
            "double precision".to_owned()
        }
        "boolean" | "bool" => "boolean".to_owned(),
        "date" => "date".to_owned(),
        "decimal" | "numeric" | "dec" => decimal(cursor)?,
        "varchar" | "nvarchar" => varying(cursor)?,
        "text" => format!("varchar({BARE_VARCHAR})"),
        "character" | "char" | "nchar" if cursor.take(&["varying"]) => varying(cursor)?,
        "character" | "char" | "nchar" => character(cursor, 1)?,
        "bpchar" => character(cursor, BARE_VARCHAR)?,
        "timestamp" | "time" => moment(cursor, &word)?,
        "timestamptz" => "timestamptz".to_owned(),
        "timetz" => "timetz".to_owned(),
        "super" => "jsonb".to_owned(),
        "varbyte" | "varbinary" => binary(cursor, column)?,
        "binary" => {
            cursor.expect("varying")?;
            binary(cursor, column)?
        }
        _ => return Err(SqlError::new("42704", format!("type \"{word}\" does not exist"))),
    };
    if cursor.sees(&["["]) { Err(refused(column, &format!("{word}[]"))) } else { Ok(sql) }
}

fn refused(column: &str, type_name: &str) -> SqlError {
    let message = format!("Column \"{column}\" has unsupported type \"{type_name}\".");
    SqlError::refused(&TYPES_OF_POSTGRES_ARE_REFUSED, message)
}

/// What stands in the parentheses after a type, if there are any.
fn arguments(cursor: &mut Cursor<'_>) -> SqlResult<Option<Vec<i64>>> {
    if !cursor.sees(&["("]) {
        return Ok(None);
    }
    let inner = cursor.parenthesis()?;
    let numbers = super::cursor::split(&inner).into_iter().map(|part| Cursor::new(part).integer());
    numbers.collect::<SqlResult<Vec<i64>>>().map(Some)
}

fn length(cursor: &mut Cursor<'_>, default: i64, longest: i64) -> SqlResult<i64> {
    if cursor.take(&["(", "max", ")"]) {
        return Ok(longest);
    }
    let length = arguments(cursor)?.and_then(|numbers| numbers.first().copied()).unwrap_or(default);
    if (1..=longest).contains(&length) {
        return Ok(length);
    }
    let message = format!("length for type character varying cannot exceed {longest}");
    Err(SqlError::refused(&VARCHAR_MAX_IS_65535, message))
}

fn varying(cursor: &mut Cursor<'_>) -> SqlResult<String> {
    Ok(format!("varchar({})", length(cursor, BARE_VARCHAR, LONGEST_VARCHAR)?))
}

fn character(cursor: &mut Cursor<'_>, default: i64) -> SqlResult<String> {
    Ok(format!("char({})", length(cursor, default, LONGEST_CHAR)?))
}

/// PostgreSQL's has no length: a constraint is one.
fn binary(cursor: &mut Cursor<'_>, column: &str) -> SqlResult<String> {
    let length = length(cursor, BARE_VARBYTE, LONGEST_VARBYTE)?;
    Ok(format!("bytea CHECK (octet_length({}) <= {length})", quote(column)))
}

fn float(cursor: &mut Cursor<'_>) -> SqlResult<&'static str> {
    let single = arguments(cursor)?.and_then(|numbers| numbers.first().copied()).is_some_and(|bits| bits < 25);
    Ok(if single { "real" } else { "double precision" })
}

fn decimal(cursor: &mut Cursor<'_>) -> SqlResult<String> {
    let numbers = arguments(cursor)?.unwrap_or_else(|| vec![18, 0]);
    let (precision, scale) = (numbers.first().copied().unwrap_or(18), numbers.get(1).copied().unwrap_or(0));
    if (1..=38).contains(&precision) && (0..=precision.min(37)).contains(&scale) {
        return Ok(format!("numeric({precision},{scale})"));
    }
    let message = format!("DECIMAL precision {precision} and scale {scale} must be between 1 and 38, and 0 and 37");
    Err(SqlError::refused(&DECIMAL_IS_AT_MOST_38, message))
}

fn moment(cursor: &mut Cursor<'_>, word: &str) -> SqlResult<String> {
    if cursor.take(&["with", "time", "zone"]) {
        return Ok(format!("{word}tz"));
    }
    cursor.take(&["without", "time", "zone"]);
    Ok(word.to_owned())
}

/// What a type name after `::` or in CAST is for PostgreSQL, if it is another word there.
pub(super) fn cast_type(token: &Token<'_>) -> SqlResult<Option<&'static str>> {
    let Some(word) = token.name() else { return Ok(None) };
    if REFUSED.contains(&word.as_str()) {
        return Err(refused_cast(&word));
    }
    Ok(match word.as_str() {
        "super" => Some("jsonb"),
        "varbyte" | "varbinary" => Some("bytea"),
        "nvarchar" => Some("varchar"),
        _ => None,
    })
}

/// The error that there is no such type to cast to.
pub(super) fn refused_cast(name: &str) -> SqlError {
    let message = format!("type \"{name}\" does not exist");
    SqlError { code: "42704", ..SqlError::refused(&TYPES_OF_POSTGRES_ARE_REFUSED, message) }
}
