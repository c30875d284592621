//! From text to the values of a column.

use arrow::array::types::Decimal128Type;
use arrow::compute::kernels::cast_utils::parse_decimal;
use arrow::datatypes::FieldRef;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};

/// Days from the first day that chrono counts to 1970-01-01.
const EPOCH: i32 = 719_163;

pub(super) fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "yes", "y"]) {
        return Some(true);
    }
    is(["false", "f", "no", "n"]).then_some(false)
}

pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A whole number that is written with a fraction or an exponent: `3.0`, `1e3`.
pub(super) fn whole(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

pub(super) fn float(text: &str) -> Option<f64> {
    text.parse().ok()
}

pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    parse_decimal::<Decimal128Type>(text, precision, scale).ok()
}

/// Days since 1970-01-01.
pub(super) fn date(text: &str, _field: &FieldRef) -> Option<i32> {
    let day = ["%Y-%m-%d", "%Y/%m/%d"].iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok())?;
    Some(day.num_days_from_ce() - EPOCH)
}

/// Microseconds since 1970-01-01T00:00:00Z.
pub(super) fn timestamp(text: &str, field: &FieldRef) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y/%m/%d %H:%M:%S%.f"];
    let time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    time.map(|time| time.and_utc().timestamp_micros()).or_else(|| Some(i64::from(date(text, field)?) * 86_400_000_000))
}
