//! Which PostgreSQL type a column of a query becomes, what is staged for a column that is there, and which of them may be widened.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Field, Fields, TimeUnit};

use crate::error::Result;
use crate::stored::{MAX_DIGITS, Target};
use crate::warehouse::room::Room;

/// How values of a column are sent: the types that binary COPY has a form for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    /// Digits and scale; any where there is none.
    Numeric(Option<(i32, i32)>),
    /// The most characters, where there is a limit.
    Text(Option<usize>),
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Json,
    Jsonb,
    Uuid,
    Oid,
    /// Of items of a kind, which the server knows by that number.
    Array(Box<Self>, u32),
    /// Something that this sink has no form for: it is sent as a text, which the server casts.
    Other,
}

/// The number of `text` in the catalog: those of the server's own types are the same everywhere.
const TEXT: u32 = 25;

impl Kind {
    /// Whether any two values of it can be compared, also where one is NULL.
    pub(super) fn is_comparable(&self) -> bool {
        match self {
            Self::Json | Self::Other => false,
            Self::Array(item, _) => item.is_comparable(),
            _ => true,
        }
    }

    /// What a column of `numeric` holds, where that is not any.
    pub(super) fn room(&self) -> Option<Room> {
        let Self::Numeric(Some((digits, scale))) = self else { return None };
        Some(Room::Digits(u8::try_from(digits - scale).ok()?, u8::try_from(*scale).ok()?))
    }

    /// Whether values that are told apart as they are staged may be one to the database: a UUID has capitals or has not, a number as a text
    /// zeros at its end, an address its mask.
    pub(super) fn is_loose(&self, staged: &DataType) -> bool {
        match self {
            Self::Uuid | Self::Jsonb | Self::Real | Self::Double | Self::Array(..) | Self::Other => true,
            Self::Numeric(_) => is_text(staged),
            _ => false,
        }
    }

    /// Whether the values of a column keep their meaning when it becomes one of `wanted`: a person may be told to change it.
    pub(super) fn may_become(&self, wanted: &Self) -> bool {
        let is_whole = matches!(self, Self::SmallInt | Self::Integer | Self::BigInt);
        match wanted {
            Self::Text(_) | Self::Jsonb => true,
            Self::SmallInt | Self::Integer | Self::BigInt | Self::Real => is_whole,
            Self::Double => is_whole || matches!(self, Self::Real | Self::Numeric(_)),
            Self::Numeric(_) => is_whole || matches!(self, Self::Numeric(_)),
            Self::Timestamp => *self == Self::Date,
            Self::TimestampTz => matches!(self, Self::Date | Self::Timestamp),
            Self::Boolean
            | Self::Bytea
            | Self::Date
            | Self::Time
            | Self::Json
            | Self::Uuid
            | Self::Oid
            | Self::Array(..)
            | Self::Other => false,
        }
    }
}

/// Characters of a `name`, at most: `NAMEDATALEN` less one, of bytes.
const NAME: usize = 63;

/// A type with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PgType {
    pub(super) kind: Kind,
    /// As a statement has it: `numeric(10,2)`.
    pub(super) name: String,
}

impl PgType {
    pub(super) fn new(kind: Kind) -> Self {
        let name = match &kind {
            Kind::Boolean => "boolean".to_owned(),
            Kind::SmallInt => "smallint".to_owned(),
            Kind::Integer => "integer".to_owned(),
            Kind::BigInt => "bigint".to_owned(),
            Kind::Real => "real".to_owned(),
            Kind::Double => "double precision".to_owned(),
            Kind::Numeric(None) => "numeric".to_owned(),
            Kind::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
            Kind::Text(None) | Kind::Other => "text".to_owned(),
            Kind::Text(Some(limit)) => format!("character varying({limit})"),
            Kind::Bytea => "bytea".to_owned(),
            Kind::Date => "date".to_owned(),
            Kind::Time => "time without time zone".to_owned(),
            Kind::Timestamp => "timestamp without time zone".to_owned(),
            Kind::TimestampTz => "timestamp with time zone".to_owned(),
            Kind::Json => "json".to_owned(),
            Kind::Jsonb => "jsonb".to_owned(),
            Kind::Uuid => "uuid".to_owned(),
            Kind::Oid => "oid".to_owned(),
            Kind::Array(item, _) => format!("{}[]", Self::new(item.as_ref().clone()).name),
        };
        Self { kind, name }
    }

