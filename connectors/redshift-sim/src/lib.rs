//! A strict stand-in for Amazon Redshift, for tests and for developing without AWS: a proxy at the level of PostgreSQL's protocol in
//! front of a private, real PostgreSQL.
//!
//! ```no_run
//! # async fn example() -> redshift_sim::Result<()> {
//! use redshift_sim::{Fault, FaultKind, RedshiftSim, SimOptions};
//!
//! let sim = RedshiftSim::start(SimOptions::default()).await?;
//! sim.faults().push(Fault::new(FaultKind::CutAfterCommit).on("posts"));
//! // connect any client of PostgreSQL or Redshift to sim.url()
//! # Ok(())
//! # }
//! ```
//!
//! Statements are rewritten where Redshift reads them otherwise than PostgreSQL, refused where Redshift has no such thing, and COPY,
//! UNLOAD, TRUNCATE and VACUUM are run by the proxy itself over the client's own connection, so that they join its transaction. The
//! rules by which it fails like Redshift are in [`RULES`], each with the page it was taken from.
//!
//! What it is not: a Redshift. Nothing in it was compared with a real cluster, and nothing that passes here is thereby tested on
//! Redshift.

mod catalog;
mod copy;
mod data_api;
mod error;
mod faults;
mod postgres;
pub mod rules;
mod session;
mod shared;
mod sim;
mod sql;
mod sql_error;
mod wire;

pub use copy::S3Options;
pub use error::{Error, Result};
pub use faults::{Fault, FaultKind, Faults};
pub use rules::{RULES, Rule};
pub use sim::{Isolation, RedshiftSim, SimOptions, run};
