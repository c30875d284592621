//! The engine: one process that moves what is new from sources, through SQL, into a lake, exactly once and in bounded memory.
//!
//! A *pipeline* is a `.sql` file. Its *sources* are read incrementally, from *offset* to offset; its *flows* (`INSERT INTO`,
//! `INSERT OVERWRITE`, `REPLACE INTO`) are DataFusion queries over what is new; its *sinks* are tables of the lake. Work is done
//! in *epochs*, and a *run* is a number of epochs.
//!
//! ```text
//!           sources                      one DataFusion plan per flow                       sinks
//!  offset ─► slice ──► TableProvider ──► project · filter · join          ──► Parquet ──► commit ─► checkpoint
//!                                                                             staged      once
//! ```
//!
//! # One epoch
//! 1. [`epoch::lease`]: one writer per pipeline, by a fenced lease in the state store.
//! 2. [`epoch::slice`]: every source hands out a bounded slice after its offset; it is read once, into local files.
//! 3. [`epoch::stage`]: every flow runs as an unmodified DataFusion plan over the slices; its rows become staged Parquet files
//!    that no reader sees. Flows with equal queries share a stage.
//! 4. [`epoch::record`]: the checkpoint, with files, counts and the new offsets, is stored.
//! 5. [`epoch::commit`]: each sink makes its staged files visible under the epoch's deterministic batch id, once.
//! 6. [`epoch::advance`]: the offsets become current; the staged files go.
//!
//! A crash before 4 leaves nothing visible, and the epoch is done again from whatever the sources then say. A crash after 4 never
//! reads the sources again: [`epoch::recover`] asks each sink for the batch id and commits where it is missing. That is the whole
//! exactly-once argument; it holds for sources that cannot be read twice.
//!
//! # Invariants
//! - A row is visible in a sink only after its epoch's commit there, and then exactly once, whatever was killed when.
//! - Progress is recorded only after the sinks have committed. Nothing is deleted before what replaces it is durable.
//! - A bad record never stops a run silently nor vanishes silently.
//! - Memory is bounded by `[run] memory` plus a small constant, not by the input.
//! - An error names the file, the line or row, the column, what was expected, and the next thing to try.
//! - No secret is in a log, error, metric, checkpoint or page.
//!
//! # Where to look
//! | question | place |
//! |---|---|
//! | what may stand in a file, and what is wrong with this one | [`sql`] |
//! | can this query be streamed | [`flow::classify`] |
//! | what is staged for a sink | [`flow::plan`] |
//! | which flow goes on from which progress after an edit | [`flow::assign`] |
//! | in which order epochs are run | [`run`] |
//! | what becomes of bad records, and of those that were repaired | [`epoch::quarantine`], [`epoch::replay`](mod@epoch::replay) |
//! | what outlives the process | [`state`] |
//! | settings and secrets | [`config`] |
//! | whether the setup works | [`doctor`] |
//! | whether tables hold what epochs brought | [`mod@verify`] |
//! | files that are put somewhere to be loaded | [`landing`] |
//! | the commands | [`cli`] |
//! | which tables are in a location | [`crawl`] |
//! | the SQL shell | `shell` |
//! | sources, sinks, the staging writer | the crate [`connectors`] |
//! | what tables there are, and what they were | [`mod@catalog`], and the crate of the same name |
//! | what type a column of a file has | the crate `catalog` |

pub mod catalog;
mod cause;
pub mod cli;
pub mod config;
pub mod crawl;
pub mod doctor;
pub mod epoch;
#[cfg(feature = "failpoints")]
pub mod faults;
pub mod flow;
pub mod landing;
pub mod memory;
pub mod run;
pub mod serve;
pub mod session;
mod shell;
pub mod sql;
pub mod state;
pub mod verify;
