//! What columns of exact numbers have room for, where the numbers of a query may have more digits.

use std::fmt::Display;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, i256};

use crate::error::Result;

/// Digits that hold every `i64`, and any decimal of 38.
const MOST_DIGITS: u8 = 76;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Whole numbers, from the first to the last.
    Whole(i64, i64),
    /// So many digits before the point, and so many behind it.
    Digits(u8, u8),
}

impl Room {
    /// Why `number`, with `scale` digits behind the point, is none of a column that is called `column`.
    pub(crate) fn mistake(self, number: i256, scale: u8, column: &dyn Display) -> Option<String> {
        let power = |digits: u8| i256::from_i128(10).wrapping_pow(digits.into());
        match self {
            Self::Whole(least, most) => {
                let is_in = i256::from_i128(least.into()) <= number && number <= i256::from_i128(most.into());
                (!is_in).then(|| format!("is not between {least} and {most}, and the column is {column}"))
            }
            Self::Digits(before, behind) => {
                let whole = number.wrapping_div(power(scale)).wrapping_abs();
                if whole >= power(before) {
                    return Some(format!("has more than {before} digits before the point, and the column is {column}"));
                }
                let is_lost = scale > behind && number.wrapping_rem(power(scale - behind)) != i256::ZERO;
                is_lost.then(|| {
                    format!(
                        "has more than {behind} digits behind the point, and the column is {column}; round it in the query, as in \
                         round(.., {behind})"
                    )
                })
            }
        }
    }

    /// The rows of whole numbers or decimals that have no room, and why.
    ///
    /// # Errors
    /// When `values` are neither.
    pub(crate) fn mistakes(self, values: &dyn Array, column: &dyn Display) -> Result<Vec<(usize, String)>> {
        let scale = match values.data_type() {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        let wide = cast(values, &DataType::Decimal256(MOST_DIGITS, scale))?;
        let scale = u8::try_from(scale).unwrap_or_default();
        let numbers = wide.as_primitive::<Decimal256Type>().iter().enumerate();
        Ok(numbers.filter_map(|(row, number)| Some((row, self.mistake(number?, scale, column)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Int64Array};

    use super::*;

    #[test]
    fn a_number_has_room_if_none_of_its_digits_is_lost() {
        let values = vec![Some(99_999_900), Some(100_000_000), Some(-99_999_950), Some(-12_300), None, Some(1)];
        let values = Decimal128Array::from(values).with_precision_and_scale(38, 4).unwrap();
        let mistakes = Room::Digits(4, 2).mistakes(&values, &"DECIMAL(6,2)").unwrap();
        let rows: Vec<usize> = mistakes.iter().map(|(row, _)| *row).collect();
        assert_eq!(rows, [1, 2, 5]);
        assert_eq!(mistakes[0].1, "has more than 4 digits before the point, and the column is DECIMAL(6,2)");
        assert!(
            mistakes[1].1.starts_with("has more than 2 digits behind the point, and the column is DECIMAL(6,2)"),
            "{mistakes:?}"
        );
        assert!(mistakes[1].1.ends_with("as in round(.., 2)"));
    }

    #[test]
    fn the_widest_numbers_are_compared_as_they_are() {
        let values =
            Decimal128Array::from(vec![10_i128.pow(38) - 1, 1 - 10_i128.pow(38)]).with_precision_and_scale(38, 0).unwrap();
        assert!(Room::Digits(38, 0).mistakes(&values, &"DECIMAL(38,0)").unwrap().is_empty());
        assert_eq!(Room::Digits(37, 1).mistakes(&values, &"DECIMAL(38,1)").unwrap().len(), 2);
        let whole = Int64Array::from(vec![i64::MIN, -32_768, 32_767, 32_768]);
        let rows: Vec<usize> =
            Room::Whole(-32_768, 32_767).mistakes(&whole, &"SMALLINT").unwrap().into_iter().map(|(row, _)| row).collect();
        assert_eq!(rows, [0, 3]);
        assert!(Room::Digits(19, 0).mistakes(&whole, &"DECIMAL(19,0)").unwrap().is_empty());
    }
}
