//! From text to the values of a column, in the forms that inference knows.

use arrow::datatypes::Field;
use catalog::infer::Form;
use catalog::values::{self, DateForm, TimestampForm};

use crate::error::{Error, Result};

/// The forms of dates that cannot be taken for another, tried where a column names none: `2026-11-21`, `2026/11/21`, `21.11.2026`.
const DATES: [DateForm; 3] = [DateForm::YearDash, DateForm::YearSlash, DateForm::DayDot];

/// How a column's dates and times are written; none: in any form that cannot be taken for another.
///
/// # Errors
/// [`Error::Config`] for a form that this version does not know.
pub(super) fn form(field: &Field) -> Result<Option<Form>> {
    Form::of(field).map_err(|error| Error::config_at(field.name(), format!("column '{}': {error}", field.name())))
}

/// A whole number that is written with a fraction or an exponent: `3.0`, `1e3`.
pub(super) fn whole(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = values::float(text)?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// As a number of so many digits, of which `scale` are behind the point.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    values::decimal(text, precision, u8::try_from(scale).ok()?)
}

/// Days since 1970-01-01.
pub(super) fn date(text: &str, form: Option<Form>) -> Option<i32> {
    match form {
        Some(Form::Date(form)) => form.parse(text),
        _ => DATES.iter().find_map(|form| form.parse(text)),
    }
}

/// Microseconds since 1970-01-01 00:00, in UTC if the text or the column has a zone.
pub(super) fn timestamp(text: &str, form: Option<Form>) -> Option<i64> {
    let in_form = |date: DateForm| {
        let local = TimestampForm::Local(date).parse(text);
        local.or_else(|| TimestampForm::Zoned(date).parse(text))
    };
    match form {
        Some(Form::Timestamp(form)) => form.parse(text),
        _ => DATES.into_iter().find_map(in_form).or_else(|| TimestampForm::Rfc2822.parse(text)),
    }
}
