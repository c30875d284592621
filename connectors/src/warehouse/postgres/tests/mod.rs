//! The sink against a private PostgreSQL.

mod bench;
mod contract;
mod copies;
mod cuts;
mod drift;
mod encoding;
mod pool;
mod preload;
mod readers;
mod verbs;
