//! What the connectors do over a wire: one binary, one module a connector.
#![expect(clippy::unwrap_used, reason = "tests: what is shared between them is no test function itself")]

mod awkward;
mod bad_files;
mod bench;
mod conflicts;
mod faulty_files;
mod files;
mod folders;
mod lake;
mod notifications;
mod postgres;
mod reddit;
mod web_files;
