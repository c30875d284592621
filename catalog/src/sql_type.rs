//! How a column's type is written in SQL, for DDL and for messages.

use arrow_schema::{DataType, Field, TimeUnit};

/// The type as DataFusion's SQL has it: `BIGINT`, `TIMESTAMP(6)`, `STRUCT<"a" BIGINT>`. A type that SQL has no word for is named as
/// Arrow names it.
pub fn sql_type(data_type: &DataType) -> String {
    let fixed = match data_type {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INT UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        DataType::Float16 | DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "BYTEA",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Timestamp(unit, zone) => return timestamp(*unit, zone.is_some()),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => return format!("DECIMAL({precision}, {scale})"),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            return format!("ARRAY<{}>", sql_type(item.data_type()));
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| column(field)).collect();
            return format!("STRUCT<{}>", fields.join(", "));
        }
        DataType::Dictionary(_, value) => return sql_type(value),
        other => return other.to_string(),
    };
    fixed.to_owned()
}

fn column(field: &Field) -> String {
    format!("{} {}", quoted(field.name()), sql_type(field.data_type()))
}

fn timestamp(unit: TimeUnit, zoned: bool) -> String {
    let digits = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    format!("TIMESTAMP({digits}){}", if zoned { " WITH TIME ZONE" } else { "" })
}

/// A name as SQL reads it back: in quotes unless it is lower-case, plain and no word of SQL's that may not stand there.
pub fn quoted(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_')
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Words that SQL does not take for a name, of those that columns and tables are called by.
const RESERVED: [&str; 44] = [
    "all",
    "and",
    "any",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "check",
    "constraint",
    "create",
    "cross",
    "delete",
    "desc",
    "distinct",
    "else",
    "end",
    "exists",
    "from",
    "group",
    "having",
    "in",
    "index",
    "inner",
    "insert",
    "into",
    "is",
    "join",
    "key",
    "like",
    "limit",
    "not",
    "null",
    "on",
    "or",
    "order",
    "primary",
    "select",
    "table",
    "then",
    "union",
    "unique",
    "values",
    "where",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_sql() {
        let item = Field::new("item", DataType::Struct(vec![Field::new("Total €", DataType::Float64, true)].into()), true);
        for (data_type, expected) in [
            (DataType::Int64, "BIGINT"),
            (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "TIMESTAMP(6) WITH TIME ZONE"),
            (DataType::Decimal128(20, 0), "DECIMAL(20, 0)"),
            (DataType::List(item.into()), "ARRAY<STRUCT<\"Total €\" DOUBLE>>"),
        ] {
            assert_eq!(sql_type(&data_type), expected);
        }
    }

    #[test]
    fn names_are_quoted_where_sql_would_misread_them() {
        for (name, expected) in
            [("id", "id"), ("VendorID", "\"VendorID\""), ("order", "\"order\""), ("a\"b", "\"a\"\"b\""), ("1st", "\"1st\"")]
        {
            assert_eq!(quoted(name), expected);
        }
    }
}
