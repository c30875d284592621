//! Timestamps, and the forms in which they are written: a date's form, a time, and perhaps a zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::calendar::{DAY_US, pair, take_byte, take_digits};
use super::date::DateForm;
use super::{UnknownForm, rfc2822};

/// How a timestamp is written. `T`, `t` or a blank stand between date and time; seconds and a fraction of up to nine digits may be
/// missing, digits beyond microseconds are cut off; `AM` and `PM` may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum TimestampForm {
    /// Without zone. A date alone is its midnight.
    Local(DateForm),
    /// With a zone: `Z`, `UTC`, `GMT`, `+01`, `+0100` or `+01:00`, with or without a blank before.
    Zoned(DateForm),
    /// As in mails and HTTP headers: `Sat, 21 Nov 2026 10:11:12 +0100`.
    Rfc2822,
}

const TIME: &str = " h:m:s";
const ZONE: &str = " z";
const RFC_2822: &str = "RFC 2822";

impl TimestampForm {
    /// Whether a value in this form names an instant rather than what a clock on a wall showed.
    pub fn is_zoned(self) -> bool {
        !matches!(self, Self::Local(_))
    }

    /// Whether it is ISO 8601, which needs no mention.
    pub fn is_iso(self) -> bool {
        matches!(self, Self::Local(DateForm::YearDash) | Self::Zoned(DateForm::YearDash))
    }

    /// Microseconds since 1970-01-01 00:00, in UTC where the form has a zone. `None` when the text is not in this form or names a
    /// time that does not exist.
    pub fn parse(self, text: &str) -> Option<i64> {
        match self {
            Self::Local(date) => {
                let (days, rest) = date.take(text.as_bytes())?;
                if rest.is_empty() {
                    return Some(i64::from(days) * DAY_US);
                }
                let (time, rest) = take_time(rest, date)?;
                rest.is_empty().then(|| i64::from(days) * DAY_US + time)
            }
            Self::Zoned(date) => {
                let (days, rest) = date.take(text.as_bytes())?;
                let (time, rest) = take_time(rest, date)?;
                Some(i64::from(days) * DAY_US + time - zone(rest)?)
            }
            Self::Rfc2822 => rfc2822::parse(text.as_bytes()),
        }
    }
}

/// What a text in a date's form is, as far as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Date,
    Local,
    Zoned,
}

/// Whether the text begins with a date in this form, and what follows the date; the same as trying all three parsers.
pub(super) fn extent(bytes: &[u8], date: DateForm) -> Option<Extent> {
    let (_, rest) = date.take(bytes)?;
    if rest.is_empty() {
        return Some(Extent::Date);
    }
    let (_, rest) = take_time(rest, date)?;
    if rest.is_empty() { Some(Extent::Local) } else { zone(rest).map(|_| Extent::Zoned) }
}

/// The separator after a date, and the time, in microseconds since midnight.
fn take_time(bytes: &[u8], date: DateForm) -> Option<(i64, &[u8])> {
    let (separator, bytes) = bytes.split_first()?;
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    take_clock(bytes, date == DateForm::Compact)
}

/// `10:11[:12[.123456]][ PM]`, or `1011[12[.123456]]` when `compact`.
pub(super) fn take_clock(bytes: &[u8], compact: bool) -> Option<(i64, &[u8])> {
    let full = if compact { None } else { take_full(bytes) };
    if let Some(taken) = full {
        return finish(taken);
    }
    let colon = |bytes| if compact { Some(bytes) } else { take_byte(bytes, b':') };
    let (hour, rest) = take_digits(bytes, if compact { 2 } else { 1 }, 2)?;
    let (minute, rest) = take_digits(colon(rest)?, 2, 2)?;
    let (second, rest) = match colon(rest).and_then(|rest| take_digits(rest, 2, 2)) {
        Some((second, after)) => (second, after),
        None => (0, rest),
    };
    finish((hour, minute, second, rest))
}

