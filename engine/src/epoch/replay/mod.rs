//! Bad records fed through again: one pass over a source's table of bad records makes the slice of one epoch.
//!
//! What are rows now is the slice that the flows read, in place of one that is read of the source. What the table will hold, the
//! records that are bad still and those that were not tried, overwrites it. Both are staged, recorded and committed as one epoch, so
//! that a record has left the table when, and only when, its row is in every sink that waited for it. Offsets do not move.
//!
//! Records wait for flows (`triage`); those of one epoch go to the same ones. All is streamed: the table, the rows, the rest.

mod pass;
mod staged;
mod tally;
mod triage;

pub use pass::{Passed, Request, Tried, pass};
pub use staged::{stage, takers};
pub use tally::{Count, Counts, Tally};
pub(super) use triage::Mark;
pub use triage::{Left, Takers};
