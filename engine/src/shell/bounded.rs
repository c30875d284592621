//! Functions that make large values of small ones, with a limit, for queries that anybody may ask: their values are made before the memory pool
//! is asked for room.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::prelude::SessionContext;

/// Bytes that one call may make of a batch of rows; of those that compare, the steps that it may take.
const MOST: u128 = 16 << 20;

/// How much a function makes of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// A text, so many times.
    Repeats,
    /// A text of so many letters.
    Pads,
    /// The third text wherever the second is in the first.
    Replaces,
    /// So many elements.
    Elements,
    /// The numbers from one to another.
    Range,
    /// Each letter of one text beside each of another.
    Compares,
}

/// The functions, and which of their aliases DataFusion looks up.
const FUNCTIONS: [(&str, Growth); 9] = [
    ("repeat", Growth::Repeats),
    ("lpad", Growth::Pads),
    ("rpad", Growth::Pads),
    ("replace", Growth::Replaces),
    ("array_repeat", Growth::Elements),
    ("array_resize", Growth::Elements),
    ("range", Growth::Range),
    ("generate_series", Growth::Range),
    ("levenshtein", Growth::Compares),
];

/// Has the functions of `context` that make large values refuse those that are too large.
pub(super) fn bound(context: &SessionContext) {
    let state = context.state();
    for (name, growth) in FUNCTIONS {
        if let Some(inner) = state.scalar_functions().get(name) {
            context.register_udf(ScalarUDF::new_from_impl(Bounded { inner: Arc::clone(inner), growth }));
        }
    }
}

/// A function with a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.made(&args)? > MOST {
            return exec_err!(
                "{} would make more than {} MiB of one batch of rows, which is the most that is answered here",
                self.name(),
                MOST >> 20
            );
        }
        self.inner.invoke_with_args(args)
    }
}

impl Bounded {
    /// Bytes, or steps, at most.
    fn made(&self, args: &ScalarFunctionArgs) -> Result<u128> {
        let all_one = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_one { 1 } else { args.number_rows };
        let arguments = args.args.iter().map(Argument::of).collect::<Result<Vec<_>>>()?;
        let length = |index: usize, row: usize| arguments.get(index).map_or(1, |argument| argument.length(row));
        let number = |index: usize, row: usize| arguments.get(index).and_then(|argument| argument.number(row));
        let count = |row: usize| number(1, row).map_or(0, i128::unsigned_abs);
        let of_row = |row: usize| match self.growth {
            Growth::Repeats => {
                length(0, row).saturating_mul(number(1, row).map_or(0, |times| u128::try_from(times).unwrap_or(0)))
            }
            Growth::Pads => count(row).saturating_mul(4),
            Growth::Replaces => (length(0, row) / length(1, row).max(1) + 1).saturating_mul(length(2, row)) + length(0, row),
            Growth::Elements => count(row).saturating_mul(length(0, row).max(8)),
            Growth::Range => {
                let (first, last) = match number(1, row) {
                    Some(last) => (number(0, row).unwrap_or(0), last),
                    None => (0, number(0, row).unwrap_or(0)),
                };
                let step = number(2, row).map_or(1, i128::unsigned_abs).max(1);
                (last - first).unsigned_abs() / step * 8
            }
            Growth::Compares => length(0, row).saturating_mul(length(1, row)),
        };
        Ok((0..rows).fold(0, |sum: u128, row| sum.saturating_add(of_row(row))))
    }
}

/// An argument, of which lengths and numbers are asked row by row.
enum Argument {
    One {
        length: u128,
        number: Option<i128>,
    },
    Texts(ArrayRef),
    Numbers(ArrayRef),
    /// Of some other kind; so many bytes a row.
    Other(u128),
}

impl Argument {
    fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Scalar(one) => {
                let number = one.data_type().is_integer().then(|| one.cast_to(&DataType::Int64)).transpose()?;
                let number = number.and_then(|number| match number {
                    ScalarValue::Int64(number) => number.map(i128::from),
                    _ => None,
                });
                let length = one.try_as_str().map_or_else(|| one.size(), |text| text.map_or(0, str::len));
                Self::One { length: length as u128, number }
            }
            ColumnarValue::Array(array) if array.data_type().is_integer() => Self::Numbers(cast(array, &DataType::Int64)?),
            ColumnarValue::Array(array) if array.data_type().is_string() => Self::Texts(cast(array, &DataType::Utf8View)?),
            ColumnarValue::Array(array) => Self::Other((array.get_array_memory_size() / array.len().max(1)) as u128),
        })
    }

    fn length(&self, row: usize) -> u128 {
        match self {
            Self::One { length, .. } => *length,
            Self::Texts(texts) if texts.is_null(row) => 0,
            Self::Texts(texts) => texts.as_string_view().value(row).len() as u128,
            Self::Numbers(_) => 8,
            Self::Other(length) => *length,
        }
    }

    fn number(&self, row: usize) -> Option<i128> {
        match self {
            Self::One { number, .. } => *number,
            Self::Numbers(numbers) if !numbers.is_null(row) => Some(numbers.as_primitive::<Int64Type>().value(row).into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(query: &str) -> Result<usize> {
        let context = SessionContext::new();
        bound(&context);
        Ok(context.sql(query).await?.collect().await?.iter().map(arrow::array::RecordBatch::num_rows).sum())
    }

    #[tokio::test]
    async fn large_values_are_refused_before_they_are_made() {
        for query in [
            "SELECT length(repeat('x', 1000000000))",
            "SELECT lpad('x', 1500000000, 'y')",
            "SELECT rpad('x', 1500000000)",
            "SELECT replace(repeat('a', 1000000), 'a', repeat('b', 1000000))",
            "SELECT array_repeat(1, 1000000000)",
            "SELECT list_resize([1], 1000000000)",
            "SELECT range(1000000000)",
            "SELECT generate_series(1, 1000000000, 2)",
            "SELECT levenshtein(repeat('a', 130000), repeat('b', 130000))",
            "SELECT sum(length(repeat('x', 1000 * value))) FROM generate_series(1, 8000)",
        ] {
            let error = asked(query).await.unwrap_err().to_string();
            assert!(error.contains("would make more than 16 MiB"), "{query}: {error}");
        }
        for query in [
            "SELECT repeat('x', 10) || lpad(value, 9, '0') || replace('abc', 'b', 'x') FROM generate_series(1, 20000)",
            "SELECT range(10), generate_series(1, 100), array_repeat('x', 3), array_resize([1, 2], 5, 0), levenshtein('kitten', 'sitting')",
            "SELECT repeat('x', -1), repeat(NULL, 3), repeat('x', NULL)",
            "SELECT range(DATE '2026-01-01', DATE '2026-02-01', INTERVAL '1' DAY)",
        ] {
            asked(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        }
    }
}
