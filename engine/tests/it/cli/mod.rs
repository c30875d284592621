//! The command line: what the real binary says, to whom, and with which exit code.

mod bad_rows;
mod bench;
mod check;
mod config;
mod errors;
mod help;
mod plan;
mod run;
mod shell;
mod sources;
