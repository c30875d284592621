//! Where rows come from and where they go: the two traits, [`source::Source`] and [`sink::Sink`], the connectors that
//! implement them, and the one staging writer that every sink is fed from.
//!
//! It knows nothing of pipelines, epochs or SQL files: the `engine` crate decides *when* a slice is read and a batch is
//! committed; this crate knows *how*. A new connector is one folder, one line in [`registry`], one example `.sql` and a
//! call of the contract suite in [`testing`].

pub mod aws;
pub mod clock;
pub mod context;
pub mod error;
pub mod faults;
#[cfg(feature = "failpoints")]
mod faulty_store;
pub mod files;
pub mod finding;
pub mod glue;
pub mod lake;
mod on_error;
pub mod options;
mod parquet_object;
pub mod postgres;
pub mod probe;
pub mod reddit;
pub mod registry;
pub mod replay;
pub mod secrets;
pub mod sink;
mod skew;
pub mod source;
mod sqs;
pub mod staging;
mod stored;
pub mod stores;
pub mod testing;
mod upserts;
pub mod warehouse;

pub use error::{Error, Result};
