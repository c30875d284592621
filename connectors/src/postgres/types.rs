//! Which Arrow type a PostgreSQL type is read as: the one table that crawls and sources share.
//!
//! | PostgreSQL | Arrow |
//! |---|---|
//! | `boolean` | `Boolean` |
//! | `smallint`, `integer`, `bigint` | `Int16`, `Int32`, `Int64` |
//! | `oid` | `Int64` |
//! | `real`, `double precision` | `Float32`, `Float64` |
//! | `numeric(p, s)`, p ≤ 38 / ≤ 76 | `Decimal128(p, s)` / `Decimal256(p, s)` |
//! | `numeric` without precision, or with more | `Utf8`, digit by digit: no decimal holds all of them |
//! | `text`, `varchar`, `char`, `name`, enums, `uuid`, `json`, `jsonb` | `Utf8` |
//! | `bytea` | `Binary` |
//! | `date`, `time`, `timestamp`, `timestamptz` | `Date32`, `Time64(µs)`, `Timestamp(µs)`, `Timestamp(µs, UTC)` |
//! | arrays of these, of one dimension | `List` |
//! | a domain | as its base type |
//! | all others (`interval`, `timetz`, `inet`, `money`, ranges, composites, geometry …) | `Utf8`, as the server writes it |

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// The most digits of a `Decimal128` and of a `Decimal256`.
const DECIMAL_DIGITS: (u8, u8) = (38, 76);

/// How a value is sent in binary, and what is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wire {
    Bool,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    /// Text behind a byte that says which form it has.
    Jsonb,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp {
        zoned: bool,
    },
    Decimal128 {
        precision: u8,
        scale: i8,
    },
    Decimal256 {
        precision: u8,
        scale: i8,
    },
    NumericText,
    List(Box<Self>),
}

impl Wire {
    pub(super) fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::Jsonb | Self::Uuid | Self::NumericText => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp { zoned } => DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| "UTC".into())),
            Self::Decimal128 { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Decimal256 { precision, scale } => DataType::Decimal256(*precision, *scale),
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.arrow(), true))),
        }
    }
}

/// How a column is asked for, and how its values come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnType {
    pub(super) wire: Wire,
    /// The type to cast to in the statement, when values are not sent as they are.
    pub(super) cast: Option<&'static str>,
    pub(super) equality: Equality,
}

/// Which values of a type the server takes for equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Equality {
    /// Those that are sent as equal bytes.
    #[default]
    OfValues,
    /// The same once they are cast to texts: a text that is no value of an enum cannot be compared with one.
    OfTexts,
    /// Others, or none: `char(n)` does not see trailing blanks, `json` has no equality.
    Own,
}

impl ColumnType {
    fn new(wire: Wire, cast: Option<&'static str>) -> Self {
        Self { wire, cast, equality: Equality::default() }
    }
}

/// A type of the server's catalog (`pg_type`), as far as it matters here.
#[derive(Debug, Clone, Default)]
pub(super) struct CatalogType {
    pub(super) name: String,
    /// `b` base, `e` enum, `d` domain, `c` composite, `r` range …
    pub(super) kind: char,
    /// Of a domain: what it is over, and its modifier.
    pub(super) base: u32,
    pub(super) base_modifier: i32,
    /// Of an array: what is in it.
    pub(super) element: Option<u32>,
}

/// How a column of type `oid` is read; `find` looks types up.
pub(super) fn column_type<'a>(oid: u32, modifier: i32, find: &impl Fn(u32) -> Option<&'a CatalogType>) -> ColumnType {
    let as_text = ColumnType::new(Wire::Text, Some("text"));
    let (mut oid, mut modifier) = (oid, modifier);
    let mut found = find(oid);
    // Domains may be over domains; the modifier is the innermost that says one.
    while let Some(domain) = found.filter(|found| found.kind == 'd') {
        modifier = if modifier < 0 { domain.base_modifier } else { modifier };
        oid = domain.base;
        found = find(oid);
    }
    let Some(found) = found else { return as_text };
    if let Some(element) = found.element {
        let element = column_type(element, modifier, find);
        return match element.cast {
            // An array of arrays is not possible; what is sent as text is an array of texts.
            _ if matches!(element.wire, Wire::List(_)) => as_text,
            None => ColumnType::new(Wire::List(Box::new(element.wire)), None),
            Some("int8") => ColumnType::new(Wire::List(Box::new(Wire::Int64)), Some("int8[]")),
            Some(_) => ColumnType::new(Wire::List(Box::new(Wire::Text)), Some("text[]")),
        };
    }
    if found.kind == 'e' {
        return ColumnType { equality: Equality::OfTexts, ..ColumnType::new(Wire::Text, None) };
    }
    match base_type(&found.name, modifier).filter(|_| found.kind == 'b') {
        Some(wire) => ColumnType { equality: equality(&found.name), ..ColumnType::new(wire, None) },
        None if found.name == "oid" => ColumnType::new(Wire::Int64, Some("int8")),
        None => as_text,
    }
}