    /// Whether it is the type of its kind, and no domain over that.
    pub(super) fn is_plain(&self) -> bool {
        Self::new(self.kind.clone()).name == self.name
    }

    /// The type that values are sent as, where it is not this one.
    pub(super) fn sent_as(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Other => Some("text"),
            Kind::Array(item, _) if **item == Kind::Other => Some("text[]"),
            _ => None,
        }
    }

    /// An array from the catalog: of items of a type, by that number.
    pub(super) fn array_of_catalog(item: &str, element: u32, modifier: i32, shown: &str) -> Self {
        let kind = Self::of_catalog(item, modifier, "").kind;
        let element = if kind == Kind::Other { TEXT } else { element };
        Self { kind: Kind::Array(Box::new(kind), element), name: shown.to_owned() }
    }

    /// From the catalog: the type's name there (of `pg_catalog`, or `enum`), its modifier, and how it is written.
    ///
    /// Modifiers are those of `numerictypmodin` and `varchartypmodin` in PostgreSQL's source: both count from 4.
    pub(super) fn of_catalog(name: &str, modifier: i32, shown: &str) -> Self {
        let limit = usize::try_from(modifier - 4).ok().filter(|_| modifier >= 4);
        let kind = match name {
            "bool" => Kind::Boolean,
            "int2" => Kind::SmallInt,
            "int4" => Kind::Integer,
            "int8" => Kind::BigInt,
            "float4" => Kind::Real,
            "float8" => Kind::Double,
            "numeric" if modifier < 4 => Kind::Numeric(None),
            "numeric" => {
                let packed = modifier - 4;
                // The scale has 11 bits, and a sign.
                Kind::Numeric(Some((packed >> 16, ((packed & 0x7ff) ^ 1024) - 1024)))
            }
            "text" | "enum" | "citext" => Kind::Text(None),
            "varchar" | "bpchar" => Kind::Text(limit),
            "name" => Kind::Text(Some(NAME)),
            "oid" => Kind::Oid,
            "bytea" => Kind::Bytea,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "timestamp" => Kind::Timestamp,
            "timestamptz" => Kind::TimestampTz,
            "json" => Kind::Json,
            "jsonb" => Kind::Jsonb,
            "uuid" => Kind::Uuid,
            _ => Kind::Other,
        };
        Self { kind, name: shown.to_owned() }
    }
}

/// What a new column is for values of a query's, and what is staged for it.
///
/// Whole numbers without a sign become the next wider ones; what is nested becomes `jsonb`.
///
/// # Errors
/// [`Error::Config`](crate::error::Error::Config) at the column for a type that has no counterpart, with the cast to write.
pub(super) fn created(column: &str, data_type: &DataType) -> Result<(PgType, DataType)> {
    const POSTGRES: Target = Target {
        lacks: "the warehouse has no type for",
        own: |data_type| match data_type {
            DataType::Int8 => Some(DataType::Int16),
            DataType::Time32(_) | DataType::Time64(_) => Some(DataType::Time64(TimeUnit::Microsecond)),
            DataType::Decimal256(precision, scale @ 0..) if *precision > MAX_DIGITS => {
                Some(DataType::Decimal256(*precision, *scale))
            }
            nested if nested.is_nested() => Some(plain_nested(nested)),
            _ => None,
        },
    };
    let staged = POSTGRES.store(column, data_type)?;
    let kind = match &staged {
        DataType::Boolean => Kind::Boolean,
        DataType::Int16 => Kind::SmallInt,
        DataType::Int32 => Kind::Integer,
        DataType::Int64 => Kind::BigInt,
        DataType::Float32 => Kind::Real,
        DataType::Float64 => Kind::Double,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Kind::Numeric(Some(((*precision).into(), (*scale).into())))
        }
        DataType::Binary => Kind::Bytea,
        DataType::Date32 => Kind::Date,
        DataType::Time64(_) => Kind::Time,
        DataType::Timestamp(_, None) => Kind::Timestamp,
        DataType::Timestamp(_, Some(_)) => Kind::TimestampTz,
        nested if nested.is_nested() => Kind::Jsonb,
        _ => Kind::Text(None),
    };
    Ok((PgType::new(kind), staged))
}

