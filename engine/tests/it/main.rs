//! The engine as a process: killed, raced, signalled, and on stores that misbehave.

#[cfg(test)]
mod checks;
#[cfg(all(test, feature = "failpoints"))]
mod kill;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod random_kills;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod signals;