fn equality(name: &str) -> Equality {
    match name {
        "bpchar" | "json" => Equality::Own,
        "name" => Equality::OfTexts,
        _ => Equality::OfValues,
    }
}

fn base_type(name: &str, modifier: i32) -> Option<Wire> {
    Some(match name {
        "bool" => Wire::Bool,
        "int2" => Wire::Int16,
        "int4" => Wire::Int32,
        "int8" => Wire::Int64,
        "float4" => Wire::Float32,
        "float8" => Wire::Float64,
        "text" | "varchar" | "bpchar" | "name" | "json" => Wire::Text,
        "jsonb" => Wire::Jsonb,
        "bytea" => Wire::Bytes,
        "uuid" => Wire::Uuid,
        "date" => Wire::Date,
        "time" => Wire::Time,
        "timestamp" => Wire::Timestamp { zoned: false },
        "timestamptz" => Wire::Timestamp { zoned: true },
        "numeric" => numeric(modifier),
        _ => return None,
    })
}

/// The modifier of `numeric(p, s)`: p in the upper 16 bits, s in the lower 11 as a signed number, all of it plus 4
/// (`numeric.c`, `make_numeric_typmod`).
fn numeric(modifier: i32) -> Wire {
    if modifier < 4 {
        return Wire::NumericText;
    }
    let packed = modifier - 4;
    let (digits, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 0x400) - 0x400);
    // A negative scale rounds to tens and hundreds, one above the precision leaves out zeros behind the point.
    let precision = (digits - scale.min(0)).max(scale);
    let scale = scale.max(0);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if precision <= DECIMAL_DIGITS.0 => Wire::Decimal128 { precision, scale },
        (Ok(precision), Ok(scale)) if precision <= DECIMAL_DIGITS.1 => Wire::Decimal256 { precision, scale },
        _ => Wire::NumericText,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modifier(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    #[test]
    fn numerics_are_the_smallest_decimal_that_holds_all_their_values() {
        for (precision, scale, expected) in [
            (10, 2, Wire::Decimal128 { precision: 10, scale: 2 }),
            (38, 0, Wire::Decimal128 { precision: 38, scale: 0 }),
            (39, 5, Wire::Decimal256 { precision: 39, scale: 5 }),
            (5, -2, Wire::Decimal128 { precision: 7, scale: 0 }),
            (3, 5, Wire::Decimal128 { precision: 5, scale: 5 }),
            (77, 0, Wire::NumericText),
            (40, -40, Wire::NumericText),
        ] {
            assert_eq!(numeric(modifier(precision, scale)), expected, "numeric({precision}, {scale})");
        }
        assert_eq!(numeric(-1), Wire::NumericText);
    }

    #[test]
    fn domains_arrays_and_strangers_are_resolved() {
        let types = [
            (1, CatalogType { name: "numeric".into(), kind: 'b', ..CatalogType::default() }),
            (2, CatalogType { name: "price".into(), kind: 'd', base: 1, base_modifier: modifier(8, 2), element: None }),
            (3, CatalogType { name: "dear".into(), kind: 'd', base: 2, base_modifier: -1, element: None }),
            (4, CatalogType { name: "_dear".into(), kind: 'b', element: Some(3), ..CatalogType::default() }),
            (5, CatalogType { name: "interval".into(), kind: 'b', ..CatalogType::default() }),
            (6, CatalogType { name: "_interval".into(), kind: 'b', element: Some(5), ..CatalogType::default() }),
            (7, CatalogType { name: "mood".into(), kind: 'e', ..CatalogType::default() }),
            // Somebody's own type of a known name is not that type.
            (8, CatalogType { name: "date".into(), kind: 'c', ..CatalogType::default() }),
        ];
        let find = |oid: u32| types.iter().find(|(known, _)| *known == oid).map(|(_, found)| found);
        let price = Wire::Decimal128 { precision: 8, scale: 2 };
        assert_eq!(column_type(3, -1, &find), ColumnType::new(price.clone(), None));
        assert_eq!(column_type(4, -1, &find), ColumnType::new(Wire::List(Box::new(price)), None));
        let texts = Wire::List(Box::new(Wire::Text));
        assert_eq!(column_type(6, -1, &find), ColumnType::new(texts, Some("text[]")));
        let mood = ColumnType { equality: Equality::OfTexts, ..ColumnType::new(Wire::Text, None) };
        assert_eq!(column_type(7, -1, &find), mood);
        for other in [5, 8, 99] {
            assert_eq!(column_type(other, -1, &find), ColumnType::new(Wire::Text, Some("text")));
        }
    }
}
