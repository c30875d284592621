//! Dates and moments of any year as text, and the limits of SUPER.

use std::io::Write as _;

use serde_json::Value;

/// The longest SUPER value, and the longest string in one, in bytes (limitations-super).
const LONGEST_SUPER: usize = 16 << 20;
const LONGEST_STRING: usize = 65_535;

/// A day, counted from 1970-01-01, as PostgreSQL reads it.
pub(super) fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let _infallible = write!(out, "{shown:04}-{month:02}-{day:02}{era}");
}

/// A moment, in microseconds from 1970-01-01.
pub(super) fn moment(microseconds: i64, zoned: bool, out: &mut Vec<u8>) {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (microseconds.div_euclid(DAY), microseconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let zone = if zoned { "+00" } else { "" };
    let _infallible = write!(out, "{shown:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction:06}{zone}{era}");
}

/// Year, month and day of the Gregorian calendar, by the algorithm of Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// That a JSON text is not too long for SUPER, nor any string in it.
pub(super) fn super_fits(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_SUPER {
        return Err(format!("a SUPER value has {} bytes, at most {LONGEST_SUPER}", text.len()));
    }
    if text.len() <= LONGEST_STRING {
        return Ok(());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match longest_string(&value) {
        length if length > LONGEST_STRING => {
            Err(format!("a string in a SUPER value has {length} bytes, at most {LONGEST_STRING}"))
        }
        _ => Ok(()),
    }
}

fn longest_string(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(longest_string).max().unwrap_or(0),
        Value::Object(map) => map.iter().map(|(key, value)| key.len().max(longest_string(value))).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_those_of_the_calendar() {
        let day = |days| {
            let mut out = Vec::new();
            date(days, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!([day(0), day(-1), day(20_777), day(11_016)], ["1970-01-01", "1969-12-31", "2026-11-20", "2000-02-29"]);
        assert_eq!(day(-719_163), "0001-12-31 BC");
        let mut out = Vec::new();
        moment(-1, true, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "1969-12-31 23:59:59.999999+00");
    }

    #[test]
    fn a_super_value_is_measured_string_by_string() {
        let long = |bytes: usize| format!("{{\"a\":[\"{}\"]}}", "x".repeat(bytes));
        assert!(super_fits(&long(65_535)).is_ok());
        assert!(super_fits(&long(65_536)).unwrap_err().contains("65536"));
        assert!(super_fits(&format!("\"{}\"", "x".repeat(LONGEST_SUPER))).is_err());
    }
}
