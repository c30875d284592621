//! The stand-ins against clients that other people wrote.

#[cfg(test)]
mod client;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod s3_events;
#[cfg(test)]
mod s3_faults;
#[cfg(test)]
mod s3_objects;
#[cfg(test)]
mod s3_server;
#[cfg(test)]
mod witnesses;
