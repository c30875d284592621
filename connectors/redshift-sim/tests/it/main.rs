//! The rules of the stand-in, each with a test named after it. The same tests run against a real cluster when
//! `ENGINE_TEST_REDSHIFT_URL` is set; see `warehouse.rs`.

#[cfg(test)]
mod catalog;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod copy_manifest;
#[cfg(test)]
mod copy_parquet;
#[cfg(test)]
mod copy_text;
#[cfg(test)]
mod data_api;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod session;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod types;
#[cfg(test)]
mod unload;
#[cfg(test)]
mod warehouse;
