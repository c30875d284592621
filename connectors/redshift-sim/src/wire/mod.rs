//! Frames of the PostgreSQL protocol, version 3: reading, building and relaying them. Nothing here knows about Redshift.

mod backend;
mod connection;
mod message;

pub(crate) use backend::{Answer, Backend};
pub(crate) use connection::{Connection, Frame};
pub(crate) use message::{Builder, Fields, Reader};
