//! The shipped pipelines, run whole.

#[cfg(test)]
mod lab;
#[cfg(test)]
mod metamorphic;
#[cfg(test)]
mod reddit;
#[cfg(test)]
mod taxi;
#[cfg(test)]
mod toll;
