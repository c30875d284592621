//! Conditions of a query, said in the server's SQL.
//!
//! Only what is true for the same rows here and there: comparisons of whole numbers, decimals, dates and timestamps; equality of texts,
//! UUIDs and booleans; `IN`, `BETWEEN`, `IS NULL`, `LIKE` without wildcards for one character, and `AND`, `OR`, `NOT` of these. Left out are
//! the order of texts, which is a collation's, floating point numbers, whose NaN and -0 differ, and `char(n)`, whose blanks do. The query
//! filters what comes once more, so a condition that is left out costs time only.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, Like};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::decode::{EPOCH_DAYS, EPOCH_MICROS};
use super::literal;
use super::query::Asked;
use super::source::Table;
use super::types::{Equality, Wire};
use crate::on_error::OnError;

/// Values of an `IN` that are sent.
const MOST_VALUES: usize = 1_000;
/// Bytes of a condition.
const MOST_BYTES: usize = 64 << 10;
/// The days from 0001-01-01 to 9999-12-31, counted from 1970-01-01: what both have, and write in one way.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const DAY_MICROS: i64 = 86_400_000_000;

/// `filter` in the server's SQL; `None` when it would not surely be the same.
pub(super) fn condition(table: &Table, filter: &Expr) -> Option<String> {
    let text = Translation { table }.of(filter)?;
    (text.len() <= MOST_BYTES).then_some(text)
}

struct Translation<'a> {
    table: &'a Table,
}

/// A column as a condition names it.
struct Operand<'a> {
    column: &'a Asked,
    text: String,
}

impl Translation<'_> {
    fn of(&self, expr: &Expr) -> Option<String> {
        Some(match expr {
            Expr::Column(column) => self.operand(column).filter(|operand| operand.wire() == &Wire::Bool)?.text,
            Expr::Literal(ScalarValue::Boolean(Some(value)), _) => value.to_string(),
            Expr::Not(inner) => format!("NOT ({})", self.of(inner)?),
            Expr::IsNull(inner) => format!("{} IS NULL", self.null_tested(inner)?),
            Expr::IsNotNull(inner) => format!("{} IS NOT NULL", self.null_tested(inner)?),
            Expr::IsTrue(inner) => format!("({}) IS TRUE", self.of(inner)?),
            Expr::IsNotTrue(inner) => format!("({}) IS NOT TRUE", self.of(inner)?),
            Expr::IsFalse(inner) => format!("({}) IS FALSE", self.of(inner)?),
            Expr::IsNotFalse(inner) => format!("({}) IS NOT FALSE", self.of(inner)?),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                format!("({} AND {})", self.of(left)?, self.of(right)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                format!("({} OR {})", self.of(left)?, self.of(right)?)
            }
            Expr::BinaryExpr(binary) => self.comparison(binary)?,
            Expr::InList(list) => self.list(list)?,
            Expr::Between(between) => self.between(between)?,
            Expr::Like(like) => self.like(like)?,
            _ => return None,
        })
    }

    /// A column whose values are compared here as they are sent.
    fn operand(&self, column: &Column) -> Option<Operand<'_>> {
        let index = self.table.schema.index_of(&column.name).ok()?;
        let found = self.table.columns.get(index)?;
        let wire = &found.read_as.wire;
        if *self.table.schema.field(index).data_type() != wire.arrow() {
            return None;
        }
        // Where a value without a counterpart does not stop the run, its row is to come, whatever the condition says of it.
        if self.table.on_error != OnError::Fail && may_lack_a_counterpart(wire) {
            return None;
        }
        let name = literal::name(&found.name);
        let text = match (found.read_as.cast, found.read_as.equality) {
            (Some(cast), _) => format!("{name}::{cast}"),
            (None, Equality::OfTexts) => format!("{name}::text"),
            (None, _) => name,
        };
        Some(Operand { column: found, text })
    }

    fn null_tested(&self, inner: &Expr) -> Option<String> {
        let Expr::Column(column) = inner else { return None };
        let operand = self.operand(column)?;
        // Bytes that are no text are read as NULL, if the table's user wants that.
        let is_certain = self.table.on_error == OnError::Fail || operand.wire() != &Wire::Text;
        is_certain.then(|| literal::name(&operand.column.name))
    }

    fn comparison(&self, binary: &BinaryExpr) -> Option<String> {
        let (column, op, value) = match (binary.left.as_ref(), binary.right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => (column, binary.op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => (column, binary.op.swap()?, value),
            _ => return None,
        };
        let operand = self.operand(column)?;
        let (sign, is_known) = match op {
            Operator::Eq => ("=", operand.has_equality()),
            Operator::NotEq => ("<>", operand.has_equality()),
            Operator::IsDistinctFrom => ("IS DISTINCT FROM", operand.has_equality()),
            Operator::IsNotDistinctFrom => ("IS NOT DISTINCT FROM", operand.has_equality()),
            Operator::Lt => ("<", operand.has_order()),
            Operator::LtEq => ("<=", operand.has_order()),
            Operator::Gt => (">", operand.has_order()),
            Operator::GtEq => (">=", operand.has_order()),
            _ => return None,
        };
        let value = is_known.then(|| operand.value(value))??;
        Some(format!("{} {sign} {value}", operand.text))
    }

    fn list(&self, list: &InList) -> Option<String> {
        let Expr::Column(column) = list.expr.as_ref() else { return None };
        let operand = self.operand(column).filter(Operand::has_equality)?;
        if list.list.is_empty() || list.list.len() > MOST_VALUES {
            return None;
        }
        let values: Option<Vec<String>> = list.list.iter().map(|value| operand.literal(value)).collect();
        let sign = if list.negated { "NOT IN" } else { "IN" };
        Some(format!("{} {sign} ({})", operand.text, values?.join(", ")))
    }

    fn between(&self, between: &Between) -> Option<String> {
        let Expr::Column(column) = between.expr.as_ref() else { return None };
        let operand = self.operand(column).filter(Operand::has_order)?;
        let (low, high) = (operand.literal(&between.low)?, operand.literal(&between.high)?);
        let sign = if between.negated { "NOT BETWEEN" } else { "BETWEEN" };
        Some(format!("{} {sign} {low} AND {high}", operand.text))
    }

    /// A pattern of `%` and letters: `_` is a byte where the server does not know the encoding, and `\` is not the same everywhere.
    fn like(&self, like: &Like) -> Option<String> {
        let (Expr::Column(column), Expr::Literal(pattern, _)) = (like.expr.as_ref(), like.pattern.as_ref()) else { return None };
        let operand = self.operand(column).filter(|operand| operand.wire() == &Wire::Text && operand.has_equality())?;
        let pattern = pattern.try_as_str()??;
        if like.case_insensitive || like.escape_char.is_some() || pattern.contains(['_', '\\', '\0']) {
            return None;
        }
        let sign = if like.negated { "NOT LIKE" } else { "LIKE" };
        Some(format!("{} {sign} {}", operand.text, literal::text(pattern)))
    }
}

