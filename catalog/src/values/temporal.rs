//! What date or timestamp a text may be, for inference: the forms that are left to choose from.

use super::date::DateForms;
use super::timestamp::{Extent, TimestampForm, extent};

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
    let candidates = DateForms::candidates(bytes);
    // Where several forms are possible, they have the same length: what follows the date is the same in each.
    let mut found = candidates.iter().filter_map(|form| extent(bytes, *form).map(|extent| (extent, *form)));
    let Some((first, form)) = found.next() else {
        // The cheap tests first: such a text has no form of its own, and its clock has a colon.
        let may_be = candidates.is_empty() && bytes.len() >= 20 && bytes.contains(&b':');
        return (may_be && TimestampForm::Rfc2822.parse(text).is_some()).then_some(Temporal::Rfc2822);
    };
    let forms = std::iter::once(form).chain(found.map(|(_, form)| form)).collect();
    Some(match first {
        Extent::Date => Temporal::Date(forms),
        Extent::Local => Temporal::Local(forms),
        Extent::Zoned => Temporal::Zoned(forms),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::DateForm;

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

    proptest! {
        /// What is said of a text is what its parsers say.
        #[test]
        fn forms_are_those_that_read_the_text(
            text in "[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?( ?(Z|UTC|PM|[+-][0-9]{2}:?[0-9]{2}))?)?"
        ) {
            let reading = |reads: &dyn Fn(DateForm) -> bool| DateForm::ALL.into_iter().filter(|form| reads(*form)).collect::<DateForms>();
            let dates = reading(&|form| form.parse(&text).is_some());
            let local = reading(&|form| TimestampForm::Local(form).parse(&text).is_some());
            let zoned = reading(&|form| TimestampForm::Zoned(form).parse(&text).is_some());
            match temporal(&text) {
                Some(Temporal::Date(forms)) => prop_assert_eq!(forms, dates),
                Some(Temporal::Local(forms)) => prop_assert_eq!(forms, local),
                Some(Temporal::Zoned(forms)) => prop_assert_eq!(forms, zoned),
                Some(Temporal::Rfc2822) => prop_assert!(false, "no mail writes {text}"),
                None => prop_assert!(dates.is_empty() && local.is_empty() && zoned.is_empty()),
            }
        }
    }
}
