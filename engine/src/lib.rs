//! engine
pub mod cli;
pub mod config;
pub mod epoch;
#[cfg(feature = "failpoints")]
pub mod faults;
pub mod flow;
pub mod run;
pub mod session;
pub mod sql;
pub mod state;