/// `10:11:12` with two digits for the hour, which nearly all are: the same without loops.
#[inline]
fn take_full(bytes: &[u8]) -> Option<(u32, u32, u32, &[u8])> {
    let Some(([h1, h2, b':', m1, m2, b':', s1, s2], rest)) = bytes.split_first_chunk::<8>() else { return None };
    Some((pair(*h1, *h2)?, pair(*m1, *m2)?, pair(*s1, *s2)?, rest))
}

/// A fraction and `AM` or `PM` may follow the seconds.
fn finish((hour, minute, second, rest): (u32, u32, u32, &[u8])) -> Option<(i64, &[u8])> {
    let (fraction, rest) = take_fraction(rest)?;
    let (hour, rest) = take_half_day(hour, rest)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some((seconds * 1_000_000 + i64::from(fraction), rest))
}

/// The microseconds of `.123456789`, which may be missing.
fn take_fraction(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.' | b',', digits)) = bytes.split_first() else { return Some((0, bytes)) };
    let (number, rest) = take_digits(digits, 1, 9)?;
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let length = u32::try_from(digits.len() - rest.len()).ok()?;
    let micros = if length <= 6 { number * 10_u32.pow(6 - length) } else { number / 10_u32.pow(length - 6) };
    Some((micros, rest))
}

/// The hour of the day, by `AM` or `PM` if one of them follows.
fn take_half_day(hour: u32, bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = take_byte(bytes, b' ').unwrap_or(bytes);
    let half = match rest {
        [b'A' | b'a', b'M' | b'm', ..] => 0,
        [b'P' | b'p', b'M' | b'm', ..] => 12,
        _ => return Some((hour, bytes)),
    };
    (1..=12).contains(&hour).then(|| (hour % 12 + half, &rest[2..]))
}

/// How far the zone is ahead of UTC, in microseconds.
pub(super) fn zone(bytes: &[u8]) -> Option<i64> {
    let bytes = take_byte(bytes, b' ').unwrap_or(bytes);
    let (sign, rest) = match bytes {
        [b'Z' | b'z'] | b"UTC" | b"GMT" | b"UT" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = take_digits(rest, 2, 2)?;
    let minutes = match rest {
        [] => 0,
        rest => match take_digits(take_byte(rest, b':').unwrap_or(rest), 2, 2)? {
            (minutes, []) => minutes,
            _ => return None,
        },
    };
    // No place on earth is further than 14 hours from UTC; some databases write up to 18.
    (hours <= 18 && minutes < 60).then(|| sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60_000_000)
}

impl fmt::Display for TimestampForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(date) => write!(f, "{date}{TIME}"),
            Self::Zoned(date) => write!(f, "{date}{TIME}{ZONE}"),
            Self::Rfc2822 => f.write_str(RFC_2822),
        }
    }
}

impl FromStr for TimestampForm {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        let unknown = || UnknownForm(text.to_owned());
        if text == RFC_2822 {
            return Ok(Self::Rfc2822);
        }
        let (text, zoned) = text.strip_suffix(ZONE).map_or((text, false), |text| (text, true));
        let date = text.strip_suffix(TIME).ok_or_else(unknown)?.parse().map_err(|_| unknown())?;
        Ok(if zoned { Self::Zoned(date) } else { Self::Local(date) })
    }
}

impl From<TimestampForm> for String {
    fn from(form: TimestampForm) -> Self {
        form.to_string()
    }
}

impl TryFrom<String> for TimestampForm {
    type Error = UnknownForm;

    fn try_from(text: String) -> Result<Self, UnknownForm> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOCAL: TimestampForm = TimestampForm::Local(DateForm::YearDash);
    const ZONED: TimestampForm = TimestampForm::Zoned(DateForm::YearDash);
    const TEN_ELEVEN_TWELVE: i64 = 1_795_255_872_000_000;

