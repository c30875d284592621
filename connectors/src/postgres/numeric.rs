//! `numeric` as it is sent: digits of base 10,000 (`numeric.c`, `numeric_send`).

use arrow::datatypes::i256;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
/// Decimal digits of one digit.
const WIDTH: i32 = 4;

/// A value: the sum of digit `i` times 10,000 to the power of `weight - i`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numeric<'a> {
    digits: &'a [u8],
    weight: i32,
    sign: u16,
    /// Decimal digits behind the point that are shown.
    shown: u16,
}

impl<'a> Numeric<'a> {
    /// `None` when these are no bytes of a numeric.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, digits) = bytes.split_first_chunk::<8>()?;
        let field = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let weight = i32::from(i16::from_be_bytes([head[2], head[3]]));
        let is_whole = digits.len() == usize::from(field(0)) * 2;
        is_whole.then_some(Self { digits, weight, sign: field(4), shown: field(6) })
    }

    /// What it is when it is no number.
    pub(super) fn special(&self) -> Option<&'static str> {
        match self.sign {
            NOT_A_NUMBER => Some("NaN"),
            INFINITY => Some("Infinity"),
            NEGATIVE_INFINITY => Some("-Infinity"),
            _ => None,
        }
    }

    fn digits(&self) -> impl ExactSizeIterator<Item = u16> {
        self.digits.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// The value times ten to the power of `scale`; `None` when that is no whole number, or too large.
    pub(super) fn to_i128(self, scale: i8) -> Option<i128> {
        let times = |sum: i128, power: u32| sum.checked_mul(10_i128.checked_pow(power)?);
        self.scaled(scale, 0_i128, |sum, power, digit| times(sum, power)?.checked_add(i128::from(digit)), |sum| -sum)
    }

    /// The same for numbers of up to 76 digits.
    pub(super) fn to_i256(self, scale: i8) -> Option<i256> {
        let times = |sum: i256, power: u32| sum.checked_mul(i256::from_i128(10).checked_pow(power)?);
        let zero = i256::from_i128(0);
        let step = |sum, power, digit: u16| times(sum, power)?.checked_add(i256::from_i128(i128::from(digit)));
        self.scaled(scale, zero, step, i256::wrapping_neg)
    }

    /// `step(sum, power, digit)` is the sum times ten to the power, plus the digit.
    fn scaled<T: Copy>(self, scale: i8, zero: T, step: impl Fn(T, u32, u16) -> Option<T>, negate: impl Fn(T) -> T) -> Option<T> {
        let mut sum = zero;
        // The power of ten that the last digit taken stands for.
        let mut power = 0;
        let mut exponent = self.weight * WIDTH + i32::from(scale);
        for digit in self.digits() {
            if exponent >= 0 {
                sum = step(sum, 4, digit)?;
                power = exponent;
            } else if exponent > -WIDTH {
                let (kept, cut) = (WIDTH + exponent, 10_u16.pow(exponent.unsigned_abs()));
                if digit % cut != 0 {
                    return None;
                }
                sum = step(sum, u32::try_from(kept).ok()?, digit / cut)?;
                power = 0;
            } else if digit != 0 {
                return None;
            }
            exponent -= WIDTH;
        }
        let sum = if power > 0 { step(sum, u32::try_from(power).ok()?, 0)? } else { sum };
        Some(if self.sign == NEGATIVE { negate(sum) } else { sum })
    }

    /// Writes it as the server would, digit by digit.
    pub(super) fn write(&self, text: &mut String) {
        use std::fmt::Write as _;
        if let Some(special) = self.special() {
            text.push_str(special);
            return;
        }
        if self.sign == NEGATIVE {
            text.push('-');
        }
        let digit = |at: i32| -> u16 {
            usize::try_from(at)
                .ok()
                .and_then(|at| self.digits.get(at * 2..at * 2 + 2))
                .map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
        };
        // Writing to a string does not fail.
        let group = |text: &mut String, at: i32, padded: bool| {
            let written = if padded { write!(text, "{:04}", digit(at)) } else { write!(text, "{}", digit(at)) };
            written.unwrap_or_default();
        };
        group(text, if self.weight < 0 { -1 } else { 0 }, false);
        for at in 1..=self.weight {
            group(text, at, true);
        }
        if self.shown > 0 {
            text.push('.');
            let end = text.len() + usize::from(self.shown);
            let mut at = self.weight + 1;
            while text.len() < end {
                group(text, at, true);
                at += 1;
            }
            text.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `weight`, `sign`, `shown`, digits.
    fn bytes(weight: i16, sign: u16, shown: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).unwrap();
        let head = [count, weight.cast_unsigned(), sign, shown];
        head.iter().chain(digits).flat_map(|field| field.to_be_bytes()).collect()
    }

    #[test]
    fn a_numeric_is_its_digits_and_its_scaled_number() {
        // What PostgreSQL 15 sends for these.
        for (weight, sign, shown, digits, text, scaled) in [
            (0, 0, 2, &[12, 3400][..], "12.34", Some(1234)),
            (0, NEGATIVE, 2, &[12, 3400], "-12.34", Some(-1234)),
            (0, 0, 0, &[], "0", Some(0)),
            (0, 0, 2, &[], "0.00", Some(0)),
            (-1, 0, 2, &[100], "0.01", Some(1)),
            (-1, 0, 4, &[1], "0.0001", None),
            (1, 0, 0, &[1], "10000", Some(1_000_000)),
            (2, 0, 0, &[1, 0, 5], "100000005", Some(10_000_000_500)),
            (-2, 0, 8, &[1], "0.00000001", None),
            (0, NOT_A_NUMBER, 0, &[], "NaN", Some(0)),
        ] {
            let bytes = bytes(weight, sign, shown, digits);
            let numeric = Numeric::read(&bytes).unwrap();
            let mut written = String::new();
            numeric.write(&mut written);
            assert_eq!(written, text);
            assert_eq!(numeric.to_i128(2), scaled, "{text}");
            assert_eq!(numeric.to_i256(2), scaled.map(i256::from_i128), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_cut_are_no_numeric() {
        let whole = bytes(0, 0, 2, &[12, 3400]);
        assert!(Numeric::read(&whole[..whole.len() - 1]).is_none() && Numeric::read(&whole[..5]).is_none());
    }

    #[test]
    fn a_number_too_large_is_not_cut() {
        let digits = [9999; 10];
        let huge = bytes(9, 0, 0, &digits);
        assert_eq!(Numeric::read(&huge).unwrap().to_i128(0), None);
        assert_eq!(Numeric::read(&huge).unwrap().to_i256(0).unwrap().to_string(), "9".repeat(40));
    }
}