/// What is staged for a column that is there, if it takes every value of a query's column.
pub(super) fn taken(kind: &Kind, query: &DataType) -> Option<DataType> {
    use DataType::{Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
    let query = match query {
        DataType::Dictionary(_, values) => values.as_ref(),
        DataType::RunEndEncoded(_, values) => values.data_type(),
        other => other,
    };
    let staged = natural(kind, query);
    let is_null = matches!(query, DataType::Null);
    let fits = match (kind, query) {
        _ if is_null => true,
        (Kind::Array(item, _), _) => item_of(query).is_some_and(|found| taken(item, found).is_some()),
        (Kind::Numeric(None), _) if is_text(query) => true,
        (Kind::Oid, Int64 | UInt32) => true,
        (Kind::Boolean, DataType::Boolean)
        | (Kind::SmallInt, Int8 | UInt8 | Int16)
        | (Kind::Integer, Int8 | UInt8 | Int16 | UInt16 | Int32)
        | (Kind::BigInt, Int8 | UInt8 | Int16 | UInt16 | Int32 | UInt32 | Int64)
        | (Kind::Real, Float16 | Float32 | Int8 | UInt8 | Int16 | UInt16)
        | (Kind::Double, Float16 | Float32 | Float64 | Int8 | UInt8 | Int16 | UInt16 | Int32 | UInt32)
        | (Kind::Date, DataType::Date32 | DataType::Date64)
        | (Kind::Time, DataType::Time32(_) | DataType::Time64(_))
        | (Kind::Timestamp, DataType::Timestamp(_, None))
        | (Kind::TimestampTz, DataType::Timestamp(..)) => true,
        (Kind::Numeric(limits), _) => digits(query).is_some_and(|(whole, scale)| match limits {
            None => true,
            Some((to_precision, to_scale)) => *to_scale >= scale && to_precision - to_scale >= whole,
        }),
        (Kind::Text(_) | Kind::Uuid | Kind::Other, _) => is_text(query),
        (Kind::Json | Kind::Jsonb, _) => is_text(query) || query.is_nested(),
        (Kind::Bytea, _) => {
            matches!(query, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
        }
        _ => false,
    };
    staged.filter(|_| fits)
}

/// What is staged for a column that is there and cannot become wider, if it may turn out not to take every value of a query's: exact numbers of
/// more digits than it has room for, which are looked at one by one.
pub(super) fn narrowed(kind: &Kind, query: &DataType) -> Option<DataType> {
    let is_whole = digits(query).is_some_and(|(_, scale)| scale == 0) && query.is_integer() && *query != DataType::UInt64;
    match kind {
        Kind::SmallInt | Kind::Integer => is_whole.then_some(DataType::Int64),
        Kind::Numeric(_) if kind.room().is_some() => digits(query).and_then(|_| natural(kind, query)),
        _ => None,
    }
}

/// The type that a column could be altered to, so that it takes a query's values beside its own and loses none of them.
pub(super) fn widened(from: &Kind, query: &DataType) -> Option<PgType> {
    let rank = |kind: &Kind| match kind {
        Kind::SmallInt => Some(1),
        Kind::Integer => Some(2),
        Kind::BigInt => Some(3),
        Kind::Real => Some(11),
        Kind::Double => Some(12),
        _ => None,
    };
    let wider = [Kind::Integer, Kind::BigInt, Kind::Double].into_iter().find(|wider| {
        let same_family = rank(from).zip(rank(wider)).is_some_and(|(from, to)| from < to && from / 10 == to / 10);
        same_family && taken(wider, query).is_some()
    });
    match (wider, from, digits(query)) {
        (Some(wider), ..) => Some(PgType::new(wider)),
        (None, Kind::Numeric(Some((precision, scale))), Some((whole, query_scale))) => {
            let (whole, scale) = ((precision - scale).max(whole), (*scale).max(query_scale));
            Some(PgType::new(Kind::Numeric(Some((whole + scale, scale)))))
        }
        _ => None,
    }
}

/// Digits before the point, and behind it, of exact numbers.
fn digits(data_type: &DataType) -> Option<(i32, i32)> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => {
            (i32::from(*p) - i32::from(*s), i32::from(*s))
        }
        _ => return None,
    })
}

