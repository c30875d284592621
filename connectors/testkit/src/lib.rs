//! Stand-ins for the outside world, for tests only: this package is never shipped and knows nothing of the connectors.
//!
//! * [`s3`]: an S3 server in memory, with faults to order, a log of requests and events of changes;
//! * [`reddit`]: an HTTP server that answers as Reddit does, well and badly;
//! * [`planted`]: a lake of forty tables that nobody described, for crawlers;
//! * [`moto`]: the independent S3 server of the Python world, as a second opinion on our own, and its SQS, SNS and EventBridge;
//! * [`cutter`]: a relay that cuts connections to PostgreSQL before or after a statement;
//! * [`postgres`]: a private PostgreSQL server for one test;
//! * [`python`]: virtual environments kept beside the build, and the `deltalake` package as an independent reader of our tables.

pub mod cutter;
mod error;
pub mod moto;
pub mod planted;
pub mod postgres;
pub mod python;
pub mod reddit;
pub mod s3;
mod target;

pub use error::{Error, Result};
pub use target::target_directory;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also after a thread panicked with it held: a failed assertion should not hide behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
