//! What the connectors do over a wire: one binary, one module a connector.
#![expect(clippy::unwrap_used, reason = "tests: what is shared between them is no test function itself")]

mod bad_files;
mod bench;
mod faulty_files;
mod files;
mod folders;
mod lake;
mod notifications;
mod reddit;
mod web_files;