impl Operand<'_> {
    fn wire(&self) -> &Wire {
        &self.column.read_as.wire
    }

    fn has_equality(&self) -> bool {
        match self.wire() {
            Wire::Text => self.column.read_as.equality != Equality::Own && !self.column.folds,
            Wire::Bool | Wire::Uuid => true,
            _ => self.has_order(),
        }
    }

    fn has_order(&self) -> bool {
        super::query::is_ranked(self.wire())
    }

    fn literal(&self, value: &Expr) -> Option<String> {
        if let Expr::Literal(value, _) = value { self.value(value) } else { None }
    }

    /// A value of the column's type, as the server reads it. Its type is said without the column's: a domain's would be checked.
    fn value(&self, value: &ScalarValue) -> Option<String> {
        let wire = self.wire();
        Some(match (wire, value) {
            (Wire::Bool, ScalarValue::Boolean(Some(value))) => value.to_string(),
            (Wire::Int16, ScalarValue::Int16(Some(value))) => format!("'{value}'::smallint"),
            (Wire::Int32, ScalarValue::Int32(Some(value))) => format!("'{value}'::integer"),
            (Wire::Int64, ScalarValue::Int64(Some(value))) => format!("'{value}'::bigint"),
            (Wire::Text, _) => format!("{}::text", literal::text(value.try_as_str()??).trim_start()),
            (Wire::Uuid, _) => format!("'{}'::uuid", value.try_as_str()?.filter(|text| is_canonical(text))?),
            (Wire::Date, ScalarValue::Date32(Some(days))) if DAYS.contains(days) => {
                format!("'{}'::date", literal::of_rank(wire, (days - EPOCH_DAYS).into())?)
            }
            (Wire::Timestamp { zoned }, ScalarValue::TimestampMicrosecond(Some(micros), zone))
                if zone.is_some() == *zoned && is_of_a_day(*micros) =>
            {
                let sql_type = if *zoned { "timestamptz" } else { "timestamp" };
                format!("'{}'::{sql_type}", literal::of_rank(wire, (micros - EPOCH_MICROS).into())?)
            }
            (Wire::Decimal128 { scale, .. }, ScalarValue::Decimal128(Some(value), _, same)) if scale == same => {
                format!("'{}'::numeric", literal::of_rank(wire, *value)?)
            }
            _ => return None,
        })
        .filter(|text| !text.contains('\0'))
    }
}

fn is_of_a_day(micros: i64) -> bool {
    i32::try_from(micros.div_euclid(DAY_MICROS)).is_ok_and(|day| DAYS.contains(&day))
}

/// Whether a text is what a UUID is read as: no other is equal to one.
fn is_canonical(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { is_digit(byte) })
}

/// Whether a type has values that are none of the type they are read as: infinity, NaN, 24:00:00, arrays of two dimensions.
fn may_lack_a_counterpart(wire: &Wire) -> bool {
    !matches!(wire.arrow(), DataType::Boolean | DataType::Utf8 | DataType::Binary)
        && !wire.arrow().is_integer()
        && !wire.arrow().is_floating()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_as_a_uuid_is_one() {
        assert!(is_canonical("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
        for other in
            ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1x"]
        {
            assert!(!is_canonical(other), "{other}");
        }
    }

    #[test]
    fn days_are_those_of_four_digit_years() {
        for (days, expected) in [(-719_162, "0001-01-01"), (2_932_896, "9999-12-31")] {
            assert!(DAYS.contains(&days) && is_of_a_day(i64::from(days) * DAY_MICROS));
            assert_eq!(literal::of_rank(&Wire::Date, (days - EPOCH_DAYS).into()).unwrap(), expected);
        }
        assert!(!is_of_a_day(i64::MAX) && !is_of_a_day(i64::MIN));
    }
}
