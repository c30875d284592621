//! Bad records of tables that are read whole: of those that are looked up in, and those that complete flows read.
//!
//! Such a table is read again by every epoch that needs it, so that its bad records cannot be appended as those of a slice are. They
//! say what is bad *now*: what was bad when each flow read the table last, and did read it to its end. A record stays as it is, with the
//! epoch that first met it, for as long as it is met; repaired, or with its file gone or changed, it leaves in the epoch that does not
//! meet it any more. So there is nothing to replay: whoever reads the table next reads all of it.
//!
//! `read` collects what the reads of a stage find; `settle` holds it against the table of bad records, and stages that table anew if
//! anything in it changes. It is committed with the epoch, under an id of its own.

mod identity;
mod read;
mod settle;

pub(super) use read::{Found, WholeReads};
pub use settle::{Settled, settle};
