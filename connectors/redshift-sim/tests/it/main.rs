//! The rules of the stand-in, each with a test named after it. The same tests run against a real cluster when
//! `ENGINE_TEST_REDSHIFT_URL` is set; see `warehouse.rs`.

mod catalog;
mod clients;
mod copy_manifest;
mod copy_parquet;
mod copy_text;
mod data_api;
mod faults;
mod rules;
mod session;
mod statements;
mod tables;
mod transactions;
mod types;
mod unload;
mod warehouse;
