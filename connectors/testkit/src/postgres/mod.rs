//! A private PostgreSQL: a server of the machine's own binaries, started for one test and gone with its handle.
//!
//! ```no_run
//! let postgres = testkit::postgres::Postgres::start()?;
//! let shop = postgres.create_database("shop")?;
//! postgres.sql("shop", "CREATE TABLE orders (id bigint PRIMARY KEY)")?;
//! assert!(shop.starts_with("postgres://"));
//! # Ok::<(), testkit::Error>(())
//! ```
//!
//! What is slow is done once: `initdb` makes a template beside the temporary files, and every server runs over a copy of it. What is
//! durable elsewhere is not here: a crash of the machine loses it, the end of a process does not.

mod binaries;
mod certificates;
mod pgbouncer;
mod server;
mod template;

pub use certificates::Certificates;
pub use pgbouncer::PgBouncer;
pub use server::{PASSWORD, Postgres, PostgresBuilder, USER};
