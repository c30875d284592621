//! Times as people and programs write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// What is told to whoever wrote none.
const EXPECTED: &str = "epoch seconds or milliseconds, or a time as in 2026-11-22T10:00:00Z";

/// Epoch numbers from here on are milliseconds: as seconds they would be the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;

/// A time: epoch seconds, epoch milliseconds, RFC 3339, the same without a zone (UTC), or a day.
///
/// # Errors
/// What was expected.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        let time = if number.abs() < MILLISECONDS {
            DateTime::from_timestamp(number, 0)
        } else {
            DateTime::from_timestamp_millis(number)
        };
        return time.ok_or_else(|| EXPECTED.to_owned());
    }
    // A '+' that was not encoded comes as a blank.
    let zoned = text.replace(' ', "+");
    if let Ok(time) = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&zoned)) {
        return Ok(time.to_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let time = time.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    time.map(|time| time.and_utc()).ok_or_else(|| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        for text in [
            "1710000000",
            "1710000000000",
            "2024-03-09T16:00:00Z",
            "2024-03-09T17:00:00+01:00",
            "2024-03-09T17:00:00 01:00",
            "2024-03-09 16:00:00",
            "2024-03-09T16:00:00.000",
            "2024-03-09T16:00",
            " 2024-03-09 16:00 ",
        ] {
            assert_eq!(parse(text).map(|time| time.timestamp()), Ok(1_710_000_000), "{text}");
        }
        assert_eq!(parse("2024-03-09").unwrap().to_rfc3339(), "2024-03-09T00:00:00+00:00");
        for text in ["", "yesterday", "2024-13-01", "1e9", "99999999999999999", "2024-03-09T25:00:00Z", "1.5"] {
            assert_eq!(parse(text), Err(EXPECTED.to_owned()), "{text}");
        }
    }
}
