//! What tests talk to instead of the outside world. Never shipped, and without a dependency on what it tests.

pub mod reddit;
