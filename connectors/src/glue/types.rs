//! Arrow's types in Hive's words, as Glue keeps them and Athena reads them
//! (<https://docs.aws.amazon.com/athena/latest/ug/data-types.html>).

use arrow::datatypes::{DataType, Field};

/// The type in Hive's words; what Hive has no type for is text.
pub fn hive_type(data_type: &DataType) -> String {
    let fixed = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 => "tinyint",
        // There are no unsigned types: the next larger one holds all values.
        DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "int",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::UInt64 => "decimal(20,0)",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(_, _) => "timestamp",
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => return format!("decimal({precision},{scale})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => return format!("array<{}>", hive_type(item.data_type())),
        DataType::Struct(members) => {
            let members: Vec<String> = members.iter().map(|member| member_type(member)).collect();
            return format!("struct<{}>", members.join(","));
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) if entry.len() == 2 => {
                return format!("map<{},{}>", hive_type(entry[0].data_type()), hive_type(entry[1].data_type()));
            }
            _ => "string",
        },
        DataType::Dictionary(_, value) => return hive_type(value),
        _ => "string",
    };
    fixed.to_owned()
}

fn member_type(member: &Field) -> String {
    format!("{}:{}", member.name().to_lowercase(), hive_type(member.data_type()))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn types_are_in_hives_words() {
        let item = Field::new("item", DataType::Struct(vec![Field::new("Total", DataType::Float64, true)].into()), true);
        for (data_type, expected) in [
            (DataType::Utf8View, "string"),
            (DataType::UInt32, "bigint"),
            (DataType::UInt64, "decimal(20,0)"),
            (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "timestamp"),
            (DataType::List(item.into()), "array<struct<total:double>>"),
            (DataType::Decimal128(12, 2), "decimal(12,2)"),
            (DataType::Time64(TimeUnit::Microsecond), "string"),
        ] {
            assert_eq!(hive_type(&data_type), expected);
        }
    }
}
