//! Booleans and numbers.

/// What number a text is, for inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// One that fits 64 bits.
    Integer(i64),
    /// A larger one, with so many digits.
    BigInteger(u16),
    /// Digits that lose something as a number: `00123`, `007.5`, and `+491511234567`, a phone number.
    Padded,
    /// One with a decimal point and no exponent.
    Decimal {
        /// Digits before the point; none for `0.5` and `.5`.
        integer_digits: u16,
        /// Digits after the point.
        fraction_digits: u16,
    },
    /// With an exponent, or one of `NaN` and `inf`.
    Float,
}

/// `+` and so many digits are a phone number.
const PHONE_DIGITS: usize = 7;
/// Longer ones are beyond the range of a double.
const MOST_DIGITS: usize = 300;

/// The parts of a number as it is written.
struct Parts<'a> {
    plus: bool,
    integer: &'a [u8],
    fraction: Option<&'a [u8]>,
    exponent: bool,
}

/// Splits `[+-]digits[.digits][e[+-]digits]`; `None` when it is anything else.
fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let plus = bytes.first() == Some(&b'+');
    let bytes = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    let (integer, rest) = bytes.split_at(digits(bytes));
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let (fraction, rest) = rest.split_at(digits(rest));
            (Some(fraction), rest)
        }
        None => (None, rest),
    };
    if integer.len() + fraction.map_or(0, <[u8]>::len) == 0 {
        return None;
    }
    let exponent = match rest {
        [] => false,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
            if exponent.is_empty() || digits(exponent) != exponent.len() {
                return None;
            }
            true
        }
        _ => return None,
    };
    Some(Parts { plus, integer, fraction, exponent })
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len())
}

fn is_padded(integer: &[u8]) -> bool {
    integer.len() > 1 && integer[0] == b'0'
}

/// What number the text is.
pub fn number(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    if !matches!(bytes.first()?, b'0'..=b'9' | b'+' | b'-' | b'.') {
        return is_not_finite(bytes).then_some(Number::Float);
    }
    if let Some(value) = integer(text) {
        let phone = bytes[0] == b'+' && bytes.len() > PHONE_DIGITS;
        return Some(if phone { Number::Padded } else { Number::Integer(value) });
    }
    let Some(parts) = parts(bytes) else { return is_not_finite(bytes).then_some(Number::Float) };
    if parts.integer.len() + parts.fraction.map_or(0, <[u8]>::len) > MOST_DIGITS {
        return None;
    }
    let length = |digits: &[u8]| u16::try_from(digits.len()).ok();
    if is_padded(parts.integer) {
        return Some(Number::Padded);
    }
    if parts.exponent {
        return float(text).map(|_| Number::Float);
    }
    match parts.fraction {
        None if parts.plus => Some(Number::Padded),
        None => Some(Number::BigInteger(length(parts.integer)?)),
        Some(fraction) => {
            let integer_digits = if parts.integer == b"0" { 0 } else { length(parts.integer)? };
            Some(Number::Decimal { integer_digits, fraction_digits: length(fraction)? })
        }
    }
}

/// A truth value: `true`, `t`, `yes`, `false`, `f`, `no`, in any case. `0` and `1` are numbers.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text.len() {
        1..=5 if is(["true", "t", "yes"]) => Some(true),
        1..=5 if is(["false", "f", "no"]) => Some(false),
        _ => None,
    }
}

/// A whole number with an optional sign. One with leading zeros is text ([`padded_integer`] reads it).
pub fn integer(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let unsigned = if matches!(bytes.first()?, b'-' | b'+') { &bytes[1..] } else { bytes };
    if is_padded(unsigned) {
        return None;
    }
    signed(bytes[0] == b'-', unsigned)
}

/// A whole number of a column that is declared to be one: leading zeros say nothing.
pub fn padded_integer(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let unsigned = if matches!(bytes.first()?, b'-' | b'+') { &bytes[1..] } else { bytes };
    signed(bytes[0] == b'-', unsigned)
}

