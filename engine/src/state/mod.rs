//! The state store: what of a pipeline outlives the process.
//!
//! A narrow trait, so that SQLite, Postgres and an object store can stand behind it. Every write of a run is made under a lease
//! and refused when a newer lease exists: a process that lost its lease can do no harm.

mod checkpoint;
mod documents;
mod error;
mod history;
mod holder;
mod landed;
mod lease;
mod load;
mod migrate;
mod objects;
mod open;
mod place;
mod progress;
mod request;
mod run;
mod snapshot;
mod sql;
mod store;
mod transfer;

pub use checkpoint::{Checkpoint, FlowCheckpoint, StageCheckpoint};
pub(crate) use documents::document;
pub use error::{Result, StateError};
pub use history::{EpochRecord, FlowRecord, Page, Totals};
pub use holder::Holder;
pub use landed::LandedFile;
pub use lease::{Acquired, Lease, LeaseRecord};
pub use load::{EpochFlow, LoadPage, LoadRecord};
pub use migrate::{Facts, Migrated, facts, migrate};
pub use open::{open, open_existing};
pub(crate) use place::Place;
pub use progress::{Declared, FlowProgress, Progress};
pub use request::{Cursor, Ending, OpenRequest, Pause, Request};
pub use run::{Purpose, RunEnding, RunRecord, RunStatus};
pub use store::StateStore;
