//! The catalog: what tables there are, what their columns mean, and how that was found out.
//!
//! This crate knows Arrow schemas and nothing else: it reads no object store, speaks no protocol and plans no query. Whoever
//! reads bytes feeds it what was seen, and asks it what that amounts to.
//!
//! | question | place |
//! |---|---|
//! | can this text be read as a date, and which one | [`values`] |
//! | has this table changed, and may it | [`drift`] |
//! | which tables are these objects | [`crawl`] |
//! | what type has this column, and why | [`infer`] |
//! | which columns are these folders | [`partitions`] |
//! | what tables are there, and what were they | [`store`] |
//! | how a SQLite file is opened | [`sqlite`] |

pub mod crawl;
pub mod drift;
pub mod error;
pub mod infer;
pub mod partitions;
mod sql_type;
pub mod sqlite;
pub mod store;
pub mod values;

pub use error::{Error, Result};
pub use sql_type::{quoted, sql_type};
