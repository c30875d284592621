//! Lists as arrays of one dimension: `array_recv` in PostgreSQL's source.

use arrow::array::{Array, ListArray};
use arrow::datatypes::FieldRef;
use arrow::json::writer::EncoderOptions;

use super::ddl::Column;
use super::encode::Values;
use super::types::{Kind, PgType};
use crate::error::Result;

/// The lists of a batch's column.
pub(super) struct Items<'a> {
    lists: &'a ListArray,
    items: Box<Values<'a>>,
    element: u32,
    has_nulls: bool,
}

impl<'a> Items<'a> {
    /// Of lists whose items are of `kind`, which the server knows by the number `element`.
    ///
    /// # Errors
    /// When they were not staged for that.
    pub(super) fn new(
        column: &str,
        (kind, element): (&Kind, u32),
        lists: &'a ListArray,
        field: &'a FieldRef,
        options: &'a EncoderOptions,
    ) -> Result<Self> {
        let data_type = PgType::new(kind.clone());
        let staged = lists.value_type();
        let item = Column::new(&format!("{column}[]"), data_type, staged);
        let values = lists.values();
        let items = Box::new(Values::new(&item, values.as_ref(), field, options)?);
        Ok(Self { lists, items, element, has_nulls: values.logical_null_count() > 0 })
    }

    pub(super) fn fit_all(&self) -> bool {
        self.items.fit_all()
    }

    /// Adds the list of a row without its length, or says which of its items cannot be in it.
    pub(super) fn write(&mut self, row: usize, out: &mut Vec<u8>) -> std::result::Result<(), String> {
        let offsets = self.lists.value_offsets();
        let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else { return Ok(()) };
        // An empty array has no dimension.
        let is_empty = start == end;
        out.extend_from_slice(&i32::from(!is_empty).to_be_bytes());
        out.extend_from_slice(&i32::from(self.has_nulls && !is_empty).to_be_bytes());
        out.extend_from_slice(&self.element.to_be_bytes());
        if is_empty {
            return Ok(());
        }
        out.extend_from_slice(&(end - start).to_be_bytes());
        out.extend_from_slice(&1_i32.to_be_bytes());
        for (number, item) in (*start..*end).enumerate() {
            let item = usize::try_from(item).unwrap_or_default();
            self.items.write(item, out).map_err(|reason| format!("has an item, the {}., that {reason}", number + 1))?;
        }
        Ok(())
    }
}
