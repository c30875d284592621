//! State on an object store that has conditional puts, as S3: no server, no disk.
//!
//! ```text
//! <url>/state.json                       what this is, and where it was moved to
//! <url>/pipelines/<pipeline>.json        lease, progress, requests, the last runs: changed as a whole, if nobody else has meanwhile
//! <url>/history/<pipeline>/<id>.json     earlier runs and epochs, a few dozen each: written once
//! <url>/documents/<name>.json            the catalog
//! ```
//! A change reads the pipeline's object, makes a new one, and puts it on the condition that the old one is still there (its ETag);
//! if it is not, it begins again. Puts whose answer is lost are known by an id that the object carries.

mod bucket;
mod chunks;
mod document;
mod methods;
mod progress;
mod prune;
mod requests;
mod store;
mod transfer;

pub(super) use bucket::{Bucket, Put};
pub(super) use store::ObjectState;
