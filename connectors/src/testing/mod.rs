//! What every connector is tested with: the contract suites and the small things they need. Not for use outside tests.

mod sink;

pub use sink::{SinkCase, read_rows, sink_contract, stage};
