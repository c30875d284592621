//! Days of the proleptic Gregorian calendar, counted from 1970-01-01, and the digits they are written with.

/// Microseconds in a day.
pub(super) const DAY_US: i64 = 86_400_000_000;

/// The day, or nothing when the calendar has none such. Years are 1 to 9999.
pub(super) fn day(year: u32, month: u32, day: u32) -> Option<i32> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 || day > month_length(year, month) {
        return None;
    }
    // Years begin in March, so that the leap day ends one: https://howardhinnant.github.io/date_algorithms.html#days_from_civil
    let year = i32::try_from(if month <= 2 { year - 1 } else { year }).ok()?;
    let era = year / 400;
    let year_of_era = year % 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = i32::try_from((153 * month_from_march + 2) / 5 + day - 1).ok()?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn month_length(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A number of `least` to `most` digits at the beginning of `bytes`, and what follows it. A further digit is left to the caller.
pub(super) fn take_digits(bytes: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let mut number = 0;
    let mut length = 0;
    while length < most && length < bytes.len() {
        let digit = bytes[length].wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u32::from(digit);
        length += 1;
    }
    (length >= least).then(|| (number, &bytes[length..]))
}

/// The number of two digits.
#[inline]
pub(super) fn pair(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// What follows `byte` at the beginning of `bytes`.
pub(super) fn take_byte(bytes: &[u8], byte: u8) -> Option<&[u8]> {
    bytes.split_first().and_then(|(first, rest)| (*first == byte).then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(day(1970, 1, 1), Some(0));
        assert_eq!(day(1969, 12, 31), Some(-1));
        assert_eq!(day(2000, 3, 1), Some(11_017));
        assert_eq!(day(1, 1, 1), Some(-719_162));
        assert_eq!(day(9999, 12, 31), Some(2_932_896));
    }

    #[test]
    fn days_that_are_in_no_calendar_are_refused() {
        for (y, m, d) in
            [(2026, 2, 30), (2026, 2, 29), (1900, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0), (0, 1, 1)]
        {
            assert_eq!(day(y, m, d), None, "{y}-{m}-{d}");
        }
        assert!(day(2024, 2, 29).is_some());
        assert!(day(2000, 2, 29).is_some());
    }
}