/// What is staged for values of a kind.
fn natural(kind: &Kind, query: &DataType) -> Option<DataType> {
    Some(match kind {
        Kind::Boolean => DataType::Boolean,
        Kind::SmallInt => DataType::Int16,
        Kind::Integer => DataType::Int32,
        Kind::BigInt => DataType::Int64,
        Kind::Real => DataType::Float32,
        Kind::Double => DataType::Float64,
        // Digit by digit: no decimal holds all of them.
        Kind::Numeric(None) if is_text(query) => DataType::Utf8,
        Kind::Numeric(limits) => {
            let (whole, scale) = digits(query).unwrap_or((1, 0));
            let scale = limits.map_or(scale, |(_, to)| to.max(scale)).max(0);
            let (precision, scale) = (u8::try_from(whole.max(0) + scale).ok()?.max(1), i8::try_from(scale).ok()?);
            if precision > DECIMAL256_MAX_PRECISION {
                return None;
            }
            if precision > MAX_DIGITS { DataType::Decimal256(precision, scale) } else { DataType::Decimal128(precision, scale) }
        }
        Kind::Json | Kind::Jsonb if query.is_nested() => plain_nested(query),
        Kind::Text(_) | Kind::Uuid | Kind::Json | Kind::Jsonb | Kind::Other => DataType::Utf8,
        Kind::Oid => DataType::Int64,
        Kind::Array(item, _) => {
            let found = item_of(query).unwrap_or(&DataType::Null);
            DataType::List(Arc::new(Field::new("item", natural(item, found)?, true)))
        }
        Kind::Bytea => DataType::Binary,
        Kind::Date => DataType::Date32,
        Kind::Time => DataType::Time64(TimeUnit::Microsecond),
        Kind::Timestamp => microseconds(false),
        Kind::TimestampTz => microseconds(true),
    })
}

/// What is in a list.
fn item_of(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn microseconds(zoned: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| "UTC".into()))
}