    #[test]
    fn local_times_in_the_usual_forms() {
        for (text, expected) in [
            ("2026-11-21 10:11:12", 0),
            ("2026-11-21T10:11:12", 0),
            ("2026-11-21 10:11", -12_000_000),
            ("2026-11-21 10:11:12.5", 500_000),
            ("2026-11-21 10:11:12,123456", 123_456),
            ("2026-11-21 10:11:12.123456789", 123_456),
            ("2026-11-21 10:11:12 PM", 43_200_000_000),
            ("2026-11-21 10:11:12am", 0),
        ] {
            assert_eq!(LOCAL.parse(text), Some(TEN_ELEVEN_TWELVE + expected), "{text}");
        }
        assert_eq!(LOCAL.parse("2026-11-21"), Some(20_778 * DAY_US));
        let us = TimestampForm::Local(DateForm::MonthSlash);
        assert_eq!(us.parse("11/21/2026 10:11:12 AM"), Some(TEN_ELEVEN_TWELVE));
        let basic = TimestampForm::Local(DateForm::Compact);
        assert_eq!(basic.parse("20261121T101112"), Some(TEN_ELEVEN_TWELVE));
    }

    #[test]
    fn zones_are_taken_to_utc() {
        for text in [
            "2026-11-21T10:11:12Z",
            "2026-11-21 10:11:12 UTC",
            "2026-11-21 11:11:12+01:00",
            "2026-11-21 11:11:12 +0100",
            "2026-11-21 11:11:12+01",
            "2026-11-21T04:41:12-05:30",
        ] {
            assert_eq!(ZONED.parse(text), Some(TEN_ELEVEN_TWELVE), "{text}");
            assert_eq!(LOCAL.parse(text), None, "{text}");
        }
        assert_eq!(TimestampForm::Zoned(DateForm::Compact).parse("20261121T101112Z"), Some(TEN_ELEVEN_TWELVE));
    }

    #[test]
    fn what_no_clock_shows_is_refused() {
        for text in [
            "2026-02-30 10:11:12",
            "2026-11-21 24:00:00",
            "2026-11-21 10:60:00",
            "2026-11-21 10:11:60",
            "2026-11-21 10",
            "2026-11-21 10:11:",
            "2026-11-21 10:11:12.",
            "2026-11-21 10:11:12.1234567890",
            "2026-11-21 13:11 PM",
            "2026-11-21_10:11",
            "2026-11-21 10:11:12 ",
        ] {
            assert_eq!(LOCAL.parse(text), None, "{text}");
        }
        for text in
            ["2026-11-21 10:11:12", "2026-11-21", "2026-11-21 10:11:12+1", "2026-11-21 10:11:12+19:00", "2026-11-21 10:11:12 CET"]
        {
            assert_eq!(ZONED.parse(text), None, "{text}");
        }
    }

    #[test]
    fn forms_have_texts_that_are_read_back() {
        for form in [LOCAL, ZONED, TimestampForm::Rfc2822, TimestampForm::Local(DateForm::DaySlash)] {
            assert_eq!(form.to_string().parse(), Ok(form));
        }
        assert_eq!(ZONED.to_string(), "Y-M-D h:m:s z");
        assert!("Y-M-D".parse::<TimestampForm>().is_err());
    }

    proptest! {
        #[test]
        fn written_times_are_read_back(us in 0i64..DAY_US) {
            let time = us / 1_000_000;
            let text = format!("T{:02}:{:02}:{:02}.{:06}", time / 3600, time / 60 % 60, time % 60, us % 1_000_000);
            prop_assert_eq!(take_time(text.as_bytes(), DateForm::YearDash), Some((us, &b""[..])));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:., +-ZAPM]{0,16}|\\PC{0,30}") {
            for date in DateForm::ALL {
                TimestampForm::Local(date).parse(&text);
                TimestampForm::Zoned(date).parse(&text);
            }
            TimestampForm::Rfc2822.parse(&text);
        }
    }
}
