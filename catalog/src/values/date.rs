//! Dates, and the forms in which they are written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::UnknownForm;
use super::calendar::{day, pair, take_byte, take_digits};

/// How a date is written. `Y` has four digits, `M` and `D` one or two; the form's text is what OPTIONS and the catalog keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DateForm {
    /// `2026-11-21`, ISO 8601.
    YearDash,
    /// `2026/11/21`.
    YearSlash,
    /// `2026.11.21`.
    YearDot,
    /// `20261121`: never inferred for a date, because it is a number.
    Compact,
    /// `21.11.2026`.
    DayDot,
    /// `21/11/2026`.
    DaySlash,
    /// `21-11-2026`.
    DayDash,
    /// `11/21/2026`.
    MonthSlash,
    /// `11-21-2026`.
    MonthDash,
}

/// Which number comes first.
enum Order {
    Year,
    Day,
    Month,
}

impl DateForm {
    /// Every form, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::YearDash,
        Self::YearSlash,
        Self::YearDot,
        Self::Compact,
        Self::DayDot,
        Self::DaySlash,
        Self::DayDash,
        Self::MonthSlash,
        Self::MonthDash,
    ];

    /// The form's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::YearDash => "Y-M-D",
            Self::YearSlash => "Y/M/D",
            Self::YearDot => "Y.M.D",
            Self::Compact => "YMD",
            Self::DayDot => "D.M.Y",
            Self::DaySlash => "D/M/Y",
            Self::DayDash => "D-M-Y",
            Self::MonthSlash => "M/D/Y",
            Self::MonthDash => "M-D-Y",
        }
    }

    /// The date as days since 1970-01-01; `None` when the text is not in this form, or names a day that does not exist.
    pub fn parse(self, text: &str) -> Option<i32> {
        let (days, rest) = self.take(text.as_bytes())?;
        rest.is_empty().then_some(days)
    }

    /// The date at the beginning of `bytes`, and what follows it.
    pub(super) fn take(self, bytes: &[u8]) -> Option<(i32, &[u8])> {
        let (order, separator) = match self {
            Self::YearDash => (Order::Year, b'-'),
            Self::YearSlash => (Order::Year, b'/'),
            Self::YearDot => (Order::Year, b'.'),
            Self::DayDot => (Order::Day, b'.'),
            Self::DaySlash => (Order::Day, b'/'),
            Self::DayDash => (Order::Day, b'-'),
            Self::MonthSlash => (Order::Month, b'/'),
            Self::MonthDash => (Order::Month, b'-'),
            Self::Compact => return take_compact(bytes),
        };
        match order {
            Order::Year => {
                if let Some(taken) = take_full(bytes, separator) {
                    return Some(taken);
                }
                let (year, rest) = take_digits(bytes, 4, 4)?;
                let (month, rest) = take_digits(take_byte(rest, separator)?, 1, 2)?;
                let (day_of_month, rest) = take_digits(take_byte(rest, separator)?, 1, 2)?;
                Some((day(year, month, day_of_month)?, rest))
            }
            Order::Day | Order::Month => {
                let (first, rest) = take_digits(bytes, 1, 2)?;
                let (second, rest) = take_digits(take_byte(rest, separator)?, 1, 2)?;
                let (year, rest) = take_digits(take_byte(rest, separator)?, 4, 4)?;
                let (month, day_of_month) = if matches!(order, Order::Day) { (second, first) } else { (first, second) };
                Some((day(year, month, day_of_month)?, rest))
            }
        }
    }
}

/// `2026-11-21` with two digits for each of month and day, which nearly all are: the same without loops.
#[inline]
fn take_full(bytes: &[u8], separator: u8) -> Option<(i32, &[u8])> {
    let ([y1, y2, y3, y4, first, m1, m2, second, d1, d2], rest) = bytes.split_first_chunk::<10>()?;
    if *first != separator || *second != separator {
        return None;
    }
    let year = pair(*y1, *y2)? * 100 + pair(*y3, *y4)?;
    Some((day(year, pair(*m1, *m2)?, pair(*d1, *d2)?)?, rest))
}

fn take_compact(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (year, rest) = take_digits(bytes, 4, 4)?;
    let (month, rest) = take_digits(rest, 2, 2)?;
    let (day_of_month, rest) = take_digits(rest, 2, 2)?;
    Some((day(year, month, day_of_month)?, rest))
}

impl fmt::Display for DateForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DateForm {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        Self::ALL.into_iter().find(|form| form.as_str() == text).ok_or_else(|| UnknownForm(text.to_owned()))
    }
}

impl From<DateForm> for String {
    fn from(form: DateForm) -> Self {
        form.as_str().to_owned()
    }
}

impl TryFrom<String> for DateForm {
    type Error = UnknownForm;

    fn try_from(text: String) -> Result<Self, UnknownForm> {
        text.parse()
    }
}

