//! The engine as its users meet it.

#[cfg(test)]
mod cli;
