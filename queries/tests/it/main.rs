//! The shipped pipelines, run whole.

#[cfg(test)]
mod lab;
#[cfg(test)]
mod metamorphic;
#[cfg(test)]
mod reddit;
