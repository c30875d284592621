//! JSON files: [`parser`] reads values, [`records`] finds the records of a file, [`row`] makes them rows.

pub mod fuzz;
pub mod parser;
pub mod records;
pub mod row;
#[cfg(test)]
mod tests;