fn signed(negative: bool, digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    // Counted downwards, because the least number has no positive counterpart. Eighteen digits cannot overflow.
    let safe = digits.len() <= 18;
    for byte in digits {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        value = if safe { value * 10 - digit } else { value.checked_mul(10)?.checked_sub(digit)? };
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A number of at most `precision` digits, `scale` of them after the point, as that many times ten to the `scale`. Digits that do
/// not fit are refused, not rounded, unless they are zeros; so are exponents and leading zeros. `precision` is at most 38.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let Parts { integer, fraction, exponent, .. } = parts(text.as_bytes())?;
    if exponent || is_padded(integer) || precision > 38 {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let zeros = fraction.iter().rev().take_while(|byte| **byte == b'0').count();
    let fraction = &fraction[..fraction.len() - zeros];
    let scale = usize::from(scale);
    let integer = if integer == b"0" { &[][..] } else { integer };
    if fraction.len() > scale || integer.len() + scale > usize::from(precision) {
        return None;
    }
    let value = integer.iter().chain(fraction).fold(0_i128, |value, byte| value * 10 + i128::from(byte - b'0'));
    let value = value * 10_i128.pow(u32::try_from(scale - fraction.len()).ok()?);
    Some(if text.starts_with('-') { -value } else { value })
}

/// A floating-point number: digits with or without point and exponent, or `NaN`, `inf`, `infinity` in any case. Leading zeros and
/// numbers beyond the range of a double are refused.
pub fn float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    match parts(bytes) {
        Some(parts) if is_padded(parts.integer) => None,
        Some(_) => text.parse().ok().filter(|value: &f64| value.is_finite()),
        None if is_not_finite(bytes) => text.parse().ok(),
        None => None,
    }
}

fn is_not_finite(bytes: &[u8]) -> bool {
    let unsigned = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_keep_their_digits() {
        assert_eq!(integer("0"), Some(0));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("+5"), Some(5));
        for text in ["", "-", "00123", "-01", "9223372036854775808", "1_000", "1.0", " 1", "0x10"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(padded_integer("00123"), Some(123));
        assert_eq!(padded_integer("-"), None);
    }

    #[test]
    fn booleans_are_words() {
        for (text, value) in [("true", true), ("T", true), ("Yes", true), ("FALSE", false), ("f", false), ("no", false)] {
            assert_eq!(boolean(text), Some(value));
        }
        for text in ["0", "1", "", "y", "truely", "on"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal("12.50", 5, 2), Some(1250));
        assert_eq!(decimal("-0.5", 2, 2), Some(-50));
        assert_eq!(decimal("12.500", 4, 2), Some(1250));
        assert_eq!(decimal("12", 4, 2), Some(1200));
        assert_eq!(decimal(".5", 1, 1), Some(5));
        assert_eq!(decimal(&"9".repeat(38), 38, 0), Some(10_i128.pow(38) - 1));
        for text in ["12.345", "1234.5", "1e2", "012.5", "", ".", "abc"] {
            assert_eq!(decimal(text, 4, 2), None, "{text}");
        }
    }

    #[test]
    fn floats_have_the_usual_forms() {
        assert_eq!(float("1e5"), Some(100_000.0));
        assert_eq!(float("-.5"), Some(-0.5));
        assert_eq!(float("5."), Some(5.0));
        assert_eq!(float("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(float("NaN").is_some_and(f64::is_nan));
        for text in ["1e999", "00.5", "1e", "e5", ".", "", "infinite", "1.2.3", "1,5"] {
            assert_eq!(float(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_sorted_by_what_they_need() {
        assert_eq!(number("42"), Some(Number::Integer(42)));
        assert_eq!(number("9223372036854775808"), Some(Number::BigInteger(19)));
        assert_eq!(number("00123"), Some(Number::Padded));
        assert_eq!(number("+491511234567"), Some(Number::Padded));
        assert_eq!(number("+5"), Some(Number::Integer(5)));
        assert_eq!(number("-12.50"), Some(Number::Decimal { integer_digits: 2, fraction_digits: 2 }));
        assert_eq!(number("0.125"), Some(Number::Decimal { integer_digits: 0, fraction_digits: 3 }));
        assert_eq!(number("1E5"), Some(Number::Float));
        assert_eq!(number("-inf"), Some(Number::Float));
        for text in ["", "abc", "12a", "1e999", "-", "1-2"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_called_a_number_can_be_read(text in "[+-]?[0-9]{0,25}(\\.[0-9]{0,12})?([eE][+-]?[0-9]{1,3})?|\\PC{0,8}") {
            match number(&text) {
                Some(Number::Integer(value)) => prop_assert_eq!(integer(&text), Some(value)),
                Some(Number::BigInteger(digits)) => prop_assert!(decimal(&text, u8::try_from(digits).unwrap(), 0).is_some()),
                Some(Number::Decimal { integer_digits, fraction_digits }) => {
                    let scale = u8::try_from(fraction_digits).unwrap();
                    let precision = u8::try_from(integer_digits).unwrap() + scale;
                    prop_assert!(decimal(&text, precision, scale).is_some());
                    prop_assert!(float(&text).is_some());
                }
                Some(Number::Float) => prop_assert!(float(&text).is_some()),
                Some(Number::Padded) => prop_assert_eq!(float(&text).is_some(), text.starts_with('+') && !text.starts_with("+0")),
                None => prop_assert!(integer(&text).is_none() && float(&text).is_none()),
            }
        }

        #[test]
        fn integers_are_read_back(value: i64) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
        }

        #[test]
        fn floats_are_read_back(value: f64) {
            prop_assume!(value.is_finite());
            prop_assert_eq!(float(&format!("{value:e}")), Some(value));
        }
    }
}
