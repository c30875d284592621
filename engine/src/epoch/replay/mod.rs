//! Bad records fed through again: one pass over a source's table of bad records makes the slice of one epoch.
//!
//! A pass reads some files of the table (`work`). What are rows now is the slice that the flows read, in place of one that is read of the
//! source. What stays, the records that are bad still and those that were not tried (`rest`), takes the place of those files. Both are
//! staged, recorded and committed as one epoch, so that a record has left the table when, and only when, its row is in every sink that
//! waited for it. Offsets do not move.
//!
//! Records wait for flows (`triage`); those of one epoch go to the same ones. All is streamed: the table, the rows, the rest.

mod pass;
mod rest;
mod staged;
mod tally;
mod triage;
mod work;

pub use pass::{Passed, Request, pass};
pub use staged::{Replacement, stage, takers};
pub use tally::{Count, Counts, Tally};
pub(super) use triage::Mark;
pub use triage::{Left, Takers};
pub use work::{Work, bad_parts};
