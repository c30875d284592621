//! Landing zones: files that are put under `database/append|truncate|schema/table/` are loaded into the tables of the warehouse, each whole and once.
//!
//! ```text
//!  files ── those that were not done, the oldest first ──► key ──► schema, header ──► a pipeline of one flow ──► one epoch
//!                                                           └────────────┴──────────────────┴─► refused: copy, reason, note, remove
//! ```
//! A zone is a pipeline to everything else: one lease, runs, epochs. For each file the text of a pipeline is made that reads just that file, in
//! the version that was looked at, and writes just its table; it goes through the same epochs as any other, so that what is exactly once there
//! is exactly once here. All of a file is one epoch. The epoch carries the file ([`LandedFile`](crate::state::LandedFile)): once it is committed
//! everywhere the file is known to be done, and what is written down afterwards (the list of files, the schema of a table) may be written again.
//!
//! A file that is refused is copied aside, its reason is put beside it, that is noted in the load log, and only then is it removed: killed
//! anywhere between, it is refused again.

pub mod key;
mod prepare;
mod refusal;
pub mod schema;
mod statements;
pub mod types;
mod work;
mod zone;

pub use refusal::{Fault, Refusal};
pub use work::{Done, Landings, Outcome};
pub use zone::{Zone, zones};
