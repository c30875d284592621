//! The command line: what the real binary says, to whom, and with which exit code.

mod bad_rows;
pub(crate) mod bench;
mod catalog;
mod check;
mod config;
mod crawl;
mod crawl_beside;
mod doctor;
mod drift;
mod errors;
mod glue;
mod help;
mod notifications;
mod plan;
mod postgres;
mod pruning;
mod redshift_sim;
mod replay;
mod run;
mod secrets;
mod shell;
mod sources;
mod state;
mod warehouse;
mod whole_tables;
