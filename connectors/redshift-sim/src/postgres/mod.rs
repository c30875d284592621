//! A private PostgreSQL: found on the machine, run in a folder of its own, reached by a socket in that folder, gone with its handle.

mod installation;
mod server;

pub(crate) use server::{Postgres, SETTINGS, SUPERUSER, copy_folder, temporary_folder};
