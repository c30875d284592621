//! The table that a COPY fills, as PostgreSQL describes it.

use std::fmt;
use std::io;

use super::Copy;
use crate::rules::COPY_LIST_NEEDS_NOT_NULL_COLUMNS;
use crate::sql::{Name, literal, physical};
use crate::sql_error::{SqlError, SqlResult};
use crate::wire::{Answer, Backend};

/// A type of Redshift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Decimal(u8, i8),
    Varchar(usize),
    Char(usize),
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Super,
    Varbyte,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => formatter.write_str("BOOL"),
            Self::SmallInt => formatter.write_str("SMALLINT"),
            Self::Integer => formatter.write_str("INT"),
            Self::BigInt => formatter.write_str("BIGINT"),
            Self::Real => formatter.write_str("REAL"),
            Self::Double => formatter.write_str("DOUBLE PRECISION"),
            Self::Decimal(precision, scale) => write!(formatter, "DECIMAL({precision},{scale})"),
            Self::Varchar(_) => formatter.write_str("VARCHAR"),
            Self::Char(_) => formatter.write_str("CHAR"),
            Self::Date => formatter.write_str("DATE"),
            Self::Time => formatter.write_str("TIME"),
            Self::TimeTz => formatter.write_str("TIMETZ"),
            Self::Timestamp => formatter.write_str("TIMESTAMP"),
            Self::TimestampTz => formatter.write_str("TIMESTAMPTZ"),
            Self::Super => formatter.write_str("SUPER"),
            Self::Varbyte => formatter.write_str("VARBYTE"),
        }
    }
}

impl ColumnType {
    /// The longest value in bytes, of a type that holds strings.
    pub(crate) fn longest(self) -> Option<usize> {
        match self {
            Self::Varchar(bytes) | Self::Char(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The type by its id and modifier in PostgreSQL.
    pub(crate) fn of(type_id: i64, modifier: i64) -> Option<Self> {
        let length = |default: usize| usize::try_from(modifier - 4).unwrap_or(default);
        Some(match type_id {
            16 => Self::Boolean,
            21 => Self::SmallInt,
            23 => Self::Integer,
            20 => Self::BigInt,
            700 => Self::Real,
            701 => Self::Double,
            1700 if modifier < 0 => Self::Decimal(38, 0),
            1700 => Self::Decimal(u8::try_from((modifier - 4) >> 16).ok()?, i8::try_from((modifier - 4) & 0x7ff).ok()?),
            1043 | 25 => Self::Varchar(length(65_535)),
            1042 => Self::Char(length(1)),
            1082 => Self::Date,
            1083 => Self::Time,
            1266 => Self::TimeTz,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            3802 => Self::Super,
            17 => Self::Varbyte,
            _ => return None,
        })
    }
}

/// A column that is loaded.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) required: bool,
}

/// What is loaded, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) table: Name,
    pub(crate) relation: i64,
    pub(crate) columns: Vec<Column>,
}

/// A column of the table, with what decides whether it may be left out.
struct Described {
    column: Column,
    has_default: bool,
    identity: bool,
}

impl Target {
    /// Describes what `copy` fills, over the connection of the client's transaction.
    pub(crate) async fn describe(backend: &mut Backend, copy: &Copy) -> io::Result<SqlResult<Self>> {
        let sql = format!(
            "SELECT a.attname, a.atttypid::bigint, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity <> '', a.attrelid::bigint \
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY a.attnum",
            literal(&copy.table.sql())
        );
        let answer = backend.query(&sql).await?;
        Ok(Self::of(copy, &answer))
    }

    fn of(copy: &Copy, answer: &Answer) -> SqlResult<Self> {
        if let Some(error) = &answer.error {
            return Err(SqlError::new("XX000", error.get(b'M').to_owned()));
        }
        let relation = answer.value(6).and_then(|id| id.parse().ok()).unwrap_or_default();
        let described = answer.rows.iter().map(|row| describe(row)).collect::<SqlResult<Vec<Described>>>()?;
        let columns = match &copy.columns {
            Some(names) => listed(names, &described, copy)?,
            None => {
                described.into_iter().filter(|one| !one.identity || copy.options.explicit_ids).map(|one| one.column).collect()
            }
        };
        Ok(Self { table: copy.table.clone(), relation, columns })
    }
}

fn describe(row: &[Option<String>]) -> SqlResult<Described> {
    let text = |column: usize| row.get(column).and_then(|value| value.as_deref()).unwrap_or_default();
    let number = |column: usize| text(column).parse::<i64>().unwrap_or(-1);
    let name = text(0).to_owned();
    let column_type =
        ColumnType::of(number(1), number(2)).ok_or_else(|| SqlError::unknown(format!("the type of column {name}")))?;
    let column = Column { name, column_type, required: text(3) == "t" };
    Ok(Described { column, has_default: text(4) == "t", identity: text(5) == "t" })
}

/// The columns of a column list, in its order.
fn listed(names: &[String], described: &[Described], copy: &Copy) -> SqlResult<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for name in names {
        let name = physical(name);
        let found = described.iter().find(|one| one.column.name == *name);
        let message = || format!("column \"{name}\" of relation \"{}\" does not exist", copy.table.name);
        let found = found.ok_or_else(|| SqlError::new("42703", message()))?;
        if columns.iter().any(|column| column.name == *name) {
            return Err(SqlError::new("42701", format!("column \"{name}\" specified more than once")));
        }
        if found.identity && !copy.options.explicit_ids {
            return Err(SqlError::new(
                "0A000",
                format!("cannot set an identity column to a value: \"{name}\" needs EXPLICIT_IDS"),
            ));
        }
        columns.push(found.column.clone());
    }
    let forgotten = described.iter().find(|one| {
        let absent = !columns.iter().any(|column| column.name == one.column.name);
        absent && one.column.required && !one.has_default && !one.identity
    });
    match forgotten {
        Some(one) => {
            let message = format!("NOT NULL column without DEFAULT must be included in column list: \"{}\"", one.column.name);
            Err(SqlError::refused(&COPY_LIST_NEEDS_NOT_NULL_COLUMNS, message))
        }
        None => Ok(columns),
    }
}
