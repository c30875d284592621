//! The binary format of COPY, row by row into Arrow.

mod column;
mod frame;
#[cfg(test)]
mod tests;

pub(super) use column::{Column, EPOCH_DAYS, EPOCH_MICROS, Unfit, uuid_text};
pub(super) use frame::{Fields, Malformed, Tuple, header, tuple};
