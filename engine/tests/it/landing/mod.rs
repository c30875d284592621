//! Landing zones: each success and each refusal of the protocol, killed anywhere, in every warehouse, and by a server.

mod cases;
#[cfg(feature = "failpoints")]
mod kills;
mod serving;
mod warehouses;
mod world;
