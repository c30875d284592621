//! Numbers that come as texts of digits, as `numeric` takes them: of any length, for there is no decimal of Arrow that holds all of them.
//!
//! The form is that of `numeric_recv` in PostgreSQL's source: how many groups of four digits, the power of 10,000 of the first, the sign,
//! the digits behind the point that are shown, and the groups.

/// Digits before the point and behind it, at most ("Numeric Types" of PostgreSQL's documentation).
const MOST_WHOLE: usize = 131_072;
const MOST_PART: usize = 16_383;
/// Digits of a group.
const GROUP: usize = 4;

/// What stands for the sign.
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;

/// Adds a number with its length before it, or says why it is none.
pub(super) fn write(out: &mut Vec<u8>, text: &str) -> Result<(), String> {
    let none = || {
        let shown: String = text.chars().take(60).collect();
        format!("is no number: '{shown}'; digits with a point are, and 'NaN'")
    };
    let special = match text {
        "NaN" => Some(NAN),
        "Infinity" => Some(INFINITY),
        "-Infinity" => Some(MINUS_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        return fields(out, &[], 0, sign, 0);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (POSITIVE, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + part.len() == 0 || !are_digits(whole) || !are_digits(part) {
        return Err(none());
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > MOST_WHOLE || part.len() > MOST_PART {
        return Err(format!("has {} digits before the point and {} behind it, more than numeric takes", whole.len(), part.len()));
    }
    let groups = groups(whole, part);
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    let used = groups.len() - groups.iter().rev().take_while(|group| **group == 0).count();
    let sent = groups.get(zeros..used).unwrap_or_default();
    let before = i32::try_from(whole.len().div_ceil(GROUP)).unwrap_or_default();
    let weight = if sent.is_empty() { 0 } else { before - 1 - i32::try_from(zeros).unwrap_or_default() };
    let sign = if sent.is_empty() { POSITIVE } else { sign };
    fields(out, sent, weight, sign, part.len())
}

/// Groups of digits to both sides of the point, which is between two of them.
fn groups(whole: &str, part: &str) -> Vec<u16> {
    let of = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    let (first, rest) = whole.as_bytes().split_at(whole.len() % GROUP);
    let mut groups = Vec::with_capacity(whole.len() / GROUP + part.len() / GROUP + 2);
    groups.extend((!first.is_empty()).then(|| of(first)));
    groups.extend(rest.chunks(GROUP).map(of));
    groups.extend(part.as_bytes().chunks(GROUP).map(|digits| {
        let short = u32::try_from(GROUP - digits.len()).unwrap_or_default();
        of(digits) * 10_u16.pow(short)
    }));
    groups
}

fn fields(out: &mut Vec<u8>, groups: &[u16], weight: i32, sign: u16, scale: usize) -> Result<(), String> {
    let too_long = |_| "has more digits than numeric takes".to_owned();
    let length = i32::try_from(8 + 2 * groups.len()).map_err(too_long)?;
    let (count, weight) = (u16::try_from(groups.len()).map_err(too_long)?, i16::try_from(weight).map_err(too_long)?);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::try_from(scale).map_err(too_long)?.to_be_bytes());
    groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count, weight, sign, scale and groups.
    fn written(text: &str) -> Vec<u16> {
        let mut out = Vec::new();
        write(&mut out, text).unwrap();
        let (pairs, []) = out[4..].as_chunks::<2>() else { panic!("an odd number of bytes") };
        pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
    }

    #[test]
    fn digits_are_grouped_from_the_point() {
        let minus = |weight: i16| weight.cast_unsigned();
        for (text, expected) in [
            ("0", vec![0, 0, 0, 0]),
            ("-0.00", vec![0, 0, 0, 2]),
            ("12345.678", vec![3, 1, 0, 3, 1, 2345, 6780]),
            ("-0.00012", vec![2, minus(-1), NEGATIVE, 5, 1, 2000]),
            ("0.00000012", vec![1, minus(-2), 0, 8, 12]),
            ("+00100000000", vec![1, 2, 0, 0, 1]),
            ("10000.0001", vec![3, 1, 0, 4, 1, 0, 1]),
            (".5", vec![1, minus(-1), 0, 1, 5000]),
            ("NaN", vec![0, 0, NAN, 0]),
            ("-Infinity", vec![0, 0, MINUS_INFINITY, 0]),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_told() {
        for wrong in ["", ".", "-", "1e5", "1,5", "--1", " 1", "abc", "١"] {
            let mut out = Vec::new();
            assert!(write(&mut out, wrong).unwrap_err().contains("is no number"), "{wrong}");
            assert!(out.is_empty());
        }
        assert!(write(&mut Vec::new(), &"9".repeat(131_073)).unwrap_err().contains("131073 digits"));
    }
}
