//! Values as they came, written into a statement; and names and texts, quoted.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

use super::decode::{EPOCH_DAYS, EPOCH_MICROS, uuid_text};
use super::numeric::Numeric;
use super::types::Wire;

/// A name, in quotes.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text, in quotes. Without `standard_conforming_strings` a backslash would say something: then as `E'…'`.
pub(super) fn text(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A value of a position (a cursor or a part of a key) as the text that the server reads the same value from; `None` for a type
/// that no position has.
pub(super) fn of_value(wire: &Wire, bytes: &[u8]) -> Option<String> {
    match wire {
        Wire::Text => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Wire::Uuid => Some(uuid_text(bytes.try_into().ok()?, &mut [0; 36]).to_owned()),
        Wire::Bool => Some(if bytes == [0] { "false" } else { "true" }.to_owned()),
        Wire::Decimal128 { .. } | Wire::Decimal256 { .. } | Wire::NumericText => {
            let mut text = String::new();
            Numeric::read(bytes)?.write(&mut text);
            Some(text)
        }
        _ => of_rank(wire, rank(wire, bytes)?),
    }
}

/// The bytes of a value without distances from its text, see [`of_value`].
pub(super) fn to_bytes(wire: &Wire, text: &str) -> Option<Vec<u8>> {
    match wire {
        Wire::Text => Some(text.as_bytes().to_vec()),
        Wire::Uuid => hex::decode(text.replace('-', "")).ok(),
        _ => None,
    }
}

/// Where a value stands among those of its type, for the types that have a distance; finite values only.
pub(super) fn rank(wire: &Wire, bytes: &[u8]) -> Option<i128> {
    match wire {
        Wire::Int16 => Some(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        Wire::Int32 | Wire::Date => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        Wire::Int64 | Wire::Timestamp { .. } => Some(i64::from_be_bytes(bytes.try_into().ok()?).into()),
        Wire::Decimal128 { scale, .. } => Numeric::read(bytes)?.to_i128(*scale),
        _ => None,
    }
}

/// The value that stands at `rank`, as a text; one that the type has not is the nearest that it has.
pub(super) fn of_rank(wire: &Wire, rank: i128) -> Option<String> {
    let clamped = |low: i128, high: i128| rank.clamp(low, high);
    Some(match wire {
        Wire::Int16 => clamped(i16::MIN.into(), i16::MAX.into()).to_string(),
        Wire::Int32 => clamped(i32::MIN.into(), i32::MAX.into()).to_string(),
        Wire::Int64 => clamped(i64::MIN.into(), i64::MAX.into()).to_string(),
        Wire::Date => day_text(i32::try_from(rank).ok()?)?,
        Wire::Timestamp { zoned } => moment_text(i64::try_from(rank).ok()?, *zoned)?,
        Wire::Decimal128 { scale, .. } => decimal_text(rank, usize::try_from(*scale).ok()?),
        _ => return None,
    })
}

fn decimal_text(value: i128, scale: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

fn day_text(days: i32) -> Option<String> {
    let date = NaiveDate::from_epoch_days(days.checked_add(EPOCH_DAYS)?)?;
    let (year, era) = year(&date);
    Some(format!("{year:04}-{:02}-{:02}{era}", date.month(), date.day()))
}

fn moment_text(micros: i64, zoned: bool) -> Option<String> {
    let moment: NaiveDateTime = DateTime::from_timestamp_micros(micros.checked_add(EPOCH_MICROS)?)?.naive_utc();
    let (year, era) = year(&moment);
    let (time, zone) = (moment.time(), if zoned { "+00" } else { "" });
    Some(format!(
        "{year:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}{zone}{era}",
        moment.month(),
        moment.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond() / 1_000
    ))
}

/// The year before 1 is 1 BC.
fn year(date: &impl Datelike) -> (i32, &'static str) {
    if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " BC") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_values_are_written_as_the_server_reads_them() {
        let zoned = Wire::Timestamp { zoned: true };
        let cents = Wire::Decimal128 { precision: 10, scale: 2 };
        for (wire, rank, expected) in [
            (Wire::Int32, -5, "-5"),
            (Wire::Int16, 40_000, "32767"),
            (Wire::Date, 0, "2000-01-01"),
            (Wire::Date, -730_120, "0001-12-31 BC"),
            (zoned, 1, "2000-01-01 00:00:00.000001+00"),
            (Wire::Timestamp { zoned: false }, -1, "1999-12-31 23:59:59.999999"),
            (cents.clone(), -5, "-0.05"),
            (cents, 12_345, "123.45"),
        ] {
            assert_eq!(of_rank(&wire, rank).unwrap(), expected);
        }
        assert_eq!(of_value(&Wire::Text, "it's".as_bytes()).unwrap(), "it's");
        assert_eq!(of_rank(&Wire::Text, 1), None);
        let uuid: Vec<u8> = (0..16).collect();
        assert_eq!(to_bytes(&Wire::Uuid, &of_value(&Wire::Uuid, &uuid).unwrap()), Some(uuid));
    }

    #[test]
    fn texts_and_names_say_nothing_but_themselves() {
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\\'b"), " E'a\\\\''b'");
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
    }
}
