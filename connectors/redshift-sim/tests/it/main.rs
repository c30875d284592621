//! The rules of the stand-in, each with a test named after it. The same tests run against a real cluster when
//! `ENGINE_TEST_REDSHIFT_URL` is set; see `warehouse.rs`.

mod copy_parquet;
mod session;
mod warehouse;
