//! The limits of SUPER: 16 MB a value, 65,535 bytes a text in it ("Limitations", `limitations-super`).

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use crate::warehouse::redshift::types::MAX_VARCHAR;

/// The most bytes of a value.
const MAX_BYTES: usize = 16 << 20;

/// The first row of lists, structs or maps that does not fit.
pub(crate) fn first_misfit(values: &ArrayRef) -> Option<usize> {
    // The buffers of all rows together are mostly far smaller than what one may have.
    let are_small = values.get_array_memory_size() <= MAX_BYTES;
    if are_small && longest_text(values) <= MAX_VARCHAR as usize {
        return None;
    }
    (0..values.len()).find(|row| !fits(&values.slice(*row, 1)))
}

fn fits(value: &ArrayRef) -> bool {
    longest_text(value) <= MAX_VARCHAR as usize && value.to_data().get_slice_memory_size().is_ok_and(|bytes| bytes <= MAX_BYTES)
}

/// Bytes of the longest text anywhere in the values.
fn longest_text(values: &ArrayRef) -> usize {
    match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().flatten().map(str::len).max().unwrap_or_default(),
        DataType::Struct(_) => values.as_struct().columns().iter().map(longest_text).max().unwrap_or_default(),
        DataType::List(_) => {
            let list = values.as_list::<i32>();
            longest_text(&within(list.values(), list.offsets()))
        }
        DataType::Map(..) => {
            let map = values.as_map();
            let sides = [map.keys(), map.values()];
            sides.map(|side| longest_text(&within(side, map.offsets()))).into_iter().max().unwrap_or_default()
        }
        _ => 0,
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
        assert_eq!(first_misfit(&lists), Some(1));
        assert_eq!(first_misfit(&lists.slice(0, 1)), None);
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
        assert_eq!(first_misfit(&lists), Some(1));
    }
}
