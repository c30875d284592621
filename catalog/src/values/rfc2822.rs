//! Timestamps of mails and HTTP headers (RFC 2822, section 3.3): `Sat, 21 Nov 2026 10:11:12 +0100`.

use super::calendar::{DAY_US, day, take_byte, take_digits};
use super::timestamp::{take_clock, zone};

const MONTHS: [&[u8; 3]; 12] = [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// Microseconds since 1970, UTC. The name of the day may be missing and is not checked against the date.
pub(super) fn parse(bytes: &[u8]) -> Option<i64> {
    let bytes = match bytes {
        [a, b, c, b',', b' ', rest @ ..] if [a, b, c].iter().all(|byte| byte.is_ascii_alphabetic()) => rest,
        bytes => bytes,
    };
    let (day_of_month, rest) = take_digits(bytes, 1, 2)?;
    let (month, rest) = take_byte(rest, b' ')?.split_first_chunk::<3>()?;
    let month = MONTHS.iter().zip(1..).find(|(name, _)| month.eq_ignore_ascii_case(&name[..]))?.1;
    let (year, rest) = take_digits(take_byte(rest, b' ')?, 4, 4)?;
    let (time, rest) = take_clock(take_byte(rest, b' ')?, false)?;
    Some(i64::from(day(year, month, day_of_month)?) * DAY_US + time - zone(rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_and_http_headers_are_read() {
        let expected = Some(1_795_255_872_000_000);
        assert_eq!(parse(b"Sat, 21 Nov 2026 10:11:12 +0000"), expected);
        assert_eq!(parse(b"Sat, 21 Nov 2026 11:11:12 +0100"), expected);
        assert_eq!(parse(b"21 nov 2026 10:11:12 GMT"), expected);
    }

    #[test]
    fn others_are_refused() {
        for text in ["Sat, 21 Nov 2026", "21 Nov 2026 10:11:12", "31 Feb 2026 10:11:12 GMT", "21 Nox 2026 10:11:12 GMT"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
