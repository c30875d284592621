//! The engine as its users meet it: the command line, and a process that is killed, raced, signalled, and on stores that misbehave.

#[cfg(test)]
mod checks;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod house;
#[cfg(test)]
#[cfg(feature = "failpoints")]
mod kill;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod landing;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod notified;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod random_kills;
#[cfg(test)]
mod redshift;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod serve_browser;
#[cfg(test)]
mod serve_web;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod state;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod warehouse;
