//! `SUMMARIZE`: every column of a table in one pass, and in memory that does not grow with it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder, UInt64Array, UInt64Builder};
use arrow::compute;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{approx_distinct, avg, count, max, min};
use datafusion::logical_expr::{Expr, cast, lit};

/// How the one row of the query becomes a row per column.
#[derive(Debug)]
pub(super) struct Summary {
    schema: SchemaRef,
}

/// What is asked of a column, in the order of the result.
const FIGURES: [&str; 5] = ["filled", "distinct", "min", "max", "avg"];

/// The query over `rows`, and what makes a table of its row.
pub(super) fn of(rows: DataFrame) -> Result<(DataFrame, Summary)> {
    let schema: SchemaRef = Arc::clone(rows.schema().inner());
    let mut figures = vec![count(lit(1)).alias("rows")];
    for (index, (qualifier, field)) in rows.schema().iter().enumerate() {
        let data_type = plain(field.data_type());
        let column = || {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if data_type == field.data_type() { column } else { cast(column, data_type.clone()) }
        };
        let named = |figure: &str, value: Expr| value.alias(format!("{figure}{index}"));
        figures.push(named("filled", count(column())));
        if is_comparable(data_type) {
            // Floats are counted as they are written.
            let counted = if data_type.is_floating() { cast(column(), DataType::Utf8) } else { column() };
            figures.push(named("distinct", approx_distinct(counted)));
            figures.push(named("min", min(column())));
            figures.push(named("max", max(column())));
        }
        if data_type.is_numeric() {
            figures.push(named("avg", avg(column())));
        }
    }
    Ok((rows.aggregate(Vec::new(), figures)?, Summary { schema }))
}

/// The type of the values of a dictionary, which a folder's name makes of a partition column.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Whether values of the type have an order and are counted.
fn is_comparable(data_type: &DataType) -> bool {
    data_type.is_primitive() && !matches!(data_type, DataType::Float16 | DataType::Interval(_) | DataType::Duration(_))
        || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean)
}

impl Summary {
    /// A row per column.
    pub(super) fn pivot(&self, figures: &[RecordBatch]) -> Result<RecordBatch> {
        let Some(row) = figures.iter().find(|batch| batch.num_rows() > 0) else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        };
        let value = |name: &str| -> Result<Option<String>> {
            let Some(column) = row.column_by_name(name).filter(|column| !column.is_null(0)) else { return Ok(None) };
            let text = compute::cast(column, &DataType::Utf8)?;
            Ok(text.as_any().downcast_ref::<StringArray>().map(|text| text.value(0).to_owned()))
        };
        let number = |name: &str| -> Result<Option<u64>> { Ok(value(name)?.and_then(|text| text.parse().ok())) };
        let rows = number("rows")?.unwrap_or(0);
        let (mut names, mut types) = (StringBuilder::new(), StringBuilder::new());
        let (mut nulls, mut distinct) = (UInt64Builder::new(), UInt64Builder::new());
        let mut texts = [StringBuilder::new(), StringBuilder::new(), StringBuilder::new()];
        for (index, field) in self.schema.fields().iter().enumerate() {
            names.append_value(field.name());
            types.append_value(catalog::sql_type(plain(field.data_type())));
            let [filled, distinct_name, ..] = FIGURES.map(|figure| format!("{figure}{index}"));
            let filled = number(&filled)?.unwrap_or(0).min(rows);
            nulls.append_value(rows - filled);
            // An estimate that is off by a percent or two, but never by more than there is.
            distinct.append_option(number(&distinct_name)?.map(|distinct| distinct.min(filled)));
            for (text, figure) in texts.iter_mut().zip(&FIGURES[2..]) {
                text.append_option(value(&format!("{figure}{index}"))?);
            }
        }
        let [mut min, mut max, mut avg] = texts;
        let counted: ArrayRef = Arc::new(UInt64Array::from(vec![rows; self.schema.fields().len()]));
        Ok(RecordBatch::try_from_iter([
            ("column", Arc::new(names.finish()) as ArrayRef),
            ("type", Arc::new(types.finish())),
            ("rows", counted),
            ("nulls", Arc::new(nulls.finish())),
            ("approx_distinct", Arc::new(distinct.finish())),
            ("min", Arc::new(min.finish())),
            ("max", Arc::new(max.finish())),
            ("avg", Arc::new(avg.finish())),
        ])?)
    }
}
