//! The statistics of an `Add` action, from the file's own footer.
//!
//! Only what is exact is said ("Per-file Statistics" of Delta's protocol): counts of rows and of NULLs, and bounds of
//! integers, decimals, dates, timestamps and text, also inside structs. Bounds of floats are left out because Parquet leaves NaN
//! out of them and a reader that sorts NaN last would skip rows; lists and maps have none.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use chrono::{DateTime, NaiveDate};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

/// Digits that a JSON number keeps in every reader.
const EXACT_DIGITS: u8 = 15;

/// The JSON of `Add.stats`. Columns of `schema` that are not in the file are left out.
pub(crate) fn of(footer: &ParquetMetaData, schema: &Schema) -> String {
    let descriptor = footer.file_metadata().schema_descr();
    let leaves = descriptor.columns().iter().enumerate().map(|(i, column)| (column.path().parts().to_vec(), i)).collect();
    let collector = Collector { footer, leaves };
    let (mut lower, mut upper, mut nulls) = (Map::new(), Map::new(), Map::new());
    collector.collect(schema.fields(), &mut Vec::new(), [&mut lower, &mut upper, &mut nulls]);
    let rows = footer.file_metadata().num_rows();
    json!({"numRecords": rows, "minValues": lower, "maxValues": upper, "nullCount": nulls}).to_string()
}

/// A bound that can be compared with its like.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Bound {
    Whole(i64),
    Text(String),
}

struct Collector<'a> {
    footer: &'a ParquetMetaData,
    leaves: HashMap<Vec<String>, usize>,
}

impl Collector<'_> {
    fn collect(&self, fields: &Fields, path: &mut Vec<String>, into: [&mut Map<String, Value>; 3]) {
        let [lower, upper, nulls] = into;
        for field in fields {
            path.push(field.name().clone());
            if let DataType::Struct(children) = field.data_type() {
                let mut inner = (Map::new(), Map::new(), Map::new());
                self.collect(children, path, [&mut inner.0, &mut inner.1, &mut inner.2]);
                for (map, inner) in [(&mut *lower, inner.0), (&mut *upper, inner.1), (&mut *nulls, inner.2)] {
                    if !inner.is_empty() {
                        map.insert(field.name().clone(), Value::Object(inner));
                    }
                }
            } else if let Some(leaf) = self.leaves.get(path) {
                self.leaf(field, *leaf, [&mut *lower, &mut *upper, &mut *nulls]);
            }
            path.pop();
        }
    }

    fn leaf(&self, field: &Field, leaf: usize, [lower, upper, nulls]: [&mut Map<String, Value>; 3]) {
        let (mut null_count, mut bounds) = (Some(0), None::<(Bound, Bound)>);
        let mut bounded = true;
        for group in self.footer.row_groups() {
            let Some(statistics) = group.column(leaf).statistics() else { return };
            let group_nulls = statistics.null_count_opt();
            null_count = null_count.zip(group_nulls).map(|(a, b)| a + b);
            if group_nulls == u64::try_from(group.num_rows()).ok() {
                continue;
            }
            bounds = match (group_bounds(statistics, field.data_type()), bounds) {
                (Some(group), None) if bounded => Some(group),
                (Some((low, high)), Some((lowest, highest))) => {
                    Some((if low < lowest { low } else { lowest }, if high > highest { high } else { highest }))
                }
                _ => {
                    bounded = false;
                    None
                }
            };
        }
        if let Some(count) = null_count {
            nulls.insert(field.name().clone(), count.into());
        }
        if let Some((low, high)) = bounds.filter(|_| bounded)
            && let (Some(low), Some(high)) = (to_json(&low, field.data_type(), false), to_json(&high, field.data_type(), true))
        {
            lower.insert(field.name().clone(), low);
            upper.insert(field.name().clone(), high);
        }
    }
}

/// Text is cut by Parquet so that the lower bound is a prefix and the upper one a greater text: both hold in Delta too.
fn group_bounds(statistics: &Statistics, data_type: &DataType) -> Option<(Bound, Bound)> {
    let kept = match data_type {
        DataType::Decimal128(precision, _) => *precision <= EXACT_DIGITS,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => true,
        DataType::Date32 | DataType::Timestamp(..) | DataType::Utf8 => true,
        _ => false,
    };
    match statistics {
        Statistics::Int32(values) if kept => {
            Some((Bound::Whole((*values.min_opt()?).into()), Bound::Whole((*values.max_opt()?).into())))
        }
        Statistics::Int64(values) if kept => Some((Bound::Whole(*values.min_opt()?), Bound::Whole(*values.max_opt()?))),
        Statistics::ByteArray(values) if kept => {
            let text = |bytes: &parquet::data_type::ByteArray| bytes.as_utf8().ok().map(|text| Bound::Text(text.to_owned()));
            Some((text(values.min_opt()?)?, text(values.max_opt()?)?))
        }
        _ => None,
    }
}

fn to_json(bound: &Bound, data_type: &DataType, upper: bool) -> Option<Value> {
    match (bound, data_type) {
        (Bound::Text(text), _) => Some(text.as_str().into()),
        (Bound::Whole(days), DataType::Date32) => {
            let date = NaiveDate::from_epoch_days(i32::try_from(*days).ok()?)?;
            Some(date.format("%Y-%m-%d").to_string().into())
        }
        // Delta's statistics know milliseconds: the bounds are rounded away from each other.
        (Bound::Whole(micros), DataType::Timestamp(..)) => {
            let millis = if upper { micros.checked_add(999)?.div_euclid(1000) } else { micros.div_euclid(1000) };
            let time = DateTime::from_timestamp_millis(millis)?;
            Some(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into())
        }
        #[expect(clippy::cast_precision_loss, reason = "at most fifteen digits")]
        (Bound::Whole(unscaled), DataType::Decimal128(_, scale)) => {
            serde_json::Number::from_f64(*unscaled as f64 / 10_f64.powi((*scale).into())).map(Value::Number)
        }
        (Bound::Whole(number), _) => Some((*number).into()),
    }
}
