//! The Redshift Data API: statements over HTTPS, where no connection reaches the cluster (Management Guide, `data-api`).
//!
//! ```text
//! ExecuteStatement ─► Id, SessionId ─► DescribeStatement until it has ended ─► GetStatementResult, page by page
//! ```
//! A load needs one session for all of its statements: temporary tables and transactions live in it. The first statement asks for
//! one to be kept (`SessionKeepAliveSeconds`), the others name it (`SessionId`); AWS's own tools run BEGIN and ROLLBACK as statements of
//! such sessions (awslabs/mcp#4055). `address` says what its URLs mean, `service` asks and asks again, `session` is a session,
//! `idle` keeps those that nobody uses, `values` reads results.

mod address;
mod idle;
mod service;
mod session;
mod values;

pub(crate) use address::DataUrl;
pub(crate) use service::DataApi;
pub(crate) use session::{DataSession, Pages};
