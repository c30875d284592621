//! A `.sql` file becomes a [`Pipeline`]: statements, tables, views and flows, or a list of what is wrong with it.
//!
//! The language is DataFusion's own; this module only says which statements a pipeline may hold and what they mean here.

pub mod comments;
pub mod diagnostics;
mod flows;
mod missing;
mod pipeline;
mod places;
mod registered;
pub mod script;
pub mod settings;
mod settle;
mod tables;
mod types;

pub use diagnostics::Diagnostic;
pub use pipeline::{Pipeline, Query, Table, TableKind};
