//! Rows as the Data API has them (GetStatementResult).

use std::ops::Range;

use serde_json::{Value, json};

use crate::copy::ColumnType;
use crate::wire::Answer;

/// Some of the records of a result.
pub(super) fn records(answer: &Answer, some: Range<usize>) -> Value {
    let types: Vec<Option<ColumnType>> = answer.columns.iter().map(|(_, id, modifier)| column_type(*id, *modifier)).collect();
    let record = |row: &Vec<Option<String>>| -> Value {
        row.iter().zip(&types).map(|(value, column)| field(value.as_deref(), *column)).collect()
    };
    answer.rows.get(some).unwrap_or_default().iter().map(record).collect()
}

/// The columns of a result.
pub(super) fn metadata(answer: &Answer) -> Value {
    let column = |(name, id, modifier): &(String, i32, i32)| {
        let column = column_type(*id, *modifier);
        let (precision, scale) = match column {
            Some(ColumnType::Decimal(precision, scale)) => (i32::from(precision), i32::from(scale)),
            _ => (0, 0),
        };
        let length = column.and_then(ColumnType::longest).unwrap_or(0);
        json!({"name": name, "label": name, "typeName": type_name(column), "length": length, "precision": precision, "scale": scale,
               "nullable": 1, "isCaseSensitive": length > 0, "isCurrency": false, "isSigned": false, "schemaName": "", "tableName": ""})
    };
    answer.columns.iter().map(column).collect()
}

fn column_type(id: i32, modifier: i32) -> Option<ColumnType> {
    // SUPER has its own number by now.
    let id = if id == 4000 { 3802 } else { id };
    ColumnType::of(i64::from(id), i64::from(modifier))
}

fn type_name(column: Option<ColumnType>) -> String {
    match column {
        Some(ColumnType::SmallInt) => "int2".to_owned(),
        Some(ColumnType::Integer) => "int4".to_owned(),
        Some(ColumnType::BigInt) => "int8".to_owned(),
        Some(ColumnType::Real) => "float4".to_owned(),
        Some(ColumnType::Double) => "float8".to_owned(),
        Some(ColumnType::Decimal(..)) => "numeric".to_owned(),
        Some(other) => other.to_string().to_lowercase(),
        None => "varchar".to_owned(),
    }
}

fn field(value: Option<&str>, column: Option<ColumnType>) -> Value {
    let Some(text) = value else { return json!({"isNull": true}) };
    let typed = match column {
        Some(ColumnType::Boolean) => Some(json!({"booleanValue": text == "t"})),
        Some(ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt) => {
            text.parse::<i64>().ok().map(|number| json!({"longValue": number}))
        }
        // JSON has no infinity: what is none of its numbers stays a text.
        Some(ColumnType::Real | ColumnType::Double) => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| json!({"doubleValue": number}))
        }
        _ => None,
    };
    typed.unwrap_or_else(|| json!({"stringValue": text}))
}
