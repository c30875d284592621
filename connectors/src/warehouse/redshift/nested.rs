//! The limits of SUPER: 16 MB a value, 65,535 bytes a text in it ("Limitations", `limitations-super`).

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use crate::warehouse::redshift::types::MAX_VARCHAR;

/// The most bytes of a value.
const MAX_BYTES: usize = 16 << 20;

/// What nested values take.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Bytes of the longest text anywhere in them.
    longest_text: usize,
    /// Bytes of all of them together, about.
    bytes: usize,
}

impl Extent {
    fn and(self, other: Self) -> Self {
        Self { longest_text: self.longest_text.max(other.longest_text), bytes: self.bytes + other.bytes }
    }

    fn fits(self) -> bool {
        self.longest_text <= MAX_VARCHAR as usize && self.bytes <= MAX_BYTES
    }
}

/// The rows of lists, structs or maps that do not fit.
pub(crate) fn misfit_rows(values: &ArrayRef) -> Vec<usize> {
    // All rows together mostly take far less than what one may.
    if extent(values).fits() {
        return Vec::new();
    }
    (0..values.len()).filter(|row| !extent(&values.slice(*row, 1)).fits()).collect()
}

fn extent(values: &ArrayRef) -> Extent {
    match values.data_type() {
        DataType::Utf8 => {
            let texts =
                values.as_string::<i32>().iter().flatten().map(|text| Extent { longest_text: text.len(), bytes: text.len() });
            texts.fold(Extent::default(), Extent::and)
        }
        DataType::Binary => {
            let bytes = values.as_binary::<i32>().iter().flatten().map(<[u8]>::len).sum();
            Extent { longest_text: 0, bytes }
        }
        DataType::Struct(_) => values.as_struct().columns().iter().map(extent).fold(Extent::default(), Extent::and),
        DataType::List(_) => {
            let list = values.as_list::<i32>();
            extent(&within(list.values(), list.offsets()))
        }
        DataType::Map(..) => {
            let map = values.as_map();
            [map.keys(), map.values()]
                .map(|side| extent(&within(side, map.offsets())))
                .into_iter()
                .fold(Extent::default(), Extent::and)
        }
        other => Extent { longest_text: 0, bytes: values.len() * other.primitive_width().unwrap_or(1) },
    }
}

/// The items that lists with these offsets have; a slice of lists keeps the items of all.
fn within(items: &ArrayRef, offsets: &[i32]) -> ArrayRef {
    let place = |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    let (start, end) = (place(offsets.first()), place(offsets.last()));
    items.slice(start, end - start)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::builder::{ListBuilder, StringBuilder};

    use super::*;

    #[test]
    fn text_in_a_list_has_a_limit() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for text in ["x".repeat(65_535), "x".repeat(65_536)] {
            lists.values().append_value(text);
            lists.append(true);
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        assert_eq!(misfit_rows(&lists), [1]);
        assert_eq!(misfit_rows(&lists.slice(0, 1)), [0_usize; 0]);
    }

    #[test]
    fn value_has_at_most_16_megabytes() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for texts in [1, 300] {
            for _ in 0..texts {
                lists.values().append_value("x".repeat(60_000));
            }
            lists.append(true);
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        assert_eq!(misfit_rows(&lists), [1]);
    }
}
