//! Statements: cut into tokens, told apart, held against Redshift's rules, and written anew for PostgreSQL.
//!
//! There is no grammar of all of SQL here. A statement's text stays as it came but for the tokens that Redshift reads otherwise than
//! PostgreSQL; what is wrong for both is left to PostgreSQL to refuse. So a message of PostgreSQL points at the user's own words.

mod alter;
mod create;
mod cursor;
mod dml;
mod expression;
mod merge;
mod plan;
mod reserved;
mod settings;
mod token;
mod types;

pub(crate) use alter::Append;
pub(crate) use cursor::{Cursor, LONGEST_IN_POSTGRES, Name, literal, physical, quote};
pub(crate) use plan::{Plan, Run, Vacuum, plan};
pub(crate) use settings::{SETTINGS, at_startup as setting_at_startup};
pub(crate) use token::{Kind, Token, statements, statements_of};
