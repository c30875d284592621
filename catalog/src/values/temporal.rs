//! What date or timestamp a text may be, for inference: the forms that are left to choose from.

use super::date::{DateForm, DateForms};
use super::timestamp::TimestampForm;

/// A text that is a date or a timestamp, with every form in which it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporal {
    /// A day.
    Date(DateForms),
    /// A time without zone.
    Local(DateForms),
    /// A time with a zone.
    Zoned(DateForms),
    /// A time of RFC 2822, which always has a zone.
    Rfc2822,
}

/// The shortest text that is a date (`1/1/2026`), and more than the longest that is a timestamp.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=48;

/// What date or timestamp the text is. Eight digits are a number and none.
pub fn temporal(text: &str) -> Option<Temporal> {
    let bytes = text.as_bytes();
    if !LENGTHS.contains(&bytes.len()) || !bytes[0].is_ascii_alphanumeric() {
        return None;
    }
    let forms = DateForms::of_prefix(bytes);
    if forms.is_empty() {
        // The cheap test first: a clock has a colon.
        let may_be = bytes.len() >= 20 && bytes.contains(&b':') && TimestampForm::Rfc2822.parse(text).is_some();
        return may_be.then_some(Temporal::Rfc2822);
    }
    let that = |reads: &dyn Fn(DateForm) -> bool| -> Option<DateForms> {
        let found: DateForms = forms.iter().filter(|form| reads(*form)).collect();
        (!found.is_empty()).then_some(found)
    };
    if let Some(found) = that(&|form| form.parse(text).is_some()) {
        return Some(Temporal::Date(found));
    }
    if let Some(found) = that(&|form| TimestampForm::Local(form).parse(text).is_some()) {
        return Some(Temporal::Local(found));
    }
    that(&|form| TimestampForm::Zoned(form).parse(text).is_some()).map(Temporal::Zoned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(form: DateForm) -> DateForms {
        [form].into_iter().collect()
    }

    #[test]
    fn dates_and_timestamps_are_told_apart() {
        assert_eq!(temporal("2026-11-21"), Some(Temporal::Date(one(DateForm::YearDash))));
        assert_eq!(temporal("2026-11-21 10:11"), Some(Temporal::Local(one(DateForm::YearDash))));
        assert_eq!(temporal("21.11.2026 10:11Z"), Some(Temporal::Zoned(one(DateForm::DayDot))));
        assert_eq!(temporal("20261121T101112Z"), Some(Temporal::Zoned(one(DateForm::Compact))));
        assert_eq!(temporal("Sat, 21 Nov 2026 10:11:12 GMT"), Some(Temporal::Rfc2822));
        let both = [DateForm::DaySlash, DateForm::MonthSlash].into_iter().collect();
        assert_eq!(temporal("1/2/2026"), Some(Temporal::Date(both)));
    }

    #[test]
    fn numbers_and_words_are_neither() {
        for text in ["20261121", "2026", "3.14", "10:11:12", "2026-13-01", "127.0.0.1", "1-2-3-4-5", "hello, world", ""] {
            assert_eq!(temporal(text), None, "{text}");
        }
    }
}
