//! An S3 server in memory on a loopback port, for tests of everything that must survive a misbehaving store.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use testkit::s3::{Fault, FaultKind, Operation, S3Server};
//!
//! let s3 = S3Server::start().await?;
//! s3.faults().push(Fault::new(FaultKind::AnswerLost).on(Operation::PutObject).key("_delta_log/"));
//! // point a client at s3.endpoint() with s3.access_key() and s3.secret_key(), bucket testkit::s3::BUCKET
//! assert!(s3.object_keys(testkit::s3::BUCKET).is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! What it promises: every change is atomic, checked and made under one lock, so that of many conditional creates exactly one
//! wins; requests must be signed (SigV4) with its keys; `Content-MD5`, `x-amz-checksum-*` and signed payload hashes are verified;
//! parts of a multipart upload obey the 5 MiB rule. Where S3's documentation leaves room it is strict: a multipart upload that was
//! completed is gone, and completing it once more is `NoSuchUpload`.
//!
//! What it is not: there are no versions, tags, access rules or encryption, and nothing is kept when it stops.

mod api;
mod checksums;
mod events;
mod faults;
mod gate;
mod listing;
mod multipart;
mod objects;
mod operation;
mod requests;
mod server;
mod store;

pub use events::{Event, EventName};
pub use faults::{Fault, FaultKind, Faults};
pub use operation::Operation;
pub use requests::{Request, Requests};
pub(crate) use server::environment;
pub use server::{BUCKET, S3Server, S3ServerBuilder};