/// The same without what Parquet or JSON have no word for: views, dictionaries, lists of fixed size.
fn plain_nested(data_type: &DataType) -> DataType {
    let inner = |field: &Arc<Field>| Arc::new(Field::new(field.name(), plain_nested(field.data_type()), field.is_nullable()));
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(inner(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect::<Fields>()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        DataType::Dictionary(_, values) => plain_nested(values),
        DataType::RunEndEncoded(_, values) => plain_nested(values.data_type()),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_of_the_catalog_are_read() {
        // numeric(10,2), numeric(5,-3) and varchar(20), as PostgreSQL 15 has them in pg_attribute.atttypmod.
        for (name, modifier, kind) in [
            ("numeric", 655_366, Kind::Numeric(Some((10, 2)))),
            ("numeric", ((5 << 16) | (-3 & 0x7ff)) + 4, Kind::Numeric(Some((5, -3)))),
            ("numeric", -1, Kind::Numeric(None)),
            ("varchar", 24, Kind::Text(Some(20))),
            ("varchar", -1, Kind::Text(None)),
            ("point", -1, Kind::Other),
        ] {
            assert_eq!(PgType::of_catalog(name, modifier, "").kind, kind, "{name} {modifier}");
        }
    }

    #[test]
    fn decimals_of_any_width_become_numeric() {
        for (query, name, staged) in [
            (DataType::Decimal128(12, 2), "numeric(12,2)", DataType::Decimal128(12, 2)),
            (DataType::Decimal256(12, 2), "numeric(12,2)", DataType::Decimal128(12, 2)),
            (DataType::Decimal256(50, 10), "numeric(50,10)", DataType::Decimal256(50, 10)),
            (DataType::Decimal256(76, 0), "numeric(76,0)", DataType::Decimal256(76, 0)),
        ] {
            let (made, given) = created("n", &query).unwrap();
            assert_eq!((made.name.as_str(), &given), (name, &staged), "{query}");
            assert_eq!(taken(&made.kind, &query), Some(staged), "{query}: the next epoch finds the table");
        }
    }

    #[test]
    fn a_column_takes_what_loses_nothing() {
        assert_eq!(taken(&Kind::BigInt, &DataType::UInt32), Some(DataType::Int64));
        assert_eq!(taken(&Kind::Integer, &DataType::Int64), None);
        assert_eq!(taken(&Kind::Double, &DataType::Int64), None);
        assert_eq!(taken(&Kind::Numeric(Some((12, 4))), &DataType::Decimal128(10, 2)), Some(DataType::Decimal128(12, 4)));
        assert_eq!(taken(&Kind::Numeric(Some((12, 4))), &DataType::Decimal128(12, 2)), None);
        assert_eq!(taken(&Kind::Numeric(None), &DataType::UInt64), Some(DataType::Decimal128(20, 0)));
        assert_eq!(taken(&Kind::Timestamp, &microseconds(true)), None);
        assert_eq!(taken(&Kind::Uuid, &DataType::Utf8View), Some(DataType::Utf8));
        assert_eq!(taken(&Kind::Other, &DataType::Utf8), Some(DataType::Utf8));
        assert_eq!(taken(&Kind::Other, &DataType::Int64), None);
        assert_eq!(taken(&Kind::Numeric(None), &DataType::Utf8), Some(DataType::Utf8));
        assert_eq!(taken(&Kind::Numeric(Some((38, 2))), &DataType::Utf8), None);
        assert_eq!(taken(&Kind::Numeric(Some((50, 3))), &DataType::Decimal256(50, 3)), Some(DataType::Decimal256(50, 3)));
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        let bigints = Kind::Array(Box::new(Kind::BigInt), 20);
        assert_eq!(taken(&bigints, &list(DataType::Int32)), Some(list(DataType::Int64)));
        assert_eq!(taken(&bigints, &list(DataType::Utf8)), None);
        assert_eq!(taken(&bigints, &DataType::Int64), None);
        assert_eq!(taken(&Kind::Date, &DataType::Null), Some(DataType::Date32));
    }

    #[test]
    fn a_key_is_told_by_the_database_where_one_value_is_spelt_in_several_ways() {
        assert!(Kind::Uuid.is_loose(&DataType::Utf8) && Kind::Other.is_loose(&DataType::Utf8));
        assert!(Kind::Numeric(None).is_loose(&DataType::Utf8));
        assert!(!Kind::Numeric(None).is_loose(&DataType::Decimal128(20, 0)));
        assert!(!Kind::BigInt.is_loose(&DataType::Int64) && !Kind::Text(None).is_loose(&DataType::Utf8));
    }

    #[test]
    fn only_wider_types_of_one_family_are_widened_to() {
        let name = |from: Kind, query: DataType| widened(&from, &query).map(|to| to.name);
        assert_eq!(name(Kind::SmallInt, DataType::Int32).as_deref(), Some("integer"));
        assert_eq!(name(Kind::Integer, DataType::Int64).as_deref(), Some("bigint"));
        assert_eq!(name(Kind::Real, DataType::Float64).as_deref(), Some("double precision"));
        assert_eq!(name(Kind::Integer, DataType::Float64), None);
        assert_eq!(name(Kind::Numeric(Some((10, 2))), DataType::Decimal128(12, 3)).as_deref(), Some("numeric(12,3)"));
        assert_eq!(name(Kind::Text(Some(5)), DataType::Int64), None);
    }
}