/// The forms in which a text can be read: `05/06/2026` has two, `21/06/2026` one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "Vec<DateForm>", from = "Vec<DateForm>")]
pub struct DateForms(u16);

impl DateForms {
    /// The forms that a date at the beginning of `bytes` may have, by where its first separator is: most texts are then parsed
    /// once, and those without a date not at all.
    pub(super) fn candidates(bytes: &[u8]) -> &'static [DateForm] {
        match bytes.iter().take(9).position(|byte| !byte.is_ascii_digit()) {
            Some(4) => match bytes[4] {
                b'-' => &[DateForm::YearDash],
                b'/' => &[DateForm::YearSlash],
                b'.' => &[DateForm::YearDot],
                _ => &[],
            },
            Some(at @ (1 | 2)) => match bytes[at] {
                b'.' => &[DateForm::DayDot],
                b'/' => &[DateForm::DaySlash, DateForm::MonthSlash],
                b'-' => &[DateForm::DayDash, DateForm::MonthDash],
                _ => &[],
            },
            Some(8) => &[DateForm::Compact],
            _ => &[],
        }
    }

    /// The forms of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The form, when there is exactly one.
    pub fn only(self) -> Option<DateForm> {
        let mut forms = self.iter();
        forms.next().filter(|_| forms.next().is_none())
    }

    /// The forms, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = DateForm> {
        DateForm::ALL.into_iter().filter(move |form| self.0 & bit(*form) != 0)
    }
}

fn bit(form: DateForm) -> u16 {
    1 << (form as u16)
}

impl FromIterator<DateForm> for DateForms {
    fn from_iter<I: IntoIterator<Item = DateForm>>(forms: I) -> Self {
        Self(forms.into_iter().fold(0, |bits, form| bits | bit(form)))
    }
}

impl From<Vec<DateForm>> for DateForms {
    fn from(forms: Vec<DateForm>) -> Self {
        forms.into_iter().collect()
    }
}

impl From<DateForms> for Vec<DateForm> {
    fn from(forms: DateForms) -> Self {
        forms.iter().collect()
    }
}

impl fmt::Display for DateForms {
    /// `D/M/Y or M/D/Y`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, form) in self.iter().enumerate() {
            write!(f, "{}{form}", if index == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form_reads_the_same_day() {
        for (form, text) in [
            (DateForm::YearDash, "2026-11-21"),
            (DateForm::YearSlash, "2026/11/21"),
            (DateForm::YearDot, "2026.11.21"),
            (DateForm::Compact, "20261121"),
            (DateForm::DayDot, "21.11.2026"),
            (DateForm::DaySlash, "21/11/2026"),
            (DateForm::DayDash, "21-11-2026"),
            (DateForm::MonthSlash, "11/21/2026"),
            (DateForm::MonthDash, "11-21-2026"),
        ] {
            assert_eq!(form.parse(text), Some(20_778), "{form}");
            assert_eq!(form.as_str().parse(), Ok(form));
        }
    }

    #[test]
    fn what_is_not_wholly_a_date_is_refused() {
        for text in ["", "2026-11-2x", "2026-11-211", "2026-11-21 ", "2026-02-30", "26-11-21", "2026-1", "2026-11", "20261121"] {
            assert_eq!(DateForm::YearDash.parse(text), None, "{text}");
        }
        assert_eq!(DateForm::YearDash.parse("2026-1-5"), DateForm::YearDash.parse("2026-01-05"));
    }

    #[test]
    fn a_day_below_thirteen_may_be_a_month() {
        let forms = |text: &str| DateForm::ALL.into_iter().filter(|form| form.parse(text).is_some()).collect::<DateForms>();
        assert_eq!(forms("05/06/2026").to_string(), "D/M/Y or M/D/Y");
        assert_eq!(forms("21/06/2026").only(), Some(DateForm::DaySlash));
        assert_eq!(forms("06/21/2026").only(), Some(DateForm::MonthSlash));
        assert!(forms("31/31/2026").is_empty());
    }

    #[test]
    fn unknown_form_is_named() {
        assert_eq!(
            "Y~M".parse::<DateForm>().unwrap_err().to_string(),
            "unknown form 'Y~M' of a date or timestamp, expected one such as 'Y-M-D', 'D/M/Y' or 'M/D/Y h:m:s'"
        );
    }

    proptest! {
        #[test]
        fn written_days_are_read_back(year in 1u32..=9999, month in 1u32..=12, dom in 1u32..=31) {
            let expected = day(year, month, dom);
            let iso = format!("{year:04}-{month:02}-{dom:02}");
            let german = format!("{dom}.{month}.{year:04}");
            prop_assert_eq!(DateForm::YearDash.parse(&iso), expected);
            prop_assert_eq!(DateForm::DayDot.parse(&german), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}|[0-9./-]{0,12}") {
            for form in DateForm::ALL {
                form.parse(&text);
            }
            DateForms::candidates(text.as_bytes());
        }
    }
}
